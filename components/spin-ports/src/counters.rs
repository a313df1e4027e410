//! Exact counters, over `wasi:keyvalue/atomics`: `spin:key-value` has no increment, and get then set loses updates.

use ports::{CounterError, Counters};
use spin_sdk::experimental::wasi::keyvalue::{atomics, store};

use crate::SpinPorts;

impl Counters for SpinPorts {
    async fn increment(&self, key: &str, delta: u32) -> Result<u64, CounterError> {
        let count = atomics::increment(&open()?, key, i64::from(delta)).map_err(from_wit)?;
        // Nobody decrements, so a negative count is another's value under our key.
        u64::try_from(count).map_err(|_negative| CounterError("not a counter".to_owned()))
    }

    async fn count(&self, key: &str) -> Result<u64, CounterError> {
        match open()?.get(key).map_err(from_wit)? {
            None => Ok(0),
            Some(value) => decode(&value),
        }
    }

    async fn forget(&self, key: &str) -> Result<(), CounterError> {
        open()?.delete(key).map_err(from_wit)
    }
}

/// Reads a counter's stored form, which is the host's own: decimal text (Redis), or 8 bytes, in Spin's SQLite store
/// little-endian. No count comes near 2^32, so of both orders the smaller number is meant: a host that changes its
/// order would otherwise seem to have counted beyond every limit. Eight bytes that are all digits are text.
fn decode(value: &[u8]) -> Result<u64, CounterError> {
    let text = core::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    let smaller = |bytes| u64::from_le_bytes(bytes).min(u64::from_be_bytes(bytes));
    let number = || <[u8; 8]>::try_from(value).ok().map(smaller);
    text.or_else(number).ok_or_else(|| CounterError("not a counter".to_owned()))
}

fn open() -> Result<store::Bucket, CounterError> {
    store::open(crate::DEFAULT).map_err(from_wit)
}

fn from_wit(error: store::Error) -> CounterError {
    CounterError(match error {
        store::Error::NoSuchStore => "no such store".to_owned(),
        store::Error::AccessDenied => "access denied".to_owned(),
        store::Error::Other(text) => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_of_a_stored_counter() {
        assert_eq!(decode(b"7"), Ok(7));
        assert_eq!(decode(b"12345678"), Ok(12_345_678));
        for count in [0_i64, 1, 7, 255, 256, 100_000] {
            for bytes in [count.to_le_bytes(), count.to_be_bytes()] {
                assert_eq!(decode(&bytes), Ok(count.unsigned_abs()), "{bytes:?}");
            }
        }
        assert!(decode(b"").is_err());
        assert!(decode(b"seven").is_err());
    }
}

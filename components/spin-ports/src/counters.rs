//! Exact counters, over `wasi:keyvalue/atomics`: `spin:key-value` has no increment, and get then set loses updates.

use core::cell::OnceCell;

use ports::{CounterError, Counters};
use spin_sdk::experimental::wasi::keyvalue::{atomics, batch, store};

use crate::SpinPorts;

thread_local! {
    /// Opened once in an instance: each call of the host costs more than what it does here.
    static BUCKET: OnceCell<store::Bucket> = const { OnceCell::new() };
}

impl Counters for SpinPorts {
    async fn increment(&self, key: &str, delta: u32) -> Result<u64, CounterError> {
        let count = in_bucket(|bucket| atomics::increment(bucket, key, i64::from(delta)))?;
        // Nobody decrements, so a negative count is another's value under our key.
        u64::try_from(count).map_err(|_negative| CounterError("not a counter".to_owned()))
    }

    async fn count(&self, key: &str) -> Result<u64, CounterError> {
        match in_bucket(|bucket| bucket.get(key))? {
            None => Ok(0),
            Some(value) => decode(&value),
        }
    }

    async fn counts(&self, keys: &[String]) -> Result<Vec<u64>, CounterError> {
        let found = in_bucket(|bucket| batch::get_many(bucket, keys))?;
        // Hosts may leave out what does not exist, and answer in an order of their own.
        let of = |key: &String| found.iter().find(|(of, _)| of == key)?.1.as_deref();
        keys.iter().map(|key| of(key).map_or(Ok(0), decode)).collect()
    }

    async fn forget(&self, key: &str) -> Result<(), CounterError> {
        in_bucket(|bucket| bucket.delete(key))
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

fn in_bucket<T>(
    act: impl FnOnce(&store::Bucket) -> Result<T, store::Error>,
) -> Result<T, CounterError> {
    BUCKET.with(|opened| {
        let bucket = match opened.get() {
            Some(bucket) => bucket,
            None => {
                let bucket = store::open(crate::DEFAULT).map_err(from_wit)?;
                opened.get_or_init(|| bucket)
            }
        };
        act(bucket).map_err(from_wit)
    })
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

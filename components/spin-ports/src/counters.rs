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

/// Reads a counter's stored form. Spin writes `increment`'s result as 8 little-endian bytes; decimal text is what
/// the interface's other hosts write.
fn decode(value: &[u8]) -> Result<u64, CounterError> {
    let wrong = || CounterError("not a counter".to_owned());
    if let Ok(bytes) = <[u8; 8]>::try_from(value) {
        return u64::try_from(i64::from_le_bytes(bytes)).map_err(|_negative| wrong());
    }
    core::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or_else(wrong)
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

//! A key-value store under a label, wherever its entries are: in memory, in a file, or in Redis.
//!
//! Knows no WIT. In memory every operation is done when it is first polled; the others wait for a disk or a network.

use std::sync::Arc;

use crate::capability::{
    file_store::FileStore, memory_store::MemoryStore, redis_store::RedisStore,
};

/// Longest key: 1 KiB.
pub(crate) const KEY_BYTES_MAX: usize = 1024;
/// Largest value that is kept in a file or in Redis: 16 MiB. In memory it is less: [`MEMORY_VALUE_BYTES_MAX`].
pub(crate) const VALUE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Largest value that is kept in memory: 1 MiB, so that one value cannot push out much of the store.
pub(crate) const MEMORY_VALUE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of keys, or of keys and values, in one answer: 16 MiB, as much as an answer of a database.
pub(crate) const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why an operation was refused or failed; the text is for the component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the key has more than {KEY_BYTES_MAX} bytes")]
    KeyTooLong,
    #[error("the value has more than {bytes_max} bytes")]
    ValueTooLarge { bytes_max: usize },
    #[error("the answer has more than {ANSWER_BYTES_MAX} bytes")]
    AnswerTooLarge,
    #[error("the value is no whole number")]
    NotANumber,
    #[error("the sum is beyond 64 bits")]
    Overflow,
    #[error("the store is not reachable: {0}")]
    Unavailable(String),
}

/// What an entry was when it was read, for [`Store::swap`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Version {
    /// Changes with every write; 0 stands for an absent entry.
    Stamp(u64),
    /// The value itself: a file and Redis know no versions, so a value that came back counts as unchanged.
    Value(Option<Vec<u8>>),
}

/// One store.
pub(crate) enum Store {
    Memory(MemoryStore),
    File(FileStore),
    Redis(RedisStore),
}

/// A key and what is under it.
pub(crate) type Entry = (String, Option<Vec<u8>>);

impl Store {
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.get(key)),
            Self::File(store) => store.get(key).await,
            Self::Redis(store) => store.get(key).await,
        }
    }

    pub(crate) async fn has(&self, key: &str) -> Result<bool, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.has(key)),
            Self::File(store) => store.has(key).await,
            Self::Redis(store) => store.has(key).await,
        }
    }

    pub(crate) async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => store.set(key, value),
            Self::File(_) | Self::Redis(_) => self.set_many(vec![(key.to_owned(), value)]).await,
        }
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => {
                store.delete(key);
                Ok(())
            }
            Self::File(_) | Self::Redis(_) => self.delete_many(vec![key.to_owned()]).await,
        }
    }

    /// Returns all keys, sorted.
    pub(crate) async fn keys(&self) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.keys()),
            Self::File(store) => store.keys().await,
            Self::Redis(store) => store.keys().await,
        }
    }

    /// Returns an entry for every key that was asked for, in that order.
    pub(crate) async fn get_many(&self, keys: Vec<String>) -> Result<Vec<Entry>, StoreError> {
        match self {
            Self::Memory(store) => {
                let mut entries = Vec::with_capacity(keys.len());
                let mut bytes = 0_usize;
                for key in keys {
                    let value = store.get(&key);
                    count(&mut bytes, key.len() + value.as_ref().map_or(0, Vec::len))?;
                    entries.push((key, value));
                }
                Ok(entries)
            }
            Self::File(store) => store.get_many(keys).await,
            Self::Redis(store) => store.get_many(keys).await,
        }
    }

    /// Writes all entries; in a file and in Redis all or none.
    pub(crate) async fn set_many(&self, entries: Vec<(String, Vec<u8>)>) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => {
                for (key, value) in &entries {
                    check(key, value, MEMORY_VALUE_BYTES_MAX)?;
                }
                entries.into_iter().try_for_each(|(key, value)| store.set(&key, value))
            }
            Self::File(store) => {
                check_all(&entries)?;
                store.set_many(entries).await
            }
            Self::Redis(store) => {
                check_all(&entries)?;
                store.set_many(entries).await
            }
        }
    }

    pub(crate) async fn delete_many(&self, keys: Vec<String>) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => {
                keys.iter().for_each(|key| store.delete(key));
                Ok(())
            }
            Self::File(store) => store.delete_many(keys).await,
            Self::Redis(store) => store.delete_many(keys).await,
        }
    }

    /// Adds `delta` to the number under `key`, absent being 0, and returns the sum. A number is kept as Spin keeps it:
    /// 8 bytes, little-endian, or decimal text in Redis.
    pub(crate) async fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        match self {
            Self::Memory(store) => store.increment(key, delta),
            Self::File(store) => {
                check(key, &[], VALUE_BYTES_MAX)?;
                store.increment(key, delta).await
            }
            Self::Redis(store) => {
                check(key, &[], VALUE_BYTES_MAX)?;
                store.increment(key, delta).await
            }
        }
    }

    /// Returns the value and what [`Store::swap`] compares.
    pub(crate) async fn get_versioned(
        &self,
        key: &str,
    ) -> Result<(Option<Vec<u8>>, Version), StoreError> {
        match self {
            Self::Memory(store) => {
                let found = store.get_versioned(key);
                Ok(found.map_or((None, Version::Stamp(0)), |(value, version)| {
                    (Some(value), Version::Stamp(version))
                }))
            }
            Self::File(_) | Self::Redis(_) => {
                let value = self.get(key).await?;
                Ok((value.clone(), Version::Value(value)))
            }
        }
    }

    /// Writes `value` if the entry is still as it was; returns whether it did.
    pub(crate) async fn swap(
        &self,
        key: &str,
        version: Version,
        value: Vec<u8>,
    ) -> Result<bool, StoreError> {
        match (self, version) {
            (Self::Memory(store), Version::Stamp(version)) => store.swap(key, version, value),
            (Self::File(store), Version::Value(old)) => {
                check(key, &value, VALUE_BYTES_MAX)?;
                store.swap(key, old, value).await
            }
            (Self::Redis(store), Version::Value(old)) => {
                check(key, &value, VALUE_BYTES_MAX)?;
                store.swap(key, old, value).await
            }
            // Of another kind of store: nothing here ever had that version.
            (Self::Memory(_), Version::Value(_))
            | (Self::File(_) | Self::Redis(_), Version::Stamp(_)) => Ok(false),
        }
    }
}

/// A store as those who use it hold it.
pub(crate) type SharedStore = Arc<Store>;

/// Refuses keys and values beyond their limits.
pub(crate) fn check(key: &str, value: &[u8], bytes_max: usize) -> Result<(), StoreError> {
    if key.len() > KEY_BYTES_MAX {
        return Err(StoreError::KeyTooLong);
    }
    if value.len() > bytes_max {
        return Err(StoreError::ValueTooLarge { bytes_max });
    }
    Ok(())
}

fn check_all(entries: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
    entries.iter().try_for_each(|(key, value)| check(key, value, VALUE_BYTES_MAX))
}

/// Counts `more` bytes of an answer.
pub(crate) fn count(bytes: &mut usize, more: usize) -> Result<(), StoreError> {
    *bytes = bytes.saturating_add(more);
    if *bytes > ANSWER_BYTES_MAX { Err(StoreError::AnswerTooLarge) } else { Ok(()) }
}

/// Reads a number as Spin's own store keeps it.
pub(crate) fn number(value: &[u8]) -> Result<i64, StoreError> {
    value.try_into().map(i64::from_le_bytes).map_err(|_| StoreError::NotANumber)
}

//! A key-value store in memory, bounded: when it is full, the entries that were not used for longest go.
//!
//! It is this node's alone and gone with it. So it suits counters, caches and sessions that may start anew; nothing
//! that must survive may live only here.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::capability::store::{MEMORY_VALUE_BYTES_MAX, StoreError, check, number};

/// What an entry costs beside its bytes: two map nodes and a shared key. Estimated, so that the limit means memory.
const ENTRY_BYTES: usize = 160;

/// One store, shared by all components that were granted its label.
pub(crate) struct MemoryStore {
    bytes_max: usize,
    entries_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<Arc<str>, Entry>,
    /// From last use to key; uses are numbered, so none are equal.
    by_use: BTreeMap<u64, Arc<str>>,
    bytes: usize,
    uses: u64,
}

struct Entry {
    value: Vec<u8>,
    used: u64,
    /// Changes with every write; 0 stands for an absent entry.
    version: u64,
}

impl MemoryStore {
    /// Makes an empty store of at most `entries_max` entries and `bytes_max` bytes.
    pub(crate) fn new(entries_max: usize, bytes_max: usize) -> Self {
        Self { bytes_max, entries_max, inner: Mutex::default() }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.get_versioned(key).map(|(value, _)| value)
    }

    /// Returns the value and the version that [`MemoryStore::swap`] compares.
    pub(crate) fn get_versioned(&self, key: &str) -> Option<(Vec<u8>, u64)> {
        let mut inner = self.inner();
        inner.touch(key);
        inner.entries.get(key).map(|entry| (entry.value.clone(), entry.version))
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.inner().entries.contains_key(key)
    }

    pub(crate) fn set(&self, key: &str, value: Vec<u8>) -> Result<(), StoreError> {
        check(key, &value, MEMORY_VALUE_BYTES_MAX)?;
        self.put(&mut self.inner(), key, value);
        Ok(())
    }

    pub(crate) fn delete(&self, key: &str) {
        self.inner().remove(key);
    }

    /// Returns all keys, sorted.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> =
            self.inner().entries.keys().map(|key| key.to_string()).collect();
        keys.sort_unstable();
        keys
    }

    /// Adds `delta` to the number under `key`, absent being 0, and returns the sum; kept as [`number`] reads it.
    pub(crate) fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        check(key, &[], MEMORY_VALUE_BYTES_MAX)?;
        let mut inner = self.inner();
        let now = match inner.entries.get(key) {
            Some(entry) => number(&entry.value)?,
            None => 0,
        };
        let sum = now.checked_add(delta).ok_or(StoreError::Overflow)?;
        self.put(&mut inner, key, sum.to_le_bytes().to_vec());
        Ok(sum)
    }

    /// Writes `value` if the entry still has `version` (0: is absent); returns whether it did.
    pub(crate) fn swap(&self, key: &str, version: u64, value: Vec<u8>) -> Result<bool, StoreError> {
        check(key, &value, MEMORY_VALUE_BYTES_MAX)?;
        let mut inner = self.inner();
        let found = inner.entries.get(key).map_or(0, |entry| entry.version);
        if found != version {
            return Ok(false);
        }
        self.put(&mut inner, key, value);
        Ok(true)
    }

    fn put(&self, inner: &mut Inner, key: &str, value: Vec<u8>) {
        inner.remove(key);
        inner.insert(key, value);
        while inner.entries.len() > self.entries_max || inner.bytes > self.bytes_max {
            let Some((_, oldest)) = inner.by_use.pop_first() else { return };
            inner.remove(&oldest);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn insert(&mut self, key: &str, value: Vec<u8>) {
        let key: Arc<str> = Arc::from(key);
        self.uses += 1;
        self.bytes += key.len() + value.len() + ENTRY_BYTES;
        self.by_use.insert(self.uses, Arc::clone(&key));
        self.entries.insert(key, Entry { value, used: self.uses, version: self.uses });
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= key.len() + entry.value.len() + ENTRY_BYTES;
            self.by_use.remove(&entry.used);
        }
    }

    fn touch(&mut self, key: &str) {
        if let Some(entry) = self.entries.get_mut(key)
            && let Some(key) = self.by_use.remove(&entry.used)
        {
            self.uses += 1;
            entry.used = self.uses;
            self.by_use.insert(self.uses, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::store::KEY_BYTES_MAX;

    #[test]
    fn keeps_what_was_set_until_it_is_deleted() {
        let store = MemoryStore::new(10, 10_000);
        assert_eq!(store.set("a", b"1".to_vec()), Ok(()));
        assert_eq!(store.get("a"), Some(b"1".to_vec()));
        assert!(store.has("a"));
        store.delete("a");
        assert_eq!(store.get("a"), None);
        assert_eq!(store.inner().bytes, 0);
    }

    #[test]
    fn drops_what_was_not_used_for_longest_when_full() {
        let store = MemoryStore::new(2, 10_000);
        for key in ["a", "b"] {
            assert_eq!(store.set(key, Vec::new()), Ok(()));
        }
        store.get("a");
        assert_eq!(store.set("c", Vec::new()), Ok(()));
        assert_eq!(store.keys(), ["a", "c"]);
        assert_eq!(store.set("d", vec![0; 9_900]), Ok(()));
        assert!(store.keys().len() <= 2 && store.inner().bytes <= 10_000);
    }

    #[test]
    fn counts_exactly_from_many_threads() {
        let store = MemoryStore::new(10, 10_000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| assert!(store.increment("n", 1).is_ok())));
            }
        });
        assert_eq!(store.increment("n", 0), Ok(4000));
        assert_eq!(store.get("n"), Some(4000_i64.to_le_bytes().to_vec()));
    }

    #[test]
    fn refuses_what_is_too_long_or_no_number() {
        let store = MemoryStore::new(10, 10_000_000);
        let long = "k".repeat(KEY_BYTES_MAX + 1);
        assert_eq!(store.set(&long, Vec::new()), Err(StoreError::KeyTooLong));
        let large = vec![0; MEMORY_VALUE_BYTES_MAX + 1];
        assert_eq!(
            store.set("a", large),
            Err(StoreError::ValueTooLarge { bytes_max: MEMORY_VALUE_BYTES_MAX })
        );
        assert_eq!(store.set("a", b"x".to_vec()), Ok(()));
        assert_eq!(store.increment("a", 1), Err(StoreError::NotANumber));
        assert_eq!(store.set("a", i64::MAX.to_le_bytes().to_vec()), Ok(()));
        assert_eq!(store.increment("a", 1), Err(StoreError::Overflow));
    }

    #[test]
    fn swaps_only_what_nobody_changed() {
        let store = MemoryStore::new(10, 10_000);
        assert_eq!(store.swap("a", 0, 1_i64.to_le_bytes().to_vec()), Ok(true));
        assert_eq!(store.swap("a", 0, b"2".to_vec()), Ok(false));
        let (_, version) = store.get_versioned("a").expect("was set");
        assert_eq!(store.increment("a", 1), Ok(2));
        assert_eq!(store.swap("a", version, b"3".to_vec()), Ok(false));
    }
}

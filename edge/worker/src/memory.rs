//! A bounded memory: what was put in first goes first.

use std::collections::{BTreeMap, VecDeque};

/// Values by key, together at most as many bytes as said.
#[derive(Debug)]
pub(crate) struct Memory<V> {
    values: BTreeMap<String, (usize, V)>,
    order: VecDeque<String>,
    bytes: usize,
    bytes_max: usize,
}

/// What an entry costs beside its value and its key, which is held twice: the maps' own bookkeeping, rounded up.
const ENTRY_BYTES: usize = 256;

impl<V> Memory<V> {
    /// Makes an empty one. `bytes_max` is for all entries together.
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self { values: BTreeMap::new(), order: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Looks a value up.
    pub(crate) fn find(&self, key: &str) -> Option<&V> {
        self.values.get(key).map(|(_, value)| value)
    }

    /// Keeps a value of `bytes` bytes, in place of an older one of that key. What would not fit at all is not kept.
    pub(crate) fn keep(&mut self, key: &str, bytes: usize, value: V) {
        // Keys are addresses of up to 8 KiB that clients make up: they are most of what an isolate would run out of.
        let cost = key.len().saturating_mul(2).saturating_add(bytes).saturating_add(ENTRY_BYTES);
        self.forget(key);
        if cost > self.bytes_max {
            return;
        }
        while self.bytes.saturating_add(cost) > self.bytes_max {
            let Some(oldest) = self.order.pop_front() else { return };
            self.remove(&oldest);
        }
        self.bytes = self.bytes.saturating_add(cost);
        self.values.insert(key.to_owned(), (cost, value));
        self.order.push_back(key.to_owned());
    }

    /// Drops a value.
    pub(crate) fn forget(&mut self, key: &str) {
        if self.remove(key) {
            self.order.retain(|one| one != key);
        }
    }

    fn remove(&mut self, key: &str) -> bool {
        let Some((cost, _)) = self.values.remove(key) else { return false };
        self.bytes = self.bytes.saturating_sub(cost);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_holds_more_than_its_bytes_and_drops_the_oldest_first() {
        let mut memory = Memory::new(3 * (ENTRY_BYTES + 12));
        for key in ["a", "b", "c", "d"] {
            memory.keep(key, 10, key.to_owned());
        }
        assert_eq!(memory.find("a"), None);
        assert_eq!(memory.find("b").map(String::as_str), Some("b"));
        assert_eq!((memory.values.len(), memory.order.len()), (3, 3));
        assert_eq!(memory.bytes, 3 * (ENTRY_BYTES + 12));
    }

    #[test]
    fn long_keys_count_as_much_as_values() {
        let mut memory = Memory::new(1 << 20);
        for index in 0..1_000 {
            memory.keep(&format!("{index:08192}"), 0, ());
        }
        let held: usize = memory.values.keys().chain(&memory.order).map(String::len).sum();
        assert!(held <= 1 << 20, "{held}");
    }

    #[test]
    fn keeps_one_value_for_a_key_and_nothing_that_cannot_fit() {
        let mut memory = Memory::new(2 * ENTRY_BYTES);
        memory.keep("a", 1, 1);
        memory.keep("a", 2, 2);
        assert_eq!(memory.find("a"), Some(&2));
        assert_eq!((memory.bytes, memory.order.len()), (ENTRY_BYTES + 4, 1));
        memory.keep("a", 10_000, 3);
        assert_eq!(memory.find("a"), None);
        assert_eq!((memory.bytes, memory.order.len()), (0, 0));
    }
}

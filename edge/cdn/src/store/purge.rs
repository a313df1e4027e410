//! Purges cost the same however much they concern: a purge is written down with a number, and an answer that was asked
//! for earlier finds out when it is looked at.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Acquire, Ordering::Release},
    },
};

use cache_core::Key;

/// Tags and addresses of which purges are remembered: 65 536. Beyond it the oldest half is forgotten, and everything
/// that is older than those counts as purged: rather one answer too many than one too few.
const REMEMBERED_MAX: usize = 65_536;

/// How thoroughly something is purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PurgeKind {
    /// It counts as stale: it may be validated, and used where stale answers may be.
    Soft,
    /// It is gone.
    Hard,
}

/// What is purged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purge {
    /// Answers with this `Cache-Tag`.
    Tag(String, PurgeKind),
    /// All variants of an address.
    Address(Key, PurgeKind),
    /// Everything.
    All(PurgeKind),
}

#[derive(Debug, Default)]
pub(super) struct Purges {
    /// The number of the last purge.
    last: AtomicU64,
    remembered: Mutex<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    tags: BTreeMap<String, Numbers>,
    addresses: BTreeMap<String, Numbers>,
    all: Numbers,
}

/// The numbers of the last purges.
#[derive(Debug, Default, Clone, Copy)]
struct Numbers {
    soft: u64,
    hard: u64,
}

impl Numbers {
    fn add(&mut self, kind: PurgeKind, number: u64) {
        match kind {
            PurgeKind::Soft => self.soft = number,
            PurgeKind::Hard => self.hard = number,
        }
    }

    const fn last(self) -> u64 {
        if self.soft > self.hard { self.soft } else { self.hard }
    }

    fn judge(self, sequence: u64) -> Option<PurgeKind> {
        if self.hard > sequence {
            return Some(PurgeKind::Hard);
        }
        (self.soft > sequence).then_some(PurgeKind::Soft)
    }
}

impl Purges {
    pub(super) fn sequence(&self) -> u64 {
        self.last.load(Acquire)
    }

    pub(super) fn add(&self, purge: &Purge) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.last.load(Acquire).saturating_add(1);
        match purge {
            Purge::Tag(tag, kind) => {
                remembered.tags.entry(tag.clone()).or_default().add(*kind, number);
            }
            Purge::Address(key, kind) => {
                let address = key.as_str().to_owned();
                remembered.addresses.entry(address).or_default().add(*kind, number);
            }
            Purge::All(kind) => remembered.all.add(*kind, number),
        }
        remembered.forget();
        // Whoever sees the number finds the purge.
        self.last.store(number, Release);
    }

    pub(super) fn judge(&self, key: &str, tags: &[Box<str>], sequence: u64) -> Option<PurgeKind> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let by_tag = tags.iter().filter_map(|tag| remembered.tags.get(&**tag));
        let by_address = remembered.addresses.get(key);
        let all = by_tag.chain(by_address).chain([&remembered.all]);
        all.filter_map(|numbers| numbers.judge(sequence)).max()
    }
}

impl Remembered {
    fn forget(&mut self) {
        if self.tags.len() + self.addresses.len() <= REMEMBERED_MAX {
            return;
        }
        let numbers = self.tags.values().chain(self.addresses.values());
        let mut numbers: Vec<u64> = numbers.map(|numbers| numbers.last()).collect();
        numbers.sort_unstable();
        let Some(oldest) = numbers.get(numbers.len() / 2).copied() else { return };
        self.tags.retain(|_, numbers| numbers.last() > oldest);
        self.addresses.retain(|_, numbers| numbers.last() > oldest);
        self.all.add(PurgeKind::Hard, self.all.hard.max(oldest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path: &str) -> Key {
        Key::of("http", "a", path)
    }

    #[test]
    fn concerns_what_is_older_and_has_the_tag_the_address_or_anything() {
        use PurgeKind::{Hard, Soft};
        let purges = Purges::default();
        let tags: Vec<Box<str>> = vec!["sku-1".into(), "shop".into()];
        let judge = |sequence| purges.judge(key("/x").as_str(), &tags, sequence);
        assert_eq!((judge(0), purges.sequence()), (None, 0));
        purges.add(&Purge::Tag("other".into(), Hard));
        assert_eq!((judge(0), purges.sequence()), (None, 1));
        purges.add(&Purge::Tag("shop".into(), Soft));
        assert_eq!([0, 1, 2].map(judge), [Some(Soft), Some(Soft), None]);
        purges.add(&Purge::Address(key("/x"), Hard));
        assert_eq!([0, 2, 3].map(judge), [Some(Hard), Some(Hard), None]);
        assert_eq!(purges.judge(key("/y").as_str(), &[], 0), None);
        purges.add(&Purge::All(Soft));
        assert_eq!((judge(3), purges.judge(key("/y").as_str(), &[], 0)), (Some(Soft), Some(Soft)));
        assert_eq!(purges.sequence(), 4);
    }

    #[test]
    fn what_was_forgotten_counts_as_purged() {
        let purges = Purges::default();
        for number in 0..=REMEMBERED_MAX {
            purges.add(&Purge::Tag(format!("t{number}"), PurgeKind::Soft));
        }
        let tags: Vec<Box<str>> = vec!["t0".into()];
        assert_eq!(purges.judge(key("/x").as_str(), &tags, 0), Some(PurgeKind::Hard));
        assert_eq!(purges.judge(key("/x").as_str(), &tags, purges.sequence()), None);
    }
}

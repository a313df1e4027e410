//! Purges cost the same however much they concern: a purge is written down with a number, and an answer that was asked
//! for earlier finds out when it is looked at. Where answers outlive the process, purges do, too.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Acquire, Ordering::Release},
    },
};

use cache_core::Key;

use crate::disk::PurgeLog;

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

impl Purge {
    fn record(&self, number: u64) -> PurgeRecord {
        let (purged, kind) = match self {
            Self::Tag(tag, kind) => (Purged::Tag(tag.clone()), kind),
            Self::Address(key, kind) => (Purged::Address(key.as_str().to_owned()), kind),
            Self::All(kind) => (Purged::All, kind),
        };
        PurgeRecord { number, kind: *kind, purged }
    }
}

/// A purge as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PurgeRecord {
    pub(crate) number: u64,
    pub(crate) kind: PurgeKind,
    pub(crate) purged: Purged,
}

/// What a purge concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purged {
    Tag(String),
    Address(String),
    All,
}

/// What became of purges where answers outlive the process.
#[derive(Debug)]
pub(super) enum Logged {
    /// They outlive it, too, or nothing does.
    Kept,
    /// They could not be written, so the log is gone, and what lies on the disk counts for nothing.
    Voided(io::Error),
    /// Neither could be done: what is on the disk comes back with the next process.
    Lost(io::Error),
}

#[derive(Debug, Default)]
pub(crate) struct Purges {
    /// The number of the last purge.
    last: AtomicU64,
    remembered: Mutex<Remembered>,
    log: OnceLock<Mutex<PurgeLog>>,
    /// What answers on the disk have to name to count; 0: none does.
    epoch: AtomicU64,
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
            PurgeKind::Soft => self.soft = self.soft.max(number),
            PurgeKind::Hard => self.hard = self.hard.max(number),
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
    /// Goes on with the purges of an earlier process, and keeps all further ones.
    pub(crate) fn keep_in(&self, directory: &Path) -> io::Result<()> {
        let mut remembered = self.remembered();
        let mut last = 0;
        let (log, epoch) = PurgeLog::open(directory, new_epoch()?, &mut |record| {
            last = last.max(record.number);
            remembered.add(record);
        })?;
        remembered.forget();
        self.last.store(last, Release);
        self.epoch.store(epoch, Release);
        // It is done once, before anybody else knows of this.
        let _ = self.log.set(Mutex::new(log));
        Ok(())
    }

    /// Returns what answers on the disk have to name to count, if any does.
    pub(crate) fn epoch(&self) -> Option<u64> {
        Some(self.epoch.load(Acquire)).filter(|epoch| *epoch != 0)
    }

    /// Begins a new log where there is none because the last one could not be written. One thread does so.
    pub(crate) fn revive(&self) -> io::Result<()> {
        let Some(log) = self.log.get().filter(|_| self.epoch().is_none()) else { return Ok(()) };
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        let epoch = new_epoch()?;
        let records: Vec<_> = self.remembered().records().collect();
        log.begin(epoch, records.into_iter())?;
        self.epoch.store(epoch, Release);
        Ok(())
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sequence(&self) -> u64 {
        self.last.load(Acquire)
    }

    /// Adds purges, which are on the disk before anybody here sees them. With a log it waits for the disk.
    pub(super) fn add(&self, purges: &[Purge]) -> Logged {
        let mut log = self.log.get().map(|log| log.lock().unwrap_or_else(PoisonError::into_inner));
        // With a log nobody else adds meanwhile; without one this lock sees to it.
        let mut remembered = log.is_none().then(|| self.remembered());
        let last = self.last.load(Acquire);
        let records: Vec<_> = (last.saturating_add(1)..)
            .zip(purges)
            .map(|(number, one)| one.record(number))
            .collect();
        let logged = log.as_mut().map_or(Logged::Kept, |log| self.write(log, &records));
        let mut remembered = remembered.take().unwrap_or_else(|| self.remembered());
        let last = records.last().map_or(last, |record| record.number);
        records.into_iter().for_each(|record| remembered.add(record));
        remembered.forget();
        // Whoever sees the number finds the purge.
        self.last.store(last, Release);
        if let Some(log) = log.as_mut().filter(|log| log.is_long())
            && let Some(epoch) = self.epoch()
        {
            let records: Vec<_> = remembered.records().collect();
            // Answers are judged meanwhile.
            drop(remembered);
            if let Err(error) = log.begin(epoch, records.into_iter()) {
                tracing::warn!("cache's purge log not written anew: {error}");
            }
        }
        logged
    }

    fn write(&self, log: &mut PurgeLog, records: &[PurgeRecord]) -> Logged {
        if self.epoch().is_none() {
            // There is nothing on the disk that would come back, once the old log is gone.
            return log.abandon().map_or_else(Logged::Lost, |()| Logged::Kept);
        }
        let Err(error) = log.append(records) else { return Logged::Kept };
        self.epoch.store(0, Release);
        match log.abandon() {
            Ok(()) => Logged::Voided(error),
            Err(error) => Logged::Lost(error),
        }
    }

    pub(super) fn judge(&self, key: &str, tags: &[Box<str>], sequence: u64) -> Option<PurgeKind> {
        let remembered = self.remembered();
        let by_tag = tags.iter().filter_map(|tag| remembered.tags.get(&**tag));
        let by_address = remembered.addresses.get(key);
        let all = by_tag.chain(by_address).chain([&remembered.all]);
        all.filter_map(|numbers| numbers.judge(sequence)).max()
    }
}

impl Remembered {
    fn add(&mut self, record: PurgeRecord) {
        let numbers = match record.purged {
            Purged::Tag(tag) => self.tags.entry(tag).or_default(),
            Purged::Address(address) => self.addresses.entry(address).or_default(),
            Purged::All => &mut self.all,
        };
        numbers.add(record.kind, record.number);
    }

    /// Returns all of it as records.
    fn records(&self) -> impl Iterator<Item = PurgeRecord> {
        let tags = self.tags.iter().map(|(tag, numbers)| (Purged::Tag(tag.clone()), *numbers));
        let addresses = self.addresses.iter();
        let addresses =
            addresses.map(|(address, numbers)| (Purged::Address(address.clone()), *numbers));
        let all = tags.chain(addresses).chain([(Purged::All, self.all)]);
        all.flat_map(|(purged, numbers)| {
            [(PurgeKind::Soft, numbers.soft), (PurgeKind::Hard, numbers.hard)]
                .into_iter()
                .filter(|(_, number)| *number > 0)
                .map(move |(kind, number)| PurgeRecord { number, kind, purged: purged.clone() })
        })
    }

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

/// Returns a number that no other log has.
fn new_epoch() -> io::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(u64::from_le_bytes(bytes).max(1))
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
        purges.add(&[Purge::Tag("other".into(), Hard)]);
        assert_eq!((judge(0), purges.sequence()), (None, 1));
        purges.add(&[Purge::Tag("shop".into(), Soft)]);
        assert_eq!([0, 1, 2].map(judge), [Some(Soft), Some(Soft), None]);
        purges.add(&[Purge::Address(key("/x"), Hard)]);
        assert_eq!([0, 2, 3].map(judge), [Some(Hard), Some(Hard), None]);
        assert_eq!(purges.judge(key("/y").as_str(), &[], 0), None);
        purges.add(&[Purge::All(Soft)]);
        assert_eq!((judge(3), purges.judge(key("/y").as_str(), &[], 0)), (Some(Soft), Some(Soft)));
        assert_eq!(purges.sequence(), 4);
    }

    #[test]
    fn what_was_forgotten_counts_as_purged() {
        let purges = Purges::default();
        for number in 0..=REMEMBERED_MAX {
            purges.add(&[Purge::Tag(format!("t{number}"), PurgeKind::Soft)]);
        }
        let tags: Vec<Box<str>> = vec!["t0".into()];
        assert_eq!(purges.judge(key("/x").as_str(), &tags, 0), Some(PurgeKind::Hard));
        assert_eq!(purges.judge(key("/x").as_str(), &tags, purges.sequence()), None);
    }
}

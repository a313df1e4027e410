//! Answers on a disk, behind those in memory: they outlive the process, and there may be more of them (ADR 0028).
//!
//! Whatever is stored goes into a bounded queue, and from there to the disk by one thread ([`writer`]). An index in memory
//! knows what is there ([`index`]), so that nothing is read for an unknown address. For each address there is a file with
//! the heads of all variants ([`mod@format`]), and one for each body above 4 KiB, which is sent from there. After a start the
//! directory is looked through ([`scan`]); until that is done, whatever is asked for may be there.
//!
//! Everything here may fail without harm to requests: it is counted, told once, and the cache goes on in memory.

mod files;
mod format;
mod index;
mod purge_log;
mod read;
mod scan;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    fs::File,
    io,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use cache_core::Key;
use rustix::fs::{FlockOperation, flock};
use tokio::sync::{Semaphore, watch};

use self::{
    files::Directory,
    index::{Doomed, Index, Name},
};
pub(crate) use self::{format::Place, purge_log::PurgeLog, read::Looked};
use crate::store::{Purges, Slot};

/// Answers that wait to be written: 1 024. With more, they are not written.
const QUEUE_MAX: usize = 1024;
/// Bytes of bodies that wait to be written, for which they stay in memory: 64 MiB, or one body if it is larger.
const QUEUE_BYTES_MAX: u64 = 64 << 20;
/// How long nothing is written after writing has failed: 1 s.
const PAUSE: Duration = Duration::from_secs(1);
/// Addresses that may be removed before the directory has been looked through: 65 536. Beyond it, nothing that has not
/// been found yet counts.
const REMOVED_MAX: usize = 65_536;
/// Reads at once: 32. Further ones wait.
const READS_MAX: usize = 32;

/// How much is kept on a disk.
#[derive(Debug, Clone)]
pub struct DiskLimits {
    /// Where. One process at a time.
    pub directory: PathBuf,
    /// Bytes of all files together, in blocks of 4 KiB. Directories come on top.
    pub bytes_max: u64,
}

/// What is on the disk, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskFigures {
    /// Addresses.
    pub addresses: u64,
    /// Bytes.
    pub bytes: u64,
    /// Most bytes.
    pub bytes_max: u64,
    /// Whether the directory has been looked through since the start: before, there is more than those.
    pub is_scanned: bool,
    /// Lookups that found on the disk what was not in memory.
    pub hits: u64,
    /// Answers written.
    pub written: u64,
    /// Answers not written, as too many waited, they were too large, or writing had just failed.
    pub dropped: u64,
    /// Files thrown away that were not what had been written.
    pub damaged: u64,
    /// Failures to write or remove files.
    pub write_failures: u64,
    /// Failures to read files.
    pub read_failures: u64,
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    written: AtomicU64,
    dropped: AtomicU64,
    damaged: AtomicU64,
    write_failures: AtomicU64,
    read_failures: AtomicU64,
    /// Whether the last attempt failed, and was told of.
    writes_fail: AtomicBool,
    reads_fail: AtomicBool,
}

/// A disk.
#[derive(Debug)]
pub(crate) struct Disk {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    permits: Arc<Semaphore>,
    /// What is being read, for whoever else wants it.
    reading: Mutex<BTreeMap<Name, watch::Receiver<()>>>,
}

/// What requests, the writer and the scan have in common.
#[derive(Debug)]
struct Shared {
    directory: Directory,
    purges: Arc<Purges>,
    state: Mutex<State>,
    /// Told when there is something to write, when everything is written, and at the end.
    changed: Condvar,
    /// Held while a head is put in its place or removed, so that what was removed is not put back.
    placing: Mutex<()>,
    counts: Counts,
    /// Keeps other processes out as long as it is open.
    _lock: File,
}

#[derive(Debug)]
struct State {
    index: Index,
    queue: VecDeque<Job>,
    queued_bytes: u64,
    /// Of addresses that were known, so never more than those.
    doomed: Vec<Doomed>,
    paused_until: Option<Instant>,
    /// How long it is taken to have less room than it should.
    full_until: Option<Instant>,
    /// Whether everything that is there is in the index.
    is_scanned: bool,
    /// What was removed before that, without having been found.
    removed: HashSet<Name>,
    is_busy: bool,
    is_closing: bool,
}

/// Something to write.
#[derive(Debug)]
struct Job {
    name: Name,
    ticket: u64,
    key: Key,
    slot: Arc<Slot>,
    bytes: u64,
}

impl Disk {
    /// Opens a directory, with what is in it, and starts to look through it. Purges of earlier processes are added to
    /// `purges`.
    pub(crate) fn open(limits: &DiskLimits, purges: &Arc<Purges>) -> io::Result<Self> {
        let directory = Directory::open(limits.directory.clone())?;
        let lock = File::options().create(true).append(true).open(directory.lock())?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            if error == rustix::io::Errno::WOULDBLOCK {
                return io::Error::other("another process uses it");
            }
            error.into()
        })?;
        purges.keep_in(&limits.directory)?;
        let shared = Arc::new(Shared {
            directory,
            purges: Arc::clone(purges),
            state: Mutex::new(State {
                index: Index::new(limits.bytes_max),
                queue: VecDeque::new(),
                queued_bytes: 0,
                doomed: Vec::new(),
                paused_until: None,
                full_until: None,
                is_scanned: false,
                removed: HashSet::new(),
                is_busy: false,
                is_closing: false,
            }),
            changed: Condvar::new(),
            placing: Mutex::new(()),
            counts: Counts::default(),
            _lock: lock,
        });
        let mut disk = Self {
            shared,
            threads: Vec::new(),
            permits: Arc::new(Semaphore::new(READS_MAX)),
            reading: Mutex::default(),
        };
        disk.start("cache-write", Shared::write_all)?;
        disk.start("cache-scan", Shared::scan)?;
        Ok(disk)
    }

    fn start(&mut self, name: &str, run: fn(&Shared)) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name(name.to_owned());
        self.threads.push(thread.spawn(move || run(&shared))?);
        Ok(())
    }

    /// Has all variants of an address written, in the place of what is there. It never waits: what cannot be written is
    /// not, and what was there before goes, for it is older.
    pub(crate) fn store(&self, key: &Key, slot: &Arc<Slot>) {
        let name = Name::of(key.as_str());
        let bytes = slot.variants().iter().map(|one| one.bytes_to_write()).sum();
        let mut state = self.shared.state();
        if !state.has_room(bytes) {
            self.shared.counts.dropped.fetch_add(1, Relaxed);
            self.shared.remove(&mut state, name);
            return;
        }
        let ticket = state.index.expect(name, slot);
        state.queued_bytes = state.queued_bytes.saturating_add(bytes);
        let (key, slot) = (key.clone(), Arc::clone(slot));
        state.queue.push_back(Job { name, ticket, key, slot, bytes });
        self.shared.changed.notify_all();
    }

    /// Forgets an address. Its files are removed in a moment.
    pub(crate) fn remove(&self, key: &Key) {
        self.shared.remove(&mut self.shared.state(), Name::of(key.as_str()));
    }

    /// Forgets an address, and removes its files before it returns: not even a kill brings it back.
    pub(crate) async fn remove_at_once(&self, key: &Key) {
        let name = Name::of(key.as_str());
        let doomed = self.shared.forget(&mut self.shared.state(), name);
        let Some(doomed) = doomed else { return };
        let shared = Arc::clone(&self.shared);
        // Cancelled, it is done nevertheless.
        if tokio::task::spawn_blocking(move || shared.unlink(vec![doomed])).await.is_err() {
            tracing::error!("cache's files not removed");
        }
    }

    /// Forgets everything, as the purge log is gone.
    pub(crate) fn void(&self, error: &io::Error) {
        self.shared.write_failed("purge", error);
        let mut state = self.shared.state();
        let doomed = state.index.clear();
        state.doomed.extend(doomed);
        state.pause();
        self.shared.changed.notify_all();
    }

    /// Waits until everything is written, but no longer than `limit`.
    pub(crate) fn settle(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut state = self.shared.state();
        while !state.queue.is_empty() || !state.doomed.is_empty() || state.is_busy {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::warn!(left = state.queue.len(), "cache's answers not all written");
                return;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Counts an answer that was found here.
    pub(crate) fn count_hit(&self) {
        self.shared.counts.hits.fetch_add(1, Relaxed);
    }

    pub(crate) fn figures(&self) -> DiskFigures {
        let counts = &self.shared.counts;
        let count = |of: &AtomicU64| of.load(Relaxed);
        let state = self.shared.state();
        DiskFigures {
            addresses: u64::try_from(state.index.len()).unwrap_or(u64::MAX),
            bytes: state.index.bytes(),
            bytes_max: state.index.bytes_max(),
            is_scanned: state.is_scanned,
            hits: count(&counts.hits),
            written: count(&counts.written),
            dropped: count(&counts.dropped),
            damaged: count(&counts.damaged),
            write_failures: count(&counts.write_failures),
            read_failures: count(&counts.read_failures),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.shared.state().is_closing = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A panic was told where it was.
            let _ = thread.join();
        }
    }
}

impl State {
    /// Whether an address that is not in the index may be on the disk.
    fn may_be_unknown(&self, name: Name) -> bool {
        !self.is_scanned && self.removed.len() < REMOVED_MAX && !self.removed.contains(&name)
    }

    fn has_room(&self, bytes: u64) -> bool {
        let is_paused = self.paused_until.is_some_and(|until| Instant::now() < until);
        let fits = self.queued_bytes.saturating_add(bytes) <= QUEUE_BYTES_MAX;
        !is_paused && self.queue.len() < QUEUE_MAX && (fits || self.queue.is_empty())
    }

    /// Notes what goes before the directory has been looked through: its heads may just be read, there or for a request,
    /// and must not be taken for files that stay.
    fn note_gone<'a>(&mut self, doomed: impl IntoIterator<Item = &'a Doomed>) {
        if self.is_scanned {
            return;
        }
        let room = REMOVED_MAX.saturating_sub(self.removed.len());
        self.removed.extend(doomed.into_iter().map(|one| one.name).take(room));
    }

    fn pause(&mut self) {
        self.paused_until = Instant::now().checked_add(PAUSE);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets an address; returns the files that are to be removed.
    fn forget(&self, state: &mut State, name: Name) -> Option<Doomed> {
        let known = state.index.remove(name);
        if state.is_scanned {
            return known;
        }
        if state.removed.len() < REMOVED_MAX {
            state.removed.insert(name);
        }
        // It may be there without being known; its bodies are found by and by.
        known.or(Some(Doomed { name, has_head: true, bodies: Vec::new() }))
    }

    fn remove(&self, state: &mut State, name: Name) {
        if let Some(doomed) = self.forget(state, name) {
            state.doomed.push(doomed);
            self.changed.notify_all();
        }
    }

    fn write_failed(&self, what: &str, error: &io::Error) {
        self.counts.write_failures.fetch_add(1, Relaxed);
        if !self.counts.writes_fail.swap(true, Relaxed) {
            tracing::error!("cache's disk not written, going on in memory: {what}: {error}");
        }
    }

    fn write_succeeded(&self) {
        if self.counts.writes_fail.swap(false, Relaxed) {
            tracing::info!("cache's disk is written again");
        }
    }

    fn read_failed(&self, error: &io::Error) {
        self.counts.read_failures.fetch_add(1, Relaxed);
        if !self.counts.reads_fail.swap(true, Relaxed) {
            tracing::error!("cache's disk not read, going on in memory: {error}");
        }
    }

    fn read_succeeded(&self) {
        if self.counts.reads_fail.swap(false, Relaxed) {
            tracing::info!("cache's disk is read again");
        }
    }
}

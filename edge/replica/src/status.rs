//! What others may know of the follower, and the cells in which it is kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use serde::Serialize;
use tokio::sync::watch;

use crate::clock;

/// The file that readers open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// Where it is; shared, for every statement asks.
    pub path: Arc<Path>,
    /// Rises with every swap of the file, from 1; open again when it differs.
    pub generation: u64,
}

/// A place in one history of an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The history.
    pub epoch: Arc<str>,
    /// Transactions of it, in commit order.
    pub position: u64,
}

/// What the follower is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Building a file from a snapshot. An older file may serve meanwhile.
    Bootstrapping,
    /// In contact with an origin.
    Following,
    /// The last attempt at every origin failed; the copy serves as it is.
    Disconnected,
}

/// How the following goes. Counters start at 0 with the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// What the follower is doing.
    pub state: State,
    /// History of the file that serves; `None` without one.
    pub epoch: Option<String>,
    /// Shape of its tables.
    pub schema_version: Option<u32>,
    /// The position up to which it is complete.
    pub position: u64,
    /// The origin's position when it was last heard of.
    pub head: u64,
    /// Transactions known to be missing: `head - position`.
    pub lag_transactions: u64,
    /// Age of the newest transaction that is here while some are missing, in milliseconds; 0 when
    /// none was missing at the last contact.
    pub lag_ms: u64,
    /// From the origin's commit to ours, for the last transaction that was followed, by both clocks.
    pub apply_delay_ms: u64,
    /// Since an origin last answered; before the first answer, since the file was last written.
    /// `None` with neither.
    pub last_contact_age_ms: Option<u64>,
    /// The origin in use.
    pub feed_url: String,
    /// Rises with every swap of the file.
    pub generation: u64,
    /// Files built from a snapshot.
    pub snapshots: u64,
    /// How often continuity was lost.
    pub rebuilds: u64,
    /// Transactions followed.
    pub applied_transactions: u64,
    /// Row changes in them.
    pub applied_changes: u64,
    /// Times the WAL was written back and truncated.
    pub checkpoints: u64,
    /// Attempts that brought nothing.
    pub failures: u64,
    /// The last one's reason, with causes.
    pub last_error: Option<String>,
}

/// Written by the follower and its writer, read by everybody.
#[derive(Debug)]
pub(crate) struct Shared {
    generation: AtomicU64,
    /// Even: twice the number of commits and checkpoints. Odd: there is a checkpoint.
    version: AtomicU64,
    readers: Readers,
    current: RwLock<Option<Current>>,
    positions: watch::Sender<Option<Position>>,
    cells: Mutex<Cells>,
}

/// What [`Status`] is computed from.
#[derive(Debug)]
pub(crate) struct Cells {
    pub(crate) state: State,
    pub(crate) schema_version: Option<u32>,
    pub(crate) head: u64,
    /// Commit time of the newest transaction here, by the origin's clock.
    pub(crate) newest_at_ms: Option<i64>,
    pub(crate) apply_delay_ms: u64,
    pub(crate) last_contact: Option<Instant>,
    /// When the file found at start was last written, by this machine's clock.
    pub(crate) found_written_ms: Option<i64>,
    pub(crate) feed_url: String,
    pub(crate) snapshots: u64,
    pub(crate) rebuilds: u64,
    pub(crate) applied_transactions: u64,
    pub(crate) applied_changes: u64,
    pub(crate) checkpoints: u64,
    pub(crate) failures: u64,
    pub(crate) last_error: Option<String>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            generation: AtomicU64::new(0),
            version: AtomicU64::new(0),
            readers: Readers::default(),
            current: RwLock::new(None),
            positions: watch::Sender::new(None),
            cells: Mutex::new(Cells {
                state: State::Bootstrapping,
                schema_version: None,
                head: 0,
                newest_at_ms: None,
                apply_delay_ms: 0,
                last_contact: None,
                found_written_ms: None,
                feed_url: String::new(),
                snapshots: 0,
                rebuilds: 0,
                applied_transactions: 0,
                applied_changes: 0,
                checkpoints: 0,
                failures: 0,
                last_error: None,
            }),
        }
    }

    pub(crate) fn current(&self) -> Option<Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Returns what changes with each commit, or `None` during a checkpoint.
    pub(crate) fn version(&self) -> Option<u64> {
        let version = self.version.load(Ordering::Acquire);
        version.is_multiple_of(2).then_some(version)
    }

    pub(crate) fn before_checkpoint(&self, let_go: LetGo) {
        self.readers.list().push(let_go);
    }

    /// Asks readers to let go of the file, until the answer is dropped.
    pub(crate) fn hold_off_readers(&self) -> HeldOff<'_> {
        // First, so that whoever still keeps a transaction has begun it before, and hears of it below.
        self.version.fetch_add(1, Ordering::AcqRel);
        self.readers.list().retain(|let_go| let_go());
        HeldOff(&self.version)
    }

    pub(crate) fn position(&self) -> Option<Position> {
        self.positions.borrow().clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Position>> {
        self.positions.subscribe()
    }

    /// The cells, for a few assignments; never across an await.
    pub(crate) fn cells(&self) -> MutexGuard<'_, Cells> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows another file. Its position is shown after it, so that nobody waits for a position and
    /// then reads the file before.
    pub(crate) fn swap(&self, path: PathBuf, position: Position) {
        {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            let generation = self.generation() + 1;
            *current = Some(Current { path: path.into(), generation });
            self.generation.store(generation, Ordering::Release);
        }
        self.moved_to(position);
    }

    /// Shows a position that has been committed. Who knows of it also knows of the new version.
    pub(crate) fn moved_to(&self, position: Position) {
        self.version.fetch_add(2, Ordering::Release);
        self.positions.send_replace(Some(position));
    }

    pub(crate) fn status(&self) -> Status {
        let position = self.position();
        let here = position.as_ref().map_or(0, |position| position.position);
        let generation = self.generation();
        let cells = self.cells();
        let lag_transactions = cells.head.saturating_sub(here);
        let since = |at_ms: i64| u64::try_from(clock::unix_ms().saturating_sub(at_ms)).unwrap_or(0);
        let contact = cells.last_contact.map(|at| {
            u64::try_from(clock::now().duration_since(at).as_millis()).unwrap_or(u64::MAX)
        });
        Status {
            state: cells.state,
            epoch: position.map(|position| position.epoch.to_string()),
            schema_version: cells.schema_version,
            position: here,
            head: cells.head.max(here),
            lag_transactions,
            lag_ms: cells.newest_at_ms.filter(|_| lag_transactions > 0).map_or(0, since),
            apply_delay_ms: cells.apply_delay_ms,
            last_contact_age_ms: contact.or_else(|| cells.found_written_ms.map(since)),
            feed_url: cells.feed_url.clone(),
            generation,
            snapshots: cells.snapshots,
            rebuilds: cells.rebuilds,
            applied_transactions: cells.applied_transactions,
            applied_changes: cells.applied_changes,
            checkpoints: cells.checkpoints,
            failures: cells.failures,
            last_error: cells.last_error.clone(),
        }
    }
}

/// While there is one, readers keep no transaction open.
#[derive(Debug)]
pub(crate) struct HeldOff<'a>(&'a AtomicU64);

impl Drop for HeldOff<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// Ends transactions that are kept open without need. Returns whether it is to be called again.
type LetGo = Box<dyn Fn() -> bool + Send + Sync>;

/// Those who keep transactions open.
#[derive(Default)]
struct Readers(Mutex<Vec<LetGo>>);

impl Readers {
    fn list(&self) -> MutexGuard<'_, Vec<LetGo>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} readers", self.list().len())
    }
}

//! Keeps a local libSQL copy of an origin's tables current, by following its replication feed.
//!
//! Layer: adapter (L3). Generic: knows tables, rows and positions, no shopping word. Not here: who
//! reads the file (`runtime` opens it read-only) and how an origin writes its feed.
//!
//! One task talks to the feed, one thread owns SQLite. That thread holds the only connection that
//! writes *and* checkpoints: the engine lacks the WAL-reset fix, so a second one could damage the
//! file. A batch of changes and its position are one transaction, so a copy is always exactly the
//! origin at some position, whatever was killed when. A copy that cannot prove its continuity (gap,
//! other epoch, 410) is built anew from a snapshot beside the old file, which serves until the swap.
//! Readers find the file by [`Replica::current`] and open it again when `generation` changes.
//!
//! Start at [`Replica::start`], then `follow.rs` (what happens next) and `writer.rs` (what is written).
//!
//! # Costs
//!
//! One idle long-poll per node (4 s), one thread, a prepared statement per table and kind; a WAL of
//! up to 8 MiB beside the file; during a rebuild twice the file.
//!
//! From an origin's commit to the reader's view: p50 1.2 ms, p99 5 to 10 ms; catch-up 3 400 to 4 900
//! transactions per second, start included. Measured, not asserted, unoptimised, on a busy 2-core
//! machine, by `cargo test -p replica --test it -- --nocapture reports_lag` (add `--release`).

mod clock;
mod error;
mod feed;
mod file;
mod follow;
mod in_place;
mod settings;
mod snapshot;
mod sql;
mod status;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use crate::error::{FeedError, ReplicaError};
pub use crate::settings::{Limits, Secret, Settings};
pub use crate::status::{Current, Position, State, Status};

use crate::feed::FeedClient;
use crate::follow::Follower;
use crate::status::Shared;
use crate::writer::Writer;

/// A local copy that follows its origin until it is stopped or dropped.
#[derive(Debug)]
pub struct Replica {
    shared: Arc<Shared>,
    /// Whether nobody else writes to its file.
    is_sole_writer: bool,
    stop: watch::Sender<bool>,
    tasks: Mutex<Option<Tasks>>,
}

#[derive(Debug)]
struct Tasks {
    follower: JoinHandle<()>,
    writer: std::thread::JoinHandle<()>,
}

impl Replica {
    /// Opens what an earlier run left in `settings.dir`, then follows the feed in the background.
    ///
    /// Needs a tokio runtime. Returns as soon as an existing copy has been checked and can be read
    /// (about 1 s per GB), without waiting for an origin. Refuses unusable settings, a folder it
    /// cannot write, and a folder that another process follows into.
    pub async fn start(settings: Settings) -> Result<Arc<Self>, ReplicaError> {
        Self::start_writing(settings, None).await
    }

    /// Like [`Replica::start`], but fills one file in place, which others may have open: Spin's database, for instance.
    ///
    /// `settings.dir` is then a folder for what is on its way into the file. Tables of others stay as they are; a
    /// file that is no sound database is refused, as is one with a table of its own under a name that the feed needs
    /// (this shows in [`Status::last_error`], for only a snapshot brings the names). [`Replica::current`] is the file.
    pub async fn start_into(file: PathBuf, settings: Settings) -> Result<Arc<Self>, ReplicaError> {
        Self::start_writing(settings, Some(file)).await
    }

    async fn start_writing(
        settings: Settings,
        into: Option<PathBuf>,
    ) -> Result<Arc<Self>, ReplicaError> {
        let feed = FeedClient::new(&settings)?;
        let shared = Arc::new(Shared::new());
        let is_sole_writer = into.is_none();
        let (writer, thread) = Writer::start(&settings, Arc::clone(&shared), into).await?;
        let (stop, stopped) = watch::channel(false);
        let follower = Follower::new(feed, writer, Arc::clone(&shared), settings.limits);
        let follower = tokio::spawn(follower.run(stopped));
        let tasks = Mutex::new(Some(Tasks { follower, writer: thread }));
        Ok(Arc::new(Self { shared, is_sole_writer, stop, tasks }))
    }

    /// Returns the file to read, or `None` until the first snapshot is complete.
    ///
    /// Open it read-only. It may be unlinked a few seconds after a newer one took its place: when
    /// opening or the first read fails, ask again. Once read from, a connection outlives the unlinking.
    #[must_use]
    pub fn current(&self) -> Option<Current> {
        self.shared.current()
    }

    /// Returns the generation of [`Replica::current`] alone: one atomic load; 0 means no file yet.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.shared.generation()
    }

    /// Returns a number that has changed after each commit to [`Replica::current`]: one atomic load. A transaction that
    /// began after the number was returned sees all there is for as long as the number is returned again.
    ///
    /// `None` while a checkpoint waits for readers, and always for a file that is filled in place: others write there.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.shared.version().filter(|_| self.is_sole_writer)
    }

    /// Has `let_go` called before each checkpoint, by the thread that writes, until it returns `false`.
    ///
    /// Whoever keeps transactions open beyond their use must end them then, and keep none until there is a
    /// [`Replica::version`] again: the WAL cannot be truncated while somebody reads from it.
    pub fn before_checkpoint(&self, let_go: Box<dyn Fn() -> bool + Send + Sync>) {
        self.shared.before_checkpoint(let_go);
    }

    /// Returns the position up to which the copy is complete. Whoever reads after this sees it.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.shared.position()
    }

    /// Returns how the following goes, with lag and counters.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Returns a receiver that sees each new position; intermediate ones may be skipped.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<Option<Position>> {
        self.shared.subscribe()
    }

    /// Waits until the copy holds `position` of `epoch`; `false` after `limit`, or in another epoch.
    pub async fn reached(&self, epoch: &str, position: u64, limit: Duration) -> bool {
        let mut positions = self.changed();
        let reached = positions.wait_for(|now| {
            now.as_ref().is_some_and(|now| &*now.epoch != epoch || now.position >= position)
        });
        match tokio::time::timeout(limit, reached).await {
            Ok(Ok(now)) => now.as_ref().is_some_and(|now| &*now.epoch == epoch),
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// Stops following and waits until the file is closed. Calling it again does nothing.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(tasks) = tasks else { return };
        if tasks.follower.await.is_err() {
            tracing::error!("replica follower ended by a panic");
        }
        // The follower held the last sender of commands, so the thread ends by itself.
        let joined = tokio::task::spawn_blocking(move || tasks.writer.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("replica writer ended by a panic");
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

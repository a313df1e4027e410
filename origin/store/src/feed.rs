//! The feed to the edges: whole copies, changes after a position, and the epoch that both belong to.

use api_types::feed::{FeedTransaction, SnapshotLine};
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;

use crate::{Store, StoreError, sql};

/// Positions kept for edges that were away: 100 000. Behind them an edge starts again from a snapshot.
pub const POSITIONS_KEPT: u64 = 100_000;

/// Where the feed stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedState {
    /// The unbroken history that positions belong to.
    pub epoch: String,
    /// Newest position.
    pub position: u64,
    /// Changes up to here are forgotten.
    pub pruned_to: u64,
}

/// Changes after a position, and where the feed stood when they were read.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangesPage {
    /// Where the feed stands.
    pub state: FeedState,
    /// In commit order; may be empty.
    pub transactions: Vec<FeedTransaction>,
}

impl Store {
    /// Returns the newest position, and wakes whoever waits for one when this process commits.
    #[must_use]
    pub fn feed_head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Reads where the feed stands.
    ///
    /// # Errors
    /// As every read.
    pub async fn feed_state(&self) -> Result<FeedState, StoreError> {
        self.read((), |tx, ()| Box::pin(sql::feed::state(tx))).await
    }

    /// Reads at most `limit` transactions after a position.
    ///
    /// # Errors
    /// As every read.
    pub async fn feed_changes(&self, after: u64, limit: usize) -> Result<ChangesPage, StoreError> {
        self.read((after, limit), |tx, (after, limit)| {
            Box::pin(sql::feed::changes(tx, *after, *limit))
        })
        .await
    }

    /// Reads a whole copy at one position. `emit` gets each line and says whether to go on; it may block.
    ///
    /// # Errors
    /// As every read. Lines that were emitted before then stay without an end line.
    pub async fn feed_snapshot(&self, lines: Sender<SnapshotLine>) -> Result<(), StoreError> {
        self.copy(lines, |tx, lines| Box::pin(sql::feed::snapshot(tx, lines))).await
    }

    /// Breaks the history: after a restore from a backup, edges must not continue from their positions.
    ///
    /// # Errors
    /// As every write.
    pub async fn new_epoch(&self, epoch: String) -> Result<(), StoreError> {
        self.write(epoch, |tx, epoch| Box::pin(sql::feed::new_epoch(tx, epoch))).await
    }

    /// Forgets all but the newest `keep` positions.
    ///
    /// # Errors
    /// As every write.
    pub async fn prune_feed(&self, keep: u64) -> Result<(), StoreError> {
        self.write(keep, |tx, keep| Box::pin(sql::feed::prune(tx, *keep))).await
    }
}

//! The feed to the edges.

use std::time::Duration;

use api_types::feed::{Changes, SnapshotLine};
use api_types::read_model::SCHEMA_VERSION;
use domain::ErrorKind;
use tokio::sync::mpsc::Sender;

use crate::{App, Error, FeedState, Refusal};

/// Longest wait for something new: 30 s.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Most transactions in one answer: 1 000.
const TRANSACTIONS_MAX: usize = 1_000;
/// How often a waiting reader looks by itself: every second. Commits of this process wake it at once; this is for
/// another process (a seed) that writes to the same file.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What an edge asks for.
#[derive(Debug, Clone)]
pub struct ChangesQuery {
    /// The history it follows.
    pub epoch: String,
    /// The newest position it has.
    pub after: u64,
    /// The shape of its tables.
    pub schema_version: u32,
    /// How long it is ready to wait.
    pub wait: Duration,
    /// How many transactions it takes at once.
    pub limit: usize,
}

impl App {
    /// Reads where the feed stands; also proves that the store answers.
    ///
    /// # Errors
    /// As every read.
    pub async fn feed_state(&self) -> Result<FeedState, Error> {
        Ok(self.store.feed_state().await?)
    }

    /// Returns the newest position that this process knows of.
    #[must_use]
    pub fn feed_position(&self) -> u64 {
        *self.store.feed_head().borrow()
    }

    /// Sends a whole copy at one position, line by line; stops early when nobody takes it any more.
    ///
    /// # Errors
    /// As every read. Lines that were sent before then stay without an end line.
    pub async fn snapshot(&self, lines: Sender<SnapshotLine>) -> Result<(), Error> {
        Ok(self.store.feed_snapshot(lines).await?)
    }

    /// Returns what came after a position, waiting when nothing has.
    ///
    /// # Errors
    /// `feed-gone` when the edge must start again from a snapshot.
    pub async fn changes(&self, query: ChangesQuery) -> Result<Changes, Error> {
        let limit = query.limit.clamp(1, TRANSACTIONS_MAX);
        let until = tokio::time::Instant::now() + query.wait.min(WAIT_MAX);
        let mut head = self.store.feed_head();
        let mut closing = self.closing.subscribe();
        loop {
            head.mark_unchanged();
            let page = self.store.feed_changes(query.after, limit).await?;
            let is_known = page.state.epoch == query.epoch
                && query.schema_version == SCHEMA_VERSION
                && (page.state.pruned_to..=page.state.position).contains(&query.after);
            if !is_known {
                let title = "This history has ended: start from a snapshot";
                return Err(Refusal::new(ErrorKind::Gone, "feed-gone", title).into());
            }
            let now = tokio::time::Instant::now();
            if !page.transactions.is_empty() || now >= until || *closing.borrow() {
                let to = page.transactions.last().map_or(query.after, |last| last.position);
                return Ok(Changes {
                    epoch: page.state.epoch,
                    schema_version: SCHEMA_VERSION,
                    from: query.after,
                    to,
                    head: page.state.position,
                    transactions: page.transactions,
                });
            }
            // Woken, sent home, or the pause is over: either way the loop looks again.
            tokio::select! {
                _ = tokio::time::timeout_at(until.min(now + LOOK_EVERY), head.changed()) => {}
                _ = closing.wait_for(|&is_closing| is_closing) => {}
            }
        }
    }
}

//! Events that were written with the data they tell about, until somebody has taken them.

use domain::Timestamp;

use crate::{Store, StoreError, sql};

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEvent {
    /// Place in the outbox.
    pub id: i64,
    /// What it is about, for instance `order`.
    pub aggregate: String,
    /// Which one.
    pub aggregate_id: String,
    /// Its place among the events of that one, from 1 without gaps.
    pub sequence: i64,
    /// What happened, for instance `order.confirmed`.
    pub kind: String,
    /// Its words, as JSON.
    pub payload_json: String,
    /// When.
    pub created_at: Timestamp,
}

impl Store {
    /// Reads the oldest events that nobody has taken.
    ///
    /// # Errors
    /// As every read.
    pub async fn waiting_events(&self, limit: u32) -> Result<Vec<OutboxEvent>, StoreError> {
        self.read(limit, |tx, limit| Box::pin(sql::outbox::waiting(tx, *limit))).await
    }

    /// Marks events as taken.
    ///
    /// # Errors
    /// As every write.
    pub async fn mark_delivered(&self, ids: Vec<i64>, now: Timestamp) -> Result<(), StoreError> {
        self.write((ids, now), |tx, (ids, now)| {
            Box::pin(sql::outbox::mark_delivered(tx, ids, *now))
        })
        .await
    }
}

//! Analytics events, added up per day.

use api_types::events::{Day, EventBatch, EventCount, SubjectCount};
use domain::Timestamp;

use crate::{Store, StoreError, sql};

/// Most counts that are told of one day: 1 000, the largest first.
pub(crate) const COUNTS_TOLD_MAX: u32 = 1_000;

impl Store {
    /// Adds counts to their days. What is said about a product that the shop does not have is counted without it.
    ///
    /// # Errors
    /// As every write.
    pub async fn count_events(&self, counts: Vec<EventCount>) -> Result<(), StoreError> {
        self.write(counts, |tx, counts| Box::pin(sql::events::count(tx, counts))).await
    }

    /// Adds the counts of a batch, once. Says whether it was new.
    ///
    /// # Errors
    /// As every write.
    pub async fn take_events(&self, batch: EventBatch, now: Timestamp) -> Result<bool, StoreError> {
        self.write((batch, now), |tx, (batch, now)| Box::pin(sql::events::take(tx, batch, *now)))
            .await
    }

    /// Reads the counts of a day, the largest first, at most 1 000. They may be some seconds old.
    ///
    /// # Errors
    /// As every read.
    pub async fn events_of(&self, day: Day) -> Result<Vec<SubjectCount>, StoreError> {
        self.read_old(day, |tx, day| Box::pin(sql::events::of_day(tx, *day))).await
    }
}

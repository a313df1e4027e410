//! Forgetting what is no longer needed, and adding up what must agree.

use std::time::Duration;

use domain::Timestamp;

use crate::{Store, StoreError, sql};

/// How long things are kept, and how many go at once.
#[derive(Debug, Clone, Copy)]
pub struct UpkeepLimits {
    /// Idempotent answers: 24 hours.
    pub idempotency_kept: Duration,
    /// Ids of webhooks that came: 7 days, longer than a provider tries again.
    pub webhooks_kept: Duration,
    /// Events that were delivered: 7 days.
    pub events_kept: Duration,
    /// Ids of batches of analytics events: 15 days, longer than any queue keeps one.
    pub event_batches_kept: Duration,
    /// Days whose analytics events are told: 400, so that a month can be compared with the year before.
    pub event_counts_kept: Duration,
    /// Carts that nobody touched and no order was made of: 30 days.
    pub carts_kept: Duration,
    /// Deliveries of merchants' webhooks with their attempts: 30 days from when they were made.
    pub deliveries_kept: Duration,
    /// Imports with what was wrong in them: 30 days from when they were made.
    pub imports_kept: Duration,
    /// Rows of each kind that go in one transaction: 1 000.
    pub rows_max: u32,
}

impl Default for UpkeepLimits {
    fn default() -> Self {
        let week = Duration::from_hours(7 * 24);
        Self {
            idempotency_kept: crate::IDEMPOTENCY_KEPT,
            webhooks_kept: week,
            events_kept: week,
            event_batches_kept: Duration::from_hours(15 * 24),
            event_counts_kept: Duration::from_hours(400 * 24),
            carts_kept: Duration::from_hours(30 * 24),
            deliveries_kept: Duration::from_hours(30 * 24),
            imports_kept: Duration::from_hours(30 * 24),
            rows_max: 1_000,
        }
    }
}

/// Sums over the whole stock, all locations together. The pairs must agree, or a piece was lost or made of nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockSums {
    /// Pieces in the house.
    pub on_hand: i64,
    /// The same by movements.
    pub on_hand_moved: i64,
    /// Pieces held.
    pub reserved: i64,
    /// The same by movements.
    pub reserved_moved: i64,
    /// The same by holds.
    pub reserved_held: i64,
    /// Pieces promised that are not there yet.
    pub backordered: i64,
    /// The same by the orders that they are promised to.
    pub backordered_promised: i64,
    /// Sum of all ledger entries over all keys whose entries do not add up to zero. Must be zero.
    pub ledger_imbalance: i64,
}

impl Store {
    /// Forgets what is older than the limits, at most `rows_max` of each kind. Says whether there may be more.
    ///
    /// # Errors
    /// As every write.
    pub async fn forget_old(
        &self,
        limits: UpkeepLimits,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write((limits, now), |tx, (limits, now)| {
            Box::pin(sql::upkeep::forget_old(tx, limits, *now))
        })
        .await
    }

    /// Adds up the entries of an account of the ledger, over all currencies.
    ///
    /// # Errors
    /// As every read.
    pub async fn ledger_sum(&self, account: &'static str) -> Result<i64, StoreError> {
        self.read(account, |tx, account| Box::pin(sql::upkeep::ledger_sum(tx, account))).await
    }

    /// Adds up stock and ledger.
    ///
    /// # Errors
    /// As every read.
    pub async fn sums(&self) -> Result<StockSums, StoreError> {
        self.read((), |tx, ()| Box::pin(sql::upkeep::sums(tx))).await
    }
}

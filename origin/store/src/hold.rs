//! Holds that an active shopper pushes forward.

use domain::reservation::HoldRule;
use domain::{OrderId, Timestamp};

use crate::{Store, StoreError, sql};

/// Pushes the hold of an order forward.
#[derive(Debug, Clone, Copy)]
pub struct TouchHold {
    /// Of which order.
    pub order: OrderId,
    /// How holds grow.
    pub rule: HoldRule,
    /// Now.
    pub now: Timestamp,
}

/// What became of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touched {
    /// It holds; the order says until when.
    Held,
    /// It has ended, or its time is over: it does not come back.
    Ended,
    /// There is no such order.
    NotFound,
}

impl Store {
    /// Pushes a hold forward, unless it has ended.
    ///
    /// # Errors
    /// As every write.
    pub async fn touch_hold(&self, command: TouchHold) -> Result<Touched, StoreError> {
        self.write(command, |tx, command| Box::pin(sql::reservation::touch(tx, *command))).await
    }
}

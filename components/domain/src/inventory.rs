//! Stock over several locations: counters, what may be promised, who gets it, and the ledger of every move.
//!
//! Not here: the life of a hold (`reservation`) and what an order does with its pieces (`order`).
//! Start at [`Counters`] and [`allocate`]; every change of a counter is a [`Movement`].

mod allocation;
mod location;
mod movement;
mod policy;
mod promise;
mod replay;
mod transfer;

pub use allocation::{
    Allocation, Backorder, Hold, LOCATIONS_MAX, Request, Shortage, ShortageReason, Strategy,
    Wanted, allocate, promises,
};
pub use location::{Location, MAIN_LOCATION};
pub use movement::{
    Cause, Effect, InvalidMovement, InvalidPieces, Movement, MovementKind, MovementReason,
    PIECES_MAX, Pieces,
};
pub use policy::{Availability, BackorderPolicy, Sale, SkuPolicy, availability};
pub use promise::{Promise, PromiseKind, UnknownPromiseKind};
pub use replay::{Drift, ReplayError, StockKey, prove, replay};
pub use transfer::{
    Receipt, TRANSFER_LINES_MAX, Transfer, TransferCommand, TransferLine, TransferRefused,
    TransferStatus, TransferStep,
};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::reservation::Stock;
use crate::{ErrorKind, LocationId, Timestamp};

/// Counters of one SKU at one location. Moved only by [`Counters::apply`].
///
/// `0 ≤ reserved ≤ on_hand`, `0 ≤ incoming` and `0 ≤ backordered` always hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Pieces in the house, held ones included.
    pub on_hand: i64,
    /// Pieces held for checkouts and unshipped backorders under way.
    pub reserved: i64,
    /// Pieces ordered from a supplier, or under way from another location.
    pub incoming: i64,
    /// Pieces promised to shoppers that are not there yet.
    pub backordered: i64,
}

/// One counter of [`Counters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counter {
    /// [`Counters::on_hand`].
    OnHand,
    /// [`Counters::reserved`].
    Reserved,
    /// [`Counters::incoming`].
    Incoming,
    /// [`Counters::backordered`].
    Backordered,
}

/// A movement that the counters do not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MovementRefused {
    /// The counter would go below zero.
    #[error("{counter:?} is {held}, which is less")]
    TooFew {
        /// Which counter.
        counter: Counter,
        /// What it stands at.
        held: i64,
    },
    /// More would be reserved than is on hand: the pieces belong to orders, which must be released or moved first.
    #[error("{reserved} of {on_hand} are held for orders")]
    HeldForOrders {
        /// Pieces on hand now.
        on_hand: i64,
        /// Pieces held now.
        reserved: i64,
    },
    /// The counter would leave 64 bits.
    #[error("counter out of range")]
    OutOfRange,
}

impl MovementRefused {
    /// Returns the family of the refusal.
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        match self {
            Self::TooFew { .. } | Self::HeldForOrders { .. } => ErrorKind::Conflict,
            Self::OutOfRange => ErrorKind::InvalidInput,
        }
    }
}

impl Counters {
    /// Applies a movement.
    ///
    /// # Errors
    /// [`MovementRefused`] when a counter would go below zero or more would be held than is there.
    pub fn apply(self, movement: &Movement) -> Result<Self, MovementRefused> {
        self.after(movement.effect())
    }

    /// Applies an effect on all four counters at once.
    ///
    /// # Errors
    /// As [`Counters::apply`].
    pub fn after(self, effect: Effect) -> Result<Self, MovementRefused> {
        let moved = |held: i64, by: i64, counter: Counter| {
            let next = held.checked_add(by).ok_or(MovementRefused::OutOfRange)?;
            if next < 0 { Err(MovementRefused::TooFew { counter, held }) } else { Ok(next) }
        };
        let next = Self {
            on_hand: moved(self.on_hand, effect.on_hand, Counter::OnHand)?,
            reserved: moved(self.reserved, effect.reserved, Counter::Reserved)?,
            incoming: moved(self.incoming, effect.incoming, Counter::Incoming)?,
            backordered: moved(self.backordered, effect.backordered, Counter::Backordered)?,
        };
        if next.reserved > next.on_hand {
            return Err(MovementRefused::HeldForOrders {
                on_hand: self.on_hand,
                reserved: self.reserved,
            });
        }
        Ok(next)
    }

    /// Returns the pieces that nobody holds, safety stock included.
    #[must_use]
    pub fn unheld(self) -> i64 {
        Stock { on_hand: self.on_hand, reserved: self.reserved }.available()
    }
}

/// A delivery that is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// When.
    pub at: Timestamp,
    /// How many pieces.
    pub pieces: Pieces,
}

/// One SKU at one location: its counters and what the shop says about them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LocationStock {
    /// The counters.
    pub counters: Counters,
    /// Pieces that are never sold, 0 unless set: they cover what counting gets wrong. Negative counts as 0.
    #[serde(default)]
    pub safety: i64,
    /// Dated deliveries, in any order. What is incoming without a date is not here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected: Vec<Expected>,
}

impl LocationStock {
    /// Returns the pieces that may be sold now: on hand − reserved − safety stock, never below 0.
    #[must_use]
    pub fn available(&self) -> i64 {
        self.counters.unheld().saturating_sub(self.safety.max(0)).max(0)
    }

    /// Returns by when `more` pieces can be promised beside those promised already; `None` when no dated delivery
    /// covers them all.
    #[must_use]
    pub fn expected_for(&self, more: u32) -> Option<Timestamp> {
        let mut open = self.counters.backordered.saturating_add(i64::from(more));
        let mut deliveries: Vec<_> = self.expected.iter().collect();
        deliveries.sort_by_key(|delivery| delivery.at);
        deliveries.into_iter().find_map(|delivery| {
            open = open.saturating_sub(i64::from(delivery.pieces.get()));
            (open <= 0).then_some(delivery.at)
        })
    }
}

/// Everything known about one SKU when pieces are given out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SkuStock {
    /// Its rules.
    #[serde(default)]
    pub policy: SkuPolicy,
    /// Its stock per location.
    pub at: BTreeMap<LocationId, LocationStock>,
}

impl SkuStock {
    /// Returns the pieces promised and not there yet, over all locations.
    #[must_use]
    pub fn backordered(&self) -> i64 {
        self.at.values().fold(0, |sum, stock| sum.saturating_add(stock.counters.backordered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stock(on_hand: i64, reserved: i64, safety: i64) -> LocationStock {
        let counters = Counters { on_hand, reserved, ..Counters::default() };
        LocationStock { counters, safety, expected: Vec::new() }
    }

    #[test]
    fn safety_stock_and_holds_are_not_for_sale() {
        for (on_hand, reserved, safety, available) in [
            (10, 0, 0, 10),
            (10, 4, 0, 6),
            (10, 4, 2, 4),
            (10, 9, 2, 0),
            (0, 0, 5, 0),
            (3, 0, -7, 3),
        ] {
            assert_eq!(stock(on_hand, reserved, safety).available(), available);
        }
    }

    #[test]
    fn a_promise_is_dated_by_the_delivery_that_covers_it_and_all_promises_before_it() {
        let at = |day: i64| Timestamp::from_unix_ms(day * 86_400_000);
        let pieces = |count: u32| Pieces::try_from(count).unwrap();
        let mut stock = stock(0, 0, 0);
        stock.counters.backordered = 4;
        stock.expected = vec![
            Expected { at: at(9), pieces: pieces(5) },
            Expected { at: at(3), pieces: pieces(5) },
        ];
        for (more, expected) in [(1, Some(at(3))), (2, Some(at(9))), (6, Some(at(9))), (7, None)] {
            assert_eq!(stock.expected_for(more), expected, "{more}");
        }
    }
}

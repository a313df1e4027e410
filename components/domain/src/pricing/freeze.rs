//! Frozen prices: what the shopper saw holds for a while, and a change after that is told.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::money::Money;
use crate::{LineId, Timestamp};

/// How long the price of a line holds after it was put into the cart: 1 hour unless configured otherwise.
pub const FREEZE_DEFAULT: Duration = Duration::from_hours(1);

/// A price that holds until a moment, whatever the catalogue says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenPrice {
    /// Price of one piece.
    pub price: Money,
    /// First moment at which the catalogue's price counts again.
    pub until: Timestamp,
}

impl FrozenPrice {
    /// Freezes a price from `now` on.
    #[must_use]
    pub fn new(price: Money, now: Timestamp, length: Duration) -> Self {
        Self { price, until: now.after(length) }
    }

    /// Whether the price still holds.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        now < self.until
    }
}

/// Notice that a line costs something else since its frozen price ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceChange {
    /// The line.
    pub line: LineId,
    /// Price of one piece that was frozen.
    pub old: Money,
    /// Price of one piece now.
    pub new: Money,
}

/// Returns the price that counts, and the notice where the frozen one has ended on another.
#[must_use]
pub fn effective_price(
    line: LineId,
    current: Money,
    frozen: Option<FrozenPrice>,
    now: Timestamp,
) -> (Money, Option<PriceChange>) {
    match frozen {
        Some(frozen) if frozen.holds(now) => (frozen.price, None),
        Some(FrozenPrice { price: old, .. }) if old != current => {
            (current, Some(PriceChange { line, old, new: current }))
        }
        _ => (current, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Currency;

    #[test]
    fn a_frozen_price_holds_until_its_moment_and_a_change_is_told_after_it() {
        let line = LineId::v4([1; 16]);
        let euro = |minor| Money::new(minor, Currency::Eur);
        let start = Timestamp::from_unix_ms(1_000);
        let frozen = FrozenPrice::new(euro(100), start, FREEZE_DEFAULT);
        let last = Timestamp::from_unix_ms(3_600_999);
        let after = Timestamp::from_unix_ms(3_601_000);
        let change = PriceChange { line, old: euro(100), new: euro(120) };
        for (current, frozen, now, expected) in [
            (120, Some(frozen), last, (euro(100), None)),
            (120, Some(frozen), after, (euro(120), Some(change))),
            (100, Some(frozen), after, (euro(100), None)),
            (120, None, after, (euro(120), None)),
        ] {
            assert_eq!(effective_price(line, euro(current), frozen, now), expected);
        }
    }
}

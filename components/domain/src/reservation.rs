//! Stock: what is there, what is held, and what a hold may become.

mod hold;

pub use hold::{ClaimLost, HOLD_GAIN_MIN, HOLD_MAX, Hold, HoldClaim, HoldRule};

use serde::{Deserialize, Serialize};

use crate::sku::Quantity;

/// Pieces from which on stock counts as more than a few: 6. Below it shoppers read "low".
pub const LOW_MAX: i64 = 5;

/// Counters of one SKU. `0 ≤ reserved ≤ on_hand` always holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    /// Pieces in the house, held ones included.
    pub on_hand: i64,
    /// Pieces held for checkouts under way.
    pub reserved: i64,
}

/// A move that the counters do not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{available} available")]
pub struct Short {
    /// Pieces that may still be held.
    pub available: i64,
}

impl Stock {
    /// Returns the pieces that may still be held.
    #[must_use]
    pub fn available(self) -> i64 {
        self.on_hand.saturating_sub(self.reserved).max(0)
    }

    /// Holds pieces for a checkout.
    ///
    /// # Errors
    /// [`Short`] when fewer are available.
    pub fn hold(self, quantity: Quantity) -> Result<Self, Short> {
        let wanted = i64::from(quantity.get());
        let short = Short { available: self.available() };
        if wanted > short.available {
            return Err(short);
        }
        Ok(Self { reserved: self.reserved.checked_add(wanted).ok_or(short)?, ..self })
    }

    /// Gives held pieces back.
    ///
    /// # Errors
    /// [`Short`] when fewer are held.
    pub fn release(self, quantity: Quantity) -> Result<Self, Short> {
        let reserved =
            self.reserved.checked_sub(i64::from(quantity.get())).filter(|&left| left >= 0);
        let short = Short { available: self.available() };
        Ok(Self { reserved: reserved.ok_or(short)?, ..self })
    }

    /// Takes held pieces out of the house: they are sold.
    ///
    /// # Errors
    /// [`Short`] when fewer are held.
    pub fn consume(self, quantity: Quantity) -> Result<Self, Short> {
        let released = self.release(quantity)?;
        let short = Short { available: self.available() };
        let on_hand =
            released.on_hand.checked_sub(i64::from(quantity.get())).filter(|&left| left >= 0);
        Ok(Self { on_hand: on_hand.ok_or(short)?, ..released })
    }

    /// Returns what shoppers are told.
    #[must_use]
    pub fn level(self) -> Level {
        Level::of(self.available())
    }
}

/// How much is left, without the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// More than [`LOW_MAX`].
    InStock,
    /// 1 to [`LOW_MAX`].
    Low,
    /// None.
    OutOfStock,
}

impl Level {
    /// Returns the level of so many pieces for sale.
    #[must_use]
    pub const fn of(available: i64) -> Self {
        match available {
            ..=0 => Self::OutOfStock,
            1..=LOW_MAX => Self::Low,
            _ => Self::InStock,
        }
    }
}

/// Life of one hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReservationStatus {
    /// Pieces are held.
    Held,
    /// The pieces were sold.
    Consumed,
    /// The pieces went back.
    Released,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(count: u32) -> Quantity {
        Quantity::try_from(count).unwrap()
    }

    #[test]
    fn refuses_a_hold_beyond_what_is_available_and_says_how_much_there_is() {
        let stock = Stock { on_hand: 5, reserved: 3 };
        assert_eq!(stock.hold(pieces(2)), Ok(Stock { on_hand: 5, reserved: 5 }));
        assert_eq!(stock.hold(pieces(3)), Err(Short { available: 2 }));
    }

    #[test]
    fn a_sale_lowers_both_counters_and_a_release_only_the_hold() {
        let stock = Stock { on_hand: 5, reserved: 3 };
        assert_eq!(stock.consume(pieces(3)), Ok(Stock { on_hand: 2, reserved: 0 }));
        assert_eq!(stock.release(pieces(1)), Ok(Stock { on_hand: 5, reserved: 2 }));
        assert!(stock.consume(pieces(4)).is_err());
        assert!(stock.release(pieces(4)).is_err());
    }

    #[test]
    fn levels_hide_the_count() {
        for (available, level) in
            [(0, Level::OutOfStock), (1, Level::Low), (5, Level::Low), (6, Level::InStock)]
        {
            assert_eq!(Stock { on_hand: available + 2, reserved: 2 }.level(), level, "{available}");
        }
    }

    proptest! {
        #[test]
        fn no_sequence_of_moves_breaks_the_counters(start in 0_i64..200, moves in prop::collection::vec((0_u8..3, 1_u32..20), 0..60)) {
            let mut stock = Stock { on_hand: start, reserved: 0 };
            for (kind, count) in moves {
                let next = match kind {
                    0 => stock.hold(pieces(count)),
                    1 => stock.release(pieces(count)),
                    _ => stock.consume(pieces(count)),
                };
                stock = next.unwrap_or(stock);
                prop_assert!(0 <= stock.reserved && stock.reserved <= stock.on_hand && stock.on_hand <= start);
            }
        }
    }
}

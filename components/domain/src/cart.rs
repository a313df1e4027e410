//! What a cart may hold and what it costs.

pub mod limits;
pub mod merge;

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::money::{Currency, Money, MoneyError};
use crate::sku::Quantity;

/// Most lines in one cart: 50. More is refused, so that one checkout stays one small transaction.
pub const LINES_MAX: usize = 50;

/// How long a checkout holds its stock: 10 minutes unless configured otherwise.
pub const HOLD_DEFAULT: Duration = Duration::from_mins(10);

/// Whether a cart may still be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CartStatus {
    /// Lines may come and go.
    Open,
    /// An order was made of it; it opens again when that order comes to nothing.
    CheckedOut,
}

/// Flat shipping for one currency, waived from a subtotal on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShippingRule {
    /// What shipping costs below the threshold, in minor units.
    pub flat_minor: i64,
    /// Subtotal from which shipping is free, in minor units.
    pub free_from_minor: i64,
}

impl ShippingRule {
    /// Returns the rule a shop starts with: about 5 euros, free from about 100.
    #[must_use]
    pub const fn standard(currency: Currency) -> Self {
        let (flat_minor, free_from_minor) = match currency {
            Currency::Chf => (690, 11_000),
            Currency::Eur => (490, 10_000),
            Currency::Gbp => (450, 9_000),
            Currency::Jpy => (800, 15_000),
            Currency::Kwd => (1_500, 35_000),
            Currency::Usd => (590, 12_000),
        };
        Self { flat_minor, free_from_minor }
    }
}

/// What a cart or an order costs. Prices contain their tax, so `total` is `subtotal` plus `shipping`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// The lines together.
    pub subtotal: Money,
    /// Shipping.
    pub shipping: Money,
    /// Tax contained in `total`.
    pub tax: Money,
    /// What is paid.
    pub total: Money,
}

/// Adds up lines of unit price and quantity. An empty cart ships for nothing.
///
/// # Errors
/// [`MoneyError::CurrencyMismatch`] and [`MoneyError::OutOfRange`].
pub fn totals(
    currency: Currency,
    lines: &[(Money, Quantity)],
    shipping: ShippingRule,
    tax_basis_points: u32,
) -> Result<Totals, MoneyError> {
    let mut subtotal = Money::zero(currency);
    for &(unit, quantity) in lines {
        subtotal = subtotal.checked_add(unit.checked_mul(quantity.get())?)?;
    }
    let is_free = lines.is_empty() || subtotal.minor >= shipping.free_from_minor;
    let shipping = Money::new(if is_free { 0 } else { shipping.flat_minor }, currency);
    let total = subtotal.checked_add(shipping)?;
    Ok(Totals { subtotal, shipping, tax: total.contained_tax(tax_basis_points)?, total })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: ShippingRule = ShippingRule { flat_minor: 490, free_from_minor: 10_000 };

    #[track_caller]
    fn check(lines: &[(i64, u32)], subtotal: i64, shipping: i64, tax: i64) {
        let lines: Vec<_> = lines
            .iter()
            .map(|&(minor, count)| {
                (Money::new(minor, Currency::Eur), Quantity::try_from(count).unwrap())
            })
            .collect();
        let totals = totals(Currency::Eur, &lines, RULE, 1_900).unwrap();
        let of = |money: Money| money.minor;
        assert_eq!(
            (of(totals.subtotal), of(totals.shipping), of(totals.tax)),
            (subtotal, shipping, tax)
        );
        assert_eq!(totals.subtotal.checked_add(totals.shipping), Ok(totals.total));
    }

    #[test]
    fn shipping_is_flat_until_the_threshold_and_nothing_for_an_empty_cart() {
        check(&[], 0, 0, 0);
        check(&[(1_000, 1)], 1_000, 490, 238);
        check(&[(9_999, 1)], 9_999, 490, 1_675);
        check(&[(5_000, 2)], 10_000, 0, 1_597);
    }

    #[test]
    fn refuses_lines_of_another_currency() {
        let yen = [(Money::new(5, Currency::Jpy), Quantity::ONE)];
        assert!(totals(Currency::Eur, &yen, RULE, 0).is_err());
    }

    proptest! {
        #[test]
        fn a_total_is_its_parts_and_contains_its_tax(lines in prop::collection::vec((0_i64..10_000_000, 1_u32..=99), 0..=LINES_MAX)) {
            let lines: Vec<_> = lines.into_iter().map(|(minor, count)| (Money::new(minor, Currency::Usd), Quantity::try_from(count).unwrap())).collect();
            let totals = totals(Currency::Usd, &lines, RULE, 1_900).unwrap();
            prop_assert_eq!(totals.subtotal.checked_add(totals.shipping), Ok(totals.total));
            prop_assert!(totals.tax.minor >= 0 && totals.tax.minor <= totals.total.minor);
        }
    }
}

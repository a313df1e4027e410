//! One amount per currency: what a rule says for each currency that it knows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::money::{Currency, Money};

/// Amounts in minor units by currency. A currency that is absent is one that the rule does not cover: nothing is
/// converted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AmountByCurrency(BTreeMap<Currency, i64>);

impl AmountByCurrency {
    /// Makes a set of one amount.
    #[must_use]
    pub fn of(amount: Money) -> Self {
        Self(BTreeMap::from([(amount.currency, amount.minor)]))
    }

    /// Adds or replaces the amount of its currency.
    #[must_use]
    pub fn and(mut self, amount: Money) -> Self {
        self.0.insert(amount.currency, amount.minor);
        self
    }

    /// Returns the amount in `currency`, where the rule has one.
    #[must_use]
    pub fn in_currency(&self, currency: Currency) -> Option<Money> {
        self.0.get(&currency).map(|&minor| Money::new(minor, currency))
    }

    /// Whether there is an amount and none is below `minor_min`.
    pub(super) fn are_at_least(&self, minor_min: i64) -> bool {
        !self.0.is_empty() && self.0.values().all(|&minor| minor >= minor_min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_without_an_amount_is_not_covered() {
        let amounts = AmountByCurrency::of(Money::new(500, Currency::Eur))
            .and(Money::new(800, Currency::Jpy));
        assert_eq!(amounts.in_currency(Currency::Jpy), Some(Money::new(800, Currency::Jpy)));
        assert_eq!(amounts.in_currency(Currency::Kwd), None);
        assert!(amounts.are_at_least(500));
        assert!(!amounts.are_at_least(501));
        assert!(!AmountByCurrency::default().are_at_least(0));
    }
}

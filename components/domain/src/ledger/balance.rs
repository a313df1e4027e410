//! Adding up the books.

use std::collections::BTreeMap;

use super::{Account, Entry};
use crate::Currency;

/// A currency whose debits and credits differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imbalance {
    /// Which currency.
    pub currency: Currency,
    /// Debits minus credits, in minor units.
    pub minor: i128,
}

/// The balances of all accounts over some entries. 128 bits hold the sum of any number of entries that fits a disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Balance {
    sums: BTreeMap<(Account, Currency), i128>,
}

impl Balance {
    /// Adds up entries in any order.
    #[must_use]
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut balance = Self::default();
        entries.into_iter().for_each(|entry| balance.add(entry));
        balance
    }

    /// Adds one entry.
    pub fn add(&mut self, entry: &Entry) {
        let sum = self.sums.entry((entry.account, entry.amount.currency)).or_default();
        *sum = sum.saturating_add(i128::from(entry.amount.minor));
    }

    /// Returns debits minus credits of an account, in minor units.
    #[must_use]
    pub fn account(&self, account: Account, currency: Currency) -> i128 {
        self.sums.get(&(account, currency)).copied().unwrap_or(0)
    }

    /// Returns the currencies that do not balance; none is the proof that the books do.
    #[must_use]
    pub fn imbalances(&self) -> Vec<Imbalance> {
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        for (&(_, currency), &minor) in &self.sums {
            let sum = sums.entry(currency).or_default();
            *sum = sum.saturating_add(minor);
        }
        let found = sums.into_iter().filter(|&(_, minor)| minor != 0);
        found.map(|(currency, minor)| Imbalance { currency, minor }).collect()
    }

    /// Returns the accounts that stand on the side where they cannot: money given back that was never taken, and the
    /// like. [`Account::ProviderClearing`] may, for a while: fees and chargebacks may exceed what was taken.
    #[must_use]
    pub fn contradictions(&self) -> Vec<(Account, Currency)> {
        let wrong = self.sums.iter().filter(|&(&(account, _), &minor)| match account {
            Account::AuthorizedFunds
            | Account::Chargebacks
            | Account::Discounts
            | Account::Fees
            | Account::Refunds => minor < 0,
            Account::AuthorizedFundsContra
            | Account::GiftCardLiability
            | Account::Revenue
            | Account::ShippingRevenue
            | Account::TaxPayable => minor > 0,
            Account::ProviderClearing => false,
        });
        wrong.map(|(&key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Money;

    #[test]
    fn finds_currencies_that_do_not_balance_and_accounts_on_the_wrong_side() {
        let entry =
            |account, minor, currency| Entry { account, amount: Money::new(minor, currency) };
        let mut balance = Balance::of(&[
            entry(Account::ProviderClearing, 7, Currency::Jpy),
            entry(Account::Revenue, -7, Currency::Jpy),
            entry(Account::Revenue, 3, Currency::Eur),
            entry(Account::Refunds, -2, Currency::Eur),
        ]);
        assert_eq!(balance.account(Account::Revenue, Currency::Jpy), -7);
        assert_eq!(balance.account(Account::Revenue, Currency::Usd), 0);
        assert_eq!(balance.imbalances(), [Imbalance { currency: Currency::Eur, minor: 1 }]);
        let wrong = [(Account::Refunds, Currency::Eur), (Account::Revenue, Currency::Eur)];
        assert_eq!(balance.contradictions(), wrong);
        balance.add(&entry(Account::Revenue, -1, Currency::Eur));
        assert_eq!(balance.imbalances(), []);
    }
}

//! Double entry: what each event of the trade writes into which account, and the proof that it adds up.
//!
//! A [`Posting`] can only be made balanced, per currency. Debits are positive, credits negative, as they are stored.
//! Revenue is booked when money is captured, so that the accounts never show a sale that was not paid.
//! Start at [`captured`]; [`Balance`] adds up entries and finds currencies that do not.

mod balance;
mod events;

pub use balance::{Balance, Imbalance};
pub use events::{
    Capture, GiftCardFunding, Refund, SaleParts, authorized, captured, chargeback_won,
    charged_back, gift_card_issued, gift_card_redeemed, gift_card_refunded, provider_fee, refunded,
    voided,
};

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Currency, Money, MoneyError};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $error:ident, $refusal:literal { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        #[doc = concat!("Refused text for a [`", stringify!($name), "`].")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[error($refusal)]
        pub struct $error;

        impl $name {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the word on the wire and in storage.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or($error)
            }
        }
    };
}

words! {
    /// An account of the shop's books. Each exists once per currency.
    Account, UnknownAccount, "not an account" {
        /// Memo: what payers' banks hold for us and nobody has captured. A debit balance.
        AuthorizedFunds = "authorized_funds",
        /// Memo: the other side of [`Self::AuthorizedFunds`]; the two never touch the books proper.
        AuthorizedFundsContra = "authorized_funds_contra",
        /// What payments reversed by payers' banks have cost. A debit balance.
        Chargebacks = "chargebacks",
        /// What was taken off prices; stands against revenue. A debit balance.
        Discounts = "discounts",
        /// What payment providers keep. A debit balance.
        Fees = "fees",
        /// What is still on gift cards: the shop owes it. A credit balance.
        GiftCardLiability = "gift_card_liability",
        /// What the provider has taken in for us and not given back. A debit balance.
        ProviderClearing = "provider_clearing",
        /// What was given back, without tax; stands against revenue. A debit balance.
        Refunds = "refunds",
        /// Goods sold, before discounts, without tax. A credit balance.
        Revenue = "revenue",
        /// Shipping sold, without tax. A credit balance.
        ShippingRevenue = "shipping_revenue",
        /// Tax taken in and owed to the state. A credit balance.
        TaxPayable = "tax_payable",
    }
}

words! {
    /// What happened.
    LedgerEvent, UnknownLedgerEvent, "not an event of the ledger" {
        /// A payer's bank holds money for us.
        Authorized = "authorized",
        /// Held money was let go.
        Voided = "voided",
        /// Money was taken: by the provider, from a gift card, or both.
        Captured = "captured",
        /// Money was given back.
        Refunded = "refunded",
        /// A gift card was sold or given away.
        GiftCardIssued = "gift_card_issued",
        /// A gift card was taken back and its price returned.
        GiftCardRefunded = "gift_card_refunded",
        /// The provider kept a fee.
        Fee = "fee",
        /// A payer's bank took money back.
        ChargedBack = "charged_back",
        /// The bank returned what it took back.
        ChargebackWon = "chargeback_won",
    }
}

/// Why a posting could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Debits and credits of a currency differ.
    #[error("entries of {0} do not balance")]
    Unbalanced(Currency),
    /// An amount that cannot be below zero is.
    #[error("negative amount for {0}")]
    Negative(Account),
    /// The amounts do not add up.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// One line of the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Which account.
    pub account: Account,
    /// How much: a debit is positive, a credit negative.
    pub amount: Money,
}

/// What one event writes: entries that add up to zero in every currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Posting {
    event: LedgerEvent,
    entries: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    event: LedgerEvent,
    entries: Vec<Entry>,
}

impl TryFrom<Parts> for Posting {
    type Error = LedgerError;

    fn try_from(parts: Parts) -> Result<Self, LedgerError> {
        Self::new(parts.event, parts.entries)
    }
}

impl From<Posting> for Parts {
    fn from(posting: Posting) -> Self {
        Self { event: posting.event, entries: posting.entries }
    }
}

impl Posting {
    /// Takes entries that balance; those of nothing are left out.
    ///
    /// # Errors
    /// [`LedgerError::Unbalanced`] with the first currency that does not.
    pub fn new(event: LedgerEvent, mut entries: Vec<Entry>) -> Result<Self, LedgerError> {
        entries.retain(|entry| entry.amount.minor != 0);
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        for entry in &entries {
            let sum = sums.entry(entry.amount.currency).or_default();
            *sum = sum.saturating_add(i128::from(entry.amount.minor));
        }
        match sums.into_iter().find(|&(_, sum)| sum != 0) {
            Some((currency, _)) => Err(LedgerError::Unbalanced(currency)),
            None => Ok(Self { event, entries }),
        }
    }

    /// Returns what happened.
    #[must_use]
    pub const fn event(&self) -> LedgerEvent {
        self.event
    }

    /// Returns the entries; none for an event without money.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_are_those_of_the_stored_form() {
        for account in Account::ALL {
            assert_eq!(account.as_str().parse(), Ok(*account));
            assert_eq!(serde_json::to_value(account).unwrap(), account.as_str());
        }
        for event in LedgerEvent::ALL {
            assert_eq!(event.as_str().parse(), Ok(*event));
            assert_eq!(serde_json::to_value(event).unwrap(), event.as_str());
        }
        assert!("cash".parse::<Account>().is_err());
    }

    #[test]
    fn a_posting_balances_in_every_currency_or_is_not_made() {
        let entry =
            |account, minor, currency| Entry { account, amount: Money::new(minor, currency) };
        let euro = [
            entry(Account::Fees, 5, Currency::Eur),
            entry(Account::ProviderClearing, -5, Currency::Eur),
        ];
        assert!(Posting::new(LedgerEvent::Fee, euro.to_vec()).is_ok());
        let mut mixed = euro.to_vec();
        mixed.push(entry(Account::Fees, 5, Currency::Jpy));
        mixed.push(entry(Account::ProviderClearing, -5, Currency::Kwd));
        let refused = Posting::new(LedgerEvent::Fee, mixed);
        assert_eq!(refused, Err(LedgerError::Unbalanced(Currency::Jpy)));
        let text = r#"{"event":"fee","entries":[{"account":"fees","amount":{"minor":1,"currency":"EUR"}}]}"#;
        assert!(serde_json::from_str::<Posting>(text).is_err());
    }
}

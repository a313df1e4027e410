//! One function per event of the trade. Each names every account but one; that one takes what is left, so it balances.

use serde::{Deserialize, Serialize};

use super::{Account, Entry, LedgerError, LedgerEvent, Posting};
use crate::{Currency, Money, MoneyError};

/// What a sale, or a part of one, is made of. Nothing in it is below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaleParts {
    /// Goods without tax, before discounts.
    pub goods: Money,
    /// What was taken off.
    pub discount: Money,
    /// Shipping without tax.
    pub shipping: Money,
    /// Tax on all of it.
    pub tax: Money,
}

impl SaleParts {
    /// Returns what is paid: goods − discount + shipping + tax.
    ///
    /// # Errors
    /// As [`Money::checked_add`].
    pub fn total(self) -> Result<Money, MoneyError> {
        self.goods.checked_sub(self.discount)?.checked_add(self.shipping)?.checked_add(self.tax)
    }
}

/// Money that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capture {
    /// What it pays for; a partial capture pays for a part.
    pub parts: SaleParts,
    /// How much of it came from gift cards; the provider took the rest.
    pub gift_card: Money,
    /// How much had been authorized before and is not any more.
    pub authorized: Money,
}

/// Money that was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refund {
    /// Goods and shipping without tax.
    pub net: Money,
    /// Their tax.
    pub tax: Money,
    /// How much of it went onto gift cards; the provider returned the rest.
    pub gift_card: Money,
}

/// Who pays for a new gift card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GiftCardFunding {
    /// Somebody bought it.
    Bought,
    /// The shop gives it away.
    GivenAway,
}

/// Entries under way to a [`Posting`].
struct Draft {
    event: LedgerEvent,
    entries: Vec<Entry>,
    sum: Money,
}

impl Draft {
    fn new(event: LedgerEvent, currency: Currency) -> Self {
        Self { event, entries: Vec::new(), sum: Money::zero(currency) }
    }

    fn debit(mut self, account: Account, amount: Money) -> Result<Self, LedgerError> {
        if amount.minor < 0 {
            return Err(LedgerError::Negative(account));
        }
        self.sum = self.sum.checked_add(amount)?;
        self.entries.push(Entry { account, amount });
        Ok(self)
    }

    fn credit(mut self, account: Account, amount: Money) -> Result<Self, LedgerError> {
        if amount.minor < 0 {
            return Err(LedgerError::Negative(account));
        }
        self.sum = self.sum.checked_sub(amount)?;
        let amount = Money::zero(amount.currency).checked_sub(amount)?;
        self.entries.push(Entry { account, amount });
        Ok(self)
    }

    /// Debits what the credits are ahead.
    fn rest_to_debit(self, account: Account) -> Result<Posting, LedgerError> {
        let rest = Money::zero(self.sum.currency).checked_sub(self.sum)?;
        let draft = self.debit(account, rest)?;
        Posting::new(draft.event, draft.entries)
    }

    /// Credits what the debits are ahead.
    fn rest_to_credit(self, account: Account) -> Result<Posting, LedgerError> {
        let rest = self.sum;
        let draft = self.credit(account, rest)?;
        Posting::new(draft.event, draft.entries)
    }
}

/// A payer's bank holds money for us.
///
/// # Errors
/// [`LedgerError`] for an amount below zero.
pub fn authorized(amount: Money) -> Result<Posting, LedgerError> {
    Draft::new(LedgerEvent::Authorized, amount.currency)
        .debit(Account::AuthorizedFunds, amount)?
        .rest_to_credit(Account::AuthorizedFundsContra)
}

/// Held money was let go without being taken.
///
/// # Errors
/// [`LedgerError`] for an amount below zero.
pub fn voided(amount: Money) -> Result<Posting, LedgerError> {
    Draft::new(LedgerEvent::Voided, amount.currency)
        .debit(Account::AuthorizedFundsContra, amount)?
        .rest_to_credit(Account::AuthorizedFunds)
}

/// Money was taken for a sale or for a part of one.
///
/// # Errors
/// [`LedgerError`] for amounts below zero, of several currencies, or a gift card that pays more than there is to pay.
pub fn captured(capture: Capture) -> Result<Posting, LedgerError> {
    let Capture { parts, gift_card, authorized } = capture;
    Draft::new(LedgerEvent::Captured, parts.goods.currency)
        .debit(Account::AuthorizedFundsContra, authorized)?
        .credit(Account::AuthorizedFunds, authorized)?
        .credit(Account::Revenue, parts.goods)?
        .debit(Account::Discounts, parts.discount)?
        .credit(Account::ShippingRevenue, parts.shipping)?
        .credit(Account::TaxPayable, parts.tax)?
        .debit(Account::GiftCardLiability, gift_card)?
        .rest_to_debit(Account::ProviderClearing)
}

/// A gift card paid for a whole sale: [`captured`] without the provider.
///
/// # Errors
/// As [`captured`].
pub fn gift_card_redeemed(parts: SaleParts) -> Result<Posting, LedgerError> {
    let nothing = Money::zero(parts.goods.currency);
    captured(Capture { parts, gift_card: parts.total()?, authorized: nothing })
}

/// Money was given back with its share of the tax.
///
/// # Errors
/// [`LedgerError`] for amounts below zero, of several currencies, or more onto gift cards than is given back.
pub fn refunded(refund: Refund) -> Result<Posting, LedgerError> {
    Draft::new(LedgerEvent::Refunded, refund.net.currency)
        .debit(Account::Refunds, refund.net)?
        .debit(Account::TaxPayable, refund.tax)?
        .credit(Account::GiftCardLiability, refund.gift_card)?
        .rest_to_credit(Account::ProviderClearing)
}

/// A gift card came into being. Its tax falls due when it is spent (multi-purpose voucher, directive (EU) 2016/1065).
///
/// # Errors
/// [`LedgerError`] for an amount below zero.
pub fn gift_card_issued(amount: Money, funding: GiftCardFunding) -> Result<Posting, LedgerError> {
    let account = match funding {
        GiftCardFunding::Bought => Account::ProviderClearing,
        GiftCardFunding::GivenAway => Account::Discounts,
    };
    Draft::new(LedgerEvent::GiftCardIssued, amount.currency)
        .debit(account, amount)?
        .rest_to_credit(Account::GiftCardLiability)
}

/// A gift card that was bought is taken back unspent, and its buyer gets the money.
///
/// What an order gives back *onto* a gift card is a [`refunded`].
///
/// # Errors
/// [`LedgerError`] for an amount below zero.
pub fn gift_card_refunded(amount: Money) -> Result<Posting, LedgerError> {
    Draft::new(LedgerEvent::GiftCardRefunded, amount.currency)
        .debit(Account::GiftCardLiability, amount)?
        .rest_to_credit(Account::ProviderClearing)
}

/// The provider kept a fee.
///
/// # Errors
/// [`LedgerError`] for an amount below zero.
pub fn provider_fee(amount: Money) -> Result<Posting, LedgerError> {
    Draft::new(LedgerEvent::Fee, amount.currency)
        .debit(Account::Fees, amount)?
        .rest_to_credit(Account::ProviderClearing)
}

/// A payer's bank took money back. The provider's fee for it is a [`provider_fee`].
///
/// # Errors
/// [`LedgerError`] for an amount below zero.
pub fn charged_back(amount: Money) -> Result<Posting, LedgerError> {
    Draft::new(LedgerEvent::ChargedBack, amount.currency)
        .debit(Account::Chargebacks, amount)?
        .rest_to_credit(Account::ProviderClearing)
}

/// The bank returned what it had taken back.
///
/// # Errors
/// [`LedgerError`] for an amount below zero.
pub fn chargeback_won(amount: Money) -> Result<Posting, LedgerError> {
    Draft::new(LedgerEvent::ChargebackWon, amount.currency)
        .debit(Account::ProviderClearing, amount)?
        .rest_to_credit(Account::Chargebacks)
}

#[cfg(test)]
mod tests {
    use Account as A;
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::Balance;

    const fn eur(minor: i64) -> Money {
        Money::new(minor, Currency::Eur)
    }

    const fn parts(goods: i64, discount: i64, shipping: i64, tax: i64) -> SaleParts {
        SaleParts {
            goods: eur(goods),
            discount: eur(discount),
            shipping: eur(shipping),
            tax: eur(tax),
        }
    }

    #[track_caller]
    fn check(posting: Result<Posting, LedgerError>, expected: &[(Account, i64)]) {
        let mut got: Vec<_> = posting
            .unwrap()
            .entries()
            .iter()
            .map(|entry| (entry.account, entry.amount.minor))
            .collect();
        let mut expected = expected.to_vec();
        got.sort_unstable();
        expected.sort_unstable();
        assert_eq!(got, expected);
    }

    #[test]
    fn every_event_writes_what_the_books_expect() {
        check(authorized(eur(119)), &[(A::AuthorizedFunds, 119), (A::AuthorizedFundsContra, -119)]);
        check(voided(eur(19)), &[(A::AuthorizedFunds, -19), (A::AuthorizedFundsContra, 19)]);
        let capture =
            Capture { parts: parts(110, 10, 5, 20), gift_card: eur(25), authorized: eur(100) };
        check(
            captured(capture),
            &[
                (A::AuthorizedFunds, -100),
                (A::AuthorizedFundsContra, 100),
                (A::Revenue, -110),
                (A::Discounts, 10),
                (A::ShippingRevenue, -5),
                (A::TaxPayable, -20),
                (A::GiftCardLiability, 25),
                (A::ProviderClearing, 100),
            ],
        );
        check(
            gift_card_redeemed(parts(100, 0, 0, 19)),
            &[(A::Revenue, -100), (A::TaxPayable, -19), (A::GiftCardLiability, 119)],
        );
        check(
            refunded(Refund { net: eur(50), tax: eur(9), gift_card: eur(20) }),
            &[
                (A::Refunds, 50),
                (A::TaxPayable, 9),
                (A::GiftCardLiability, -20),
                (A::ProviderClearing, -39),
            ],
        );
        check(
            gift_card_issued(eur(50), GiftCardFunding::Bought),
            &[(A::ProviderClearing, 50), (A::GiftCardLiability, -50)],
        );
        check(
            gift_card_issued(eur(50), GiftCardFunding::GivenAway),
            &[(A::Discounts, 50), (A::GiftCardLiability, -50)],
        );
        check(
            gift_card_refunded(eur(50)),
            &[(A::ProviderClearing, -50), (A::GiftCardLiability, 50)],
        );
        check(provider_fee(eur(3)), &[(A::Fees, 3), (A::ProviderClearing, -3)]);
        check(charged_back(eur(119)), &[(A::Chargebacks, 119), (A::ProviderClearing, -119)]);
        check(chargeback_won(eur(119)), &[(A::Chargebacks, -119), (A::ProviderClearing, 119)]);
        check(charged_back(eur(0)), &[]);
    }

    #[test]
    fn refuses_amounts_that_cannot_be() {
        assert_eq!(authorized(eur(-1)), Err(LedgerError::Negative(A::AuthorizedFunds)));
        let too_much = Refund { net: eur(5), tax: eur(1), gift_card: eur(7) };
        assert_eq!(refunded(too_much), Err(LedgerError::Negative(A::ProviderClearing)));
        let over = Capture { parts: parts(5, 0, 0, 1), gift_card: eur(7), authorized: eur(0) };
        assert_eq!(captured(over), Err(LedgerError::Negative(A::ProviderClearing)));
        let yen = Refund { net: eur(5), tax: Money::new(1, Currency::Jpy), gift_card: eur(0) };
        assert!(matches!(refunded(yen), Err(LedgerError::Money(_))));
    }

    proptest! {
        #[test]
        fn any_sequence_of_events_balances_in_every_currency(
            events in prop::collection::vec((0_u8..9, 0_i64..1_000_000, 0_i64..1_000, 0_i64..1_000, 0_usize..3), 0..60),
        ) {
            let mut balance = Balance::default();
            for (event, amount, discount, tax, currency) in events {
                let of = |minor| Money::new(minor, [Currency::Jpy, Currency::Eur, Currency::Kwd][currency]);
                let (amount, discount, tax) = (of(amount), of(discount), of(tax));
                let parts = SaleParts { goods: amount, discount, shipping: tax, tax };
                let posting = match event {
                    0 => authorized(amount),
                    1 => voided(amount),
                    2 => captured(Capture { parts, gift_card: of(0), authorized: discount }),
                    3 => refunded(Refund { net: amount, tax, gift_card: discount }),
                    4 => gift_card_issued(amount, GiftCardFunding::Bought),
                    5 => gift_card_redeemed(parts),
                    6 => charged_back(amount),
                    7 => chargeback_won(amount),
                    _ => provider_fee(amount),
                };
                if let Ok(posting) = posting {
                    posting.entries().iter().for_each(|entry| balance.add(entry));
                }
                prop_assert_eq!(balance.imbalances(), vec![]);
            }
        }
    }
}

//! The amounts of a payment, and the merge of reports about it.
//!
//! A report is what a provider says at one moment: a word and four amounts that only ever grow. So the merge is a
//! maximum, and neither order nor repetition of the reports of one history changes where it ends.

use core::cmp::Ordering;

use super::{PaymentEvent, PaymentStatus};
use crate::{Currency, Money};

/// Why four amounts cannot be those of one payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountsError {
    /// One of them is of another currency.
    #[error("amounts of a payment in several currencies")]
    Currencies,
    /// One of them is below zero.
    #[error("an amount of a payment below zero")]
    Negative,
    /// More was captured and released than authorized, or more refunded than captured.
    #[error("amounts of a payment that do not fit together")]
    Unbalanced,
    /// The word says that money moved, or is held, and the amounts do not, or the other way round.
    #[error("the amounts of a payment contradict its state")]
    Contradiction,
}

/// How much of a payment went where. None of the four ever shrinks, and all are of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amounts {
    currency: Currency,
    authorized: i64,
    captured: i64,
    released: i64,
    refunded: i64,
}

impl Amounts {
    /// Makes the amounts of a payment of which nothing is authorized.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self { currency, authorized: 0, captured: 0, released: 0, refunded: 0 }
    }

    /// Takes amounts as a provider reports them: what was authorized in all, how much of that was captured, how much
    /// was let go, and how much of the captured went back.
    ///
    /// # Errors
    /// See [`AmountsError`]; never [`AmountsError::Contradiction`].
    pub fn new(
        authorized: Money,
        captured: Money,
        released: Money,
        refunded: Money,
    ) -> Result<Self, AmountsError> {
        let currency = authorized.currency;
        let all = [authorized, captured, released, refunded];
        if all.iter().any(|amount| amount.currency != currency) {
            return Err(AmountsError::Currencies);
        }
        if all.iter().any(|amount| amount.minor < 0) {
            return Err(AmountsError::Negative);
        }
        let used = captured.minor.checked_add(released.minor).ok_or(AmountsError::Unbalanced)?;
        if used > authorized.minor || refunded.minor > captured.minor {
            return Err(AmountsError::Unbalanced);
        }
        Ok(Self {
            currency,
            authorized: authorized.minor,
            captured: captured.minor,
            released: released.minor,
            refunded: refunded.minor,
        })
    }

    /// Makes the amounts of a payment that is wholly in a state.
    ///
    /// For the two states in part, where one word does not tell how much, it is nothing that went the whole way.
    #[must_use]
    pub const fn whole(status: PaymentStatus, amount: Money) -> Self {
        let zero = Self::zero(amount.currency);
        let minor = if amount.minor < 0 { 0 } else { amount.minor };
        match status {
            PaymentStatus::Authorized | PaymentStatus::PartiallyCaptured => {
                Self { authorized: minor, ..zero }
            }
            PaymentStatus::Captured | PaymentStatus::PartiallyRefunded => {
                Self { authorized: minor, captured: minor, ..zero }
            }
            PaymentStatus::Refunded => {
                Self { authorized: minor, captured: minor, refunded: minor, ..zero }
            }
            PaymentStatus::Created
            | PaymentStatus::Processing
            | PaymentStatus::RequiresAction
            | PaymentStatus::Declined
            | PaymentStatus::Cancelled
            | PaymentStatus::Unknown => zero,
        }
    }

    /// Returns the currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Returns how much was ever held for us.
    #[must_use]
    pub const fn authorized(self) -> Money {
        Money::new(self.authorized, self.currency)
    }

    /// Returns how much became ours.
    #[must_use]
    pub const fn captured(self) -> Money {
        Money::new(self.captured, self.currency)
    }

    /// Returns how much of the authorized was let go without being captured.
    #[must_use]
    pub const fn released(self) -> Money {
        Money::new(self.released, self.currency)
    }

    /// Returns how much of the captured went back.
    #[must_use]
    pub const fn refunded(self) -> Money {
        Money::new(self.refunded, self.currency)
    }

    /// Returns how much may still be captured.
    #[must_use]
    pub const fn capturable(self) -> Money {
        let rest = self.authorized.saturating_sub(self.captured).saturating_sub(self.released);
        Money::new(if rest < 0 { 0 } else { rest }, self.currency)
    }

    /// Returns how much may still be refunded.
    #[must_use]
    pub const fn refundable(self) -> Money {
        let rest = self.captured.saturating_sub(self.refunded);
        Money::new(if rest < 0 { 0 } else { rest }, self.currency)
    }

    /// Returns the state that the amounts alone tell, if any money moved.
    const fn money_status(self) -> Option<PaymentStatus> {
        if self.refunded > 0 {
            return Some(if self.refunded < self.captured {
                PaymentStatus::PartiallyRefunded
            } else {
                PaymentStatus::Refunded
            });
        }
        if self.captured > 0 {
            return Some(if self.capturable().minor > 0 {
                PaymentStatus::PartiallyCaptured
            } else {
                PaymentStatus::Captured
            });
        }
        None
    }

    fn join(self, other: Self) -> Self {
        Self {
            currency: self.currency,
            authorized: self.authorized.max(other.authorized),
            captured: self.captured.max(other.captured),
            released: self.released.max(other.released),
            refunded: self.refunded.max(other.refunded),
        }
    }
}

/// What a provider says about a payment at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    event: PaymentEvent,
    amounts: Amounts,
}

impl Report {
    /// Makes a report. Only a payment of nothing may be held, captured or refunded with amounts of zero.
    ///
    /// # Errors
    /// [`AmountsError::Contradiction`] when the amounts say another thing about money than the word.
    pub fn new(event: PaymentEvent, amount: Money, amounts: Amounts) -> Result<Self, AmountsError> {
        if amounts.currency != amount.currency {
            return Err(AmountsError::Currencies);
        }
        let told = event.status();
        let is_right = match amounts.money_status() {
            Some(known) => known == told,
            None if amount.minor == 0 => true,
            None if told == PaymentStatus::Authorized => amounts.authorized > 0,
            None => !told.has_moved_money(),
        };
        if is_right { Ok(Self { event, amounts }) } else { Err(AmountsError::Contradiction) }
    }

    /// Makes a report about a payment whose amounts follow from its word: all of it or nothing of it.
    ///
    /// # Errors
    /// [`AmountsError::Contradiction`] for the two words that tell of a part.
    pub fn whole(event: PaymentEvent, amount: Money) -> Result<Self, AmountsError> {
        Self::new(event, amount, Amounts::whole(event.status(), amount))
    }

    /// Returns the word.
    #[must_use]
    pub const fn event(self) -> PaymentEvent {
        self.event
    }

    /// Returns the amounts.
    #[must_use]
    pub const fn amounts(self) -> Amounts {
        self.amounts
    }
}

/// A payment: what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment {
    amount: Money,
    status: PaymentStatus,
    amounts: Amounts,
}

/// A report that cannot be about this payment. Somebody must look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a report about {reported} does not belong to a payment of {amount}")]
pub struct OtherPayment {
    /// How much the payment is about.
    pub amount: Money,
    /// How much the report is about.
    pub reported: Money,
}

/// What a report changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merged {
    /// The payment as it is now.
    pub payment: Payment,
    /// How much more is held for us than was known.
    pub authorized_more: Money,
    /// How much more became ours than was known.
    pub captured_more: Money,
    /// How much more was let go than was known.
    pub released_more: Money,
    /// How much more went back than was known.
    pub refunded_more: Money,
    /// Whether anything is new.
    pub is_news: bool,
}

impl Payment {
    /// Makes a payment that was just written down.
    #[must_use]
    pub const fn new(amount: Money) -> Self {
        let amounts = Amounts::zero(amount.currency);
        Self { amount, status: PaymentStatus::Created, amounts }
    }

    /// Takes a payment out of storage.
    ///
    /// # Errors
    /// As [`Report::new`]: state and amounts must fit together.
    pub fn restore(
        amount: Money,
        status: PaymentStatus,
        amounts: Amounts,
    ) -> Result<Self, AmountsError> {
        if amounts.currency != amount.currency {
            return Err(AmountsError::Currencies);
        }
        let is_right = match amounts.money_status() {
            Some(known) => known == status,
            None => amount.minor == 0 || !status.has_moved_money(),
        };
        if !is_right {
            return Err(AmountsError::Contradiction);
        }
        Ok(Self { amount, status, amounts })
    }

    /// Returns how much is to be paid.
    #[must_use]
    pub const fn amount(self) -> Money {
        self.amount
    }

    /// Returns where it stands.
    #[must_use]
    pub const fn status(self) -> PaymentStatus {
        self.status
    }

    /// Returns how much went where.
    #[must_use]
    pub const fn amounts(self) -> Amounts {
        self.amounts
    }

    /// Returns how much is held for us now and can still be captured. A voided payment holds nothing.
    #[must_use]
    pub const fn held(self) -> Money {
        match self.status {
            PaymentStatus::Cancelled => Money::zero(self.amount.currency),
            _ => self.amounts.capturable(),
        }
    }

    /// Takes in a report: the later word stands, and of each amount the larger one.
    ///
    /// Doubled and older reports change nothing, and reports of one history may come in every order. Money that moved
    /// is never forgotten: no word takes it back, not even a refusal.
    ///
    /// # Errors
    /// [`OtherPayment`] when the report is of another currency, or about more than this payment is.
    pub fn merge(self, report: Report) -> Result<Merged, OtherPayment> {
        let reported = report.amounts.authorized();
        if reported.currency != self.amount.currency || reported.minor > self.amount.minor {
            return Err(OtherPayment { amount: self.amount, reported });
        }
        let amounts = self.amounts.join(report.amounts);
        let told = report.event.status();
        let word = match told.rank().cmp(&self.status.rank()) {
            Ordering::Greater => told,
            Ordering::Less | Ordering::Equal => self.status,
        };
        let status = amounts.money_status().unwrap_or(word);
        let payment = Self { status, amounts, ..self };
        let more = |now: i64, before: i64| Money::new(now.saturating_sub(before), amounts.currency);
        Ok(Merged {
            payment,
            authorized_more: more(amounts.authorized, self.amounts.authorized),
            captured_more: more(amounts.captured, self.amounts.captured),
            released_more: more(amounts.released, self.amounts.released),
            refunded_more: more(amounts.refunded, self.amounts.refunded),
            is_news: payment != self,
        })
    }
}

#[cfg(test)]
mod tests;

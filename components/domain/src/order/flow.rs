//! Where the money of one line is: open, captured, on its way back, given back, or let go. It moves and never vanishes.

use serde::{Deserialize, Serialize};

use crate::{Currency, Money, MoneyError};

/// An amount with the tax in it shown apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Without tax.
    pub net: Money,
    /// The tax.
    pub tax: Money,
}

impl Split {
    /// Makes nothing of a currency.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self { net: Money::zero(currency), tax: Money::zero(currency) }
    }

    /// Returns both together.
    ///
    /// # Errors
    /// As [`Money::checked_add`].
    pub fn total(self) -> Result<Money, MoneyError> {
        self.net.checked_add(self.tax)
    }

    /// Adds another, part by part.
    ///
    /// # Errors
    /// As [`Money::checked_add`].
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        Ok(Self { net: self.net.checked_add(other.net)?, tax: self.tax.checked_add(other.tax)? })
    }

    /// Takes another away, part by part.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when a part would go below zero; else as [`Money::checked_sub`].
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        let left =
            Self { net: self.net.checked_sub(other.net)?, tax: self.tax.checked_sub(other.tax)? };
        if left.is_negative() { Err(MoneyError::OutOfRange) } else { Ok(left) }
    }

    /// Tells whether a part is below zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.net.minor < 0 || self.tax.minor < 0
    }

    /// Returns the part of this that an amount takes, net and tax in proportion.
    fn part(self, amount: Money) -> Result<Self, MoneyError> {
        match share(amount, &[self.net, self.tax])?.as_slice() {
            &[net, tax] => Ok(Self { net, tax }),
            _ => Err(MoneyError::NoWeights),
        }
    }
}

/// Takes an amount from several purses in proportion to what is in them, by largest remainder.
///
/// No purse gives more than it has, the parts add up exactly, and to take everything empties every purse: so no
/// sequence of takings can leave a cent behind or overdraw, in whatever order they come.
///
/// # Errors
/// [`MoneyError::OutOfRange`] when there is less in them, or something is below zero; else as [`Money::allocate`].
pub fn share(amount: Money, purses: &[Money]) -> Result<Vec<Money>, MoneyError> {
    let all = Money::sum(amount.currency, purses.iter().copied())?;
    if amount.minor < 0 || amount.minor > all.minor {
        return Err(MoneyError::OutOfRange);
    }
    if amount.minor == 0 {
        return Ok(purses.iter().map(|_| Money::zero(amount.currency)).collect());
    }
    let weights: Result<Vec<u64>, _> = purses.iter().map(|own| u64::try_from(own.minor)).collect();
    amount.allocate(&weights.map_err(|_negative| MoneyError::OutOfRange)?)
}

/// Where money may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bucket {
    Open,
    Captured,
    Refunding,
    Refunded,
    Released,
}

/// The money of one line, or of shipping. Its parts always add up to what it cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Still to be paid.
    pub open: Split,
    /// Paid, and ours.
    pub captured: Split,
    /// Paid, and on its way back.
    pub refunding: Split,
    /// Given back.
    pub refunded: Split,
    /// Not paid and not asked for any more.
    pub released: Split,
}

impl Flow {
    /// Starts with everything open.
    #[must_use]
    pub const fn new(price: Split) -> Self {
        let nothing = Split::zero(price.net.currency);
        Self {
            open: price,
            captured: nothing,
            refunding: nothing,
            refunded: nothing,
            released: nothing,
        }
    }

    /// Returns what it cost.
    ///
    /// # Errors
    /// As [`Money::checked_add`].
    pub fn price(self) -> Result<Split, MoneyError> {
        self.open
            .checked_add(self.captured)?
            .checked_add(self.refunding)?
            .checked_add(self.refunded)?
            .checked_add(self.released)
    }

    pub(super) const fn of(&self, bucket: Bucket) -> Split {
        match bucket {
            Bucket::Open => self.open,
            Bucket::Captured => self.captured,
            Bucket::Refunding => self.refunding,
            Bucket::Refunded => self.refunded,
            Bucket::Released => self.released,
        }
    }

    const fn slot(&mut self, bucket: Bucket) -> &mut Split {
        match bucket {
            Bucket::Open => &mut self.open,
            Bucket::Captured => &mut self.captured,
            Bucket::Refunding => &mut self.refunding,
            Bucket::Refunded => &mut self.refunded,
            Bucket::Released => &mut self.released,
        }
    }

    /// Moves an amount, net and tax in proportion; returns what moved.
    pub(super) fn shift(
        &mut self,
        from: Bucket,
        to: Bucket,
        amount: Money,
    ) -> Result<Split, MoneyError> {
        let part = self.of(from).part(amount)?;
        self.shift_exactly(from, to, part)?;
        Ok(part)
    }

    /// Moves exactly this.
    pub(super) fn shift_exactly(
        &mut self,
        from: Bucket,
        to: Bucket,
        part: Split,
    ) -> Result<(), MoneyError> {
        *self.slot(from) = self.of(from).checked_sub(part)?;
        *self.slot(to) = self.of(to).checked_add(part)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn kwd(minor: i64) -> Money {
        Money::new(minor, Currency::Kwd)
    }

    #[test]
    fn purses_give_in_proportion_and_never_more_than_they_have() {
        for (amount, purses, shares) in [
            (100, [100, 50, 50], [50, 25, 25]),
            (1, [1, 1, 1], [1, 0, 0]),
            (2, [1, 0, 1], [1, 0, 1]),
            (0, [0, 0, 0], [0, 0, 0]),
            (7, [5, 5, 0], [4, 3, 0]),
        ] {
            let got = share(kwd(amount), &purses.map(kwd));
            assert_eq!(got, Ok(shares.map(kwd).to_vec()), "{amount} of {purses:?}");
        }
        assert_eq!(share(kwd(3), &[kwd(1), kwd(1)]), Err(MoneyError::OutOfRange));
        assert_eq!(share(kwd(-1), &[kwd(1)]), Err(MoneyError::OutOfRange));
        assert_eq!(share(kwd(1), &[kwd(-1), kwd(5)]), Err(MoneyError::OutOfRange));
    }

    proptest! {
        #[test]
        fn whatever_moves_nothing_vanishes_and_the_last_taking_empties_the_line(
            net in 0_i64..1_000_000, tax in 0_i64..300_000, takings in prop::collection::vec(1_i64..200_000, 0..20),
        ) {
            let price = Split { net: kwd(net), tax: kwd(tax) };
            let mut flow = Flow::new(price);
            for amount in takings {
                let _refused = flow.shift(Bucket::Open, Bucket::Captured, kwd(amount));
                prop_assert_eq!(flow.price(), Ok(price));
                prop_assert!(!flow.open.is_negative() && !flow.captured.is_negative());
            }
            let rest = flow.open.total().unwrap();
            flow.shift(Bucket::Open, Bucket::Captured, rest).unwrap();
            prop_assert_eq!(flow.captured, price);
        }
    }
}

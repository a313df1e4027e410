//! Money as whole minor units of one currency. No floats, no silent overflow, one place for remainders.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why two amounts could not be put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The two amounts are of different currencies.
    #[error("amounts of {0} and {1} do not mix")]
    CurrencyMismatch(Currency, Currency),
    /// The result does not fit 64 bits.
    #[error("amount out of range")]
    OutOfRange,
    /// Shares need at least one weight above zero and none below.
    #[error("no positive weight to share by")]
    NoWeights,
}

/// Refused text for a [`Currency`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a currency of this shop")]
pub struct UnknownCurrency;

/// A currency of ISO 4217 that the shop can trade in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Currency {
    /// Swiss franc, 2 decimals.
    Chf,
    /// Euro, 2 decimals.
    Eur,
    /// Pound sterling, 2 decimals.
    Gbp,
    /// Yen, no minor unit.
    Jpy,
    /// Kuwaiti dinar, 3 decimals.
    Kwd,
    /// US dollar, 2 decimals.
    Usd,
}

impl Currency {
    /// Every currency known here.
    pub const ALL: [Self; 6] = [Self::Chf, Self::Eur, Self::Gbp, Self::Jpy, Self::Kwd, Self::Usd];

    /// Returns the ISO 4217 code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Chf => "CHF",
            Self::Eur => "EUR",
            Self::Gbp => "GBP",
            Self::Jpy => "JPY",
            Self::Kwd => "KWD",
            Self::Usd => "USD",
        }
    }

    /// Returns how many decimals the minor unit has (ISO 4217 exponent).
    #[must_use]
    pub const fn exponent(self) -> u32 {
        match self {
            Self::Jpy => 0,
            Self::Chf | Self::Eur | Self::Gbp | Self::Usd => 2,
            Self::Kwd => 3,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(code: &str) -> Result<Self, UnknownCurrency> {
        Self::ALL.into_iter().find(|currency| currency.code() == code).ok_or(UnknownCurrency)
    }
}

impl TryFrom<String> for Currency {
    type Error = UnknownCurrency;

    fn try_from(code: String) -> Result<Self, UnknownCurrency> {
        code.parse()
    }
}

impl From<Currency> for &'static str {
    fn from(currency: Currency) -> Self {
        currency.code()
    }
}

/// An amount: whole minor units (cents, yen, fils) of one currency. May be negative in a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units.
    pub minor: i64,
    /// The currency of the minor units.
    pub currency: Currency,
}

impl Money {
    /// Makes an amount.
    #[must_use]
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Makes nothing of a currency.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// Adds two amounts.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] and [`MoneyError::OutOfRange`].
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.minor
            .checked_add(other.minor)
            .map(|minor| Self { minor, ..self })
            .ok_or(MoneyError::OutOfRange)
    }

    /// Takes one amount from another.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] and [`MoneyError::OutOfRange`].
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.minor
            .checked_sub(other.minor)
            .map(|minor| Self { minor, ..self })
            .ok_or(MoneyError::OutOfRange)
    }

    /// Multiplies by a count of pieces.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`].
    pub fn checked_mul(self, count: u32) -> Result<Self, MoneyError> {
        self.minor
            .checked_mul(i64::from(count))
            .map(|minor| Self { minor, ..self })
            .ok_or(MoneyError::OutOfRange)
    }

    /// Adds up amounts of `currency`; nothing sums to zero.
    ///
    /// # Errors
    /// As [`Money::checked_add`].
    pub fn sum(
        currency: Currency,
        amounts: impl IntoIterator<Item = Self>,
    ) -> Result<Self, MoneyError> {
        amounts.into_iter().try_fold(Self::zero(currency), Self::checked_add)
    }

    /// Returns the tax contained in a tax-inclusive amount: `amount × rate ÷ (1 + rate)`, halves away from zero.
    ///
    /// The rate is in basis points (1 900 = 19 %). Rounds as [`Money::scaled`] does.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`].
    pub fn contained_tax(self, rate_basis_points: u32) -> Result<Self, MoneyError> {
        let whole =
            u64::from(rate_basis_points).checked_add(10_000).ok_or(MoneyError::OutOfRange)?;
        self.scaled(u64::from(rate_basis_points), whole)
    }

    /// Returns `amount × numerator ÷ denominator`, halves away from zero.
    ///
    /// This is the one place where an amount is rounded: taxes and percentages come through here, and what is then
    /// spread over several lines is shared by [`Money::allocate`], never rounded again.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`], also for a denominator of zero.
    pub fn scaled(self, numerator: u64, denominator: u64) -> Result<Self, MoneyError> {
        let whole = i128::from(denominator);
        let half = whole.div_euclid(2);
        let magnitude = i128::from(self.minor)
            .checked_mul(i128::from(numerator))
            .and_then(|product| product.checked_abs()?.checked_add(half)?.checked_div(whole))
            .ok_or(MoneyError::OutOfRange)?;
        let signed = if self.minor < 0 { magnitude.checked_neg() } else { Some(magnitude) };
        signed
            .and_then(|minor| i64::try_from(minor).ok())
            .map(|minor| Self { minor, ..self })
            .ok_or(MoneyError::OutOfRange)
    }

    /// Returns this share of the amount, halves away from zero.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`].
    pub fn portion(self, share: BasisPoints) -> Result<Self, MoneyError> {
        self.scaled(u64::from(share.get()), u64::from(BasisPoints::WHOLE.get()))
    }

    /// Shares an amount by weights so that the shares add up exactly (largest remainder; ties to the first).
    ///
    /// # Errors
    /// [`MoneyError::NoWeights`] when all weights are zero, [`MoneyError::OutOfRange`].
    pub fn allocate(self, weights: &[u64]) -> Result<Vec<Self>, MoneyError> {
        let total =
            weights.iter().try_fold(0_i128, |sum, &weight| sum.checked_add(i128::from(weight)));
        let total = total.filter(|&sum| sum > 0).ok_or(MoneyError::NoWeights)?;
        let amount = i128::from(self.minor);
        let mut shares = Vec::with_capacity(weights.len());
        let mut remainders = Vec::with_capacity(weights.len());
        let mut given = 0_i128;
        for (index, &weight) in weights.iter().enumerate() {
            let exact = amount.checked_mul(i128::from(weight)).ok_or(MoneyError::OutOfRange)?;
            let share = exact.div_euclid(total);
            given = given.checked_add(share).ok_or(MoneyError::OutOfRange)?;
            shares.push(share);
            remainders.push((exact.rem_euclid(total), index));
        }
        let rest = amount.checked_sub(given).ok_or(MoneyError::OutOfRange)?;
        remainders.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let takers = usize::try_from(rest).map_err(|_| MoneyError::OutOfRange)?;
        for &(_, index) in remainders.iter().take(takers) {
            if let Some(share) = shares.get_mut(index) {
                *share = share.checked_add(1).ok_or(MoneyError::OutOfRange)?;
            }
        }
        shares
            .into_iter()
            .map(|share| {
                i64::try_from(share)
                    .map(|minor| Self { minor, ..self })
                    .map_err(|_| MoneyError::OutOfRange)
            })
            .collect()
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::CurrencyMismatch(self.currency, other.currency))
        }
    }
}

/// Refused number for [`BasisPoints`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a share is a whole number of basis points from 0 to 10 000")]
pub struct InvalidBasisPoints;

/// A share of a whole in basis points, 0 to 10 000: 1 500 is 15 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct BasisPoints(u32);

impl BasisPoints {
    /// All of it: 100 %.
    pub const WHOLE: Self = Self(10_000);

    /// Returns the number of basis points.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for BasisPoints {
    type Error = InvalidBasisPoints;

    fn try_from(number: u32) -> Result<Self, InvalidBasisPoints> {
        if number <= Self::WHOLE.0 { Ok(Self(number)) } else { Err(InvalidBasisPoints) }
    }
}

impl From<BasisPoints> for u32 {
    fn from(share: BasisPoints) -> Self {
        share.0
    }
}

impl fmt::Display for Money {
    /// Writes `1234.50 EUR`, with as many decimals as the currency has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_u64.saturating_pow(self.currency.exponent());
        let magnitude = self.minor.unsigned_abs();
        let sign = if self.minor < 0 { "-" } else { "" };
        let (whole, part) = (magnitude.div_euclid(unit), magnitude.rem_euclid(unit));
        match usize::try_from(self.currency.exponent()) {
            Ok(0) | Err(_) => write!(f, "{sign}{whole} {}", self.currency),
            Ok(width) => write!(f, "{sign}{whole}.{part:0width$} {}", self.currency),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_as_many_decimals_as_the_currency_has() {
        for (money, text) in [
            (Money::new(123_450, Currency::Eur), "1234.50 EUR"),
            (Money::new(-5, Currency::Usd), "-0.05 USD"),
            (Money::new(1_200, Currency::Jpy), "1200 JPY"),
            (Money::new(1_200, Currency::Kwd), "1.200 KWD"),
        ] {
            assert_eq!(money.to_string(), text);
        }
    }

    #[test]
    fn contained_tax_rounds_halves_away_from_zero() {
        for (minor, rate, tax) in
            [(11_900, 1_900, 1_900), (100, 2_000, 17), (3, 10_000, 2), (-3, 10_000, -2), (5, 0, 0)]
        {
            assert_eq!(
                Money::new(minor, Currency::Eur).contained_tax(rate),
                Ok(Money::new(tax, Currency::Eur))
            );
        }
    }

    #[test]
    fn shares_of_an_amount_round_halves_away_from_zero() {
        for (minor, share, expected) in [
            (1_000, 1_500, 150),
            (5, 1_000, 1),
            (-5, 1_000, -1),
            (4, 1_000, 0),
            (333, 10_000, 333),
            (333, 0, 0),
            (i64::MAX, 10_000, i64::MAX),
            (i64::MIN, 10_000, i64::MIN),
        ] {
            let share = BasisPoints::try_from(share).unwrap();
            let portion = Money::new(minor, Currency::Kwd).portion(share);
            assert_eq!(portion, Ok(Money::new(expected, Currency::Kwd)), "{minor}");
        }
        assert_eq!(BasisPoints::try_from(10_001), Err(InvalidBasisPoints));
    }

    #[test]
    fn scaling_refuses_what_does_not_fit() {
        let most = Money::new(i64::MAX, Currency::Jpy);
        for (numerator, denominator) in [(2, 1), (u64::MAX, 1), (1, 0)] {
            assert_eq!(most.scaled(numerator, denominator), Err(MoneyError::OutOfRange));
        }
        assert_eq!(Money::new(7, Currency::Jpy).scaled(1, 2), Ok(Money::new(4, Currency::Jpy)));
    }

    #[test]
    fn currencies_do_not_mix_and_sums_do_not_wrap() {
        let (euro, yen) = (Money::new(1, Currency::Eur), Money::new(1, Currency::Jpy));
        assert_eq!(
            euro.checked_add(yen),
            Err(MoneyError::CurrencyMismatch(Currency::Eur, Currency::Jpy))
        );
        assert_eq!(
            Money::new(i64::MAX, Currency::Eur).checked_add(euro),
            Err(MoneyError::OutOfRange)
        );
        assert_eq!(Money::new(i64::MAX, Currency::Eur).checked_mul(2), Err(MoneyError::OutOfRange));
    }

    proptest! {
        #[test]
        fn shares_add_up_to_the_amount(minor in -1_000_000_000_i64..1_000_000_000, weights in prop::collection::vec(0_u64..1_000, 1..12)) {
            prop_assume!(weights.iter().any(|&w| w > 0));
            let shares = Money::new(minor, Currency::Jpy).allocate(&weights).unwrap();
            prop_assert_eq!(Money::sum(Currency::Jpy, shares.iter().copied()), Ok(Money::new(minor, Currency::Jpy)));
            prop_assert_eq!(shares.len(), weights.len());
        }

        #[test]
        fn contained_tax_is_never_more_than_the_amount(minor in 0_i64..1_000_000_000_000, rate in 0_u32..10_000) {
            let amount = Money::new(minor, Currency::Kwd);
            let tax = amount.contained_tax(rate).unwrap();
            prop_assert!(tax.minor >= 0 && tax.minor <= amount.minor);
        }
    }
}

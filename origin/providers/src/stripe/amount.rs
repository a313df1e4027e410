//! Amounts as Stripe counts them.
//!
//! Stripe takes the minor units of ISO 4217, with exceptions. Of our currencies only those with three decimals have
//! one: the last digit must be 0, for the card networks count in hundredths there. (Stripe's other exceptions are of
//! currencies that the shop does not trade in: HUF, ISK, TWD and UGX, which have no hundredths in practice and are sent
//! with them.)

use domain::{Currency, Money};

use crate::payment::PaymentError;

/// Largest amount that Stripe takes: eight digits.
const MINOR_MAX: i64 = 99_999_999;

/// Writes an amount for Stripe.
///
/// # Errors
/// [`PaymentError::Invalid`] for an amount of nothing or less, one of more than eight digits, and one of a currency
/// with three decimals that does not end in 0.
pub fn to_wire(money: Money) -> Result<i64, PaymentError> {
    let invalid = |code: &str| Err(PaymentError::Invalid(code.to_owned()));
    if money.minor <= 0 {
        return invalid("amount_too_small");
    }
    if money.minor > MINOR_MAX {
        return invalid("amount_too_large");
    }
    if money.currency.exponent() == 3 && money.minor % 10 != 0 {
        return invalid("amount_not_a_multiple_of_ten");
    }
    Ok(money.minor)
}

/// Reads an amount of Stripe's. `None` for a currency that the shop does not trade in.
#[must_use]
pub fn from_wire(minor: i64, currency: &str) -> Option<Money> {
    let currency: Currency = currency.to_ascii_uppercase().parse().ok()?;
    Some(Money::new(minor, currency))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_go_as_minor_units_whatever_decimals_there_are() {
        for (currency, minor) in
            [(Currency::Eur, 1_099), (Currency::Jpy, 500), (Currency::Kwd, 5_120)]
        {
            let money = Money::new(minor, currency);
            assert_eq!(to_wire(money).unwrap(), minor);
            let code = currency.code().to_ascii_lowercase();
            assert_eq!(from_wire(minor, &code), Some(money));
        }
        assert_eq!(from_wire(1, "xxx"), None);
    }

    #[test]
    fn amounts_that_stripe_would_refuse_are_not_sent() {
        for (money, code) in [
            (Money::new(5_124, Currency::Kwd), "amount_not_a_multiple_of_ten"),
            (Money::new(0, Currency::Eur), "amount_too_small"),
            (Money::new(-5, Currency::Jpy), "amount_too_small"),
            (Money::new(100_000_000, Currency::Jpy), "amount_too_large"),
        ] {
            assert!(matches!(to_wire(money), Err(PaymentError::Invalid(got)) if got == code));
        }
        assert!(to_wire(Money::new(99_999_999, Currency::Jpy)).is_ok());
    }
}

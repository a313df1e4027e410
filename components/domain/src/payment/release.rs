//! When an authorization is given up: nobody's money is held longer than the shop needs it.

use core::time::Duration;

use super::{Payment, PaymentStatus};
use crate::OrderStatus;

/// How long money is held for an order that nobody finishes: 6 h by default.
///
/// Raising it keeps a shopper's money blocked for longer after an abandoned checkout; providers let it go by themselves
/// after about 7 days.
pub const AUTHORIZATION_KEPT_DEFAULT: Duration = Duration::from_hours(6);

/// What to do about the money that is held for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Nothing: none is held, or the order needs it.
    Keep,
    /// Look again after this long.
    Wait(Duration),
    /// Tell the provider to let it go.
    Void,
}

/// Decides about a payment's hold by the state of its order and the age of the payment.
///
/// An order that has ended needs no money, at once; one that waits for its payment gets `kept`. An order that was
/// confirmed keeps it until it is captured.
#[must_use]
pub fn release(payment: Payment, order: OrderStatus, age: Duration, kept: Duration) -> Release {
    let is_open = match payment.status() {
        PaymentStatus::Created
        | PaymentStatus::Unknown
        | PaymentStatus::Processing
        | PaymentStatus::RequiresAction
        | PaymentStatus::Authorized
        | PaymentStatus::PartiallyCaptured => true,
        PaymentStatus::Captured
        | PaymentStatus::Declined
        | PaymentStatus::Cancelled
        | PaymentStatus::PartiallyRefunded
        | PaymentStatus::Refunded => false,
    };
    if !is_open && payment.held().minor == 0 {
        return Release::Keep;
    }
    match order {
        OrderStatus::Cancelled | OrderStatus::Expired => Release::Void,
        OrderStatus::PendingPayment => match kept.checked_sub(age) {
            None | Some(Duration::ZERO) => Release::Void,
            Some(rest) => Release::Wait(rest),
        },
        OrderStatus::Confirmed | OrderStatus::Completed => Release::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Amounts, PaymentEvent, Report};
    use super::*;
    use crate::{Currency, Money};

    const AMOUNT: Money = Money::new(100, Currency::Jpy);
    const KEPT: Duration = Duration::from_hours(6);

    fn in_state(status: PaymentStatus) -> Payment {
        let part = |captured, refunded| {
            let zero = Money::zero(Currency::Jpy);
            let money = |minor| Money::new(minor, Currency::Jpy);
            Amounts::new(AMOUNT, money(captured), zero, money(refunded)).unwrap()
        };
        let amounts = match status {
            PaymentStatus::PartiallyCaptured => part(40, 0),
            PaymentStatus::PartiallyRefunded => part(100, 40),
            _ => Amounts::whole(status, AMOUNT),
        };
        Payment::restore(AMOUNT, status, amounts).unwrap()
    }

    #[test]
    fn an_ended_order_lets_go_whatever_is_open_at_once_and_a_confirmed_one_nothing() {
        use PaymentStatus as P;
        for status in P::ALL {
            let is_open = !matches!(
                status,
                P::Captured | P::Declined | P::Cancelled | P::PartiallyRefunded | P::Refunded
            );
            let ended = if is_open { Release::Void } else { Release::Keep };
            for order in [OrderStatus::Cancelled, OrderStatus::Expired] {
                assert_eq!(
                    release(in_state(status), order, Duration::ZERO, KEPT),
                    ended,
                    "{status}"
                );
            }
            let confirmed =
                release(in_state(status), OrderStatus::Confirmed, Duration::from_hours(54), KEPT);
            assert_eq!(confirmed, Release::Keep, "{status}");
        }
    }

    #[test]
    fn a_waiting_order_keeps_the_money_for_its_time() {
        let payment = in_state(PaymentStatus::Authorized);
        let second = Duration::from_secs(1);
        for (age, expected) in [
            (Duration::ZERO, Release::Wait(KEPT)),
            (KEPT.saturating_sub(second), Release::Wait(second)),
            (KEPT, Release::Void),
            (KEPT.saturating_add(second), Release::Void),
        ] {
            assert_eq!(release(payment, OrderStatus::PendingPayment, age, KEPT), expected);
        }
    }

    #[test]
    fn money_held_behind_a_refusal_is_let_go_too() {
        let declined = Report::whole(PaymentEvent::Declined, AMOUNT).unwrap();
        let authorized = Report::whole(PaymentEvent::Authorized, AMOUNT).unwrap();
        let payment = Payment::new(AMOUNT).merge(declined).unwrap().payment;
        let payment = payment.merge(authorized).unwrap().payment;
        let order = OrderStatus::Cancelled;
        assert_eq!(release(payment, order, Duration::ZERO, KEPT), Release::Void);
    }
}

//! Stories that payments tell.

use super::*;
use crate::inventory::{Allocation, Hold, MAIN_LOCATION};
use crate::order::{NewLine, PaymentSummary, RefundStatus, Split};
use crate::payment::{Amounts, Report};
use crate::{Currency, LineId, OrderId, Quantity};

const REFUND: RefundId = RefundId::from_bytes([9; 16]);

const fn euro(minor: i64) -> Money {
    Money::new(minor, Currency::Eur)
}

/// Two pieces of 50 each with 16 of tax in all, and shipping of 10.
fn order() -> NewOrder {
    let split = |net, tax| Split { net: euro(net), tax: euro(tax) };
    NewOrder {
        id: OrderId::from_bytes([1; 16]),
        currency: Currency::Eur,
        lines: vec![NewLine {
            id: LineId::from_bytes([2; 16]),
            sku: "CUP".parse().unwrap(),
            quantity: Quantity::try_from(2).unwrap(),
            price: split(84, 16),
            discount: euro(0),
        }],
        shipping: split(8, 2),
        gift_card: euro(0),
        allocation: Allocation {
            holds: vec![Hold { line: 0, location: MAIN_LOCATION, pieces: 2 }],
            backorders: Vec::new(),
        },
    }
}

fn payment(status: PaymentStatus, [authorized, captured, released, refunded]: [i64; 4]) -> Payment {
    let amounts = Amounts::new(euro(authorized), euro(captured), euro(released), euro(refunded));
    Payment::restore(euro(110), status, amounts.unwrap()).unwrap()
}

#[test]
fn every_order_that_was_only_paid_is_told_by_its_payment() {
    use OrderStatus as O;
    use PaymentStatus as P;
    use PaymentSummary as S;
    let nothing = [0; 4];
    for (order_status, status, amounts, steps, summary) in [
        (O::PendingPayment, P::Created, nothing, 1, S::Unpaid),
        (O::PendingPayment, P::Unknown, nothing, 1, S::Unpaid),
        (O::PendingPayment, P::RequiresAction, nothing, 1, S::Unpaid),
        (O::Confirmed, P::Captured, [110, 110, 0, 0], 2, S::Captured),
        (O::Confirmed, P::Authorized, [110, 0, 0, 0], 2, S::Authorized),
        (O::Confirmed, P::PartiallyCaptured, [110, 60, 0, 0], 3, S::PartiallyCaptured),
        (O::Confirmed, P::Captured, [110, 60, 50, 0], 4, S::PartiallyCaptured),
        (O::Confirmed, P::Cancelled, [110, 0, 110, 0], 3, S::Unpaid),
        (O::Confirmed, P::PartiallyRefunded, [110, 110, 0, 7], 4, S::PartiallyRefunded),
        (O::Confirmed, P::Refunded, [110, 110, 0, 110], 4, S::Refunded),
        (O::Cancelled, P::Declined, nothing, 2, S::Voided),
        (O::Cancelled, P::Cancelled, nothing, 2, S::Voided),
        (O::Expired, P::Cancelled, nothing, 2, S::Voided),
        (O::Expired, P::Captured, [110, 110, 0, 0], 3, S::Captured),
        (O::Expired, P::Refunded, [110, 110, 0, 110], 5, S::Refunded),
    ] {
        let payment = payment(status, amounts);
        let told = OrderState::retell(&order(), order_status, payment, REFUND);
        let told = told.unwrap_or_else(|refused| panic!("{order_status} {status}: {refused}"));
        told.state.check().unwrap();
        assert_eq!(told.state.status, order_status, "{status}");
        assert_eq!(told.steps, steps, "{order_status} {status}");
        assert_eq!(told.state.payment_summary(), Ok(summary), "{order_status} {status}");
        assert_eq!(told.state.tenders.provider.captured, euro(amounts[1]));
        assert_eq!(told.state.tenders.provider.refunded, euro(amounts[3]));
        assert_eq!(told.happenings.first(), Some(&Happening::Placed));
        assert_eq!(told.state.behind(payment, REFUND), Ok(Vec::new()), "knows it all");
    }
}

#[test]
fn an_order_of_nothing_is_confirmed_without_money() {
    let mut free = order();
    free.shipping = Split::zero(Currency::Eur);
    free.lines[0].price = Split::zero(Currency::Eur);
    let zero = Amounts::zero(Currency::Eur);
    let payment = Payment::restore(euro(0), PaymentStatus::Captured, zero).unwrap();
    let told = OrderState::retell(&free, OrderStatus::Confirmed, payment, REFUND).unwrap();
    assert_eq!(told.state.status, OrderStatus::Confirmed);
    let waiting = OrderState::place(&free).unwrap().state;
    assert_eq!(waiting.behind(payment, REFUND), Ok(vec![Command::Confirm]));
}

#[test]
fn what_cannot_be_one_order_is_not_told() {
    let captured = payment(PaymentStatus::Captured, [110, 110, 0, 0]);
    let told = OrderState::retell(&order(), OrderStatus::PendingPayment, captured, REFUND);
    assert!(matches!(told, Err(Refused::OutOfTurn { step: "retell", .. })), "{told:?}");
}

#[test]
fn money_that_went_back_is_of_the_refunds_under_way_until_they_have_ended() {
    let captured = payment(PaymentStatus::Captured, [110, 110, 0, 0]);
    let told = OrderState::retell(&order(), OrderStatus::Confirmed, captured, REFUND).unwrap();
    let ours = RefundId::from_bytes([5; 16]);
    let of = RefundOf::Amount { amount: euro(30) };
    let ask = Command::Refund { id: ours, of, reason: RefundReason::Goodwill };
    let asked = told.state.apply(&ask).unwrap().state;
    // 30 of ours and 12 that somebody gave back at the provider's.
    let back = payment(PaymentStatus::PartiallyRefunded, [110, 110, 0, 42]);
    assert_eq!(asked.behind(back, REFUND), Ok(Vec::new()));
    let mut known = asked.apply(&Command::RefundSucceeded { id: ours }).unwrap().state;
    let steps = known.behind(back, REFUND).unwrap();
    assert_eq!(steps.len(), 2);
    for step in &steps {
        known = known.apply(step).unwrap().state;
    }
    known.check().unwrap();
    assert_eq!(known.tenders.provider.refunded, euro(42));
    assert!(known.refunds.iter().all(|refund| refund.status == RefundStatus::Succeeded));
}

#[test]
fn reports_in_any_order_lead_to_the_same_order() {
    let reports = [
        (PaymentStatus::Authorized, [110, 0, 0, 0]),
        (PaymentStatus::PartiallyCaptured, [110, 40, 0, 0]),
        (PaymentStatus::Captured, [110, 90, 20, 0]),
        (PaymentStatus::PartiallyRefunded, [110, 90, 20, 15]),
    ];
    for start in 0..reports.len() {
        let mut state = OrderState::place(&order()).unwrap().state;
        let mut known = Payment::new(euro(110));
        for turn in 0..reports.len() {
            let (status, amounts) = reports[(start + turn) % reports.len()];
            let told = payment(status, amounts);
            let event = crate::payment::PaymentEvent::ALL
                .into_iter()
                .find(|event| event.status() == status)
                .unwrap();
            let report = Report::new(event, euro(110), told.amounts()).unwrap();
            known = known.merge(report).unwrap().payment;
            for step in state.behind(known, REFUND).unwrap() {
                state = state.apply(&step).unwrap().state;
            }
            state.check().unwrap();
        }
        assert_eq!(state.status, OrderStatus::Confirmed);
        assert_eq!(state.tenders.provider.captured, euro(90));
        assert_eq!(state.tenders.provider.refunded, euro(15));
        assert_eq!(state.tenders.authorized, euro(0));
    }
}

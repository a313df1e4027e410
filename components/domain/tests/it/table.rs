//! Which steps every kind of order shows: the whole machine on one page.

use std::collections::BTreeSet;

use domain::order::{
    CancelReason, Command, FulfilmentSummary, PaymentSummary, PiecesOf, ReceivedPieces, RefundOf,
    RefundReason, ReturnReason, ReturnWish, next_steps,
};
use domain::{Currency, FulfilmentId, Money, OrderStatus, RefundId, ReturnId};

use crate::commands::{Dice, name, stray};
use crate::shop::{Line, Plan, Shop, line_id, place};

/// Two chairs for 119.00 with 19.00 tax, one from each location, shipping 5.95 with 0.95 tax.
pub(crate) fn chairs(promised: u32, gift_card: i64) -> Plan {
    let line = Line { quantity: 2, promised, net: 10_000, tax: 1_900, discount: 1_000 };
    Plan { currency: Currency::Eur, lines: vec![line], shipping: (500, 95), gift_card }
}

pub(crate) const fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::Eur)
}

/// What the chairs cost with shipping.
pub(crate) const TOTAL: Money = eur(12_495);

pub(crate) fn parcel(seed: u8) -> FulfilmentId {
    FulfilmentId::from_bytes([seed; 16])
}

pub(crate) fn back(seed: u8) -> ReturnId {
    ReturnId::from_bytes([seed; 16])
}

pub(crate) fn paid_back(seed: u8) -> RefundId {
    RefundId::from_bytes([seed; 16])
}

pub(crate) fn pack(seed: u8) -> Command {
    let lines = vec![PiecesOf { line: line_id(0), pieces: 1 }];
    Command::Fulfil { id: parcel(seed), location: place(seed), lines }
}

pub(crate) fn send(seed: u8) -> [Command; 3] {
    let id = parcel(seed);
    [pack(seed), Command::Ship { id, tracking: None }, Command::Deliver { id }]
}

pub(crate) fn wish(seed: u8, pieces: u32) -> Command {
    let lines = vec![ReturnWish { line: line_id(0), pieces, reason: ReturnReason::Unwanted }];
    Command::RequestReturn { id: back(seed), lines }
}

pub(crate) fn receive(seed: u8, restocked: u32, written_off: u32, shipping: i64) -> Command {
    let lines = vec![ReceivedPieces { line: line_id(0), restocked, written_off }];
    let (id, location, refund) = (back(seed), place(1), Some(paid_back(seed)));
    Command::ReceiveReturn { id, location, lines, refund, shipping: eur(shipping) }
}

pub(crate) fn refund(seed: u8, minor: i64) -> Command {
    let of = RefundOf::Amount { amount: eur(minor) };
    Command::Refund { id: paid_back(seed), of, reason: RefundReason::Goodwill }
}

pub(crate) fn cancel(seed: u8) -> Command {
    Command::Cancel { reason: CancelReason::Shopper, refund: paid_back(seed) }
}

pub(crate) fn shop(plan: &Plan, commands: &[Command]) -> Shop {
    let mut shop = Shop::new(plan);
    for command in commands {
        shop.take(command).unwrap_or_else(|refused| panic!("{command:?}: {refused:?}"));
    }
    shop
}

/// Checks what an order shows after some steps, and that it takes nothing else.
#[track_caller]
fn check(
    plan: &Plan,
    commands: &[Command],
    (status, payment, fulfilment): (OrderStatus, PaymentSummary, FulfilmentSummary),
    steps: &str,
) {
    let shop = shop(plan, commands);
    let shown = next_steps(&shop.state).unwrap();
    let names: BTreeSet<&str> = shown.iter().map(|step| step.name()).collect();
    assert_eq!(names, steps.split_whitespace().collect());
    assert_eq!(shop.state.status, status);
    assert_eq!(shop.state.payment_summary(), Ok(payment));
    assert_eq!(shop.state.fulfilment_summary(), fulfilment);
    let mut dice = Dice(1);
    for n in 0..2_000 {
        let command = stray(&shop.state, &mut dice, n % 4 + 40);
        let is_shown = shown.iter().any(|step| step.admits(&command));
        assert_eq!(shop.state.apply(&command).is_ok(), is_shown, "{command:?}");
    }
}

#[test]
fn an_order_that_is_not_paid_waits_or_ends() {
    use FulfilmentSummary::Unfulfilled;
    use OrderStatus as O;
    use PaymentSummary as P;
    let plan = chairs(0, 0);
    let waiting = "authorize capture payment_failed expire cancel";
    check(&plan, &[], (O::PendingPayment, P::Unpaid, Unfulfilled), waiting);
    let card = chairs(0, TOTAL.minor);
    check(&card, &[], (O::PendingPayment, P::Unpaid, Unfulfilled), "confirm expire cancel");
    // A provider may report money late.
    let late = "capture";
    let failed = [Command::PaymentFailed];
    check(&plan, &failed, (O::Cancelled, P::Voided, Unfulfilled), late);
    check(&plan, &[Command::Expire], (O::Expired, P::Voided, Unfulfilled), late);
    check(&plan, &[cancel(9)], (O::Cancelled, P::Voided, Unfulfilled), late);
    check(&card, &[Command::Expire], (O::Expired, P::Voided, Unfulfilled), "");
    let pay = Command::Capture { amount: TOTAL };
    let retake = "retake refund charge_back";
    check(&plan, &[Command::Expire, pay.clone()], (O::Expired, P::Captured, Unfulfilled), retake);
    let called_off = [cancel(9), pay];
    check(&plan, &called_off, (O::Cancelled, P::Captured, Unfulfilled), "refund charge_back");
}

#[test]
fn an_order_that_is_accepted_is_packed_or_called_off() {
    use FulfilmentSummary::Unfulfilled;
    use OrderStatus as O;
    use PaymentSummary as P;
    let plan = chairs(0, 0);
    let held = Command::Authorize { amount: TOTAL };
    let part = Command::Capture { amount: eur(100) };
    let is = |payment| (O::Confirmed, payment, Unfulfilled);
    check(
        &plan,
        core::slice::from_ref(&held),
        is(P::Authorized),
        "capture void fulfil cancel cancel_pieces",
    );
    let taken = [held.clone(), part.clone()];
    let some = "capture void fulfil cancel refund charge_back cancel_pieces";
    check(&plan, &taken, is(P::PartiallyCaptured), some);
    // What is neither paid nor held is not packed.
    let let_go = [held.clone(), part, Command::Void];
    let unpaid = "authorize capture cancel refund charge_back cancel_pieces";
    check(&plan, &let_go, is(P::PartiallyCaptured), unpaid);
    let void = [held.clone(), Command::Void];
    check(&plan, &void, is(P::Unpaid), "authorize capture cancel cancel_pieces");
    let all = [held, Command::Capture { amount: TOTAL }];
    check(&plan, &all, is(P::Captured), "fulfil cancel refund charge_back cancel_pieces");
    let promised = chairs(1, 0);
    let filling = "fill_backorder fulfil cancel refund charge_back cancel_pieces";
    check(&promised, &all, is(P::Captured), filling);
    let card = chairs(0, TOTAL.minor);
    check(&card, &[Command::Confirm], is(P::Captured), "fulfil cancel refund cancel_pieces");
    let back = [all.to_vec(), vec![cancel(9)]].concat();
    let going = (O::Cancelled, P::Captured, Unfulfilled);
    check(&plan, &back, going, "refund_succeeded refund_failed");
    let gone = [back, vec![Command::RefundSucceeded { id: paid_back(9) }]].concat();
    check(&plan, &gone, (O::Cancelled, P::Refunded, Unfulfilled), "");
}

#[test]
fn a_parcel_leaves_arrives_and_may_come_back() {
    use FulfilmentSummary as F;
    use OrderStatus as O;
    use PaymentSummary as P;
    let plan = chairs(0, 0);
    let paid = vec![Command::Capture { amount: TOTAL }];
    let with = |more: &[Command]| [paid.clone(), more.to_vec()].concat();
    let base = "refund charge_back";
    let steps = |own: &str| format!("{own} {base}");
    let is = |fulfilment| (O::Confirmed, P::Captured, fulfilment);
    let packed = steps("fulfil ship cancel_fulfilment cancel cancel_pieces");
    check(&plan, &with(&[pack(1)]), is(F::Unfulfilled), &packed);
    let left = steps("fulfil deliver request_return cancel_pieces");
    check(&plan, &with(&send(1)[..2]), is(F::Partially), &left);
    let first = with(&send(1));
    check(&plan, &first, is(F::Partially), &steps("fulfil request_return cancel_pieces"));
    let both = [first, send(2).to_vec()].concat();
    check(&plan, &both, is(F::Fulfilled), &steps("request_return complete"));
    let asked = [both.clone(), vec![wish(1, 1)]].concat();
    let decide = steps("request_return approve_return reject_return cancel_return");
    check(&plan, &asked, is(F::Fulfilled), &decide);
    let agreed = [asked, vec![Command::ApproveReturn { id: back(1) }]].concat();
    let awaited = steps("request_return receive_return cancel_return");
    check(&plan, &agreed, is(F::Fulfilled), &awaited);
    let came = [agreed, vec![receive(1, 1, 0, 0)]].concat();
    let going = steps("request_return refund_succeeded refund_failed");
    check(&plan, &came, is(F::Fulfilled), &going);
    let gone = [came, vec![Command::RefundSucceeded { id: paid_back(1) }]].concat();
    let part = (O::Confirmed, P::PartiallyRefunded, F::Fulfilled);
    check(&plan, &gone, part, &steps("request_return complete"));
    let done = [both, vec![Command::Complete]].concat();
    check(&plan, &done, (O::Completed, P::Captured, F::Fulfilled), &steps("request_return"));
}

#[test]
fn a_name_is_given_once_and_what_is_not_there_is_not_found() {
    use domain::ErrorKind;
    use domain::order::Refused;
    let commands = [Command::Capture { amount: TOTAL }, refund(1, 5), pack(1)];
    let shop = shop(&chairs(0, 0), &commands);
    let refused = |command: &Command| shop.state.apply(command).unwrap_err();
    let again = Command::Fulfil {
        id: parcel(1),
        location: place(2),
        lines: vec![PiecesOf { line: line_id(0), pieces: 1 }],
    };
    for command in [again, refund(1, 5), cancel(1)] {
        assert_eq!(refused(&command), Refused::NameTaken, "{command:?}");
    }
    for command in [
        Command::Ship { id: parcel(7), tracking: None },
        Command::RefundFailed { id: RefundId::from_bytes(name(7)) },
        Command::ApproveReturn { id: back(7) },
    ] {
        assert_eq!(refused(&command), Refused::NotFound, "{command:?}");
    }
    let twice = Command::Capture { amount: TOTAL };
    let known = Refused::OutOfTurn { status: OrderStatus::Confirmed, step: "capture" };
    assert_eq!((refused(&twice).kind(), refused(&twice)), (ErrorKind::Conflict, known));
}

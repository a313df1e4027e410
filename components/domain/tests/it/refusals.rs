//! Why an order is not placed, a step not taken, a stored order not believed: each reason once.

use domain::order::{
    AmountOf, Broken, Command, Ended, FULFILMENTS_MAX, NewOrder, OrderState, PiecesOf, REFUNDS_MAX,
    RETURNS_MAX, RefundOf, RefundReason, Refused,
};
use domain::{
    Currency, ErrorKind, FulfilmentId, Money, MoneyError, OrderStatus, RefundId, ReturnId,
};

use crate::commands::name;
use crate::shop::{line_id, place};
use crate::table::{
    TOTAL, back, cancel, chairs, eur, pack, paid_back, parcel, receive, refund, send, shop, wish,
};

fn paid() -> Command {
    Command::Capture { amount: TOTAL }
}

#[test]
fn an_order_is_placed_with_its_lines_their_stock_and_amounts_that_can_be() {
    let refused = |change: fn(&mut NewOrder)| {
        let mut order = chairs(1, 0).order();
        change(&mut order);
        OrderState::place(&order).map(|_| ())
    };
    assert_eq!(refused(|_| ()), Ok(()));
    let lines = Err(Refused::InvalidLines);
    assert_eq!(refused(|order| order.lines.clear()), lines);
    assert_eq!(refused(|order| order.lines.extend(order.lines.clone())), lines);
    assert_eq!(refused(|order| order.allocation.holds.clear()), lines);
    assert_eq!(refused(|order| order.allocation.holds[0].line = 1), lines);
    assert_eq!(refused(|order| order.allocation.holds[0].pieces = 0), lines);
    assert_eq!(refused(|order| order.allocation.backorders[0].pieces = 2), lines);
    let amount = |max: i64| Err(Refused::Amount { min: eur(0), max: eur(max) });
    assert_eq!(refused(|order| order.gift_card = eur(12_496)), amount(12_495));
    assert_eq!(refused(|order| order.gift_card = eur(-1)), amount(12_495));
    assert_eq!(refused(|order| order.shipping.tax = eur(-1)), amount(12_399));
    assert_eq!(refused(|order| order.lines[0].discount = eur(-1)), amount(12_495));
    let mixed = MoneyError::CurrencyMismatch(Currency::Eur, Currency::Jpy);
    let yen = refused(|order| order.gift_card = Money::zero(Currency::Jpy));
    assert_eq!(yen, Err(Refused::Money(mixed)));
}

#[test]
fn a_step_that_is_refused_says_why() {
    let shop = shop(&chairs(0, 0), &[paid(), pack(1)]);
    let of = |pieces: &[(usize, u32)]| -> Vec<PiecesOf> {
        pieces.iter().map(|&(line, pieces)| PiecesOf { line: line_id(line), pieces }).collect()
    };
    let fulfil = |lines: &[(usize, u32)]| Command::Fulfil {
        id: parcel(9),
        location: place(2),
        lines: of(lines),
    };
    let parts = |line: usize, minor: i64, shipping: i64| Command::Refund {
        id: paid_back(9),
        of: RefundOf::Parts {
            lines: vec![AmountOf { line: line_id(line), amount: eur(minor) }],
            shipping: eur(shipping),
        },
        reason: RefundReason::Price,
    };
    let (status, line) = (OrderStatus::Confirmed, line_id(0));
    let less = Command::CancelPieces { lines: of(&[(0, 2)]), refund: paid_back(9) };
    let amount = |min: i64, max: i64| Refused::Amount { min: eur(min), max: eur(max) };
    for (command, refused, kind) in [
        (paid(), Refused::OutOfTurn { status, step: "capture" }, ErrorKind::Conflict),
        (pack(1), Refused::NameTaken, ErrorKind::Conflict),
        (fulfil(&[]), Refused::InvalidLines, ErrorKind::InvalidInput),
        (fulfil(&[(0, 1), (0, 1)]), Refused::InvalidLines, ErrorKind::InvalidInput),
        (fulfil(&[(0, 2)]), Refused::Pieces { line, max: 1 }, ErrorKind::InvalidInput),
        (fulfil(&[(3, 1)]), Refused::Pieces { line: line_id(3), max: 0 }, ErrorKind::InvalidInput),
        (less, Refused::Pieces { line, max: 1 }, ErrorKind::InvalidInput),
        (refund(9, 12_496), amount(1, 12_495), ErrorKind::InvalidInput),
        (refund(9, 0), amount(1, 12_495), ErrorKind::InvalidInput),
        (parts(0, 11_901, 0), amount(1, 11_900), ErrorKind::InvalidInput),
        (parts(0, 1, 596), amount(0, 595), ErrorKind::InvalidInput),
        (parts(3, 1, 0), Refused::NotFound, ErrorKind::NotFound),
        (Command::Deliver { id: parcel(9) }, Refused::NotFound, ErrorKind::NotFound),
    ] {
        let got = shop.state.apply(&command).unwrap_err();
        assert_eq!((got.kind(), got), (kind, refused), "{command:?}");
    }
    let two = [1, 1].map(|quantity| crate::shop::Line {
        quantity,
        promised: 0,
        net: 5,
        tax: 0,
        discount: 0,
    });
    let plan = crate::shop::Plan { lines: two.to_vec(), shipping: (0, 0), ..chairs(0, 0) };
    let shop = crate::table::shop(&plan, &[Command::Capture { amount: eur(10) }]);
    let all = Command::CancelPieces { lines: of(&[(0, 1), (1, 1)]), refund: paid_back(9) };
    assert_eq!(shop.state.apply(&all), Err(Refused::LastPiece { max: 1 }));
}

#[test]
fn an_order_has_no_more_parts_than_it_may() {
    let mut state = shop(&chairs(0, 0), &[paid()]).state;
    for n in 0..REFUNDS_MAX {
        let id = RefundId::from_bytes(name(n));
        let of = RefundOf::Amount { amount: eur(1) };
        let command = Command::Refund { id, of, reason: RefundReason::Other };
        state = state.apply(&command).unwrap().state;
    }
    assert_eq!(state.apply(&refund(9, 1)), Err(Refused::TooMany { max: REFUNDS_MAX }));
    for n in 0..FULFILMENTS_MAX {
        let id = FulfilmentId::from_bytes(name(n));
        let lines = vec![PiecesOf { line: line_id(0), pieces: 1 }];
        let packed = Command::Fulfil { id, location: place(2), lines };
        state = state.apply(&packed).unwrap().state;
        state = state.apply(&Command::CancelFulfilment { id }).unwrap().state;
    }
    assert_eq!(state.apply(&pack(2)), Err(Refused::TooMany { max: FULFILMENTS_MAX }));
    let mut state = shop(&chairs(0, 0), &[vec![paid()], send(1).to_vec()].concat()).state;
    for n in 0..RETURNS_MAX {
        let Command::RequestReturn { lines, .. } = wish(1, 1) else { continue };
        let id = ReturnId::from_bytes(name(n));
        state = state.apply(&Command::RequestReturn { id, lines }).unwrap().state;
        state = state.apply(&Command::RejectReturn { id }).unwrap().state;
    }
    assert_eq!(state.apply(&wish(9, 1)), Err(Refused::TooMany { max: RETURNS_MAX }));
}

#[test]
fn a_stored_order_that_was_tampered_with_is_not_believed() {
    let approve = Command::ApproveReturn { id: back(1) };
    let steps = [wish(1, 1), approve, receive(1, 1, 0, 0)];
    let whole = shop(&chairs(0, 0), &[vec![paid()], send(1).to_vec(), steps.to_vec()].concat());
    let broken = |change: fn(&mut OrderState)| {
        let mut state = whole.state.clone();
        change(&mut state);
        state.check()
    };
    assert_eq!(broken(|_| ()), Ok(()));
    assert_eq!(broken(|own| own.shipping.open.net.minor = -1), Err(Broken::Negative));
    assert_eq!(broken(|own| own.tenders.authorized.minor = -1), Err(Broken::Negative));
    assert_eq!(broken(|own| own.shipping.captured.net.minor += 1), Err(Broken::Payments));
    assert_eq!(broken(|own| own.tenders.provider.captured.minor -= 1), Err(Broken::Payments));
    assert_eq!(broken(|own| own.refunds.clear()), Err(Broken::Refunds));
    assert_eq!(broken(|own| own.refunds[0].provider.minor += 1), Err(Broken::Refunds));
    assert_eq!(broken(|own| own.tenders.charged_back.minor = 99_999), Err(Broken::GivenTwice));
    assert_eq!(broken(|own| own.ended = Some(Ended::HoldExpired)), Err(Broken::Ended));
    assert_eq!(broken(|own| own.status = OrderStatus::Cancelled), Err(Broken::Ended));
    assert_eq!(broken(|own| own.lines[0].cancelled = 1), Err(Broken::Sources));
    assert_eq!(broken(|own| own.fulfilments[0].lines[0].pieces = 2), Err(Broken::Parcels));
    assert_eq!(broken(|own| own.fulfilments.clear()), Err(Broken::Parcels));
    let yen = broken(|own| own.shipping.open.net.currency = Currency::Jpy);
    assert!(matches!(yen, Err(Broken::Money(_))));
    let ended = shop(&chairs(0, 0), &[cancel(1)]);
    let mut state = ended.state;
    state.tenders.authorized = eur(1);
    assert_eq!(state.check(), Err(Broken::Ended));
}

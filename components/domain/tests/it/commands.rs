//! Commands for tests: those within the bounds of a step, and those just beyond.

use domain::inventory::{Allocation, Hold};
use domain::order::{
    AmountOf, CancelReason, Command, OrderState, PiecesOf, ReceivedPieces, RefundOf, RefundReason,
    ReturnReason, ReturnWish, Step, Tracking,
};
use domain::{Currency, FulfilmentId, LocationId, Money, RefundId, ReturnId};

use crate::shop::{line_id, place};

/// Small decisions out of one number (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// Returns a number below `end`; 0 when that is 0.
    pub(crate) fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let end = u64::try_from(end).unwrap_or(0).max(1);
        i64::try_from((mixed ^ (mixed >> 31)) % end).unwrap()
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(i64::try_from(of.len()).unwrap())).unwrap()]
    }

    /// Returns 1 to `max`, often one of both ends.
    fn amount(&mut self, max: i64) -> i64 {
        match self.below(4) {
            0 => max,
            1 => 1.min(max),
            _ => 1 + self.below(max),
        }
    }

    fn pieces(&mut self, max: u32) -> u32 {
        u32::try_from(self.amount(i64::from(max))).unwrap()
    }
}

/// The name of the `n`th new thing.
pub(crate) fn name(n: usize) -> [u8; 16] {
    u128::try_from(n + 1).unwrap().to_be_bytes()
}

pub(crate) fn cover(lines: &[PiecesOf], location: LocationId) -> Allocation {
    let holds = lines.iter().enumerate();
    let holds = holds.map(|(line, own)| Hold { line, location, pieces: own.pieces }).collect();
    Allocation { holds, backorders: vec![] }
}

fn some_lines(dice: &mut Dice, most: &[PiecesOf]) -> Vec<PiecesOf> {
    let mut lines: Vec<PiecesOf> = most.iter().copied().filter(|_| dice.below(3) > 0).collect();
    if lines.is_empty() {
        lines = most.iter().copied().take(1).collect();
    }
    lines.iter_mut().for_each(|own| own.pieces = dice.pieces(own.pieces));
    lines
}

fn some_refund(
    dice: &mut Dice,
    (max, most, shipping_max): (Money, &[AmountOf], Money),
) -> RefundOf {
    match dice.below(3) {
        0 => RefundOf::Whole,
        1 => RefundOf::Amount { amount: Money { minor: dice.amount(max.minor), ..max } },
        _ => {
            let mut left = max.minor;
            let mut take = |most: i64| {
                let taken = if most.min(left) == 0 { 0 } else { dice.amount(most.min(left)) };
                left -= taken;
                taken
            };
            let lines = most.iter().map(|own| (own.line, take(own.amount.minor)));
            let lines: Vec<_> = lines.filter(|own| own.1 > 0).collect();
            let lines = lines
                .into_iter()
                .map(|(line, minor)| AmountOf { line, amount: Money { minor, ..max } });
            let lines = lines.collect();
            let shipping = Money { minor: take(shipping_max.minor), ..max };
            RefundOf::Parts { lines, shipping }
        }
    }
}

/// Makes a command that a step admits; `n` names new things.
pub(crate) fn within(step: &Step, dice: &mut Dice, n: usize) -> Command {
    let refund = RefundId::from_bytes(name(n));
    let some = |dice: &mut Dice, max: &Money| Money { minor: dice.amount(max.minor), ..*max };
    let location = place(1 + u8::try_from(dice.below(2)).unwrap());
    match step {
        Step::Authorize { amount } => Command::Authorize { amount: *amount },
        Step::Capture { amount_min, amount_max } if amount_min == amount_max => {
            Command::Capture { amount: *amount_max }
        }
        Step::Capture { amount_max, .. } => Command::Capture { amount: some(dice, amount_max) },
        Step::Void => Command::Void,
        Step::PaymentFailed => Command::PaymentFailed,
        Step::Confirm => Command::Confirm,
        Step::Expire => Command::Expire,
        Step::Retake { lines } => Command::Retake { allocation: cover(lines, location) },
        Step::Cancel => Command::Cancel { reason: CancelReason::Shopper, refund },
        Step::Refund { amount_max, lines, shipping_max } => {
            let of = some_refund(dice, (*amount_max, lines, *shipping_max));
            Command::Refund { id: refund, of, reason: RefundReason::Goodwill }
        }
        Step::RefundSucceeded { id } => Command::RefundSucceeded { id: *id },
        Step::RefundFailed { id } => Command::RefundFailed { id: *id },
        Step::ChargeBack { amount_max } => Command::ChargeBack { amount: some(dice, amount_max) },
        Step::WinChargeback { amount_max } => {
            Command::WinChargeback { amount: some(dice, amount_max) }
        }
        Step::Complete => Command::Complete,
        parcel => of_parcels(parcel, dice, n),
    }
}

fn of_parcels(step: &Step, dice: &mut Dice, n: usize) -> Command {
    let (fulfilment, refund) = (FulfilmentId::from_bytes(name(n)), RefundId::from_bytes(name(n)));
    let location = place(1 + u8::try_from(dice.below(2)).unwrap());
    match step {
        Step::FillBackorder { line, location, pieces_max } => {
            let pieces = dice.pieces(*pieces_max);
            Command::FillBackorder { line: *line, location: *location, pieces }
        }
        Step::CancelPieces { lines, pieces_max } => {
            let mut left = *pieces_max;
            let mut lines = some_lines(dice, lines);
            lines.retain_mut(|own| {
                own.pieces = own.pieces.min(left);
                left -= own.pieces;
                own.pieces > 0
            });
            Command::CancelPieces { lines, refund }
        }
        Step::Fulfil { location, lines } => {
            let lines = some_lines(dice, lines);
            Command::Fulfil { id: fulfilment, location: *location, lines }
        }
        Step::Ship { id } => {
            let tracking = Tracking::new("DHL", Some("JD01"), None).ok();
            Command::Ship { id: *id, tracking: tracking.filter(|_| dice.below(2) == 0) }
        }
        Step::Deliver { id } => Command::Deliver { id: *id },
        Step::CancelFulfilment { id } => Command::CancelFulfilment { id: *id },
        Step::RequestReturn { lines } => {
            let lines = some_lines(dice, lines).into_iter();
            let reason = ReturnReason::Unwanted;
            let lines = lines.map(|own| ReturnWish { line: own.line, pieces: own.pieces, reason });
            Command::RequestReturn { id: ReturnId::from_bytes(name(n)), lines: lines.collect() }
        }
        Step::ApproveReturn { id } => Command::ApproveReturn { id: *id },
        Step::RejectReturn { id } => Command::RejectReturn { id: *id },
        Step::CancelReturn { id } => Command::CancelReturn { id: *id },
        Step::ReceiveReturn { id, lines, shipping_max } => {
            let lines = some_lines(dice, lines).into_iter().map(|own| {
                let written_off = u32::try_from(dice.below(i64::from(own.pieces) + 1)).unwrap();
                ReceivedPieces { line: own.line, restocked: own.pieces - written_off, written_off }
            });
            let lines = lines.collect();
            let refund = Some(refund).filter(|_| dice.below(4) > 0);
            let most = if refund.is_some() { shipping_max.minor } else { 0 };
            let shipping = Money { minor: dice.below(most + 1), ..*shipping_max };
            Command::ReceiveReturn { id: *id, location, lines, refund, shipping }
        }
        other => unreachable!("{other:?} is not of parcels"),
    }
}

/// Changes one thing about a command, often so that it leaves its bounds by one.
pub(crate) fn nudge(command: &mut Command, dice: &mut Dice) {
    let by = dice.below(3) - 1;
    let pieces =
        |pieces: &mut u32| *pieces = pieces.saturating_add_signed(i32::try_from(by).unwrap());
    let roll = dice.below(4);
    match command {
        Command::Authorize { amount }
        | Command::Capture { amount }
        | Command::ChargeBack { amount }
        | Command::WinChargeback { amount } => amount.minor += by,
        Command::FillBackorder { pieces: own, .. } => pieces(own),
        Command::Retake { allocation } => match roll {
            0 => allocation.holds[0].line += 1,
            1 => allocation.holds[0].location = place(1),
            _ => pieces(&mut allocation.holds[0].pieces),
        },
        Command::CancelPieces { lines, .. } | Command::Fulfil { lines, .. } => match roll {
            0 => lines.push(lines[0]),
            1 => lines.clear(),
            _ => pieces(&mut lines[0].pieces),
        },
        Command::RequestReturn { lines, .. } => match roll {
            0 => lines.push(lines[0]),
            1 => lines.clear(),
            _ => pieces(&mut lines[0].pieces),
        },
        Command::ReceiveReturn { lines, refund, shipping, .. } => match roll {
            0 => lines.push(lines[0]),
            1 => *refund = None,
            2 => shipping.minor += by,
            _ => pieces(&mut lines[0].written_off),
        },
        Command::Refund { of: RefundOf::Amount { amount }, .. } => amount.minor += by,
        Command::Refund { of: RefundOf::Parts { lines, shipping }, .. } => {
            match (roll, lines.first()) {
                (0, Some(&own)) => lines.push(own),
                (1, Some(_)) => lines[0].amount.minor += by,
                _ => shipping.minor += by,
            }
        }
        _ => {}
    }
}

/// Makes any command at all, in and out of turn, often near a bound; names that must exist mostly do.
pub(crate) fn stray(order: &OrderState, dice: &mut Dice, n: usize) -> Command {
    let sums = order.sums().unwrap();
    let bounds = [
        sums.open,
        sums.captured,
        sums.released,
        order.tenders.authorized,
        order.tenders.charged_back,
        order.shipping.captured.total().unwrap(),
        order.tenders.provider.left().unwrap(),
    ];
    let mut amount = Money { minor: dice.pick(&bounds).minor + dice.below(3) - 1, ..sums.open };
    if dice.below(20) == 0 {
        amount.currency = Currency::Gbp;
    }
    let line = line_id(usize::try_from(dice.below(5)).unwrap());
    let location = place(1 + u8::try_from(dice.below(3)).unwrap());
    let old = name(usize::try_from(dice.below(i64::try_from(n).unwrap() + 1)).unwrap());
    let (parcel, back) = (FulfilmentId::from_bytes(old), ReturnId::from_bytes(old));
    let (paid, new) = (RefundId::from_bytes(old), RefundId::from_bytes(name(n)));
    let mut lines = vec![PiecesOf { line, pieces: u32::try_from(dice.below(6)).unwrap() }];
    if dice.below(3) == 0 {
        let other = line_id(usize::try_from(dice.below(4)).unwrap());
        lines.push(PiecesOf { line: other, pieces: 1 });
    }
    match dice.below(24) {
        0 => Command::Authorize { amount },
        1 => Command::Capture { amount },
        2 => Command::Void,
        3 => Command::PaymentFailed,
        4 => Command::Confirm,
        5 => Command::Expire,
        6 => Command::Retake { allocation: cover(&lines, location) },
        7 => Command::Cancel { reason: CancelReason::Other, refund: new },
        8 => Command::FillBackorder { line, location, pieces: lines[0].pieces },
        9 => Command::Fulfil { id: FulfilmentId::from_bytes(name(n)), location, lines },
        10 => Command::Ship { id: parcel, tracking: None },
        11 => Command::Deliver { id: parcel },
        12 => Command::CancelFulfilment { id: parcel },
        13 => {
            let wish = |own: PiecesOf| ReturnWish {
                line: own.line,
                pieces: own.pieces,
                reason: ReturnReason::WrongSize,
            };
            let lines = lines.into_iter().map(wish).collect();
            Command::RequestReturn { id: ReturnId::from_bytes(name(n)), lines }
        }
        14 => Command::ApproveReturn { id: back },
        15 => Command::RejectReturn { id: back },
        16 => Command::CancelReturn { id: back },
        17 => {
            let own = |own: PiecesOf| ReceivedPieces {
                line: own.line,
                restocked: own.pieces,
                written_off: u32::from(own.pieces == 3),
            };
            let lines = lines.into_iter().map(own).collect();
            let refund = Some(new).filter(|_| dice.below(2) == 0);
            let shipping = if dice.below(2) == 0 { amount } else { Money { minor: 0, ..amount } };
            Command::ReceiveReturn { id: back, location, lines, refund, shipping }
        }
        18 => stray_refund(dice, new, amount, &lines),
        19 => Command::RefundSucceeded { id: paid },
        20 => Command::RefundFailed { id: paid },
        21 => Command::ChargeBack { amount },
        22 => Command::CancelPieces { lines, refund: new },
        _ if dice.below(2) == 0 => Command::WinChargeback { amount },
        _ => Command::Complete,
    }
}

fn stray_refund(dice: &mut Dice, id: RefundId, amount: Money, lines: &[PiecesOf]) -> Command {
    let parts = lines.iter().map(|own| AmountOf { line: own.line, amount });
    let shipping = Money { minor: dice.below(3), ..amount };
    let of = match dice.below(3) {
        0 => RefundOf::Whole,
        1 => RefundOf::Amount { amount },
        _ => RefundOf::Parts { lines: parts.collect(), shipping },
    };
    Command::Refund { id, of, reason: RefundReason::Other }
}

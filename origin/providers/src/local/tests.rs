use domain::{Currency, PaymentId};
use proptest::prelude::*;

use super::*;
use IntentStatus as S;

fn money(minor: i64) -> Money {
    Money::new(minor, Currency::Jpy)
}

fn new(method: &str, capture: CaptureMode) -> NewIntent {
    NewIntent {
        reference: PaymentId::from_bytes([7; 16]),
        amount: money(100),
        method: method.parse().unwrap(),
        capture,
        return_url: None,
    }
}

fn walk(method: &str, mode: CaptureMode, wishes: &[Wish]) -> Result<Intent, Refusal> {
    let first = create(&new(method, mode), "pi_1".into())?;
    wishes.iter().try_fold(first, |intent, &wish| advance(&intent, mode, wish))
}

fn ends(method: &str, mode: CaptureMode, wishes: &[Wish]) -> Result<S, Refusal> {
    walk(method, mode, wishes).map(|intent| intent.status)
}

#[test]
fn every_method_ends_when_its_wishes_come() {
    let at_once = CaptureMode::Automatic;
    let approve = Wish::Act(Decision::Approve);
    let reject = Wish::Act(Decision::Reject);
    for (method, wishes, expected) in [
        ("success", vec![], Ok(S::Captured)),
        ("timeout", vec![], Ok(S::Captured)),
        ("tok_success", vec![], Ok(S::Captured)),
        ("tok_decline", vec![], Ok(S::Declined)),
        ("tok_stolen", vec![], Err(Refusal::UnknownToken)),
        ("hosted", vec![], Ok(S::RequiresAction)),
        ("hosted", vec![Wish::Confirm(TestMethod::Success)], Ok(S::Captured)),
        ("hosted", vec![approve], Ok(S::Captured)),
        ("late", vec![], Ok(S::Processing)),
        ("late", vec![Wish::Settle], Ok(S::Captured)),
        ("late", vec![Wish::Cancel], Ok(S::Cancelled)),
        ("late", vec![Wish::Cancel, Wish::Settle], Err(Refusal::NotAllowed)),
        ("requires_action", vec![], Ok(S::RequiresAction)),
        ("requires_action", vec![reject], Ok(S::Declined)),
        ("requires_action", vec![reject, approve], Err(Refusal::NotAllowed)),
        ("requires_action", vec![reject, Wish::Confirm(TestMethod::Success)], Ok(S::Captured)),
        ("requires_action", vec![approve, Wish::Cancel], Ok(S::Captured)),
        ("success", vec![Wish::Refund(None), Wish::Refund(None)], Ok(S::Refunded)),
        ("decline", vec![Wish::Refund(None)], Err(Refusal::NotAllowed)),
        ("success", vec![Wish::Capture(Capture::ALL)], Err(Refusal::NotAllowed)),
    ] {
        assert_eq!(ends(method, at_once, &wishes), expected, "{method} {wishes:?}");
    }
}

#[test]
fn what_is_held_is_captured_in_parts_voided_or_expires() {
    let take = |minor| Wish::Capture(Capture::part(money(minor)));
    let last = |minor| Wish::Capture(Capture::last(money(minor)));
    let back = |minor| Wish::Refund(Some(money(minor)));
    for (wishes, expected, amounts) in [
        (vec![], S::Authorized, [100, 0, 0, 0]),
        (vec![Wish::Capture(Capture::ALL)], S::Captured, [100, 100, 0, 0]),
        (vec![last(60)], S::Captured, [100, 60, 40, 0]),
        (vec![take(60)], S::PartiallyCaptured, [100, 60, 0, 0]),
        (vec![take(60), take(40)], S::Captured, [100, 100, 0, 0]),
        (vec![take(60), Wish::Cancel], S::Captured, [100, 60, 40, 0]),
        (vec![take(60), back(10)], S::PartiallyRefunded, [100, 60, 0, 10]),
        (vec![take(60), back(60), take(40)], S::PartiallyRefunded, [100, 100, 0, 60]),
        (vec![take(60), back(10), Wish::Expire], S::PartiallyRefunded, [100, 60, 40, 10]),
        (vec![Wish::Cancel], S::Cancelled, [100, 0, 100, 0]),
        (vec![Wish::Expire], S::Cancelled, [100, 0, 100, 0]),
        (vec![last(60), back(10), back(20)], S::PartiallyRefunded, [100, 60, 40, 30]),
        (vec![last(60), back(10), Wish::Refund(None)], S::Refunded, [100, 60, 40, 60]),
    ] {
        let intent = walk("success", CaptureMode::Manual, &wishes).unwrap();
        let known = intent.amounts;
        let got = [known.authorized(), known.captured(), known.released(), known.refunded()];
        assert_eq!((intent.status, got), (expected, amounts.map(money)), "{wishes:?}");
        assert!(intent.report().is_ok());
    }
}

#[test]
fn more_than_there_is_nothing_and_other_currencies_are_refused() {
    let capture = |amount| Wish::Capture(Capture::last(amount));
    let other = Money::new(1, Currency::Eur);
    for amount in [money(101), money(0), money(-1), other] {
        let got = ends("success", CaptureMode::Manual, &[capture(amount)]);
        assert_eq!(got, Err(Refusal::InvalidAmount), "{amount}");
        let got = ends("success", CaptureMode::Automatic, &[Wish::Refund(Some(amount))]);
        assert_eq!(got, Err(Refusal::InvalidAmount), "{amount}");
    }
    let negative = NewIntent { amount: money(-1), ..new("success", CaptureMode::Automatic) };
    assert_eq!(create(&negative, "pi_1".into()), Err(Refusal::InvalidAmount));
}

#[test]
fn a_payment_of_nothing_is_captured_and_goes_back() {
    let free = NewIntent { amount: money(0), ..new("success", CaptureMode::Automatic) };
    let intent = create(&free, "pi_1".into()).unwrap();
    assert_eq!(intent.status, S::Captured);
    let back = advance(&intent, CaptureMode::Automatic, Wish::Refund(None)).unwrap();
    assert_eq!(back.status, S::Refunded);
    let manual = NewIntent { capture: CaptureMode::Manual, ..free };
    let held = create(&manual, "pi_2".into()).unwrap();
    let after = |wish| advance(&held, CaptureMode::Manual, wish).map(|intent| intent.status);
    assert_eq!(held.status, S::Authorized);
    assert_eq!(after(Wish::Capture(Capture::ALL)), Ok(S::Captured));
    assert_eq!(after(Wish::Cancel), Ok(S::Cancelled));
}

#[test]
fn pauses_double_up_to_a_minute() {
    let pauses: Vec<u128> =
        [0, 1, 2, 7, 40].map(|attempts| webhook_pause(attempts).as_millis()).into();
    assert_eq!(pauses, [500, 1_000, 2_000, 60_000, 60_000]);
}

fn wish() -> impl Strategy<Value = Wish> {
    let amount = || prop::option::of((1_i64..120).prop_map(money));
    let rest = prop::sample::select(vec![Rest::Keep, Rest::Release]);
    prop_oneof![
        prop::sample::select(TestMethod::ALL.to_vec()).prop_map(Wish::Confirm),
        prop::sample::select(vec![Decision::Approve, Decision::Reject]).prop_map(Wish::Act),
        (amount(), rest).prop_map(|(amount, rest)| Wish::Capture(Capture { amount, rest })),
        amount().prop_map(Wish::Refund),
        prop::sample::select(vec![Wish::Cancel, Wish::Settle, Wish::Expire]),
    ]
}

proptest! {
    #[test]
    fn amounts_only_grow_and_every_step_is_a_report_that_merges(
        is_manual in any::<bool>(), wishes in prop::collection::vec(wish(), 0..20)
    ) {
        let mode = if is_manual { CaptureMode::Manual } else { CaptureMode::Automatic };
        let mut intent = create(&new("hosted", mode), "pi_1".into()).unwrap();
        let mut payment = domain::Payment::new(intent.amount);
        for wish in wishes {
            let Ok(next) = advance(&intent, mode, wish) else { continue };
            payment = payment.merge(next.report().unwrap()).unwrap().payment;
            if next.status.event().status().has_moved_money() {
                prop_assert_eq!(payment.amounts(), next.amounts);
                prop_assert_eq!(payment.status(), next.status.event().status());
            }
            intent = next;
        }
    }
}

#![expect(
    clippy::arithmetic_side_effects,
    reason = "the amounts of these tests are far from the limits"
)]

use proptest::prelude::*;

use super::*;
use PaymentEvent as E;
use PaymentStatus as S;

const CURRENCY: Currency = Currency::Kwd;

fn money(minor: i64) -> Money {
    Money::new(minor, CURRENCY)
}

fn amounts(authorized: i64, captured: i64, released: i64, refunded: i64) -> Amounts {
    Amounts::new(money(authorized), money(captured), money(released), money(refunded)).unwrap()
}

fn merge_all(amount: Money, reports: impl IntoIterator<Item = Report>) -> Payment {
    reports
        .into_iter()
        .fold(Payment::new(amount), |payment, report| payment.merge(report).unwrap().payment)
}

#[test]
fn amounts_that_cannot_be_of_one_payment_are_refused() {
    let euro = Money::new(1, Currency::Eur);
    let zero = money(0);
    for (got, error) in [
        (Amounts::new(money(1), euro, zero, zero), AmountsError::Currencies),
        (Amounts::new(money(1), zero, money(-1), zero), AmountsError::Negative),
        (Amounts::new(money(9), money(5), money(5), zero), AmountsError::Unbalanced),
        (Amounts::new(money(9), money(5), zero, money(6)), AmountsError::Unbalanced),
        (Amounts::new(money(9), money(i64::MAX), money(i64::MAX), zero), AmountsError::Unbalanced),
    ] {
        assert_eq!(got, Err(error));
    }
}

#[test]
fn a_word_and_amounts_that_contradict_each_other_are_refused() {
    for (event, known) in [
        (E::Captured, amounts(10, 0, 0, 0)),
        (E::Captured, amounts(10, 4, 0, 0)),
        (E::PartiallyCaptured, amounts(10, 4, 6, 0)),
        (E::Cancelled, amounts(10, 4, 6, 0)),
        (E::Declined, amounts(10, 10, 0, 0)),
        (E::Authorized, amounts(0, 0, 0, 0)),
        (E::Refunded, amounts(10, 10, 0, 9)),
    ] {
        let got = Report::new(event, money(10), known);
        assert_eq!(got, Err(AmountsError::Contradiction), "{event:?} {known:?}");
    }
    assert_eq!(Report::whole(E::PartiallyRefunded, money(10)), Err(AmountsError::Contradiction));
    assert!(Report::new(E::Captured, money(10), amounts(10, 4, 6, 0)).is_ok());
}

#[test]
fn a_payment_of_nothing_is_captured_and_refunded_by_its_word() {
    let free = money(0);
    for event in [E::Authorized, E::Captured, E::Refunded] {
        let payment = merge_all(free, [Report::whole(event, free).unwrap()]);
        assert_eq!(payment.status(), event.status());
    }
}

#[test]
fn each_report_says_how_much_is_new() {
    let payment = Payment::new(money(100));
    let steps = [
        (E::Authorized, amounts(100, 0, 0, 0), [100, 0, 0, 0]),
        (E::PartiallyCaptured, amounts(100, 30, 0, 0), [0, 30, 0, 0]),
        (E::Captured, amounts(100, 70, 30, 0), [0, 40, 30, 0]),
        (E::PartiallyRefunded, amounts(100, 70, 30, 20), [0, 0, 0, 20]),
        (E::Refunded, amounts(100, 70, 30, 70), [0, 0, 0, 50]),
    ];
    let mut now = payment;
    for (event, known, more) in steps {
        let report = Report::new(event, money(100), known).unwrap();
        let merged = now.merge(report).unwrap();
        let got = [
            merged.authorized_more,
            merged.captured_more,
            merged.released_more,
            merged.refunded_more,
        ];
        assert_eq!(got, more.map(money), "{event:?}");
        assert!(merged.is_news);
        assert_eq!(merged.payment.status(), event.status());
        assert!(!merged.payment.merge(report).unwrap().is_news, "{event:?} twice");
        now = merged.payment;
    }
}

#[test]
fn a_capture_that_was_never_told_is_learnt_from_its_refund() {
    let report = Report::whole(E::Refunded, money(10)).unwrap();
    let merged = Payment::new(money(10)).merge(report).unwrap();
    assert_eq!((merged.captured_more, merged.refunded_more), (money(10), money(10)));
}

#[test]
fn a_report_about_more_or_another_currency_is_of_another_payment() {
    let payment = Payment::new(money(10));
    let euro = Money::new(10, Currency::Eur);
    for report in [Report::whole(E::Captured, money(11)), Report::whole(E::Captured, euro)] {
        assert!(payment.merge(report.unwrap()).is_err());
    }
}

#[test]
fn a_voided_payment_holds_nothing_whichever_report_comes_first() {
    let authorized = Report::whole(E::Authorized, money(10)).unwrap();
    let voided = Report::whole(E::Cancelled, money(10)).unwrap();
    for reports in [[authorized, voided], [voided, authorized]] {
        let payment = merge_all(money(10), reports);
        assert_eq!((payment.status(), payment.held()), (S::Cancelled, money(0)));
    }
    let declined = Report::whole(E::Declined, money(10)).unwrap();
    let held = merge_all(money(10), [declined, authorized]);
    assert_eq!((held.status(), held.held()), (S::Declined, money(10)), "somebody must let it go");
}

#[test]
fn words_alone_and_words_with_amounts_lead_to_the_same_states() {
    let amount = money(10);
    let is_part = |s: S| matches!(s, S::PartiallyCaptured | S::PartiallyRefunded);
    for status in S::ALL.into_iter().filter(|&status| !is_part(status)) {
        let payment = Payment::restore(amount, status, Amounts::whole(status, amount)).unwrap();
        for event in E::ALL {
            let Ok(report) = Report::whole(event, amount) else { continue };
            let merged = payment.merge(report).unwrap().payment.status();
            match status.on(event) {
                Ok(super::super::Move::To(next)) => assert_eq!(merged, next, "{status} {event:?}"),
                Ok(super::super::Move::Stay) => assert_eq!(merged, status, "{status} {event:?}"),
                Err(_) => assert_eq!(event, E::Refunded, "{status}"),
            }
        }
    }
}

#[test]
fn what_is_stored_comes_back() {
    let payment = merge_all(
        money(10),
        [Report::new(E::PartiallyRefunded, money(10), amounts(10, 7, 3, 2)).unwrap()],
    );
    let restored = Payment::restore(payment.amount(), payment.status(), payment.amounts());
    assert_eq!(restored, Ok(payment));
    assert_eq!(
        Payment::restore(money(10), S::Captured, amounts(10, 0, 0, 0)),
        Err(AmountsError::Contradiction)
    );
}

/// One true history of a payment, as its provider would tell it step by step.
fn history() -> impl Strategy<Value = (i64, Vec<Report>)> {
    let steps = (
        1_i64..1_000_000,
        any::<[bool; 5]>(),
        0_u8..4,
        prop::collection::vec(1_i64..500_000, 0..4),
        any::<bool>(),
        prop::collection::vec(1_i64..500_000, 0..4),
    );
    steps.prop_map(|(amount, flags, end, captures, is_closed, refunds)| {
        let [is_lost, acts, processes, was_declined, is_at_once] = flags;
        let mut told = Vec::new();
        let mut tell = |event, known: [i64; 4]| {
            let known = amounts(known[0], known[1], known[2], known[3]);
            told.push(Report::new(event, money(amount), known).unwrap());
        };
        let before = [
            (is_lost, E::TimedOut),
            (acts, E::RequiresAction),
            (processes, E::Processing),
            // A payer who was refused may try another card on the same intent.
            (was_declined, E::Declined),
        ];
        for (_, event) in before.into_iter().filter(|(happens, _)| *happens) {
            tell(event, [0; 4]);
        }
        match end {
            0 => tell(E::Declined, [0; 4]),
            1 => tell(E::Cancelled, [0; 4]),
            2 if !was_declined => {
                tell(E::Authorized, [amount, 0, 0, 0]);
                tell(E::Cancelled, [amount, 0, amount, 0]);
            }
            _ => {
                if !is_at_once {
                    tell(E::Authorized, [amount, 0, 0, 0]);
                }
                let mut captured = 0;
                for part in captures {
                    let next = (captured + part).min(amount);
                    if next > captured {
                        captured = next;
                        let word =
                            if captured < amount { E::PartiallyCaptured } else { E::Captured };
                        tell(word, [amount, captured, 0, 0]);
                    }
                }
                if captured == 0 {
                    captured = amount;
                    tell(E::Captured, [amount, captured, 0, 0]);
                }
                let released = if is_closed { amount - captured } else { 0 };
                if released > 0 {
                    tell(E::Captured, [amount, captured, released, 0]);
                }
                let mut refunded = 0;
                for part in refunds {
                    let next = (refunded + part).min(captured);
                    if next > refunded {
                        refunded = next;
                        let word =
                            if refunded < captured { E::PartiallyRefunded } else { E::Refunded };
                        tell(word, [amount, captured, released, refunded]);
                    }
                }
            }
        }
        (amount, told)
    })
}

/// A history, and the same reports doubled and shuffled.
fn shuffled() -> impl Strategy<Value = (i64, Vec<Report>, Vec<Report>)> {
    history()
        .prop_flat_map(|(amount, told)| {
            let again = prop::collection::vec(prop::sample::select(told.clone()), 0..8);
            (Just(amount), Just(told), again)
        })
        .prop_flat_map(|(amount, told, again)| {
            let heard: Vec<Report> = told.iter().copied().chain(again).collect();
            (Just(amount), Just(told), Just(heard).prop_shuffle())
        })
}

proptest! {
    #[test]
    fn every_order_and_duplication_of_a_history_ends_alike((amount, told, heard) in shuffled()) {
        let expected = merge_all(money(amount), told.iter().copied());
        prop_assert_eq!(merge_all(money(amount), heard), expected);
        let last = told.last().unwrap();
        if last.event().status().has_moved_money() {
            prop_assert_eq!(expected.amounts(), last.amounts());
            prop_assert_eq!(expected.status(), last.event().status());
        }
    }

    #[test]
    fn money_that_moved_stays_moved_and_the_news_add_up((amount, _told, heard) in shuffled()) {
        let mut payment = Payment::new(money(amount));
        let (mut captured, mut refunded) = (0, 0);
        for report in heard {
            let merged = payment.merge(report).unwrap();
            prop_assert!(merged.captured_more.minor >= 0 && merged.refunded_more.minor >= 0);
            captured += merged.captured_more.minor;
            refunded += merged.refunded_more.minor;
            payment = merged.payment;
            prop_assert!(payment.amounts().captured().minor >= report.amounts().captured().minor);
            prop_assert!(payment.amounts().refunded().minor >= report.amounts().refunded().minor);
            prop_assert!(refunded <= captured && captured <= amount);
        }
        prop_assert_eq!(payment.amounts().captured(), money(captured));
        prop_assert_eq!(payment.amounts().refunded(), money(refunded));
    }

    #[test]
    fn reports_of_different_histories_merge_alike_in_both_orders(
        (amount, one, _) in shuffled(), (_, other, _) in shuffled()
    ) {
        let reports: Vec<Report> = one
            .into_iter()
            .chain(other)
            .filter(|report| report.amounts().authorized().minor <= amount)
            .collect();
        let forwards = merge_all(money(amount), reports.iter().copied());
        let backwards = merge_all(money(amount), reports.iter().rev().copied());
        prop_assert_eq!(forwards, backwards);
    }
}

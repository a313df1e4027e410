//! Each operation, as it goes when nothing goes wrong.

use domain::{Currency, Money};
use providers::payment::{
    Capture, CaptureMode, Decision, DeclineCode, Intent, IntentStatus as S, Lookup, Method,
    NewIntent, PayerAction, PaymentError, PaymentProvider as _, RefundStatus,
};

use crate::shop::{Shop, euro, new, payment};

fn amounts(intent: &Intent) -> [i64; 4] {
    let known = intent.amounts;
    [known.authorized(), known.captured(), known.released(), known.refunded()].map(|m| m.minor)
}

#[tokio::test]
async fn a_payment_is_made_once_and_found_by_every_name() {
    let shop = Shop::open().await;
    let reference = payment(1);
    let create = || shop.stripe.create(format!("{reference}:create"), new(reference, "success"));
    let paid = create().await.unwrap();
    assert_eq!((paid.status, paid.amount, paid.reference), (S::Captured, euro(1_000), reference));
    assert_eq!(amounts(&paid), [1_000, 1_000, 0, 0]);
    assert_eq!(create().await.unwrap(), paid, "asked twice by one key");
    assert_eq!(shop.fake.intents().len(), 1);
    assert_eq!(shop.by_reference(reference).await.unwrap(), Some(paid.clone()));
    assert_eq!(shop.by_id(&paid.id).await, paid);
    assert_eq!(shop.by_reference(payment(9)).await.unwrap(), None);
    assert_eq!(shop.stripe.lookup(Lookup::Id("pi_none".into())).await.unwrap(), None);
}

#[tokio::test]
async fn every_currency_goes_out_and_comes_back() {
    let shop = Shop::open().await;
    for (number, amount) in
        [Money::new(500, Currency::Jpy), Money::new(12_340, Currency::Kwd), euro(1)]
            .into_iter()
            .enumerate()
    {
        let reference = payment(u8::try_from(number).unwrap());
        let intent = NewIntent { amount, ..new(reference, "success") };
        let paid = shop.stripe.create(format!("{number}"), intent).await.unwrap();
        assert_eq!((paid.amount, paid.amounts.captured()), (amount, amount));
    }
    let odd = NewIntent { amount: Money::new(12_345, Currency::Kwd), ..new(payment(9), "success") };
    let refused = shop.stripe.create("odd".into(), odd).await;
    assert!(matches!(refused, Err(PaymentError::Invalid(_))), "{refused:?}");
    assert_eq!(shop.fake.intents().len(), 3, "the odd amount was not even sent");
}

#[tokio::test]
async fn a_refused_card_is_an_answer_with_a_reason_that_may_be_shown() {
    let shop = Shop::open().await;
    for (method, code) in [
        ("decline", DeclineCode::Declined),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", DeclineCode::InsufficientFunds),
        ("pm_card_chargeDeclinedExpiredCard", DeclineCode::ExpiredCard),
        ("pm_card_chargeDeclinedIncorrectCvc", DeclineCode::IncorrectCvc),
        ("pm_card_visa_chargeDeclinedStolenCard", DeclineCode::Declined),
    ] {
        let reference = payment(3);
        let create = || shop.stripe.create(format!("{method}:create"), new(reference, method));
        let intent = create().await.unwrap();
        assert_eq!((intent.status, intent.decline), (S::Declined, Some(code)), "{method}");
        assert_eq!(create().await.unwrap(), intent, "{method}, asked again");
        let cancelled = shop.stripe.cancel(format!("{method}:cancel"), intent.id).await.unwrap();
        assert_eq!(cancelled.status, S::Declined, "{method}");
    }
}

#[tokio::test]
async fn the_payer_approves_on_the_banks_page_or_does_not() {
    let shop = Shop::open().await;
    for (number, is_approved, expected) in [(1, true, S::Captured), (2, false, S::Declined)] {
        let reference = payment(number);
        let intent = NewIntent {
            return_url: Some("https://shop.example/back".into()),
            ..new(reference, "requires_action")
        };
        let waits = shop.stripe.create(format!("{number}"), intent).await.unwrap();
        assert_eq!(waits.status, S::RequiresAction);
        assert!(
            matches!(&waits.action, Some(PayerAction::Redirect { url }) if url.contains("/3ds/"))
        );
        let act = |key: &str, decision| shop.stripe.act(key.to_owned(), waits.id.clone(), decision);
        let early = act("early", Decision::Approve).await.unwrap();
        assert_eq!(early.status, S::RequiresAction, "the shop cannot approve for the payer");
        shop.fake.authenticate(&waits.id, is_approved);
        let back = act("back", Decision::Approve).await.unwrap();
        assert_eq!(back.status, expected);
    }
    let waits = shop.pay("requires_action").await.unwrap();
    assert!(matches!(waits.action, Some(PayerAction::ClientSecret { .. })), "{waits:?}");
    let rejected = shop.stripe.act("r".into(), waits.id, Decision::Reject).await.unwrap();
    assert_eq!(rejected.status, S::Cancelled);
}

#[tokio::test]
async fn the_payer_pays_on_stripes_own_field_and_may_try_another_card() {
    let shop = Shop::open().await;
    let waits = shop.pay("hosted").await.unwrap();
    assert_eq!(waits.status, S::RequiresAction);
    let Some(PayerAction::ClientSecret { secret }) = &waits.action else { panic!("{waits:?}") };
    shop.fake.confirm_on_field(secret.expose(), "pm_card_chargeDeclined");
    assert_eq!(shop.by_id(&waits.id).await.status, S::Declined);
    shop.fake.confirm_on_field(secret.expose(), "pm_card_visa");
    assert_eq!(shop.by_id(&waits.id).await.status, S::Captured);
}

#[tokio::test]
async fn what_was_made_without_a_method_is_confirmed_with_one() {
    let shop = Shop::open().await;
    let waits = shop.pay("hosted").await.unwrap();
    let confirm = |key: &str, method: &str| {
        let method: Method = method.parse().unwrap();
        shop.stripe.confirm(key.to_owned(), waits.id.clone(), method)
    };
    assert_eq!(confirm("c1", "decline").await.unwrap().status, S::Declined);
    assert_eq!(confirm("c2", "success").await.unwrap().status, S::Captured);
    assert!(matches!(confirm("c3", "success").await, Err(PaymentError::NotAllowed)));
    let unknown = confirm("c4", "pm_unheard_of").await;
    assert!(matches!(&unknown, Err(PaymentError::Invalid(code)) if code == "resource_missing"));
}

#[tokio::test]
async fn held_money_is_taken_whole_in_part_and_in_parts() {
    let shop = Shop::open().await;
    let capture = |key: &str, intent: &Intent, capture| {
        shop.stripe.capture(key.to_owned(), intent.id.clone(), capture)
    };
    let whole = shop.hold().await;
    assert_eq!((whole.status, amounts(&whole)), (S::Authorized, [1_000, 0, 0, 0]));
    let taken = capture("1", &whole, Capture::ALL).await.unwrap();
    assert_eq!((taken.status, amounts(&taken)), (S::Captured, [1_000, 1_000, 0, 0]));
    assert!(matches!(capture("2", &whole, Capture::ALL).await, Err(PaymentError::NotAllowed)));
    let part = shop.hold().await;
    let more = capture("3", &part, Capture::last(euro(1_001))).await;
    assert!(matches!(&more, Err(PaymentError::Invalid(code)) if code == "amount_too_large"));
    let taken = capture("4", &part, Capture::last(euro(400))).await.unwrap();
    assert_eq!((taken.status, amounts(&taken)), (S::Captured, [1_000, 400, 600, 0]));
    let parts = shop.hold().await;
    let first = capture("5", &parts, Capture::part(euro(400))).await.unwrap();
    assert_eq!((first.status, amounts(&first)), (S::PartiallyCaptured, [1_000, 400, 0, 0]));
    let second = capture("6", &parts, Capture::last(euro(500))).await.unwrap();
    assert_eq!((second.status, amounts(&second)), (S::Captured, [1_000, 900, 100, 0]));
}

#[tokio::test]
async fn held_money_is_let_go_and_what_has_ended_stays_as_it_is() {
    let shop = Shop::open().await;
    let cancel = |key: &str, id: &str| shop.stripe.cancel(key.to_owned(), id.to_owned());
    let held = shop.hold().await;
    assert_eq!(cancel("1", &held.id).await.unwrap().status, S::Cancelled);
    assert_eq!(cancel("2", &held.id).await.unwrap().status, S::Cancelled);
    let paid = shop.pay("success").await.unwrap();
    assert_eq!(cancel("3", &paid.id).await.unwrap(), paid);
    assert!(matches!(cancel("4", "pi_none").await, Err(PaymentError::NotFound)));
    let taken = shop.hold().await;
    let part = Capture::part(euro(400));
    shop.stripe.capture("5".into(), taken.id.clone(), part).await.unwrap();
    let rest = cancel("6", &taken.id).await.unwrap();
    assert_eq!((rest.status, amounts(&rest)), (S::Captured, [1_000, 400, 600, 0]));
}

#[tokio::test]
async fn money_goes_back_in_parts_each_once() {
    let shop = Shop::open().await;
    let paid = shop.pay("success").await.unwrap();
    let back = |key: &str, amount: Option<i64>| {
        shop.stripe.refund(key.to_owned(), paid.id.clone(), amount.map(euro))
    };
    let first = back("r1", Some(300)).await.unwrap();
    assert_eq!((first.refund.amount, first.refund.key.as_deref()), (euro(300), Some("r1")));
    assert_eq!(first.refund.status, RefundStatus::Succeeded);
    let state = (first.intent.status, amounts(&first.intent));
    assert_eq!(state, (S::PartiallyRefunded, [1_000, 1_000, 0, 300]));
    assert_eq!(back("r1", Some(300)).await.unwrap().refund, first.refund);
    assert!(matches!(back("r1", Some(301)).await, Err(PaymentError::KeyReused)));
    assert!(matches!(back("r2", Some(701)).await, Err(PaymentError::Invalid(_))));
    let second = back("r3", Some(200)).await.unwrap();
    assert_eq!(second.intent.amounts.refunded(), euro(500));
    let rest = back("r4", None).await.unwrap();
    assert_eq!((rest.refund.amount, rest.intent.status), (euro(500), S::Refunded));
    let again = back("r5", None).await.unwrap();
    assert_eq!((again.refund.id, again.intent.status), (rest.refund.id, S::Refunded));
    assert!(matches!(back("r6", Some(1)).await, Err(PaymentError::NotAllowed)));
    let listed = shop.stripe.refunds(paid.id.clone()).await.unwrap();
    let keys: Vec<_> = listed.iter().filter_map(|refund| refund.key.as_deref()).collect();
    assert_eq!(keys, ["r4", "r3", "r1"]);
}

#[tokio::test]
async fn what_a_partial_capture_let_go_is_no_refund() {
    let shop = Shop::open().await;
    let held = shop.hold().await;
    let part = Capture::last(euro(400));
    shop.stripe.capture("c".into(), held.id.clone(), part).await.unwrap();
    assert_eq!(amounts(&shop.by_id(&held.id).await), [1_000, 400, 600, 0]);
    let back = shop.stripe.refund("r".into(), held.id.clone(), Some(euro(100))).await.unwrap();
    assert_eq!(amounts(&back.intent), [1_000, 400, 600, 100]);
    let all = shop.stripe.refund("s".into(), held.id, None).await.unwrap();
    assert_eq!((all.refund.amount, all.intent.status), (euro(300), S::Refunded));
}

#[tokio::test]
async fn a_key_belongs_to_one_request() {
    let shop = Shop::open().await;
    let reference = payment(4);
    shop.stripe.create("k".into(), new(reference, "success")).await.unwrap();
    let other = NewIntent { amount: euro(999), ..new(reference, "success") };
    let other = shop.stripe.create("k".into(), other).await;
    assert!(matches!(other, Err(PaymentError::KeyReused)), "{other:?}");
    let empty = shop.stripe.create("x".repeat(256), new(reference, "success")).await;
    assert!(matches!(empty, Err(PaymentError::Invalid(_))), "{empty:?}");
    assert_eq!(shop.fake.intents().len(), 1);
}

#[tokio::test]
async fn a_manual_payment_that_the_payer_approves_is_held() {
    let shop = Shop::open().await;
    let intent = NewIntent {
        capture: CaptureMode::Manual,
        ..new(payment(5), "pm_card_threeDSecure2Required")
    };
    let waits = shop.stripe.create("m".into(), intent).await.unwrap();
    shop.fake.authenticate(&waits.id, true);
    assert_eq!(shop.by_id(&waits.id).await.status, S::Authorized);
}

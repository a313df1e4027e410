//! What goes wrong between us and Stripe.

use std::time::Duration;

use fake_stripe::{FakeStripe, Fault};
use providers::payment::{Capture, IntentStatus as S, PaymentError, PaymentProvider as _};
use providers::secret::Secret;
use providers::stripe::{Settings, Stripe};

use crate::shop::{DEADLINE, Shop, euro, new, payment};

#[tokio::test]
async fn a_lost_answer_is_unknown_and_then_found_by_our_name() {
    let shop = Shop::open().await;
    let reference = payment(1);
    shop.fake.fail_next("/payment_intents", Fault::LoseAnswer);
    let lost = shop.stripe.create("k".into(), new(reference, "success")).await;
    assert!(matches!(lost, Err(PaymentError::Unknown(_))), "{lost:?}");
    let found = shop.by_reference(reference).await.unwrap().unwrap();
    assert_eq!(found.status, S::Captured);
    let again = shop.stripe.create("k".into(), new(reference, "success")).await.unwrap();
    assert_eq!(again, found);
    assert_eq!(shop.fake.intents().len(), 1);
}

#[tokio::test]
async fn lost_answers_of_captures_and_refunds_are_replayed_by_their_keys() {
    let shop = Shop::open().await;
    let held = shop.hold().await;
    let part = || shop.stripe.capture("c".into(), held.id.clone(), Capture::last(euro(400)));
    shop.fake.fail_next("/capture", Fault::LoseAnswer);
    assert!(matches!(part().await, Err(PaymentError::Unknown(_))));
    assert_eq!(part().await.unwrap().amounts.captured(), euro(400));
    let back = || shop.stripe.refund("r".into(), held.id.clone(), Some(euro(100)));
    shop.fake.fail_next("/refunds", Fault::LoseAnswer);
    assert!(matches!(back().await, Err(PaymentError::Unknown(_))));
    assert_eq!(shop.stripe.refunds(held.id.clone()).await.unwrap().len(), 1);
    assert_eq!(back().await.unwrap().intent.amounts.refunded(), euro(100));
    shop.fake.fail_next("/cancel", Fault::LoseAnswer);
    let other = shop.hold().await;
    let void = || shop.stripe.cancel("v".into(), other.id.clone());
    assert!(matches!(void().await, Err(PaymentError::Unknown(_))));
    assert_eq!(void().await.unwrap().status, S::Cancelled);
}

#[tokio::test]
async fn a_payment_that_the_search_does_not_know_yet_is_found_in_the_list() {
    let shop = Shop::open().await;
    shop.fake.hold_search_back();
    let reference = payment(1);
    let made = shop.stripe.create("k".into(), new(reference, "success")).await.unwrap();
    // More than one page of others, all newer.
    for number in 0..130_u32 {
        let other = payment(u8::try_from(number % 200).unwrap());
        shop.stripe.create(format!("o{number}"), new(other, "success")).await.unwrap();
    }
    assert_eq!(shop.by_reference(reference).await.unwrap(), Some(made));
    assert!(shop.fake.requests("/v1/payment_intents") > 132, "it read a second page");
    assert_eq!(shop.by_reference(payment(250)).await.unwrap(), None);
}

#[tokio::test]
async fn a_500_is_unknown_and_is_sent_again_only_when_stripe_says_so() {
    let shop = Shop::open().await;
    let requests = |shop: &Shop| shop.fake.requests("/v1/payment_intents");
    for should_retry in [None, Some(false)] {
        let before = requests(&shop);
        shop.fake.fail_next("/payment_intents", Fault::Fail { should_retry });
        let failed = shop.pay("success").await;
        assert!(matches!(failed, Err(PaymentError::Unknown(_))), "{failed:?}");
        assert_eq!(requests(&shop), before + 1, "{should_retry:?}");
    }
    // Stripe keeps the 500 under its key: whoever asks again hears it again.
    let before = requests(&shop);
    shop.fake.fail_next("/payment_intents", Fault::Fail { should_retry: Some(true) });
    let failed = shop.pay("success").await;
    assert!(matches!(failed, Err(PaymentError::Unknown(_))), "{failed:?}");
    assert_eq!(requests(&shop), before + 2);
    assert_eq!(shop.fake.intents().len(), 0);
}

#[tokio::test]
async fn too_many_requests_are_certain_not_to_be_done_and_say_when_to_come_again() {
    let shop = Shop::open().await;
    let limit = |should_retry| Fault::RateLimit { retry_after_s: 3, should_retry };
    shop.fake.fail_next("/payment_intents", limit(None));
    let limited = shop.pay("success").await.unwrap_err();
    assert!(limited.is_certain());
    let PaymentError::RateLimited { retry_after } = limited else { panic!("{limited:?}") };
    assert_eq!(retry_after, Some(Duration::from_secs(3)));
    shop.fake.fail_next("/payment_intents", limit(Some(true)));
    let told = shop.pay("success").await;
    assert!(matches!(told, Err(PaymentError::RateLimited { .. })), "too long to wait: {told:?}");
    let soon = Fault::RateLimit { retry_after_s: 0, should_retry: Some(true) };
    for _ in 0..2 {
        shop.fake.fail_next("/payment_intents", soon);
    }
    assert_eq!(shop.pay("success").await.unwrap().status, S::Captured);
    for _ in 0..3 {
        shop.fake.fail_next("/payment_intents", soon);
    }
    let limited = shop.pay("success").await;
    assert!(matches!(limited, Err(PaymentError::RateLimited { .. })), "{limited:?}");
}

#[tokio::test]
async fn a_slow_answer_is_unknown_at_the_deadline_and_its_key_is_in_use_until_then() {
    let shop = Shop::with_deadline(Duration::from_millis(300)).await;
    let reference = payment(1);
    let create = || shop.stripe.create("k".into(), new(reference, "success"));
    shop.fake.fail_next("/payment_intents", Fault::Slow(Duration::from_secs(1)));
    let slow = create().await;
    assert!(matches!(slow, Err(PaymentError::Unknown(_))), "{slow:?}");
    let patient = stripe_at(&shop.fake, SECRET);
    shop.fake.fail_next("/payment_intents", Fault::Slow(Duration::from_secs(2)));
    let other = payment(2);
    let (first, second) = tokio::join!(
        patient.create("two".into(), new(other, "success")),
        patient.create("two".into(), new(other, "success"))
    );
    let in_use = [&first, &second]
        .iter()
        .filter(|answer| matches!(answer, Err(PaymentError::KeyInUse)))
        .count();
    assert_eq!(in_use, 1, "{first:?} {second:?}");
    assert_eq!(shop.fake.intents().len(), 2);
}

const SECRET: &str = fake_stripe::SECRET_KEY;

fn stripe_at(fake: &FakeStripe, key: &str) -> Stripe {
    let settings = Settings {
        base: fake.url().to_owned(),
        key: Secret::new(key.to_owned()),
        webhook_secrets: vec![Secret::new("whsec_1".to_owned())],
        deadline: DEADLINE,
    };
    Stripe::new(settings).unwrap()
}

#[tokio::test]
async fn garbage_is_unknown() {
    let shop = Shop::open().await;
    shop.fake.fail_next("/payment_intents", Fault::Garbage);
    let garbage = shop.pay("success").await;
    assert!(matches!(garbage, Err(PaymentError::Unknown(_))), "{garbage:?}");
    shop.fake.fail_next("/search", Fault::Garbage);
    let garbage = shop.by_reference(payment(1)).await;
    assert!(matches!(garbage, Err(PaymentError::Unknown(_))), "{garbage:?}");
}

#[tokio::test]
async fn another_key_is_not_believed_and_nobody_is_an_unknown_outcome() {
    let shop = Shop::open().await;
    let stranger = stripe_at(&shop.fake, "sk_test_other");
    let refused = stranger.create("k".into(), new(payment(1), "success")).await;
    assert!(matches!(refused, Err(PaymentError::Unauthorized)), "{refused:?}");
    let gone = stripe_at(&shop.fake, SECRET);
    drop(shop);
    let nobody = gone.create("k".into(), new(payment(1), "success")).await;
    assert!(matches!(nobody, Err(PaymentError::Unknown(_))), "{nobody:?}");
}

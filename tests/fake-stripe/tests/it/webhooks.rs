//! What Stripe tells, and what becomes of it in every order.

use domain::{Payment, PaymentStatus};
use providers::payment::{Capture, Event, PaymentProvider as _, RefundStatus, Subject};

use crate::shop::{Shop, euro};

/// Merges what was heard in an order of its own for each seed, with everything said twice.
fn merged(events: &[Event], seed: usize) -> Payment {
    let mut order: Vec<usize> = (0..events.len() * 2).collect();
    let (count, mut state) = (order.len(), seed.wrapping_mul(0x9e37_79b9).wrapping_add(1));
    for place in (1..count).rev() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(place, (state >> 33) % (place + 1));
    }
    order.iter().fold(Payment::new(euro(1_000)), |payment, place| {
        match &events[place / 2].subject {
            Subject::Intent(intent) => payment.merge(intent.report().unwrap()).unwrap().payment,
            Subject::Refund { .. } | Subject::Other => payment,
        }
    })
}

#[tokio::test]
async fn a_history_ends_alike_in_every_order_of_its_webhooks() {
    let shop = Shop::open().await;
    let held = shop.hold().await;
    let part = |amount| Capture::part(euro(amount));
    shop.stripe.capture("c1".into(), held.id.clone(), part(300)).await.unwrap();
    shop.stripe.capture("c2".into(), held.id.clone(), Capture::last(euro(400))).await.unwrap();
    shop.stripe.refund("r1".into(), held.id.clone(), Some(euro(50))).await.unwrap();
    shop.stripe.refund("r2".into(), held.id.clone(), Some(euro(60))).await.unwrap();
    let events: Vec<Event> = shop.heard().into_iter().map(Result::unwrap).collect();
    assert!(events.len() >= 8, "{events:?}");
    for seed in 0..200 {
        let payment = merged(&events, seed);
        let known = payment.amounts();
        assert_eq!(payment.status(), PaymentStatus::PartiallyRefunded, "seed {seed}");
        let got = [known.authorized(), known.captured(), known.released(), known.refunded()];
        assert_eq!(got, [1_000, 700, 300, 110].map(euro), "seed {seed}");
    }
}

#[tokio::test]
async fn declines_voids_and_approvals_are_told() {
    let shop = Shop::open().await;
    shop.pay("decline").await.unwrap();
    let events: Vec<Event> = shop.heard().into_iter().map(Result::unwrap).collect();
    assert_eq!(merged(&events, 1).status(), PaymentStatus::Declined);
    let shop = Shop::open().await;
    let held = shop.hold().await;
    shop.stripe.cancel("v".into(), held.id).await.unwrap();
    let events: Vec<Event> = shop.heard().into_iter().map(Result::unwrap).collect();
    for seed in 0..20 {
        assert_eq!(merged(&events, seed).status(), PaymentStatus::Cancelled, "seed {seed}");
        assert_eq!(merged(&events, seed).held(), euro(0), "seed {seed}");
    }
    let shop = Shop::open().await;
    let waits = shop.pay("requires_action").await.unwrap();
    shop.fake.authenticate(&waits.id, true);
    let events: Vec<Event> = shop.heard().into_iter().map(Result::unwrap).collect();
    for seed in 0..20 {
        assert_eq!(merged(&events, seed).status(), PaymentStatus::Captured, "seed {seed}");
    }
}

#[tokio::test]
async fn a_refund_that_the_bank_sends_back_is_told_as_such() {
    let shop = Shop::open().await;
    let paid = shop.pay("pm_card_refundFail").await.unwrap();
    let back = shop.stripe.refund("r".into(), paid.id.clone(), None).await.unwrap();
    shop.fake.fail_refund(&back.refund.id);
    let last = shop.heard().pop().unwrap().unwrap();
    let Subject::Refund { intent, refund, .. } = last.subject else { panic!("{last:?}") };
    assert_eq!((intent, refund.status), (paid.id.clone(), RefundStatus::Failed));
    assert_eq!(shop.stripe.refunds(paid.id).await.unwrap()[0].status, RefundStatus::Failed);
}

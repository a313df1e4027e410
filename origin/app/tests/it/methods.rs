//! Methods of payment beyond those that play: tokens, the provider's own page, and money that is only held.

use std::sync::atomic::Ordering;
use std::time::Duration;

use app::{CaptureMode, Settings};
use domain::{OrderStatus, PaymentStatus};
use providers::local::Wish;
use providers::payment::Decision;
use serde_json::{Value, json};

use crate::world::{GUEST, World};
use engines::{Engine, on_every_engine};

fn token(token: &str) -> Value {
    json!({"provider": "test", "method": "token", "token": token})
}

async fn a_token_pays_and_is_gone_with_the_first_answer(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    for (name, status, payment) in [
        ("tok_success", OrderStatus::Confirmed, PaymentStatus::Captured),
        ("tok_late", OrderStatus::PendingPayment, PaymentStatus::Processing),
        ("tok_requires_action", OrderStatus::PendingPayment, PaymentStatus::RequiresAction),
    ] {
        let placed = world.pay(world.cart(1).await, token(name), name).await.unwrap().value;
        assert_eq!((placed.status, placed.payment_status), (status, payment));
        let stored = world.store.order(placed.order_id).await.unwrap().unwrap();
        assert_eq!(stored.payment.token, None, "{name}");
        assert_eq!(stored.payment.method.as_str(), "token");
    }
    let declined = world.pay(world.cart(1).await, token("tok_decline"), "d").await.unwrap_err();
    assert_eq!(declined.to_string(), "payment-declined");
    world.check_sums().await;
}

async fn a_token_outlives_a_process_that_died_before_it_asked(engine: Engine) {
    let mut world = World::with_stock(engine, 5).await;
    let cart = world.cart(1).await;
    world.abandon_payment(cart, token("tok_success"), "k").await;
    world.restart().await;
    world.clock.advance(Settings::default().lease);
    world.app.reconcile_payments().await.unwrap();
    let answer = world.pay(cart, token("tok_success"), "k").await.unwrap().value;
    assert_eq!(answer.status, OrderStatus::Confirmed);
    let stored = world.store.order(answer.order_id).await.unwrap().unwrap();
    assert_eq!(stored.payment.token, None);
    assert_eq!(world.provider.count(), 1);
    world.check_sums().await;
}

async fn a_token_that_was_never_asked_for_is_gone_with_its_order(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    world.provider.is_gone.store(true, Ordering::Relaxed);
    let placed = world.pay(world.cart(1).await, token("tok_success"), "k").await.unwrap().value;
    assert_eq!(placed.payment_status, PaymentStatus::Unknown);
    let token = async || world.store.order(placed.order_id).await.unwrap().unwrap().payment.token;
    assert!(token().await.is_some());
    world.clock.advance(Duration::from_mins(11));
    world.app.release_expired().await.unwrap();
    assert_eq!(token().await, None);
    world.provider.is_gone.store(false, Ordering::Relaxed);
    world.clock.advance(Duration::from_mins(6));
    world.app.reconcile_payments().await.unwrap();
    let order = world.order(&placed).await;
    assert_eq!(
        (order.status, order.payment_status),
        (OrderStatus::Expired, PaymentStatus::Cancelled)
    );
    assert_eq!((world.provider.count(), world.available().await), (0, 5));
}

async fn a_payer_on_the_providers_page_comes_back_and_the_shop_asks(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let hosted = json!({"provider": "test", "method": "hosted"});
    let placed = world.pay(world.cart(1).await, hosted, "k").await.unwrap().value;
    assert_eq!(placed.next_action.map(|next| next.kind).as_deref(), Some("resume"));
    let resume = serde_json::from_value(json!({"action": "resume"})).unwrap();
    let token = Some(placed.order_token.as_str());
    let waits = world.app.act_on_payment(&GUEST, placed.order_id, token, &resume).await.unwrap();
    assert_eq!(waits.payment_status, PaymentStatus::RequiresAction);
    let intent = world.provider.intent_of(world.payment_of(placed.order_id).await);
    world.provider.wish(&intent.id, Wish::Act(Decision::Approve)).unwrap();
    let paid = world.app.act_on_payment(&GUEST, placed.order_id, token, &resume).await.unwrap();
    assert_eq!(paid.status, OrderStatus::Confirmed);
    let again = world.app.act_on_payment(&GUEST, placed.order_id, token, &resume).await.unwrap();
    assert_eq!(again.status, OrderStatus::Confirmed);
    world.check_sums().await;
}

async fn money_that_is_held_and_never_taken_is_let_go(engine: Engine) {
    let settings = Settings { capture: CaptureMode::Manual, ..Settings::default() };
    let kept = settings.hold_kept;
    let world = World::with_settings(engine, 5, settings).await;
    let placed = world.checkout(world.cart(1).await, "success", "k").await.unwrap().value;
    assert_eq!(
        (placed.status, placed.payment_status),
        (OrderStatus::Confirmed, PaymentStatus::Authorized)
    );
    world.clock.advance(kept.saturating_sub(Duration::from_mins(1)));
    assert_eq!(world.app.release_holds().await.unwrap(), 0);
    assert_eq!(world.app.reconcile_payments().await.unwrap(), 0);
    world.clock.advance(Duration::from_mins(1));
    // A provider that is away for a while is asked again.
    world.provider.is_gone.store(true, Ordering::Relaxed);
    assert_eq!(world.app.release_holds().await.unwrap(), 1);
    assert_eq!(world.app.reconcile_payments().await.unwrap(), 1);
    assert_eq!(world.order(&placed).await.payment_status, PaymentStatus::Authorized);
    world.provider.is_gone.store(false, Ordering::Relaxed);
    world.clock.advance(Duration::from_mins(2));
    assert_eq!(world.app.reconcile_payments().await.unwrap(), 1);
    let order = world.order(&placed).await;
    assert_eq!(
        (order.status, order.payment_status),
        (OrderStatus::Confirmed, PaymentStatus::Cancelled)
    );
    assert_eq!(world.app.release_holds().await.unwrap(), 0);
    world.check_sums().await;
}

on_every_engine!(
    a_token_pays_and_is_gone_with_the_first_answer,
    a_token_outlives_a_process_that_died_before_it_asked,
    a_token_that_was_never_asked_for_is_gone_with_its_order,
    a_payer_on_the_providers_page_comes_back_and_the_shop_asks,
    money_that_is_held_and_never_taken_is_let_go,
);

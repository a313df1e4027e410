//! Holds end, and what happens to money that comes after.

use std::time::Duration;

use domain::{OrderStatus, PaymentStatus, Timestamp};
use providers::local::Wish;
use providers::payment::IntentStatus;

use crate::world::{GUEST, World};
use engines::{Engine, on_every_engine};

const AFTER_THE_HOLD: Duration = Duration::from_secs(601);

async fn an_unpaid_order_gives_its_stock_and_its_cart_back(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let cart = world.cart(3).await;
    let placed = world.checkout(cart, "requires_action", "k").await.unwrap().value;
    assert_eq!(world.available().await, 2);
    world.clock.advance(Duration::from_secs(599));
    assert_eq!(world.app.release_expired().await.unwrap(), 0);
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(world.app.release_expired().await.unwrap(), 1);
    assert_eq!(world.app.release_expired().await.unwrap(), 0);
    assert_eq!(world.available().await, 5);
    assert_eq!(world.order(&placed).await.status, OrderStatus::Expired);
    // The provider is told to stop, so that nobody can pay for it any more.
    world.app.reconcile_payments().await.unwrap();
    assert_eq!(world.order(&placed).await.payment_status, PaymentStatus::Cancelled);
    let payment = world.payment_of(placed.order_id).await;
    assert_eq!(world.provider.intent_of(payment).status, IntentStatus::Cancelled);
    world.checkout(cart, "success", "k2").await.unwrap();
    assert_eq!(world.available().await, 2);
    world.check_sums().await;
}

async fn a_payment_after_the_hold_takes_the_stock_again(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let placed = world.checkout(world.cart(3).await, "late", "k").await.unwrap().value;
    world.clock.advance(AFTER_THE_HOLD);
    world.app.release_expired().await.unwrap();
    let payment = world.payment_of(placed.order_id).await;
    world.deliver("evt_1", payment, IntentStatus::Captured).await.unwrap();
    let order = world.order(&placed).await;
    assert_eq!(
        (order.status, order.payment_status),
        (OrderStatus::Confirmed, PaymentStatus::Captured)
    );
    assert_eq!(world.available().await, 2);
    world.check_sums().await;
}

async fn a_payment_after_the_stock_was_sold_to_another_goes_back(engine: Engine) {
    let world = World::with_stock(engine, 3).await;
    let placed = world.checkout(world.cart(3).await, "requires_action", "k").await.unwrap().value;
    let payment = world.payment_of(placed.order_id).await;
    world.clock.advance(AFTER_THE_HOLD);
    world.app.release_expired().await.unwrap();
    world.checkout(world.cart(3).await, "success", "k2").await.unwrap();
    world.provider.approve_behind_our_back(payment);
    world.app.reconcile_payments().await.unwrap();
    assert_eq!(world.order(&placed).await.payment_status, PaymentStatus::Captured);
    world.clock.advance(Duration::from_secs(5));
    world.app.reconcile_payments().await.unwrap();
    let order = world.order(&placed).await;
    assert_eq!(
        (order.status, order.payment_status),
        (OrderStatus::Expired, PaymentStatus::Refunded)
    );
    assert_eq!(world.provider.intent_of(payment).status, IntentStatus::Refunded);
    assert_eq!(world.available().await, 0);
    world.check_sums().await;
}

async fn a_cart_that_was_bought_again_meanwhile_is_paid_once(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let cart = world.cart(2).await;
    let first = world.checkout(cart, "requires_action", "k").await.unwrap().value;
    let payment = world.payment_of(first.order_id).await;
    world.clock.advance(AFTER_THE_HOLD);
    world.app.release_expired().await.unwrap();
    let second = world.checkout(cart, "success", "k2").await.unwrap().value;
    assert_eq!(second.status, OrderStatus::Confirmed);
    // There is stock for both, but the shopper wanted these things once.
    world.provider.approve_behind_our_back(payment);
    world.app.reconcile_payments().await.unwrap();
    world.clock.advance(Duration::from_secs(5));
    world.app.reconcile_payments().await.unwrap();
    let order = world.order(&first).await;
    assert_eq!(
        (order.status, order.payment_status),
        (OrderStatus::Expired, PaymentStatus::Refunded)
    );
    assert_eq!(world.provider.intent_of(payment).status, IntentStatus::Refunded);
    assert_eq!(world.order(&second).await.status, OrderStatus::Confirmed);
    assert_eq!(world.available().await, 7);
    world.check_sums().await;
}

async fn of_two_payments_that_come_after_their_holds_one_goes_back(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let cart = world.cart(2).await;
    let mut orders = Vec::new();
    for key in ["a", "b"] {
        orders.push(world.checkout(cart, "late", key).await.unwrap().value);
        world.clock.advance(AFTER_THE_HOLD);
        world.app.release_expired().await.unwrap();
    }
    for order in &orders {
        let payment = world.payment_of(order.order_id).await;
        world.provider.wish(&world.provider.intent_of(payment).id, Wish::Settle).unwrap();
        let event = format!("evt {}", order.order_id);
        world.deliver(&event, payment, IntentStatus::Captured).await.unwrap();
    }
    world.clock.advance(Duration::from_secs(5));
    world.app.reconcile_payments().await.unwrap();
    let (first, second) = (world.order(&orders[0]).await, world.order(&orders[1]).await);
    assert_eq!((first.status, second.status), (OrderStatus::Confirmed, OrderStatus::Expired));
    assert_eq!(second.payment_status, PaymentStatus::Refunded);
    assert_eq!(world.available().await, 7);
    let again = world.checkout(cart, "success", "c").await.unwrap_err();
    assert_eq!(again.to_string(), "cart-checked-out");
    world.check_sums().await;
}

async fn an_active_shopper_keeps_what_is_held_for_half_an_hour_and_no_longer(engine: Engine) {
    let world = World::with_stock(engine, 3).await;
    let placed = world.checkout(world.cart(3).await, "requires_action", "k").await.unwrap().value;
    let extend = || world.app.extend_hold(&GUEST, placed.order_id, Some(&placed.order_token));
    let begin = world.order(&placed).await.created_at;
    // The clock goes on while the test does.
    let minutes = |until: Option<Timestamp>| until.unwrap().since(begin).as_secs() / 60;
    for (minute, until) in [(9, 19), (9, 28), (9, 30)] {
        world.clock.advance(Duration::from_mins(minute));
        assert_eq!(minutes(extend().await.unwrap().expires_at), until);
        assert_eq!(world.app.release_expired().await.unwrap(), 0);
    }
    // Nothing more can be won: nothing is written, and the answer is the same.
    world.clock.advance(Duration::from_mins(2));
    assert_eq!(extend().await.unwrap().expires_at, Some(begin.after(Duration::from_mins(30))));
    let stranger = world.app.extend_hold(&GUEST, placed.order_id, Some("ot_x")).await.unwrap_err();
    assert_eq!(stranger.to_string(), "not-found");
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(extend().await.unwrap_err().to_string(), "hold-ended");
    assert_eq!(world.app.release_expired().await.unwrap(), 1);
    assert_eq!(extend().await.unwrap_err().to_string(), "hold-ended");
    assert_eq!(world.available().await, 3);
    world.check_sums().await;
}

/// Whoever is first: the hold lives on, or it has ended; both never.
async fn who_asks_for_more_time_at_the_very_end_gets_it_or_the_others_get_the_stock(
    engine: Engine,
) {
    let world = World::with_stock(engine, 8).await;
    for round in 0..8 {
        let placed =
            world.checkout(world.cart(1).await, "requires_action", "k").await.unwrap().value;
        let is_late = round % 2 == 0;
        world.clock.advance(Duration::from_secs(if is_late { 600 } else { 599 }));
        let token = placed.order_token.clone();
        let extend = world.app.extend_hold(&GUEST, placed.order_id, Some(&token));
        let sweep = async {
            world.clock.advance(Duration::from_secs(1));
            world.app.release_expired().await.unwrap()
        };
        let (extended, ended) = tokio::join!(extend, sweep);
        let order = world.order(&placed).await;
        let is_held = order.status == OrderStatus::PendingPayment;
        assert_eq!(is_held, extended.is_ok() && ended == 0, "{round}: {extended:?} {ended}");
        assert!(!is_held || order.expires_at.unwrap() > world.clock.now());
        world.check_sums().await;
        world.clock.advance(Duration::from_mins(31));
        world.app.release_expired().await.unwrap();
        world.app.reconcile_payments().await.unwrap();
    }
    assert_eq!(world.available().await, 8);
}

on_every_engine!(
    an_active_shopper_keeps_what_is_held_for_half_an_hour_and_no_longer,
    who_asks_for_more_time_at_the_very_end_gets_it_or_the_others_get_the_stock,
    an_unpaid_order_gives_its_stock_and_its_cart_back,
    a_payment_after_the_hold_takes_the_stock_again,
    a_payment_after_the_stock_was_sold_to_another_goes_back,
    a_cart_that_was_bought_again_meanwhile_is_paid_once,
    of_two_payments_that_come_after_their_holds_one_goes_back
);

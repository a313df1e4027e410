//! Money that is held: taken by the staff, whole and in parts, or let go.

use std::sync::atomic::Ordering;

use api_types::admin_order::{CancelRequest, CaptureRequest, FulfilRequest};
use domain::order::PaymentSummary;
use domain::{OrderStatus, PaymentStatus};
use providers::payment::IntentStatus;

use crate::orders::{A_WHILE, admin, check, euro, ledger, paid, step};
use crate::world::World;
use engines::{Engine, on_every_engine};

async fn held_money_is_taken_in_parts_and_the_rest_is_let_go(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    world.provider.is_manual.store(true, Ordering::Relaxed);
    let placed = paid(&world, 2).await;
    let (order, total) = (placed.order_id, placed.totals.total.minor);
    let part = |minor| CaptureRequest { amount: Some(euro(minor)) };
    let told = step!(&world, order, "a", capture_order, part(1_000)).unwrap().value;
    assert_eq!(told.order.payment, PaymentSummary::PartiallyCaptured);
    assert!(step!(&world, order, "a", capture_order, part(1_000)).unwrap().is_replay);
    let too_much = step!(&world, order, "b", capture_order, part(total)).unwrap_err();
    assert_eq!(too_much.to_string(), "invalid-input");
    // An answer that is lost leaves the payment busy until it is found out.
    world.provider.is_silent.store(true, Ordering::Relaxed);
    step!(&world, order, "c", capture_order, part(200)).unwrap();
    let busy = step!(&world, order, "d", void_order).unwrap_err();
    assert_eq!(busy.to_string(), "payment-busy");
    world.provider.is_silent.store(false, Ordering::Relaxed);
    world.clock.advance(A_WHILE);
    world.app.reconcile_operations().await.unwrap();
    let told = admin(&world, order).await;
    assert_eq!(told.sums.unwrap().captured, euro(1_200));
    let told = step!(&world, order, "e", void_order).unwrap().value;
    assert_eq!(told.order.operations.last().unwrap().status, "succeeded");
    let told = check(&world, order).await;
    assert_eq!(told.sums.unwrap().captured, euro(1_200));
    assert_eq!(told.order.payment_status, PaymentStatus::Captured);
    let refused = step!(&world, order, "f", capture_order, part(1)).unwrap_err();
    assert_eq!(refused.to_string(), "step-not-possible");
}

async fn what_is_held_for_an_order_that_is_called_off_is_let_go(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    world.provider.is_manual.store(true, Ordering::Relaxed);
    let order = paid(&world, 2).await.order_id;
    step!(&world, order, "c", cancel_order, CancelRequest::default()).unwrap();
    let told = check(&world, order).await;
    assert_eq!(told.order.status, OrderStatus::Cancelled);
    assert_eq!(told.payment, PaymentSummary::Voided);
    let payment = world.payment_of(order).await;
    assert_eq!(world.provider.intent_of(payment).status, IntentStatus::Cancelled);
    assert_eq!(ledger(&world, "authorized_funds").await, 0);
    assert_eq!(world.available().await, 5);
}

async fn held_money_is_taken_whole_after_the_order_was_packed(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    world.provider.is_manual.store(true, Ordering::Relaxed);
    let placed = paid(&world, 2).await;
    let order = placed.order_id;
    step!(&world, order, "f", fulfil_order, FulfilRequest::default()).unwrap();
    assert_eq!(ledger(&world, "authorized_funds").await, placed.totals.total.minor);
    let told = step!(&world, order, "a", capture_order, CaptureRequest::default()).unwrap().value;
    assert_eq!(told.order.payment, PaymentSummary::Captured);
    check(&world, order).await;
    assert_eq!(ledger(&world, "authorized_funds").await, 0);
}

on_every_engine!(
    held_money_is_taken_in_parts_and_the_rest_is_let_go,
    what_is_held_for_an_order_that_is_called_off_is_let_go,
    held_money_is_taken_whole_after_the_order_was_packed,
);

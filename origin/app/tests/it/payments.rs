//! Answers that are lost, doubled, late and contradictory.

use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::payment::{PaymentEvent, TestMethod};
use domain::{Currency, Money, OrderStatus, PaymentStatus};
use providers::local::Wish;
use providers::payment::{CaptureMode, Intent, IntentStatus, Method, NewIntent, PaymentProvider};
use store::{CheckoutOutcome, Settle, Settled};

use crate::world::World;
use engines::{Engine, on_every_engine};

const A_WHILE: Duration = Duration::from_secs(5);

async fn a_lost_answer_is_found_out_and_charged_once(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    world.provider.is_silent.store(true, Ordering::Relaxed);
    let placed = world.checkout(world.cart(1).await, "success", "k").await.unwrap().value;
    assert_eq!(placed.payment_status, PaymentStatus::Unknown);
    world.provider.is_silent.store(false, Ordering::Relaxed);
    world.clock.advance(A_WHILE);
    world.app.reconcile_payments().await.unwrap();
    let order = world.order(&placed).await;
    assert_eq!(
        (order.status, order.payment_status),
        (OrderStatus::Confirmed, PaymentStatus::Captured)
    );
    assert_eq!(world.provider.count(), 1);
    world.check_sums().await;
}

async fn a_request_that_never_arrived_is_sent_again(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    world.provider.is_gone.store(true, Ordering::Relaxed);
    let placed = world.checkout(world.cart(1).await, "success", "k").await.unwrap().value;
    world.clock.advance(A_WHILE);
    world.app.reconcile_payments().await.unwrap();
    assert_eq!(world.order(&placed).await.payment_status, PaymentStatus::Unknown);
    world.provider.is_gone.store(false, Ordering::Relaxed);
    world.clock.advance(A_WHILE);
    world.app.reconcile_payments().await.unwrap();
    assert_eq!(world.order(&placed).await.status, OrderStatus::Confirmed);
    world.check_sums().await;
}

async fn a_webhook_that_comes_twice_or_out_of_order_changes_nothing_more(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let placed = world.checkout(world.cart(2).await, "late", "k").await.unwrap().value;
    let payment = world.payment_of(placed.order_id).await;
    for id in ["evt_1", "evt_1", "evt_2"] {
        world.deliver(id, payment, IntentStatus::Captured).await.unwrap();
    }
    world.deliver("evt_3", payment, IntentStatus::Processing).await.unwrap();
    world.deliver("evt_4", payment, IntentStatus::Declined).await.unwrap();
    let order = world.order(&placed).await;
    assert_eq!(
        (order.status, order.payment_status),
        (OrderStatus::Confirmed, PaymentStatus::Captured)
    );
    assert_eq!(world.available().await, 3);
    world.check_sums().await;
}

async fn a_checkout_whose_process_died_before_the_answer_goes_on_after_the_restart(engine: Engine) {
    let mut world = World::with_stock(engine, 5).await;
    let cart = world.cart(1).await;
    // The future is dropped while the provider is asked: what a crash leaves behind.
    {
        let checkout = world.checkout(cart, "success", "k");
        let mut checkout = std::pin::pin!(checkout);
        let until_held = async {
            while world.available().await == 5 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = until_held => {}
            _ = &mut checkout => {}
        }
    }
    world.restart().await;
    let answer = world.checkout(cart, "success", "k").await.unwrap();
    assert_eq!(answer.value.status, OrderStatus::Confirmed);
    let again = world.checkout(cart, "success", "k").await.unwrap();
    assert!(again.is_replay);
    assert_eq!(again.value, answer.value);
    assert_eq!((world.provider.count(), world.available().await), (1, 4));
    world.check_sums().await;
}

async fn a_key_that_is_in_use_waits_and_another_request_under_it_is_refused(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let cart = world.cart(1).await;
    let (first, second) =
        tokio::join!(world.checkout(cart, "success", "k"), world.checkout(cart, "success", "k"));
    let codes: Vec<String> = [&first, &second]
        .iter()
        .filter_map(|r| r.as_ref().err().map(ToString::to_string))
        .collect();
    assert!(codes.is_empty() || codes == ["idempotency-in-flight"], "{codes:?}");
    assert_eq!(world.provider.count(), 1);
    let other = world.checkout(cart, "decline", "k").await.unwrap_err();
    assert_eq!(other.to_string(), "idempotency-key-reuse");
}

async fn a_key_left_behind_is_in_use_until_its_lease_ends_and_is_then_taken_up(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let cart = world.cart(1).await;
    world.abandon_checkout(cart, "k").await;
    let early = world.checkout(cart, "success", "k").await.unwrap_err();
    assert_eq!(early.to_string(), "idempotency-in-flight");
    assert_eq!(world.provider.count(), 0);
    world.clock.advance(Duration::from_secs(11));
    let answer = world.checkout(cart, "success", "k").await.unwrap();
    assert_eq!((answer.value.status, answer.is_replay), (OrderStatus::Confirmed, false));
    let again = world.checkout(cart, "success", "k").await.unwrap();
    assert!(again.is_replay);
    assert_eq!(again.value, answer.value);
    assert_eq!((world.provider.count(), world.available().await), (1, 4));
    world.check_sums().await;
}

async fn a_checkout_that_nobody_comes_back_for_is_ended_by_the_reconciler_and_its_key_answers(
    engine: Engine,
) {
    let world = World::with_stock(engine, 5).await;
    let cart = world.cart(1).await;
    world.abandon_checkout(cart, "k").await;
    assert_eq!(world.app.reconcile_payments().await.unwrap(), 0, "its lease is not over");
    world.clock.advance(Duration::from_secs(11));
    assert_eq!(world.app.reconcile_payments().await.unwrap(), 1);
    let answer = world.checkout(cart, "success", "k").await.unwrap().value;
    assert_eq!(answer.status, OrderStatus::Confirmed);
    assert_eq!((world.provider.count(), world.available().await), (1, 4));
    world.check_sums().await;
}

async fn a_hold_confirms_the_order_and_parts_go_into_the_books_once(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let placed = world.checkout(world.cart(1).await, "late", "k").await.unwrap().value;
    let payment = world.payment_of(placed.order_id).await;
    let statuses = || async {
        let order = world.order(&placed).await;
        (order.status, order.payment_status)
    };
    // The bank holds the money: the goods may be packed, and nothing is ours yet.
    world.deliver("evt_1", payment, IntentStatus::Authorized).await.unwrap();
    assert_eq!(statuses().await, (OrderStatus::Confirmed, PaymentStatus::Authorized));
    assert_eq!(world.store.ledger_sum("provider_clearing").await.unwrap(), 0);
    world.deliver("evt_2", payment, IntentStatus::Captured).await.unwrap();
    let total = placed.totals.total.minor;
    assert_eq!(world.store.ledger_sum("provider_clearing").await.unwrap(), total);
    // A part goes back, told twice; then all of it.
    let id = world.provider.intent_of(payment).id;
    world.provider.wish(&id, Wish::Settle).unwrap();
    let part = Some(Money::new(7, Currency::Eur));
    let refunded = world.provider.wish(&id, Wish::Refund(part)).unwrap();
    for webhook in ["evt_3", "evt_4"] {
        world.deliver_intent(webhook, refunded.clone()).await.unwrap();
    }
    assert_eq!(statuses().await, (OrderStatus::Confirmed, PaymentStatus::PartiallyRefunded));
    assert_eq!(world.store.ledger_sum("provider_clearing").await.unwrap(), total - 7);
    let refunded = world.provider.wish(&id, Wish::Refund(None)).unwrap();
    world.deliver_intent("evt_5", refunded).await.unwrap();
    assert_eq!(statuses().await, (OrderStatus::Confirmed, PaymentStatus::Refunded));
    for account in ["provider_clearing", "tax_payable", "revenue"] {
        assert_eq!(world.store.ledger_sum(account).await.unwrap(), 0, "{account}");
    }
    world.check_sums().await;
}

async fn a_webhook_about_another_amount_confirms_nothing(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let placed = world.checkout(world.cart(1).await, "late", "k").await.unwrap().value;
    let payment = world.payment_of(placed.order_id).await;
    let right = world.provider.intent_of(payment).moved_to(IntentStatus::Captured);
    let amount = Money::new(1, Currency::Eur);
    let cheap = Intent::whole(right.id.clone(), payment, amount, IntentStatus::Captured);
    world.deliver_intent("evt_1", cheap).await.unwrap();
    assert_eq!(world.order(&placed).await.status, OrderStatus::PendingPayment);
    world.deliver_intent("evt_2", right).await.unwrap();
    assert_eq!(world.order(&placed).await.status, OrderStatus::Confirmed);
    world.check_sums().await;
}

/// Seed 135 of the simulator at 3 000 steps: the provider was asked just before the order ended, and did not know of it
/// when it was asked about it just after.
async fn a_request_that_arrives_after_its_order_has_ended_is_found_though_no_webhook_tells(
    engine: Engine,
) {
    let world = World::with_stock(engine, 5).await;
    world.provider.is_gone.store(true, Ordering::Relaxed);
    let placed = world.checkout(world.cart(1).await, "timeout", "k").await.unwrap().value;
    world.provider.is_gone.store(false, Ordering::Relaxed);
    world.clock.advance(Duration::from_mins(10));
    world.app.release_expired().await.unwrap();
    world.app.reconcile_payments().await.unwrap();
    assert_eq!(world.order(&placed).await.status, OrderStatus::Expired);
    let payment = world.payment_of(placed.order_id).await;
    let late = NewIntent {
        reference: payment,
        amount: placed.totals.total,
        method: Method::Test(TestMethod::Timeout),
        capture: CaptureMode::Automatic,
        return_url: None,
    };
    world.provider.create(format!("{payment}:create"), late).await.unwrap();
    for _ in 0..8 {
        world.clock.advance(Duration::from_mins(1));
        world.app.reconcile_payments().await.unwrap();
    }
    let order = world.order(&placed).await;
    assert_eq!(
        (order.status, order.payment_status),
        (OrderStatus::Confirmed, PaymentStatus::Captured)
    );
    world.check_sums().await;
}

async fn a_payment_that_the_provider_never_heard_of_is_given_up_some_minutes_after_its_order(
    engine: Engine,
) {
    let world = World::with_stock(engine, 5).await;
    world.provider.is_gone.store(true, Ordering::Relaxed);
    let placed = world.checkout(world.cart(1).await, "success", "k").await.unwrap().value;
    world.provider.is_gone.store(false, Ordering::Relaxed);
    world.clock.advance(Duration::from_mins(10));
    world.app.release_expired().await.unwrap();
    for _ in 0..8 {
        world.clock.advance(Duration::from_mins(1));
        world.app.reconcile_payments().await.unwrap();
    }
    let order = world.order(&placed).await;
    assert_eq!(
        (order.status, order.payment_status),
        (OrderStatus::Expired, PaymentStatus::Cancelled)
    );
    assert_eq!((world.provider.count(), world.available().await), (0, 5));
}

/// Seeds 1135, 1164, 1612, 1927 and 2241 of the simulator at 600 steps: a checkout that took longer than its lease was
/// answered with what it found, though another attempt had been answered before.
async fn an_attempt_that_comes_second_is_answered_as_the_first_one_was(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let cart = world.cart(1).await;
    world.abandon_checkout(cart, "k").await;
    world.clock.advance(Duration::from_secs(11));
    world.provider.is_silent.store(true, Ordering::Relaxed);
    let first = world.checkout(cart, "success", "k").await.unwrap().value;
    assert_eq!(first.payment_status, PaymentStatus::Unknown);
    // The attempt that was left behind comes back with the provider's answer.
    let late = Settle {
        payment: world.payment_of(first.order_id).await,
        event: Some(PaymentEvent::Captured),
        amounts: None,
        amount: None,
        provider_ref: None,
        answer: Some(world.app.claim(format!("test {cart}"), "k".to_owned(), &[b"success"])),
        webhook: None,
        now: world.clock.now(),
    };
    let Settled::Order { kept: Some(CheckoutOutcome::Placed(kept)), has_moved: true, .. } =
        world.store.settle_payment(late).await.unwrap()
    else {
        panic!("the late attempt settles the payment and is answered");
    };
    assert_eq!(kept.payment_status, PaymentStatus::Unknown);
    let again = world.checkout(cart, "success", "k").await.unwrap();
    assert_eq!((again.value, again.is_replay), (first, true));
}

on_every_engine!(
    a_lost_answer_is_found_out_and_charged_once,
    a_request_that_never_arrived_is_sent_again,
    a_webhook_that_comes_twice_or_out_of_order_changes_nothing_more,
    a_checkout_whose_process_died_before_the_answer_goes_on_after_the_restart,
    a_key_that_is_in_use_waits_and_another_request_under_it_is_refused,
    a_key_left_behind_is_in_use_until_its_lease_ends_and_is_then_taken_up,
    a_checkout_that_nobody_comes_back_for_is_ended_by_the_reconciler_and_its_key_answers,
    a_hold_confirms_the_order_and_parts_go_into_the_books_once,
    a_webhook_about_another_amount_confirms_nothing,
    a_request_that_arrives_after_its_order_has_ended_is_found_though_no_webhook_tells,
    a_payment_that_the_provider_never_heard_of_is_given_up_some_minutes_after_its_order,
    an_attempt_that_comes_second_is_answered_as_the_first_one_was,
);

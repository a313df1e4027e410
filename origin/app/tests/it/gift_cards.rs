//! Gift cards: what they pay, what comes back, and that nobody spends the same money twice.

use std::time::Duration;

use api_types::admin_order::RefundRequest;
use api_types::cart::GiftCardEntry;
use api_types::pricing::{GiftCardAdjustment, IssuedGiftCard, NewGiftCard};
use app::Error;
use domain::order::{PaymentSummary, RefundStatus};
use domain::payment::{KeptMethod, TestMethod};
use domain::{CartId, Currency, Money, OrderStatus, PaymentStatus};
use futures::future::join_all;
use providers::payment::IntentStatus;
use serde_json::json;

use crate::orders::{euro, step};
use crate::world::{GUEST, World};
use engines::{Engine, on_every_engine};

async fn issue(world: &World, minor: i64) -> IssuedGiftCard {
    let amount = Money::new(minor, Currency::Eur);
    let request = NewGiftCard { amount, expires_at: None, note: String::new() };
    world.app.issue_gift_card(request, None).await.unwrap().value
}

async fn enter(world: &World, cart: CartId, code: &str) -> Result<i64, Error> {
    let entry = GiftCardEntry { code: code.to_owned() };
    let cart = world.app.enter_gift_card(cart, &entry, None, None).await?.value;
    Ok(cart.totals.due.minor)
}

/// What the books have of goods and shipping sold.
async fn sales(world: &World) -> i64 {
    let sum = |account| world.store.ledger_sum(account);
    sum("revenue").await.unwrap() + sum("shipping_revenue").await.unwrap()
}

async fn balance(world: &World, card: &IssuedGiftCard) -> i64 {
    world.app.gift_card(card.card.id).await.unwrap().card.balance.minor
}

async fn a_gift_card_that_pays_everything_asks_no_provider(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let card = issue(&world, 3_000).await;
    let cart = world.cart(1).await;
    assert_eq!(enter(&world, cart, &card.code.to_lowercase()).await.unwrap(), 0);
    let bought = world.checkout(cart, "success", "k").await.unwrap().value;
    assert_eq!(
        (bought.status, bought.payment_status),
        (OrderStatus::Confirmed, PaymentStatus::Captured)
    );
    let totals = bought.totals;
    assert_eq!((totals.total.minor, totals.gift_cards.minor, totals.due.minor), (2_390, 2_390, 0));
    assert_eq!(world.provider.count(), 0);
    assert_eq!(balance(&world, &card).await, 610);
    let sum = |account| world.store.ledger_sum(account);
    assert_eq!(sum("gift_card_liability").await.unwrap(), -610);
    assert_eq!(sum("provider_clearing").await.unwrap(), 0);
    assert_eq!(sales(&world).await + sum("tax_payable").await.unwrap(), -2_390);
    // The same key answers the same.
    let again = world.checkout(cart, "success", "k").await.unwrap();
    assert!(again.is_replay);
    assert_eq!(again.value.order_id, bought.order_id);
    world.check_sums().await;
}

async fn a_gift_card_pays_a_part_and_gets_it_back_when_the_order_ends(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let card = issue(&world, 1_000).await;
    let cart = world.cart(1).await;
    assert_eq!(enter(&world, cart, &card.code).await.unwrap(), 1_390);
    world.checkout(cart, "decline", "d").await.unwrap_err();
    assert_eq!(balance(&world, &card).await, 1_000);
    let slow = world.checkout(cart, "requires_action", "r").await.unwrap().value;
    assert_eq!(balance(&world, &card).await, 0);
    world.check_sums().await;
    world.clock.advance(Duration::from_secs(601));
    world.app.release_expired().await.unwrap();
    assert_eq!(balance(&world, &card).await, 1_000);
    assert_eq!(world.order(&slow).await.status, OrderStatus::Expired);
    let bought = world.checkout(cart, "success", "s").await.unwrap().value;
    let payment = world.payment_of(bought.order_id).await;
    assert_eq!(world.provider.intent_of(payment).amount.minor, 1_390);
    let sum = |account| world.store.ledger_sum(account);
    assert_eq!(sum("provider_clearing").await.unwrap(), 1_390);
    assert_eq!(sales(&world).await + sum("tax_payable").await.unwrap(), -2_390);
    let kinds: Vec<String> = world
        .app
        .gift_card(card.card.id)
        .await
        .unwrap()
        .movements
        .into_iter()
        .map(|movement| movement.kind)
        .collect();
    assert_eq!(kinds, ["held", "released", "held", "released", "held", "issued"]);
    world.check_sums().await;
}

async fn a_balance_is_spent_once_however_many_want_it(engine: Engine) {
    let world = World::with_stock(engine, 50).await;
    let card = issue(&world, 2_390).await;
    let mut carts = Vec::new();
    for _ in 0..8 {
        let cart = world.cart(1).await;
        assert_eq!(enter(&world, cart, &card.code).await.unwrap(), 0);
        carts.push(cart);
    }
    let answers = join_all(carts.iter().map(|cart| world.checkout(*cart, "success", "k"))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for lost in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_eq!(lost.to_string(), "gift-card-refused");
    }
    assert_eq!(balance(&world, &card).await, 0);
    assert_eq!(world.provider.count(), 0);
    assert_eq!(world.available().await, 49);
    world.check_sums().await;
}

async fn who_was_shown_a_balance_that_has_shrunk_pays_no_more_unasked(engine: Engine) {
    let world = World::with_stock(engine, 50).await;
    let card = issue(&world, 3_000).await;
    let carts = [world.cart(1).await, world.cart(1).await];
    for cart in carts {
        assert_eq!(enter(&world, cart, &card.code).await.unwrap(), 0);
    }
    let nothing = || json!({"expected_due": {"minor": 0, "currency": "EUR"}});
    world.buy(&GUEST, carts[0], nothing(), "a").await.unwrap();
    let refused = world.buy(&GUEST, carts[1], nothing(), "a").await.unwrap_err();
    assert_eq!(refused.to_string(), "due-changed");
    let Error::Refused(refusal) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.fields[0].pointer, "/expected_due");
    let due = world.app.cart(carts[1]).await.unwrap().totals.due;
    assert_eq!(due.minor, 1_780);
    let bought =
        world.buy(&GUEST, carts[1], json!({"expected_due": due}), "a").await.unwrap().value;
    assert_eq!(bought.totals.due, due);
    world.check_sums().await;
}

async fn a_late_payment_takes_the_gift_card_again_or_goes_back(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let card = issue(&world, 1_000).await;
    let mut orders = Vec::new();
    for key in ["a", "b"] {
        let cart = world.cart(1).await;
        enter(&world, cart, &card.code).await.unwrap();
        orders.push(world.checkout(cart, "late", key).await.unwrap().value);
        world.clock.advance(Duration::from_secs(601));
        world.app.release_expired().await.unwrap();
    }
    for order in &orders {
        let payment = world.payment_of(order.order_id).await;
        let event = format!("evt {}", order.order_id);
        world.deliver(&event, payment, IntentStatus::Captured).await.unwrap();
    }
    let (first, second) = (world.order(&orders[0]).await, world.order(&orders[1]).await);
    assert_eq!((first.status, second.status), (OrderStatus::Confirmed, OrderStatus::Expired));
    assert_eq!(balance(&world, &card).await, 0);
    assert_eq!(world.available().await, 8);
    world.check_sums().await;
}

async fn an_order_of_nothing_that_its_process_left_behind_is_ended_without_a_provider(
    engine: Engine,
) {
    let mut world = World::with_stock(engine, 9).await;
    let card = issue(&world, 5_000).await;
    let cart = world.cart(1).await;
    enter(&world, cart, &card.code).await.unwrap();
    // Placed, and the process died before it settled.
    let claim = world.app.claim("test".to_owned(), "k".to_owned(), &[b"k"]);
    let order = domain::OrderId::from_bytes([9; 16]);
    let command = store::PlaceOrder {
        cart,
        order,
        payment: domain::PaymentId::from_bytes([9; 16]),
        line_seed: [0; 10],
        token_hash: [0; 32],
        user: None,
        email: "ada@example.org".parse().unwrap(),
        address: api_types::order::Address::default(),
        provider: "test",
        method: KeptMethod::Test(TestMethod::Success),
        token: None,
        claim,
        hold: Duration::from_mins(10),
        lease: Duration::from_secs(10),
        terms: store::Terms::default(),
        now: world.clock.now(),
    };
    world.store.place_order(command).await.unwrap();
    world.restart().await;
    world.clock.advance(Duration::from_secs(11));
    world.app.reconcile_payments().await.unwrap();
    let record = world.store.order(order).await.unwrap().unwrap();
    assert_eq!((record.status, world.provider.count()), (OrderStatus::Confirmed, 0));
    world.check_sums().await;
}

async fn what_a_gift_card_paid_goes_back_onto_it_after_what_the_provider_took(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let card = issue(&world, 3_390).await;
    let whole = world.cart(1).await;
    enter(&world, whole, &card.code).await.unwrap();
    let whole = world.checkout(whole, "success", "k").await.unwrap().value.order_id;
    let part = world.cart(1).await;
    assert_eq!(enter(&world, part, &card.code).await.unwrap(), 1_390);
    let part = world.checkout(part, "success", "k").await.unwrap().value.order_id;
    assert_eq!(balance(&world, &card).await, 0);
    // The provider's part first.
    let request = |minor| RefundRequest { amount: Some(euro(minor)), ..RefundRequest::default() };
    for (key, minor, expected) in [("a", 1_000, 0), ("b", 890, 500), ("c", 500, 1_000)] {
        let told = step!(&world, part, key, refund_order, request(minor)).unwrap().value.order;
        assert_eq!(told.order.refunds.last().unwrap().status, RefundStatus::Succeeded, "{key}");
        assert_eq!(balance(&world, &card).await, expected, "{key}");
        world.check_sums().await;
    }
    let payment = world.payment_of(part).await;
    assert_eq!(world.provider.intent_of(payment).amounts.refunded().minor, 1_390);
    // An order that no provider knows of is given back by nobody else.
    let told =
        step!(&world, whole, "all", refund_order, RefundRequest::default()).unwrap().value.order;
    assert_eq!(told.payment, PaymentSummary::Refunded);
    assert_eq!(balance(&world, &card).await, 3_390);
    let sum = |account| world.store.ledger_sum(account);
    assert_eq!(sum("tax_payable").await.unwrap(), 0);
    assert_eq!(sales(&world).await, -sum("refunds").await.unwrap());
    world.check_sums().await;
}

async fn what_the_staff_does_to_a_gift_card_is_in_its_movements_and_the_books(engine: Engine) {
    let world = World::with_stock(engine, 9).await;
    let key = |name: &str| Some(world.app.claim("staff".to_owned(), name.to_owned(), &[b"x"]));
    let request = || NewGiftCard {
        amount: Money::new(2_000, Currency::Eur),
        expires_at: Some(world.clock.now().after(Duration::from_hours(24))),
        note: "for Ada".to_owned(),
    };
    let card = world.app.issue_gift_card(request(), key("i")).await.unwrap().value;
    let again = world.app.issue_gift_card(request(), key("i")).await.unwrap();
    assert!(again.is_replay);
    assert_eq!(again.value.code, card.code);
    assert!(card.code.ends_with(&card.card.last4));
    let adjust =
        |delta_minor, reason: &str| GiftCardAdjustment { delta_minor, reason: reason.to_owned() };
    let id = card.card.id;
    for (asked, version, expected) in [
        (adjust(0, "why"), None, "invalid-input"),
        (adjust(5, " "), None, "invalid-input"),
        (adjust(-2_001, "why"), None, "gift-card-balance"),
        (adjust(5, "why"), Some(9), "precondition-failed"),
    ] {
        let error = world.app.adjust_gift_card(id, asked, version, None).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    for _ in 0..2 {
        let claim = key("a");
        let less = world
            .app
            .adjust_gift_card(id, adjust(-500, "a mistake"), Some(1), claim)
            .await
            .unwrap();
        assert_eq!(less.value.balance.minor, 1_500);
    }
    world.check_sums().await;
    let cart = world.cart(1).await;
    assert_eq!(enter(&world, cart, "no such card").await.unwrap_err().to_string(), "invalid-input");
    assert_eq!(enter(&world, cart, &card.code).await.unwrap(), 890);
    let off = world.app.enable_gift_card(id, false, Some(2), None).await.unwrap().value;
    assert_eq!((off.enabled, off.version), (false, 3));
    let refused = world.checkout(cart, "success", "k").await.unwrap_err();
    assert_eq!(refused.to_string(), "gift-card-refused");
    world.app.enable_gift_card(id, true, None, None).await.unwrap();
    world.clock.advance(Duration::from_hours(25));
    let seen = world.app.cart(cart).await.unwrap();
    assert_eq!(seen.totals.due, seen.totals.total);
    world.app.remove_gift_card(cart, id, None, None).await.unwrap();
    world.checkout(cart, "success", "k2").await.unwrap();
    assert_eq!(world.app.gift_cards(None, None).await.unwrap().items.len(), 1);
    world.check_sums().await;
}

on_every_engine!(
    a_gift_card_that_pays_everything_asks_no_provider,
    a_gift_card_pays_a_part_and_gets_it_back_when_the_order_ends,
    a_balance_is_spent_once_however_many_want_it,
    who_was_shown_a_balance_that_has_shrunk_pays_no_more_unasked,
    a_late_payment_takes_the_gift_card_again_or_goes_back,
    an_order_of_nothing_that_its_process_left_behind_is_ended_without_a_provider,
    what_a_gift_card_paid_goes_back_onto_it_after_what_the_provider_took,
    what_the_staff_does_to_a_gift_card_is_in_its_movements_and_the_books,
);

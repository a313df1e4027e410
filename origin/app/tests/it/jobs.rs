//! What is forgotten, and who is sent home.

use std::time::Duration;

use api_types::cart::NewCart;
use api_types::read_model::SCHEMA_VERSION;
use app::ChangesQuery;
use providers::local::Wish;

use crate::world::{GUEST, World};
use engines::{Engine, on_every_engine};

const DAY: Duration = Duration::from_hours(24);

async fn a_key_that_nobody_came_back_for_is_forgotten_after_a_day(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let cart = world.cart(1).await;
    world.abandon_checkout(cart, "k").await;
    world.clock.advance(DAY + Duration::from_mins(1));
    world.app.release_expired().await.unwrap();
    world.app.forget_old().await.unwrap();
    // Another request under that key: refused for as long as the key is remembered.
    let answer = world.checkout(cart, "requires_action", "k").await.unwrap();
    assert!(!answer.is_replay);
    world.check_sums().await;
}

async fn carts_are_forgotten_a_month_after_they_were_touched_unless_they_became_orders(
    engine: Engine,
) {
    let world = World::with_stock(engine, 5).await;
    let idle = world.cart(1).await;
    let (bought, ended) = (world.cart(1).await, world.cart(1).await);
    world.checkout(bought, "success", "b").await.unwrap();
    world.checkout(ended, "decline", "e").await.unwrap_err();
    world.clock.advance(29 * DAY);
    let fresh = world.app.open_cart(&GUEST, &NewCart { currency: None }, None).await.unwrap();
    world.app.forget_old().await.unwrap();
    assert!(world.app.cart(idle).await.is_ok());
    world.clock.advance(2 * DAY);
    assert!(!world.app.forget_old().await.unwrap(), "all is done in one round");
    assert_eq!(world.app.cart(idle).await.unwrap_err().to_string(), "not-found");
    for kept in [bought, ended, fresh.value.id] {
        assert!(world.app.cart(kept).await.is_ok(), "{kept}");
    }
}

async fn events_are_numbered_on_after_the_first_ones_were_forgotten(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let placed = world.checkout(world.cart(1).await, "success", "k").await.unwrap().value;
    let numbers = || async {
        let events = world.store.waiting_events(100).await.unwrap();
        events.iter().map(|event| event.sequence).collect::<Vec<_>>()
    };
    assert_eq!(numbers().await, [1, 2, 3]);
    world.app.deliver_events().await.unwrap();
    world.clock.advance(9 * DAY);
    world.app.forget_old().await.unwrap();
    let payment = world.payment_of(placed.order_id).await;
    let id = world.provider.intent_of(payment).id;
    let refunded = world.provider.wish(&id, Wish::Refund(None)).unwrap();
    world.deliver_intent("evt_1", refunded).await.unwrap();
    assert_eq!(numbers().await, [4]);
}

/// All seeds of the simulator on PostgreSQL: a join inside the statement that writes them gave them another order.
async fn events_of_an_order_wait_in_the_order_of_their_numbers(engine: Engine) {
    let world = World::with_stock(engine, 12).await;
    for number in 0..12 {
        let cart = world.cart(1).await;
        world.checkout(cart, "success", &format!("k{number}")).await.unwrap();
    }
    let events = world.store.waiting_events(100).await.unwrap();
    let of_orders = events.iter().filter(|event| event.aggregate == "order");
    let numbers: Vec<i64> = of_orders.map(|event| event.sequence).collect();
    assert_eq!(numbers, [1, 2, 3].repeat(12));
}

async fn an_edge_that_waits_is_sent_home_when_the_process_stops(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let feed = world.app.feed_state().await.unwrap();
    let query = ChangesQuery {
        epoch: feed.epoch,
        after: feed.position,
        schema_version: SCHEMA_VERSION,
        wait: Duration::from_secs(30),
        limit: 10,
    };
    let waiting = world.app.changes(query);
    let closing = async { world.app.close() };
    let both = async { tokio::join!(waiting, closing).0 };
    let changes = tokio::time::timeout(Duration::from_secs(10), both).await.unwrap().unwrap();
    assert_eq!((changes.to, changes.transactions.len()), (feed.position, 0));
}

on_every_engine!(
    events_of_an_order_wait_in_the_order_of_their_numbers,
    events_are_numbered_on_after_the_first_ones_were_forgotten,
    a_key_that_nobody_came_back_for_is_forgotten_after_a_day,
    carts_are_forgotten_a_month_after_they_were_touched_unless_they_became_orders,
    an_edge_that_waits_is_sent_home_when_the_process_stops
);

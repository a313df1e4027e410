//! What a line is promised: in the cart, at the checkout, and in the order for good.

use std::time::Duration;

use api_types::cart::{DestinationChoice, Line, LinePromise, promises_of};
use api_types::stock::{LocationChange, NewSupply, StockRules, SupplyStep};
use domain::inventory::{BackorderPolicy, MAIN_LOCATION, Promise, PromiseKind};
use domain::{CartId, LineId, OrderStatus, SupplyId, Timestamp};
use providers::payment::IntentStatus;
use serde_json::json;

use crate::orders::admin;
use crate::stock::{check, promise, receive, rules, shop_with, staff};
use crate::world::{GUEST, World};
use app::Error;
use engines::{Engine, on_every_engine};

const AFTER_THE_HOLD: Duration = Duration::from_secs(601);

fn days(world: &World, days: u64) -> Timestamp {
    world.clock.now().after(Duration::from_hours(24 * days))
}

async fn awaited(world: &World, pieces: u32, expected_at: Option<Timestamp>) -> SupplyId {
    let request = NewSupply { sku: "CUP".to_owned(), location_id: None, pieces, expected_at };
    world.app.create_supply(&staff(), request, None).await.unwrap().value.id
}

async fn redate(world: &World, supply: SupplyId, expected_at: Option<Timestamp>) {
    let step = SupplyStep { step: "redate".to_owned(), pieces: None, expected_at };
    world.app.step_supply(&staff(), supply, &step, None).await.unwrap();
}

async fn line(world: &World, cart: CartId) -> Line {
    world.app.cart(cart).await.unwrap().lines.remove(0)
}

const fn waits(pieces: u32, ships_at: Option<Timestamp>) -> Option<Promise> {
    Some(Promise { kind: PromiseKind::Backorder, pieces, ships_at })
}

/// Code of a refusal, and the codes of its fields with where they are.
fn refused(error: &Error) -> (&'static str, Vec<(String, String)>) {
    let Error::Refused(refusal) = error else { panic!("{error:?}") };
    let fields = refusal.fields.iter().map(|own| (own.pointer.clone(), own.detail.clone()));
    (refusal.code, fields.collect())
}

async fn a_cart_says_what_is_promised_and_its_order_keeps_it(engine: Engine) {
    let world = World::with_stock(engine, 2).await;
    promise(&world, 9).await;
    let (soon, later) = (days(&world, 3), days(&world, 9));
    let first = awaited(&world, 2, Some(soon)).await;
    awaited(&world, 5, Some(later)).await;
    for (pieces, promised) in [
        (2, None),
        (4, waits(2, Some(soon))),
        (5, waits(3, Some(later))),
        (10, waits(8, None)),
        // More than may be promised: the checkout says so.
        (12, None),
    ] {
        let cart = world.cart(pieces).await;
        assert_eq!(line(&world, cart).await.promise, promised, "{pieces}");
    }
    let cart = world.cart(4).await;
    let bought = world.checkout(cart, "success", "a").await.unwrap();
    let order = world.order(&bought.value).await;
    let told = LinePromise { line: order.lines[0].id, promise: waits(2, Some(soon)).unwrap() };
    assert_eq!(bought.value.promises, [told]);
    assert_eq!(promises_of(&order.lines), [told]);
    assert_eq!(admin(&world, order.id).await.order.lines, order.lines);
    // Whatever comes later: this is what its shopper was told. A cart that is bought says nothing any more.
    redate(&world, first, Some(later)).await;
    assert_eq!(promises_of(&world.order(&bought.value).await.lines), [told]);
    let again = world.checkout(cart, "success", "a").await.unwrap();
    assert_eq!((again.is_replay, again.value.promises), (true, vec![told]));
    assert_eq!(line(&world, cart).await.promise, None);
    receive(&world, MAIN_LOCATION, 4).await.unwrap();
    let plain = world.checkout(world.cart(1).await, "success", "b").await.unwrap().value;
    assert_eq!((plain.promises.len(), &world.order(&plain).await.lines[0].promise), (0, &None));
    check(&world).await;
}

async fn a_pre_order_ships_no_earlier_than_it_comes_out(engine: Engine) {
    let world = World::with_stock(engine, 1).await;
    let until = days(&world, 5);
    let backorder = Some(BackorderPolicy::PreOrder { until, pieces_max: 9 });
    rules(&world, StockRules { backorder, ..StockRules::default() }).await;
    awaited(&world, 2, Some(days(&world, 2))).await;
    let later = days(&world, 8);
    awaited(&world, 2, Some(later)).await;
    for (pieces, day) in [(2, until), (3, until), (5, later), (6, until)] {
        let kind = PromiseKind::Preorder;
        let pieces_promised = u32::try_from(pieces).unwrap() - 1;
        let promised = Promise { kind, pieces: pieces_promised, ships_at: Some(day) };
        assert_eq!(line(&world, world.cart(pieces).await).await.promise, Some(promised));
    }
    let cart = world.cart(2).await;
    world.clock.advance(Duration::from_hours(24 * 5));
    assert_eq!(line(&world, cart).await.promise, None);
    check(&world).await;
}

async fn nobody_buys_unknowingly_what_ships_later_than_was_shown(engine: Engine) {
    let world = World::with_stock(engine, 2).await;
    promise(&world, 9).await;
    let soon = days(&world, 3);
    let supply = awaited(&world, 9, Some(soon)).await;
    let cart = world.cart(2).await;
    assert_eq!(line(&world, cart).await.promise, None);
    // Somebody is faster.
    world.checkout(world.cart(2).await, "success", "f").await.unwrap();
    let name = line(&world, cart).await.id;
    let shown = |pieces: u32, ships_at: Option<Timestamp>| {
        let promise = waits(pieces, ships_at).unwrap();
        json!({"expected_promises": [LinePromise { line: name, promise }]})
    };
    let nothing = json!({"expected_promises": []});
    let other =
        LinePromise { line: LineId::from_bytes([1; 16]), promise: waits(2, Some(soon)).unwrap() };
    for (key, wish, was) in [
        ("a", nothing, "in stock".to_owned()),
        ("b", json!({"expected_promises": [other]}), "in stock".to_owned()),
        ("c", shown(1, Some(soon)), format!("1 on backorder, from {soon}")),
        ("d", shown(2, Some(days(&world, 2))), format!("2 on backorder, from {}", days(&world, 2))),
    ] {
        let error = world.buy(&GUEST, cart, wish, key).await.unwrap_err();
        let detail = format!("was {was}, is 2 on backorder, from {soon}");
        let fields = vec![("/lines/0".to_owned(), detail)];
        assert_eq!(refused(&error), ("promise-changed", fields), "{key}");
    }
    assert_eq!(world.store.sums().await.unwrap().backordered, 0, "nothing was promised");
    // What the cart says now is agreed to under the same key: nothing was kept.
    redate(&world, supply, None).await;
    let error = world.buy(&GUEST, cart, shown(2, Some(soon)), "e").await.unwrap_err();
    assert_eq!(refused(&error).0, "promise-changed");
    let agreed = json!({"expected_promises": promises_of(&[line(&world, cart).await])});
    let bought = world.buy(&GUEST, cart, agreed, "e").await.unwrap().value;
    assert_eq!(bought.promises[0].promise, waits(2, None).unwrap());
    // Who says nothing is not asked, and told afterwards.
    let cart = world.cart(1).await;
    let bought = world.buy(&GUEST, cart, json!({}), "g").await.unwrap().value;
    assert_eq!(bought.promises[0].promise, waits(1, None).unwrap());
    // Better than shown is no news to agree to.
    receive(&world, MAIN_LOCATION, 9).await.unwrap();
    let cart = world.cart(1).await;
    let name = line(&world, cart).await.id;
    let shown = [LinePromise { line: name, promise: waits(1, Some(soon)).unwrap() }];
    let wish = json!({"expected_promises": shown});
    let bought = world.buy(&GUEST, cart, wish, "h").await.unwrap().value;
    assert_eq!((bought.status, bought.promises.len()), (OrderStatus::Confirmed, 0));
    check(&world).await;
}

async fn where_a_cart_goes_decides_what_it_is_promised(engine: Engine) {
    let world = World::with_stock(engine, 0).await;
    promise(&world, 9).await;
    let shop = shop_with(&world, 3).await;
    let serves = Some(vec!["FR".to_owned()]);
    let change = LocationChange { serves, ..LocationChange::default() };
    world.app.change_location(shop, change, None).await.unwrap();
    let cart = world.cart(4).await;
    for (country, promised) in [(None, 1), (Some("FR"), 1), (Some("DE"), 4)] {
        let to = country.map(|country: &str| DestinationChoice {
            country: country.to_owned(),
            region: None,
            postal_code: None,
        });
        world.app.set_destination(cart, to.as_ref(), None, None).await.unwrap();
        assert_eq!(line(&world, cart).await.promise, waits(promised, None), "{country:?}");
    }
    let bought = world.checkout(cart, "success", "k").await.unwrap().value;
    assert_eq!(bought.promises[0].promise, waits(4, None).unwrap());
    check(&world).await;
}

async fn who_pays_too_late_is_told_what_is_promised_then(engine: Engine) {
    let world = World::with_stock(engine, 2).await;
    let placed = world.checkout(world.cart(2).await, "late", "k").await.unwrap().value;
    assert_eq!(world.order(&placed).await.lines[0].promise, None);
    world.clock.advance(AFTER_THE_HOLD);
    assert_eq!(world.app.release_expired().await.unwrap(), 1);
    world.checkout(world.cart(1).await, "success", "f").await.unwrap();
    promise(&world, 9).await;
    let payment = world.payment_of(placed.order_id).await;
    world.deliver("evt", payment, IntentStatus::Captured).await.unwrap();
    let order = world.order(&placed).await;
    assert_eq!(order.status, OrderStatus::Confirmed);
    assert_eq!(order.lines[0].promise, waits(1, None));
    check(&world).await;
}

on_every_engine!(
    a_cart_says_what_is_promised_and_its_order_keeps_it,
    a_pre_order_ships_no_earlier_than_it_comes_out,
    nobody_buys_unknowingly_what_ships_later_than_was_shown,
    where_a_cart_goes_decides_what_it_is_promised,
    who_pays_too_late_is_told_what_is_promised_then,
);

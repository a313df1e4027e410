//! Stock at several locations: who gives what, what is promised, and what the staff does to it.

use std::time::Duration;

use api_types::admin_order::{CancelRequest, FulfilRequest};
use api_types::stock::{
    NewLocation, NewSupply, NewTransfer, SafetyStock, StockAdjustment, StockHere, StockRules,
    SupplyStep, Transfer,
};
use app::{Error, Staff, StaffId};
use domain::inventory::{
    BackorderPolicy, LOCATIONS_MAX, MAIN_LOCATION, MovementKind, Receipt, Sale, TransferCommand,
    TransferStatus,
};
use domain::order::{PiecesOf, Step};
use domain::reservation::Level;
use domain::staff::Role;
use domain::{LocationId, OrderStatus, PaymentStatus, Sku, StaffKeyId, TransferId};
use providers::payment::IntentStatus;

use crate::edges;
use crate::orders::{admin, paid, step};
use crate::world::World;
use engines::{Engine, on_every_engine};

const AFTER_THE_HOLD: Duration = Duration::from_secs(601);

pub(crate) fn staff() -> Staff {
    Staff { who: StaffId::Key(StaffKeyId::from_bytes([1; 16])), roles: vec![Role::Owner] }
}

pub(crate) fn cup() -> Sku {
    "CUP".parse().unwrap()
}

/// Makes another location with so many cups in it.
pub(crate) async fn shop_with(world: &World, pieces: u32) -> LocationId {
    let (name, country) = ("Shop".to_owned(), "DE".to_owned());
    let new = NewLocation { name, country, ..NewLocation::default() };
    let shop = world.app.create_location(new, None).await.unwrap().value.id;
    if pieces > 0 {
        receive(world, shop, pieces).await.unwrap();
    }
    shop
}

pub(crate) async fn receive(world: &World, location: LocationId, pieces: u32) -> Result<(), Error> {
    adjust(world, location, "received", pieces, None).await
}

async fn adjust(
    world: &World,
    location: LocationId,
    kind: &str,
    pieces: u32,
    reason: Option<&str>,
) -> Result<(), Error> {
    let (kind, reason) = (kind.to_owned(), reason.map(str::to_owned));
    let location_id = Some(location);
    let request = StockAdjustment { location_id, kind, pieces, reason, counted: None };
    world.app.adjust_stock(&staff(), cup(), request, None).await.map(drop)
}

pub(crate) async fn promise(world: &World, pieces_max: u32) {
    let backorder = Some(BackorderPolicy::Allow { pieces_max });
    rules(world, StockRules { backorder, ..StockRules::default() }).await;
}

pub(crate) async fn rules(world: &World, rules: StockRules) {
    world.app.set_stock_rules(&staff(), cup(), rules).await.unwrap();
}

async fn here(world: &World, location: LocationId) -> StockHere {
    let item = world.app.stock_item(cup()).await.unwrap();
    item.locations.into_iter().find(|here| here.location_id == location).unwrap()
}

/// On hand, reserved, incoming, backordered.
async fn counters(world: &World, location: LocationId) -> [i64; 4] {
    let here = here(world, location).await;
    [here.on_hand, here.reserved, here.incoming, here.backordered]
}

/// Codes of the fields that a refusal names.
fn codes(error: &Error) -> Vec<String> {
    match error {
        Error::Refused(refusal) => refusal.fields.iter().map(|field| field.code.clone()).collect(),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn check(world: &World) {
    world.check_sums().await;
    let proof = world.app.prove_stock().await.unwrap();
    assert_eq!((proof.skus, proof.faults), (1, vec![]));
    edges::agrees(world).await;
}

async fn the_main_location_sends_what_it_has_whole_and_shares_what_it_has_not(engine: Engine) {
    let world = World::with_stock(engine, 3).await;
    let shop = shop_with(&world, 4).await;
    assert_eq!(world.available().await, 7);
    world.checkout(world.cart(3).await, "success", "a").await.unwrap();
    assert_eq!(counters(&world, MAIN_LOCATION).await, [0, 0, 0, 0]);
    assert_eq!(counters(&world, shop).await, [4, 0, 0, 0]);
    receive(&world, MAIN_LOCATION, 1).await.unwrap();
    let answer = world.checkout(world.cart(5).await, "success", "b").await.unwrap().value;
    assert_eq!(answer.status, OrderStatus::Confirmed);
    assert_eq!(counters(&world, MAIN_LOCATION).await, [0, 0, 0, 0]);
    assert_eq!(counters(&world, shop).await, [0, 0, 0, 0]);
    let short = world.checkout(world.cart(1).await, "success", "c").await.unwrap_err();
    assert_eq!(codes(&short), ["out-of-stock"]);
    check(&world).await;
}

async fn what_ends_unpaid_goes_back_to_where_it_was_and_a_late_payment_takes_it_again(
    engine: Engine,
) {
    let world = World::with_stock(engine, 2).await;
    let shop = shop_with(&world, 2).await;
    let placed = world.checkout(world.cart(4).await, "late", "k").await.unwrap().value;
    for location in [MAIN_LOCATION, shop] {
        assert_eq!(counters(&world, location).await, [2, 2, 0, 0]);
    }
    world.clock.advance(AFTER_THE_HOLD);
    assert_eq!(world.app.release_expired().await.unwrap(), 1);
    for location in [MAIN_LOCATION, shop] {
        assert_eq!(counters(&world, location).await, [2, 0, 0, 0]);
    }
    // One of them is gone meanwhile: the rest is promised, as the rules of the SKU allow by now.
    adjust(&world, shop, "written_off", 1, Some("damaged")).await.unwrap();
    promise(&world, 1).await;
    let payment = world.payment_of(placed.order_id).await;
    world.deliver("evt", payment, IntentStatus::Captured).await.unwrap();
    let order = world.order(&placed).await;
    assert_eq!(
        (order.status, order.payment_status),
        (OrderStatus::Confirmed, PaymentStatus::Captured)
    );
    assert_eq!(counters(&world, MAIN_LOCATION).await[0], 0);
    assert_eq!(counters(&world, shop).await[0], 0);
    let parts = world.store.reservation_parts(placed.order_id).await.unwrap();
    let elsewhere: u32 = parts.iter().map(|part| part.held + part.backordered).sum();
    assert_eq!((elsewhere, world.store.sums().await.unwrap().backordered), (2, 1), "{parts:?}");
    check(&world).await;
}

async fn pieces_are_promised_up_to_a_limit_and_come_to_those_who_waited_longest(engine: Engine) {
    let world = World::with_stock(engine, 1).await;
    promise(&world, 3).await;
    let paid = world.checkout(world.cart(2).await, "success", "a").await.unwrap().value;
    assert_eq!(paid.status, OrderStatus::Confirmed);
    assert_eq!(counters(&world, MAIN_LOCATION).await, [0, 0, 0, 1]);
    world.clock.advance(Duration::from_secs(1));
    let waiting = world.checkout(world.cart(2).await, "requires_action", "b").await.unwrap().value;
    assert_eq!(counters(&world, MAIN_LOCATION).await, [0, 0, 0, 3]);
    let short = world.checkout(world.cart(1).await, "success", "c").await.unwrap_err();
    assert_eq!(codes(&short), ["backorder-limit"]);
    assert_eq!(world.app.inventory(cup()).await.unwrap().sale, Sale::SoldOut);

    let request = NewSupply { sku: "CUP".to_owned(), pieces: 5, ..NewSupply::default() };
    let supply = world.app.create_supply(&staff(), request, None).await.unwrap().value.id;
    assert_eq!(counters(&world, MAIN_LOCATION).await, [0, 0, 5, 3]);
    let arrive = |pieces| SupplyStep { step: "arrive".to_owned(), pieces, expected_at: None };
    let step = arrive(Some(2));
    world.app.step_supply(&staff(), supply, &step, None).await.unwrap();
    // The paid piece is out of the house, one of the two that nobody has paid yet is held.
    assert_eq!(counters(&world, MAIN_LOCATION).await, [1, 1, 3, 1]);
    check(&world).await;
    world.clock.advance(AFTER_THE_HOLD);
    assert_eq!(world.app.release_expired().await.unwrap(), 1);
    assert_eq!(counters(&world, MAIN_LOCATION).await, [1, 0, 3, 0]);
    assert_eq!(world.order(&waiting).await.status, OrderStatus::Expired);
    let too_many = world.app.step_supply(&staff(), supply, &arrive(Some(4)), None).await;
    assert_eq!(codes(&too_many.unwrap_err()), ["too-large"]);
    let rest = SupplyStep { step: "cancel".to_owned(), ..SupplyStep::default() };
    world.app.step_supply(&staff(), supply, &rest, None).await.unwrap();
    assert_eq!(counters(&world, MAIN_LOCATION).await, [1, 0, 0, 0]);
    check(&world).await;
}

async fn an_order_that_the_staff_has_moved_knows_what_came_in_for_it(engine: Engine) {
    let world = World::with_stock(engine, 1).await;
    promise(&world, 3).await;
    let order = paid(&world, 3).await.order_id;
    assert_eq!(counters(&world, MAIN_LOCATION).await, [0, 0, 0, 2]);
    // What is there is packed; from now on the order has a state of its own.
    step!(&world, order, "f", fulfil_order, FulfilRequest::default()).unwrap();
    receive(&world, MAIN_LOCATION, 1).await.unwrap();
    assert_eq!(counters(&world, MAIN_LOCATION).await, [0, 0, 0, 1]);
    let parts = world.store.reservation_parts(order).await.unwrap();
    assert_eq!((parts.len(), parts[0].held, parts[0].backordered), (1, 1, 1));
    let packs = |step: &Step| matches!(step, Step::Fulfil { lines, .. } if lines[0].pieces == 1);
    let told = admin(&world, order).await;
    assert!(told.next_steps.iter().any(packs), "{:?}", told.next_steps);
    step!(&world, order, "g", fulfil_order, FulfilRequest::default()).unwrap();
    let line = admin(&world, order).await.lines[0].line;
    let lines = vec![PiecesOf { line, pieces: 1 }];
    let request = CancelRequest { lines, ..CancelRequest::default() };
    step!(&world, order, "c", cancel_order, request).unwrap();
    assert_eq!(counters(&world, MAIN_LOCATION).await, [0, 0, 0, 0]);
    receive(&world, MAIN_LOCATION, 1).await.unwrap();
    assert_eq!(world.available().await, 1);
    check(&world).await;
}

async fn what_is_called_off_goes_back_to_where_it_was_and_to_who_waits_for_it(engine: Engine) {
    let world = World::with_stock(engine, 1).await;
    let shop = shop_with(&world, 2).await;
    promise(&world, 3).await;
    let first = paid(&world, 4).await.order_id;
    assert_eq!(counters(&world, shop).await[0], 0);
    assert_eq!(world.store.sums().await.unwrap().backordered, 1);
    world.clock.advance(Duration::from_secs(1));
    let second = world.checkout(world.cart(2).await, "success", "s").await.unwrap().value;
    assert_eq!(world.store.sums().await.unwrap().backordered, 3);
    step!(&world, first, "c", cancel_order, CancelRequest::default()).unwrap();
    let sums = world.store.sums().await.unwrap();
    let held: u32 = world
        .store
        .reservation_parts(second.order_id)
        .await
        .unwrap()
        .iter()
        .map(|part| part.held)
        .sum();
    // Two of the three pieces that came back are at the place that owed some; the others are for sale.
    assert_eq!(sums.on_hand, 3 - i64::from(held), "{sums:?}");
    assert_eq!(sums.backordered, 2 - i64::from(held), "{sums:?}");
    assert!(world.store.reservation_parts(first).await.unwrap().is_empty());
    check(&world).await;
}

async fn shoppers_read_how_a_sku_can_be_bought(engine: Engine) {
    let world = World::with_stock(engine, 0).await;
    let told = || async { world.app.inventory(cup()).await.unwrap() };
    assert_eq!((told().await.level, told().await.sale), (Level::OutOfStock, Sale::SoldOut));
    promise(&world, 3).await;
    assert_eq!(told().await.sale, Sale::Backorder { expected_at: None });
    let soon = world.clock.now().after(Duration::from_hours(24));
    let (sku, expected_at) = ("CUP".to_owned(), Some(soon));
    let request = NewSupply { sku, location_id: None, pieces: 2, expected_at };
    world.app.create_supply(&staff(), request, None).await.unwrap();
    assert_eq!(told().await.sale, Sale::Backorder { expected_at: Some(soon) });
    let until = world.clock.now().after(Duration::from_hours(48));
    let backorder = Some(BackorderPolicy::PreOrder { until, pieces_max: 3 });
    rules(&world, StockRules { backorder, ..StockRules::default() }).await;
    assert_eq!(told().await.sale, Sale::PreOrder { expected_at: until });
    world.checkout(world.cart(2).await, "success", "k").await.unwrap();
    world.clock.advance(Duration::from_hours(49));
    assert_eq!(told().await.sale, Sale::SoldOut);
    receive(&world, MAIN_LOCATION, 9).await.unwrap();
    let told = told().await;
    // Two of the nine go to who ordered before.
    assert_eq!((told.available, told.level, told.sale), (7, Level::InStock, Sale::FromStock));
    check(&world).await;
}

async fn one_order_has_its_limit_and_safety_stock_is_not_sold(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let safety = vec![SafetyStock { location_id: MAIN_LOCATION, pieces: 3 }];
    rules(&world, StockRules { backorder: None, per_order_max: Some(Some(2)), safety }).await;
    assert_eq!(world.available().await, 2);
    let cart = world.cart(3).await;
    let short = world.checkout(cart, "success", "a").await.unwrap_err();
    assert_eq!(codes(&short), ["order-limit"]);
    rules(&world, StockRules { per_order_max: Some(None), ..StockRules::default() }).await;
    let short = world.checkout(cart, "success", "b").await.unwrap_err();
    assert_eq!(codes(&short), ["out-of-stock"]);
    world.checkout(world.cart(2).await, "success", "c").await.unwrap();
    assert_eq!(world.available().await, 0);
    assert_eq!(counters(&world, MAIN_LOCATION).await, [3, 0, 0, 0]);
    check(&world).await;
}

async fn a_location_gives_only_where_it_ships_and_while_it_takes_part(engine: Engine) {
    let world = World::with_stock(engine, 0).await;
    let shop = shop_with(&world, 4).await;
    let change = |serves: &[&str], active| api_types::stock::LocationChange {
        serves: Some(serves.iter().map(|&code| code.to_owned()).collect()),
        active: Some(active),
        ..Default::default()
    };
    for (serves, active, expected) in [
        (&["FR"][..], true, "out-of-stock"),
        (&[], false, "out-of-stock"),
        (&["DE", "FR"], true, ""),
    ] {
        world.app.change_location(shop, change(serves, active), None).await.unwrap();
        let answer = world.checkout(world.cart(1).await, "success", expected).await;
        let got = answer.as_ref().err().map(codes).unwrap_or_default().join(" ");
        assert_eq!(got, expected, "{serves:?} {active}");
    }
    let stale = world.app.change_location(shop, change(&[], true), Some(1)).await.unwrap_err();
    assert_eq!(stale.to_string(), "precondition-failed");
    // Nobody else ships anywhere: that is another reason.
    world.app.change_location(MAIN_LOCATION, change(&[], false), None).await.unwrap();
    world.app.change_location(shop, change(&["FR"], true), None).await.unwrap();
    let short = world.checkout(world.cart(1).await, "success", "k").await.unwrap_err();
    assert_eq!(codes(&short), ["not-served"]);
    check(&world).await;
}

async fn a_transfer_carries_pieces_and_loses_none(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    let shop = shop_with(&world, 0).await;
    let carry = |pieces: u32| vec![Receipt { sku: cup(), pieces: pieces.try_into().unwrap() }];
    let draft = |pieces| {
        let request = NewTransfer { from_id: MAIN_LOCATION, to_id: shop, lines: carry(pieces) };
        world.app.create_transfer(request, None)
    };
    let step = async |id: TransferId, command| -> Result<Transfer, Error> {
        Ok(world.app.step_transfer(&staff(), id, command, None, None).await?.value)
    };
    let sent = draft(4).await.unwrap().value;
    assert_eq!(sent.status, TransferStatus::Draft);
    step(sent.id, TransferCommand::Dispatch).await.unwrap();
    assert_eq!(counters(&world, MAIN_LOCATION).await, [1, 0, 0, 0]);
    assert_eq!(counters(&world, shop).await, [0, 0, 4, 0]);
    let part = step(sent.id, TransferCommand::Receive { lines: carry(3) }).await.unwrap();
    assert_eq!((part.status, part.lines[0].received), (TransferStatus::InTransit, 3));
    assert_eq!(counters(&world, shop).await, [3, 0, 1, 0]);
    let too_many = step(sent.id, TransferCommand::Receive { lines: carry(2) }).await.unwrap_err();
    assert_eq!(codes(&too_many), ["too-large"]);
    let lost = step(sent.id, TransferCommand::WriteOffRest).await.unwrap();
    assert_eq!(lost.status, TransferStatus::Received);
    assert_eq!(counters(&world, shop).await, [3, 0, 0, 0]);
    let again = step(sent.id, TransferCommand::Cancel).await.unwrap_err();
    assert_eq!(again.to_string(), "transfer-out-of-turn");
    let too_few = draft(2).await.unwrap().value;
    let refused = step(too_few.id, TransferCommand::Dispatch).await.unwrap_err();
    assert_eq!(refused.to_string(), "stock-refused");
    let same = NewTransfer { from_id: shop, to_id: shop, lines: carry(1) };
    let same = world.app.create_transfer(same, None).await.unwrap_err();
    assert_eq!(codes(&same), ["invalid"]);
    let listed = world.app.transfers(Some("draft"), None, None).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    check(&world).await;
}

async fn the_staff_says_why_and_never_takes_what_is_held(engine: Engine) {
    let world = World::with_stock(engine, 5).await;
    world.checkout(world.cart(3).await, "requires_action", "k").await.unwrap();
    let main = MAIN_LOCATION;
    let refused = adjust(&world, main, "written_off", 3, Some("damaged")).await.unwrap_err();
    assert_eq!(refused.to_string(), "stock-refused");
    for (kind, pieces, reason) in [
        ("written_off", 1, None),
        ("received", 1, Some("count")),
        ("written_off", 1, Some("because")),
        ("sold", 1, None),
        ("received", 0, None),
        ("received", 1_000_001, None),
    ] {
        let refused = adjust(&world, main, kind, pieces, reason).await.unwrap_err();
        assert_eq!(refused.to_string(), "invalid-input", "{kind} {pieces} {reason:?}");
    }
    let nowhere = receive(&world, LocationId::from_bytes([9; 16]), 1).await.unwrap_err();
    assert_eq!(codes(&nowhere), ["unknown"]);
    let count = |counted| StockAdjustment { counted: Some(counted), ..StockAdjustment::default() };
    let claim = || Some(world.app.claim("test".to_owned(), "count".to_owned(), &[b"4"]));
    for is_replay in [false, true] {
        let counted = world.app.adjust_stock(&staff(), cup(), count(4), claim()).await.unwrap();
        assert_eq!((counted.is_replay, counted.value.on_hand), (is_replay, 4));
    }
    let held = world.app.adjust_stock(&staff(), cup(), count(2), None).await.unwrap_err();
    assert_eq!(held.to_string(), "stock-refused");
    let page = world.app.stock_movements(cup(), None, None, Some(2)).await.unwrap();
    let kinds: Vec<MovementKind> = page.items.iter().map(|item| item.kind).collect();
    assert_eq!(kinds, [MovementKind::AdjustedDown, MovementKind::Reserved]);
    assert!(page.items[0].actor.as_deref().unwrap().starts_with("key "));
    let rest = world.app.stock_movements(cup(), None, page.next_before, None).await.unwrap();
    assert_eq!((rest.items.len(), rest.next_before), (1, None));
    check(&world).await;
}

async fn what_happens_to_stock_is_told_once(engine: Engine) {
    let world = World::with_stock(engine, 6).await;
    world.checkout(world.cart(2).await, "success", "a").await.unwrap();
    world.checkout(world.cart(4).await, "success", "b").await.unwrap();
    receive(&world, MAIN_LOCATION, 9).await.unwrap();
    let events = world.store.waiting_events(100).await.unwrap();
    let of_stock = events.iter().filter(|event| event.aggregate == "stock");
    let told: Vec<(i64, &str)> =
        of_stock.map(|event| (event.sequence, event.kind.as_str())).collect();
    assert_eq!(
        told,
        [(1, "stock.low"), (2, "stock.sold_out"), (3, "stock.adjusted"), (4, "stock.replenished")]
    );
    let list = |level| world.app.stock_list(None, level, None);
    assert_eq!(list(Some("in_stock")).await.unwrap().items.len(), 1);
    assert_eq!(list(Some("low")).await.unwrap().items.len(), 0);
    assert!(list(Some("many")).await.is_err());
}

async fn a_hundred_locations_are_the_most(engine: Engine) {
    let world = World::with_stock(engine, 1).await;
    let mut made = 1;
    let refused = loop {
        let (name, country) = (format!("Shop {made}"), "DE".to_owned());
        let new = NewLocation { name, country, ..NewLocation::default() };
        match world.app.create_location(new, None).await {
            Ok(_) => made += 1,
            Err(refused) => break refused,
        }
        assert!(made <= LOCATIONS_MAX, "{made} locations");
    };
    let Error::Refused(refusal) = refused else { panic!("{refused}") };
    assert_eq!((made, refusal.code), (LOCATIONS_MAX, "too-many-locations"));
}

on_every_engine!(
    a_hundred_locations_are_the_most,
    the_main_location_sends_what_it_has_whole_and_shares_what_it_has_not,
    what_ends_unpaid_goes_back_to_where_it_was_and_a_late_payment_takes_it_again,
    pieces_are_promised_up_to_a_limit_and_come_to_those_who_waited_longest,
    an_order_that_the_staff_has_moved_knows_what_came_in_for_it,
    what_is_called_off_goes_back_to_where_it_was_and_to_who_waits_for_it,
    shoppers_read_how_a_sku_can_be_bought,
    one_order_has_its_limit_and_safety_stock_is_not_sold,
    a_location_gives_only_where_it_ships_and_while_it_takes_part,
    a_transfer_carries_pieces_and_loses_none,
    the_staff_says_why_and_never_takes_what_is_held,
    what_happens_to_stock_is_told_once,
);

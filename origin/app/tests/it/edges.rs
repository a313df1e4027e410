//! What the edges are told of stock: how a SKU can be bought, by changes and by whole copies alike.

use std::time::Duration;

use api_types::feed::{FeedChange, FeedValue, SnapshotLine};
use api_types::read_model::SCHEMA_VERSION;
use api_types::stock::{NewSupply, StockRules, SupplyStep};
use app::ChangesQuery;
use domain::inventory::{BackorderPolicy, MAIN_LOCATION, Sale};
use domain::reservation::Level;
use domain::{LocationId, Timestamp};
use engines::{Engine, on_every_engine};

use crate::stock::{check, cup, promise, receive, rules, shop_with, staff};
use crate::world::World;

const DAY: Duration = Duration::from_hours(24);

/// A row of the edges' stock, without its names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    state: String,
    promise: Option<String>,
    ships_at: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Told {
    fn of(values: &[FeedValue]) -> Self {
        let [_sku, _product, FeedValue::Text(state), promise, ships_at, until] = values else {
            panic!("{values:?}")
        };
        let moment = |value: &FeedValue| match value {
            FeedValue::Integer(ms) => Some(Timestamp::from_unix_ms(*ms)),
            FeedValue::Null => None,
            other => panic!("{other:?}"),
        };
        let promise = match promise {
            FeedValue::Text(promise) => Some(promise.clone()),
            FeedValue::Null => None,
            other => panic!("{other:?}"),
        };
        Self { state: state.clone(), promise, ships_at: moment(ships_at), until: moment(until) }
    }

    /// Reads it as an edge does at a moment.
    fn at(&self, now: Timestamp) -> (Level, Sale) {
        let level = match self.state.as_str() {
            "in_stock" => Level::InStock,
            "low" => Level::Low,
            "out_of_stock" => Level::OutOfStock,
            other => panic!("{other}"),
        };
        let expected_at = self.ships_at.max(self.until).filter(|&at| now < at);
        let sale = match (level, self.promise.as_deref()) {
            (Level::InStock | Level::Low, _) => Sale::FromStock,
            (Level::OutOfStock, Some(_)) if self.until.is_some_and(|until| until <= now) => {
                Sale::SoldOut
            }
            (Level::OutOfStock, None) => Sale::SoldOut,
            (Level::OutOfStock, Some("backorder")) => Sale::Backorder { expected_at },
            (Level::OutOfStock, Some("preorder")) => {
                Sale::PreOrder { expected_at: expected_at.unwrap() }
            }
            other => panic!("{other:?}"),
        };
        (level, sale)
    }
}

/// What an edge that followed from the beginning knows of the cup, which is what a whole copy says.
pub(crate) async fn told(world: &World) -> Told {
    let epoch = world.app.feed_state().await.unwrap().epoch;
    let query = ChangesQuery {
        epoch,
        after: 0,
        schema_version: SCHEMA_VERSION,
        wait: Duration::ZERO,
        limit: 1_000,
    };
    let changes = world.app.changes(query).await.unwrap();
    assert_eq!(changes.to, changes.head);
    let changes = changes.transactions.into_iter().flat_map(|transaction| transaction.changes);
    let mut followed = changes.filter_map(|change| match change {
        FeedChange::Put { table, values } => (table == "stock").then(|| Told::of(&values)),
        FeedChange::Delete { .. } => None,
    });
    let followed = followed.next_back().unwrap();
    let (lines, mut sent) = tokio::sync::mpsc::channel(1_000);
    world.app.snapshot(lines).await.unwrap();
    let mut copied = Vec::new();
    while let Some(line) = sent.recv().await {
        if let SnapshotLine::Row(row) = line
            && row.table == "stock"
        {
            copied.push(Told::of(&row.values));
        }
    }
    assert_eq!(copied, std::slice::from_ref(&followed));
    followed
}

/// Fails unless an edge sells the cup as the origin does.
pub(crate) async fn agrees(world: &World) {
    let (told, here) = (told(world).await, world.app.inventory(cup()).await.unwrap());
    assert_eq!(told.at(world.clock.now()), (here.level, here.sale), "{told:?}");
}

async fn supply(world: &World, location: LocationId, pieces: u32, at: Timestamp) {
    let (sku, location_id, expected_at) = ("CUP".to_owned(), Some(location), Some(at));
    let request = NewSupply { sku, location_id, pieces, expected_at };
    world.app.create_supply(&staff(), request, None).await.unwrap();
}

async fn the_edges_are_told_how_a_sku_can_be_bought_and_from_when_it_ships(engine: Engine) {
    let world = World::with_stock(engine, 1).await;
    let day = |days: u32| world.clock.now().after(DAY * days);
    let (first, later) = (day(3), day(5));
    let is_told = async |promise: Option<&str>, ships_at: Option<Timestamp>| {
        let told = told(&world).await;
        assert_eq!((told.promise.as_deref(), told.ships_at), (promise, ships_at), "{told:?}");
        check(&world).await;
    };
    is_told(None, None).await;
    promise(&world, 3).await;
    is_told(Some("backorder"), None).await;
    world.checkout(world.cart(1).await, "success", "a").await.unwrap();
    is_told(Some("backorder"), None).await;
    supply(&world, MAIN_LOCATION, 2, first).await;
    is_told(Some("backorder"), Some(first)).await;
    let listed = world.app.supplies(None, true, None, None).await.unwrap().items;
    let step = async |step: &str, pieces, expected_at| {
        let step = SupplyStep { step: step.to_owned(), pieces, expected_at };
        world.app.step_supply(&staff(), listed[0].id, &step, None).await.unwrap();
    };
    step("redate", None, Some(later)).await;
    is_told(Some("backorder"), Some(later)).await;
    // The two that come are promised: nobody knows when a third will.
    world.checkout(world.cart(2).await, "success", "b").await.unwrap();
    is_told(Some("backorder"), None).await;
    // Another location has one that nobody was promised.
    let shop = shop_with(&world, 0).await;
    supply(&world, shop, 1, first).await;
    is_told(Some("backorder"), Some(first)).await;
    // The limit is used up.
    let last = world.checkout(world.cart(1).await, "requires_action", "c").await.unwrap().value;
    let used_up = told(&world).await;
    assert_eq!((used_up.state.as_str(), used_up.promise.as_deref()), ("out_of_stock", None));
    check(&world).await;
    // Whoever does not pay gives the promise back.
    world.clock.advance(Duration::from_secs(601));
    world.app.release_expired().await.unwrap();
    assert_eq!(world.order(&last).await.status, domain::OrderStatus::Expired);
    is_told(Some("backorder"), Some(first)).await;
    // What arrives goes to who waits; then one may be promised more.
    step("arrive", Some(2), None).await;
    is_told(Some("backorder"), Some(first)).await;
    receive(&world, MAIN_LOCATION, 1).await.unwrap();
    is_told(Some("backorder"), Some(first)).await;
    assert_eq!(told(&world).await.at(world.clock.now()), (Level::Low, Sale::FromStock));
}

async fn a_pre_order_ends_on_its_day_although_nobody_says_so(engine: Engine) {
    let world = World::with_stock(engine, 0).await;
    let until = world.clock.now().after(DAY * 2);
    let pre_order = BackorderPolicy::PreOrder { until, pieces_max: 2 };
    rules(&world, StockRules { backorder: Some(pre_order), ..StockRules::default() }).await;
    let sale = async || told(&world).await.at(world.clock.now()).1;
    assert_eq!(sale().await, Sale::PreOrder { expected_at: until });
    check(&world).await;
    let later = until.after(DAY);
    supply(&world, MAIN_LOCATION, 9, later).await;
    assert_eq!(sale().await, Sale::PreOrder { expected_at: later });
    check(&world).await;
    let position = world.app.feed_position();
    world.clock.advance(DAY * 2);
    assert_eq!(sale().await, Sale::SoldOut);
    assert_eq!(world.app.feed_position(), position);
    check(&world).await;
}

async fn what_may_be_promised_is_no_level_that_changed(engine: Engine) {
    let world = World::with_stock(engine, 0).await;
    promise(&world, 2).await;
    world.checkout(world.cart(2).await, "success", "a").await.unwrap();
    promise(&world, 9).await;
    let events = world.store.waiting_events(100).await.unwrap();
    let of_stock = events.iter().filter(|event| event.aggregate == "stock");
    let kinds: Vec<&str> = of_stock.map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["stock.rules_changed"; 2]);
}

on_every_engine!(
    the_edges_are_told_how_a_sku_can_be_bought_and_from_when_it_ships,
    a_pre_order_ends_on_its_day_although_nobody_says_so,
    what_may_be_promised_is_no_level_that_changed,
);

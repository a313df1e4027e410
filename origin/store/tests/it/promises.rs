//! What was promised of an order's lines: kept by whichever way it was placed, and carried into a cluster.

use api_types::cart::{Cart, Line};
use domain::inventory::{BackorderPolicy, MAIN_LOCATION, Promise, PromiseKind};
use domain::payment::PaymentEvent;
use domain::{SupplyId, Timestamp};
use store::{
    CartRefusal, ChangedPromise, NewSupply, PlaceOrder, Placed, SetStockRules, Settled, Store,
    Terms,
};

use crate::{NOW, buying, catalogue};
use engines::{Engine, on_every_engine};

const SOON: Timestamp = Timestamp::from_unix_ms(NOW.unix_ms() + 86_400_000);

/// Sells three variants of 0, 1 and 2 pieces, of the second more than there is.
async fn shop(store: &Store) {
    store.upsert_catalogue(catalogue(3), NOW).await.unwrap();
    promise_more(store).await;
}

/// Sells more of SKU-1 than there is, and awaits two pieces of it.
pub(crate) async fn promise_more(store: &Store) {
    let rules = SetStockRules {
        sku: "SKU-1".parse().unwrap(),
        backorder: Some(BackorderPolicy::Allow { pieces_max: 9 }),
        per_order_max: None,
        safety: [].into(),
        actor: "test".to_owned(),
        now: NOW,
    };
    store.set_stock_rules(rules).await.unwrap().unwrap();
    let supply = NewSupply {
        id: SupplyId::from_bytes([1; 16]),
        sku: "SKU-1".parse().unwrap(),
        location: MAIN_LOCATION,
        pieces: 2.try_into().unwrap(),
        expected_at: Some(SOON),
        actor: "test".to_owned(),
        now: NOW,
    };
    store.create_supply(supply, None).await.unwrap().unwrap();
}

/// Fills a cart and returns it as it is answered.
async fn fill(store: &Store, number: u64, lines: &[(&str, u32)]) -> Cart {
    buying::fill(store, number, lines).await;
    store.cart(buying::cart(number), NOW).await.unwrap().unwrap()
}

async fn place(store: &Store, number: u64, terms: Terms) -> Placed {
    store.place_order(PlaceOrder { terms, ..buying::checkout(number) }).await.unwrap()
}

/// Pays, and returns the lines as the answer has them.
async fn pay(store: &Store, number: u64) -> Vec<Line> {
    let report = buying::report(number, PaymentEvent::Captured, NOW);
    match store.settle_payment(report).await.unwrap() {
        Settled::Order { order, .. } => order.lines,
        Settled::UnknownPayment => panic!("{number}"),
    }
}

fn promises(lines: &[Line]) -> Vec<Option<Promise>> {
    lines.iter().map(|line| line.promise).collect()
}

const fn waits(pieces: u32, ships_at: Option<Timestamp>) -> Option<Promise> {
    Some(Promise { kind: PromiseKind::Backorder, pieces, ships_at })
}

/// A plain order goes through a cluster's lanes, the other one alone: both say what they promised wherever they are read.
async fn an_order_says_what_its_cart_said_whichever_way_it_was_placed(engine: Engine) {
    let store = engine.open("first").await;
    shop(&store).await;
    for (number, lines, promised) in [
        (1, &[("SKU-2", 1)][..], vec![None]),
        (2, &[("SKU-2", 1), ("SKU-1", 3)], vec![None, waits(2, Some(SOON))]),
        (3, &[("SKU-1", 1)], vec![waits(1, None)]),
    ] {
        let cart = fill(&store, number, lines).await;
        assert_eq!(promises(&cart.lines), promised);
        let Placed::Order(placed) = place(&store, number, Terms::default()).await else { panic!() };
        assert_eq!(promises(&placed.lines), promised);
        assert_eq!(promises(&pay(&store, number).await), promised);
        let order = store.order(placed.id).await.unwrap().unwrap();
        assert_eq!((promises(&order.lines), order.lines), (promised, placed.lines));
    }
    // What is bought is promised in its order alone.
    let bought = store.cart(buying::cart(2), NOW).await.unwrap().unwrap();
    assert_eq!(promises(&bought.lines), [None, None]);
}

async fn nothing_is_kept_of_a_checkout_that_promises_more_than_was_shown(engine: Engine) {
    let store = engine.open("first").await;
    shop(&store).await;
    fill(&store, 1, &[("SKU-2", 1), ("SKU-1", 3)]).await;
    let before = store.sums().await.unwrap();
    let shown = Terms { expected_promises: Some(Vec::new()), ..Terms::default() };
    let now = waits(2, Some(SOON)).unwrap();
    let changed = ChangedPromise { place: 1, shown: None, now };
    let refused = Placed::Refused(CartRefusal::PromiseChanged(vec![changed]));
    assert_eq!(place(&store, 1, shown.clone()).await, refused);
    assert_eq!(store.sums().await.unwrap(), before);
    assert_eq!(store.order(buying::order(1)).await.unwrap(), None);
    // What is plainly there keeps every promise.
    fill(&store, 2, &[("SKU-2", 1)]).await;
    assert!(matches!(place(&store, 2, shown).await, Placed::Order(_)));
    assert!(matches!(place(&store, 1, Terms::default()).await, Placed::Order(_)));
}

on_every_engine!(
    an_order_says_what_its_cart_said_whichever_way_it_was_placed,
    nothing_is_kept_of_a_checkout_that_promises_more_than_was_shown,
);

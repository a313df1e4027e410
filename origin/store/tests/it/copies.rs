//! A shop that moves from a file into a cluster.

use domain::OrderStatus;
use domain::payment::PaymentEvent;
use store::{ConnectionUrl, CopyError, OrderRecord, Placed, PostgresConfig, Store, StoreConfig};

use crate::promises::promise_more;
use crate::{NOW, buying, catalogue, rows};
use engines::Engine;

/// Buys one piece; returns the order's number.
async fn buy(store: &Store, number: u64, event: PaymentEvent) -> i64 {
    buying::fill(store, number, &[("SKU-9", 1)]).await;
    let placed = place(store, number).await;
    store.settle_payment(buying::report(number, event, NOW)).await.unwrap();
    placed.number
}

async fn place(store: &Store, number: u64) -> OrderRecord {
    let placed = store.place_order(buying::checkout(number)).await.unwrap();
    let Placed::Order(order) = placed else { panic!("{placed:?}") };
    *order
}

fn cluster(url: String) -> PostgresConfig {
    let StoreConfig::Postgres(config) = StoreConfig::cluster(ConnectionUrl::new(url)) else {
        panic!()
    };
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_moves_into_an_empty_cluster_with_all_its_books_and_sells_on() {
    let Some(engine) = Engine::postgres() else { return };
    let Engine::Postgres(database) = &engine else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("origin.db");
    let file = Store::open(&StoreConfig::file(path.clone()), "first").await.unwrap();
    file.upsert_catalogue(catalogue(12), NOW).await.unwrap();
    let first = buy(&file, 1, PaymentEvent::Captured).await;
    buy(&file, 2, PaymentEvent::Declined).await;
    let last = buy(&file, 3, PaymentEvent::Processing).await;
    assert_eq!(last, first + 2);
    promise_more(&file).await;
    buying::fill(&file, 9, &[("SKU-1", 3)]).await;
    let promised = place(&file, 9).await;
    assert_eq!(promised.lines[0].promise.unwrap().pieces, 2);
    let events = file.waiting_events(100).await.unwrap().len();
    let (told, revenue) = (rows(&file).await, file.ledger_sum("revenue").await.unwrap());
    let order = file.order(buying::order(1)).await.unwrap().unwrap();
    let sums = file.sums().await.unwrap();
    drop(file);

    let to = cluster(database.url());
    let copied = Store::copy_shop(&path, &to).await.unwrap();
    assert_eq!((copied.tables["orders"], copied.tables["variants"]), (4, 12));
    let store = engine.open("other").await;
    assert_eq!(rows(&store).await, told);
    assert_eq!(store.feed_state().await.unwrap().epoch, "first");
    assert_eq!(store.ledger_sum("revenue").await.unwrap(), revenue);
    assert_eq!(store.sums().await.unwrap(), sums);
    assert_eq!(store.order(order.id).await.unwrap().unwrap(), order);
    assert_eq!(store.order(promised.id).await.unwrap().as_ref(), Some(&promised));
    assert_eq!(store.waiting_events(100).await.unwrap().len(), events);
    // Numbers of orders and rows go on where they were.
    assert_eq!(buy(&store, 4, PaymentEvent::Captured).await, last + 2);
    let sold = store.order(buying::order(4)).await.unwrap().unwrap();
    assert_eq!(sold.status, OrderStatus::Confirmed);

    let refused = Store::copy_shop(&path, &to).await.unwrap_err();
    assert!(matches!(&refused, CopyError::NotEmpty(_)), "{refused:?}");
    assert_eq!(store.ledger_sum("revenue").await.unwrap(), revenue * 2);
}

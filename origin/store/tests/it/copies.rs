//! A shop that moves from a file into a cluster.

use std::time::Duration;

use api_types::order::Address;
use domain::payment::{KeptMethod, PaymentEvent, TestMethod};
use domain::{CartId, Currency, LineId, OrderId, OrderStatus, PaymentId};
use store::{
    CartEdit, ChangeCart, Claim, ConnectionUrl, CopyError, OpenCart, PlaceOrder, Placed,
    PostgresConfig, Settle, Store, StoreConfig, Terms,
};

use crate::{NOW, catalogue, rows};
use engines::Engine;

/// Buys one piece; `number` names cart, order and payment.
async fn buy(store: &Store, number: u8, event: PaymentEvent) -> i64 {
    let (cart, order) = (CartId::from_bytes([number; 16]), OrderId::from_bytes([number; 16]));
    let open = OpenCart { id: cart, user: None, currency: Currency::Eur, now: NOW };
    store.open_cart(open, None).await.unwrap().unwrap();
    let (line, quantity) = (LineId::from_bytes([number; 16]), 1.try_into().unwrap());
    let edit = CartEdit::Add { line, sku: "SKU-9".parse().unwrap(), quantity };
    let change = ChangeCart { id: cart, version: None, edit, freeze: Duration::ZERO, now: NOW };
    store.change_cart(change, None).await.unwrap().unwrap();
    let payment = PaymentId::from_bytes([number; 16]);
    let command = PlaceOrder {
        cart,
        order,
        payment,
        line_seed: [number; 10],
        token_hash: [number; 32],
        user: None,
        email: "ada@example.org".parse().unwrap(),
        address: Address::default(),
        provider: "test",
        method: KeptMethod::Test(TestMethod::Success),
        token: None,
        claim: Claim {
            scope: "test".to_owned(),
            key: number.to_string(),
            fingerprint: [number; 32],
        },
        hold: Duration::from_mins(10),
        lease: Duration::from_secs(10),
        terms: Terms::default(),
        now: NOW,
    };
    let Placed::Order(placed) = store.place_order(command).await.unwrap() else { panic!() };
    let settle = Settle {
        payment,
        event: Some(event),
        amounts: None,
        amount: None,
        provider_ref: Some(format!("pi_{number}")),
        answer: None,
        webhook: None,
        now: NOW,
    };
    store.settle_payment(settle).await.unwrap();
    placed.number
}

fn cluster(url: String) -> PostgresConfig {
    let StoreConfig::Postgres(config) = StoreConfig::cluster(ConnectionUrl::new(url)) else {
        panic!()
    };
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_moves_into_an_empty_cluster_with_all_its_books_and_sells_on() {
    let Some(place) = Engine::postgres() else { return };
    let Engine::Postgres(database) = &place else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("origin.db");
    let file = Store::open(&StoreConfig::file(path.clone()), "first").await.unwrap();
    file.upsert_catalogue(catalogue(12), NOW).await.unwrap();
    let first = buy(&file, 1, PaymentEvent::Captured).await;
    buy(&file, 2, PaymentEvent::Declined).await;
    let last = buy(&file, 3, PaymentEvent::Processing).await;
    assert_eq!(last, first + 2);
    let (told, revenue) = (rows(&file).await, file.ledger_sum("revenue").await.unwrap());
    let order = file.order(OrderId::from_bytes([1; 16])).await.unwrap().unwrap();
    let sums = file.sums().await.unwrap();
    drop(file);

    let to = cluster(database.url());
    let copied = Store::copy_shop(&path, &to).await.unwrap();
    assert_eq!((copied.tables["orders"], copied.tables["variants"]), (3, 12));
    let store = place.open("other").await;
    assert_eq!(rows(&store).await, told);
    assert_eq!(store.feed_state().await.unwrap().epoch, "first");
    assert_eq!(store.ledger_sum("revenue").await.unwrap(), revenue);
    assert_eq!(store.sums().await.unwrap(), sums);
    assert_eq!(store.order(order.id).await.unwrap().unwrap(), order);
    assert_eq!(store.waiting_events(100).await.unwrap().len(), 8);
    // Numbers of orders and rows go on where they were.
    assert_eq!(buy(&store, 4, PaymentEvent::Captured).await, last + 1);
    let sold = store.order(OrderId::from_bytes([4; 16])).await.unwrap().unwrap();
    assert_eq!(sold.status, OrderStatus::Confirmed);

    let refused = Store::copy_shop(&path, &to).await.unwrap_err();
    assert!(matches!(&refused, CopyError::NotEmpty(_)), "{refused:?}");
    assert_eq!(store.ledger_sum("revenue").await.unwrap(), revenue * 2);
}

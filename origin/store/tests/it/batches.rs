//! Batches on PostgreSQL that meet somebody else's locks.

use std::time::Duration;

use api_types::order::Address;
use domain::payment::{KeptMethod, TestMethod};
use domain::{CartId, ErrorKind, OrderId, PaymentId, Timestamp};
use store::{Claim, PlaceOrder, Terms};
use tokio_postgres::NoTls;

use engines::Engine;

fn checkout(key: &str) -> PlaceOrder {
    PlaceOrder {
        cart: CartId::from_bytes([1; 16]),
        order: OrderId::from_bytes([2; 16]),
        payment: PaymentId::from_bytes([3; 16]),
        line_seed: [4; 10],
        token_hash: [5; 32],
        user: None,
        email: "ada@example.org".parse().unwrap(),
        address: serde_json::from_str::<Address>("{}").unwrap(),
        provider: "test",
        method: KeptMethod::Test(TestMethod::Success),
        token: None,
        claim: Claim { scope: "test".to_owned(), key: key.to_owned(), fingerprint: [6; 32] },
        hold: Duration::from_mins(10),
        lease: Duration::from_secs(10),
        terms: Terms::default(),
        now: Timestamp::from_unix_ms(1),
    }
}

/// Seed 10012 of the simulator on PostgreSQL at 2 400 steps: statements are sent one behind the other, and one that
/// failed behind another hid why the first had failed, which was worth another try.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_waited_too_long_for_a_lock_is_tried_again_and_is_then_no_internal_error() {
    let Some(engine) = Engine::postgres() else { return };
    let store = engine.open("first").await;
    let Engine::Postgres(database) = &engine else { return };
    let (other, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let claim = "BEGIN; INSERT INTO orders.idempotency (scope, key, fingerprint, answer, lease_until_ms, created_at_ms)
                 VALUES ('test', 'k', '', '{}', 0, 0)";
    other.batch_execute(claim).await.unwrap();
    let refused = store.place_order(checkout("k")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused:?}");
    other.batch_execute("ROLLBACK").await.unwrap();
    store.place_order(checkout("k")).await.unwrap();
}

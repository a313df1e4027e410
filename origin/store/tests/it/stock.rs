//! The ledger of movements, and commands of their own beside the lanes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::inventory::{Counters, MAIN_LOCATION, MovementKind};
use domain::payment::PaymentEvent;
use domain::{PaymentStatus, Sku};
use store::{MoveStock, Placed, Settled, StaffMove, StockFault, Store};

use super::{NOW, buying, catalogue, past};
use engines::{Engine, on_every_engine};

fn sku() -> Sku {
    "SKU-2".parse().unwrap()
}

/// Changes the tables past the store.
async fn damage(engine: &Engine, sql: &str) {
    past::run(engine, sql, &format!("SET search_path = inventory; {sql}")).await;
}

async fn receive(store: &Store, pieces: u32) -> Counters {
    let change = StaffMove::Moved {
        kind: MovementKind::Received,
        pieces: pieces.try_into().unwrap(),
        reason: None,
    };
    let (sku, location, actor) = (sku(), MAIN_LOCATION, "test".to_owned());
    let command = MoveStock { sku, location, change, actor, now: NOW };
    match store.move_stock(command, None).await.unwrap().unwrap() {
        store::Once::Fresh(counters) => counters,
        other => panic!("{other:?}"),
    }
}

async fn the_proof_finds_counters_that_somebody_changed_by_hand(engine: Engine) {
    let store = engine.open("first").await;
    store.upsert_catalogue(catalogue(3), NOW).await.unwrap();
    assert_eq!(receive(&store, 5).await.on_hand, 7);
    let good = store.prove_stock().await.unwrap();
    assert_eq!((good.skus, good.movements, good.faults.len()), (3, 4, 0));
    damage(&engine, "UPDATE stock SET on_hand = 8 WHERE sku = 'SKU-2'").await;
    let proof = store.prove_stock().await.unwrap();
    let [StockFault::Drift(drift)] = proof.faults.as_slice() else { panic!("{proof:?}") };
    assert_eq!((drift.stored.on_hand, drift.replayed.on_hand), (8, 7));
    damage(&engine, "UPDATE stock SET on_hand = 7 WHERE sku = 'SKU-2'").await;
    damage(&engine, "UPDATE stock_movements SET reserved_delta = 1 WHERE on_hand_delta = 5").await;
    let proof = store.prove_stock().await.unwrap();
    assert!(matches!(proof.faults.as_slice(), [StockFault::NotItsWord { .. }]), "{proof:?}");
    let gone = "DELETE FROM stock_movements WHERE on_hand_delta = 5;
                UPDATE stock_movements SET kind = 'written_off', on_hand_delta = -2 WHERE sku = 'SKU-2'";
    damage(&engine, gone).await;
    let proof = store.prove_stock().await.unwrap();
    assert!(matches!(proof.faults.as_slice(), [StockFault::Impossible { .. }]), "{proof:?}");
    let told = proof.faults[0].to_string();
    assert!(told.starts_with("SKU-2 at 00000000-0000-8000-8000-000000000001"), "{told}");
}

/// Buyers who keep the lanes busy.
const BUYERS: u64 = 24;
/// Commands of their own that must come through meanwhile.
const ALONE: u64 = 40;

/// Places an order of one piece of a SKU that everybody wants; tells whether there was time for it.
async fn place(store: &Store, number: u64) -> bool {
    buying::fill(store, number, &[("SKU-2", 1)]).await;
    match store.place_order(buying::checkout(number)).await {
        Ok(Placed::Order(_)) => true,
        Ok(other) => panic!("{other:?}"),
        Err(_busy) => false,
    }
}

/// A payment that is refused gives its piece back: a command of its own, on the row that the lanes take all the time.
async fn decline(store: &Store, number: u64) -> PaymentStatus {
    let report = buying::report(number, PaymentEvent::Declined, NOW);
    match store.settle_payment(report).await.unwrap() {
        Settled::Order { order, .. } => order.payment.status,
        Settled::UnknownPayment => panic!("{number}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_of_their_own_come_through_beside_busy_lanes() {
    let Some(engine) = Engine::postgres() else { return };
    let store = Arc::new(engine.open("first").await);
    store.upsert_catalogue(catalogue(3), NOW).await.unwrap();
    receive(&store, 1_000_000).await;
    let (is_over, placed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let buyers: Vec<_> = (0..BUYERS)
        .map(|buyer| {
            let (store, is_over) = (Arc::clone(&store), Arc::clone(&is_over));
            let placed = Arc::clone(&placed);
            tokio::spawn(async move {
                let mut number = buyer * 1_000_000;
                while !is_over.load(Ordering::Relaxed) {
                    place(&store, number).await;
                    placed.fetch_add(1, Ordering::Relaxed);
                    number += 1;
                }
            })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for number in 0..ALONE {
        let number = 900_000_000 + number;
        while !place(&store, number).await {}
        let began = Instant::now();
        assert_eq!(decline(&store, number).await, PaymentStatus::Declined);
        slowest = slowest.max(began.elapsed());
    }
    is_over.store(true, Ordering::Relaxed);
    for buyer in buyers {
        buyer.await.unwrap();
    }
    println!("{ALONE} alone beside {} placed, slowest {slowest:?}", placed.load(Ordering::Relaxed));
    let sums = store.sums().await.unwrap();
    assert_eq!((sums.reserved, sums.on_hand), (sums.reserved_held, sums.on_hand_moved));
    assert!(store.prove_stock().await.unwrap().faults.is_empty());
}

on_every_engine!(the_proof_finds_counters_that_somebody_changed_by_hand);

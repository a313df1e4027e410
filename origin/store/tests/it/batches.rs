//! Batches on PostgreSQL that meet somebody else's locks.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use domain::ErrorKind;
use store::{CheckoutOutcome, Placed, Store};
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::buying::{self, checkout};
use crate::past::connect;
use crate::{NOW, catalogue};
use engines::Engine;

/// How often something that may happen too late is made to happen: 10 times.
const ATTEMPTS_MAX: u32 = 10;

/// Seed 10012 of the simulator on PostgreSQL at 2 400 steps: statements are sent one behind the other, and one that
/// failed behind another hid why the first had failed, which was worth another try.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_waited_too_long_for_a_lock_is_tried_again_and_is_then_no_internal_error() {
    let Some(engine) = Engine::postgres() else { return };
    let store = engine.open("first").await;
    let other = connect(&engine).await;
    let claim = "BEGIN; INSERT INTO orders.idempotency (scope, key, fingerprint, answer, lease_until_ms, created_at_ms)
                 VALUES ('test', '1', '', '{}', 0, 0)";
    other.batch_execute(claim).await.unwrap();
    let refused = store.place_order(checkout(1)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused:?}");
    other.batch_execute("ROLLBACK").await.unwrap();
    store.place_order(checkout(1)).await.unwrap();
}

/// The last statement of a batch fails for a reason of its own, on a connection that has not done anything yet. What decides is
/// that reason, not what the statements beside it heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_tried_again_for_what_failed_first_in_it() {
    for (code, is_once, expected) in [
        ("40001", true, None),
        ("40P01", true, None),
        ("57014", true, None),
        ("57014", false, Some((ErrorKind::Unavailable, "57014"))),
        ("22012", false, Some((ErrorKind::Internal, "22012"))),
    ] {
        let Some(engine) = Engine::postgres() else { return };
        let store = engine.open("first").await;
        store.upsert_catalogue(catalogue(2), NOW).await.unwrap();
        buying::fill(&store, 1, &[("SKU-1", 1)]).await;
        let condition = if is_once { "nextval('public.failures') = 1" } else { "true" };
        // A sequence counts on when its transaction is undone.
        let sql = format!(
            "CREATE SEQUENCE public.failures;
             CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               IF {condition} THEN RAISE EXCEPTION 'a test' USING ERRCODE = '{code}'; END IF;
               RETURN new;
             END $$;
             CREATE TRIGGER fail BEFORE INSERT ON orders.outbox FOR EACH ROW
               WHEN (new.aggregate = 'stock') EXECUTE FUNCTION public.fail();"
        );
        connect(&engine).await.batch_execute(&sql).await.unwrap();
        let found = store.place_order(checkout(1)).await;
        let text = format!("{code}: {found:?}");
        match expected {
            None => assert!(matches!(found, Ok(Placed::Order(_))), "{text}"),
            Some((kind, cause)) => {
                assert_eq!(found.unwrap_err().kind(), kind, "{text}");
                assert!(text.contains(&format!("E{cause}")), "the cause is told: {text}");
            }
        }
    }
}

/// Waits until so many transactions wait for a lock of another.
async fn until_waiting(observer: &Client, count: i64) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let look = || async {
        let found: i64 = observer.query_one(waiting, &[]).await.unwrap().get(0);
        (found == count).then_some(())
    };
    harness::eventually(Duration::from_secs(10), "transactions that wait", look).await.unwrap();
}

/// What became of checkouts: the numbers of the orders, and how many were told what there is.
#[derive(Debug, Default)]
struct Told {
    orders: Vec<i64>,
    short: Vec<i64>,
}

fn place(store: &Arc<Store>, numbers: RangeInclusive<u64>, placing: &mut JoinSet<Placed>) {
    for number in numbers {
        let store = Arc::clone(store);
        placing.spawn(async move { store.place_order(checkout(number)).await.unwrap() });
    }
}

async fn told(placing: JoinSet<Placed>) -> Told {
    let mut told = Told::default();
    for placed in placing.join_all().await {
        match placed {
            Placed::Order(order) => told.orders.push(order.number),
            Placed::Decided { outcome: CheckoutOutcome::OutOfStock(shortages), .. } => {
                told.short.extend(shortages.iter().map(|shortage| shortage.available));
            }
            other => panic!("{other:?}"),
        }
    }
    told
}

/// What somebody does to a SKU while batches that want it have looked and not yet locked, and what comes of it.
struct Between {
    change: &'static str,
    /// Pieces that each of 20 checkouts wants.
    pieces: u32,
    /// How many of them get theirs.
    orders: usize,
    /// What the others are told that there is.
    available: i64,
}

impl Between {
    /// Lets it happen. Returns whether batches had looked and written before, and had to undo it: on a busy machine they may
    /// come too late to have seen anything.
    async fn happens(&self, engine: Engine) -> bool {
        let Self { change, pieces, orders, available } = *self;
        let store = Arc::new(engine.open("first").await);
        store.upsert_catalogue(catalogue(101), NOW).await.unwrap();
        for number in 1..=4 {
            buying::fill(&store, number, &[(&format!("SKU-{number}"), 1)]).await;
        }
        for number in 5..=24 {
            buying::fill(&store, number, &[("SKU-100", pieces)]).await;
        }
        let mut placing = JoinSet::new();
        place(&store, 1..=2, &mut placing);
        assert_eq!(told(placing).await.orders.len(), 2, "both lanes have their connections");
        let (first, second, observer) =
            (connect(&engine).await, connect(&engine).await, connect(&engine).await);
        // One checkout keeps each of the two lanes busy, until the others wait behind them and come in batches.
        let close = "BEGIN; LOCK TABLE orders.order_lines IN EXCLUSIVE MODE";
        first.batch_execute(close).await.unwrap();
        let mut placing = JoinSet::new();
        place(&store, 3..=4, &mut placing);
        until_waiting(&observer, 2).await;
        place(&store, 5..=24, &mut placing);
        let close_again = async { second.batch_execute(close).await.unwrap() };
        let let_go = async {
            until_waiting(&observer, 3).await;
            first.batch_execute("ROLLBACK").await.unwrap();
        };
        tokio::join!(close_again, let_go);
        // Both batches have looked at the stock, and are kept from writing their lines.
        until_waiting(&observer, 2).await;
        let sql = format!("UPDATE inventory.stock SET {change} WHERE sku = 'SKU-100'; COMMIT");
        second.batch_execute(&sql).await.unwrap();
        let told = told(placing).await;
        assert_eq!((told.orders.len(), told.short.len()), (orders + 2, 20 - orders), "{change}");
        assert!(told.short.iter().all(|left| *left == available), "{change}: {told:?}");
        let stock = store.stock("SKU-100".parse().unwrap()).await.unwrap().unwrap();
        let sold = i64::try_from(orders).unwrap() * i64::from(pieces);
        assert_eq!(stock.reserved, sold.min(stock.on_hand), "{change}");
        let drawn = "SELECT last_value - 100000 FROM orders.order_numbers";
        let drawn: i64 = observer.query_one(drawn, &[]).await.unwrap().get(0);
        drawn >= 24
    }
}

/// Several checkouts look at the stock, write, and lock it at the end (ADR 0030). What changes between is what counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_that_changes_between_a_look_and_its_lock_is_sold_as_it_is_then() {
    let between = |change, pieces, orders, available| Between { change, pieces, orders, available };
    for between in [
        between("on_hand = 7", 1, 7, 0),
        between("on_hand = 0", 1, 0, 0),
        between("safety = 91", 2, 4, 1),
        between("per_order_max = 1", 2, 0, 1),
        between("on_hand = 3, backorder = 'allow', backorder_max = 8", 1, 11, 0),
    ] {
        let mut was_undone = false;
        for _ in 0..ATTEMPTS_MAX {
            let Some(engine) = Engine::postgres() else { return };
            was_undone = between.happens(engine).await;
            if was_undone {
                break;
            }
        }
        assert!(was_undone, "{}: nothing was ever written and undone", between.change);
    }
}

//! Figures, printed and not asserted: machines differ.

use std::time::{Duration, Instant};

use replica::{Limits, Replica, Settings};

use crate::origin::Origin;
use crate::rng::Rng;
use crate::{LIMIT, settings, until};

const TRANSACTIONS: usize = 400;
const BACKLOG: usize = 2000;

#[tokio::test(flavor = "multi_thread")]
async fn reports_lag_and_catch_up() {
    let (mut rng, origin, dir) =
        (Rng::seeded(), Origin::start().await, tempfile::tempdir().unwrap());
    let settings = Settings { limits: Limits::default(), ..settings(dir.path(), &[origin.url()]) };
    let replica = Replica::start(settings.clone()).await.unwrap();
    until(&replica, "there", |status| status.generation == 1).await;

    let mut lags = Vec::with_capacity(TRANSACTIONS);
    for _ in 0..TRANSACTIONS {
        let committed = Instant::now();
        let position = origin.change(|source| source.commit_random(&mut rng));
        assert!(replica.reached("e1", position, LIMIT).await);
        lags.push(committed.elapsed());
        // sleeps because transactions come one by one, not in batches
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    lags.sort_unstable();
    println!(
        "lag of {TRANSACTIONS} single transactions: p50 {:?}, p99 {:?}, max {:?}",
        lags[TRANSACTIONS / 2],
        lags[TRANSACTIONS * 99 / 100],
        lags[TRANSACTIONS - 1]
    );

    replica.stop().await;
    for _ in 0..BACKLOG {
        origin.change(|source| source.commit_random(&mut rng));
    }
    let started = Instant::now();
    let replica = Replica::start(settings).await.unwrap();
    let head = origin.source().position;
    until(&replica, "caught up", |status| status.position == head).await;
    let rate = BACKLOG as f64 / started.elapsed().as_secs_f64();
    println!("catch-up of {BACKLOG} transactions: {rate:.0} per second, start included");
    replica.stop().await;
}

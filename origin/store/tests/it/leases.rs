//! Who may run a job.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use store::{Lease, Leasing, Store, StoreError};

use crate::NOW;
use engines::{Engine, on_every_engine};

const KEPT: Duration = Duration::from_secs(15);

fn at(seconds: u64) -> Timestamp {
    NOW.after(Duration::from_secs(seconds))
}

async fn ask(store: &Store, holder: &str, now: Timestamp) -> Leasing {
    store.lease_job("sweep", holder, KEPT, now).await.unwrap()
}

fn granted(leasing: Leasing) -> Lease {
    match leasing {
        Leasing::Granted(lease) => lease,
        Leasing::Held(until) => panic!("held until {until}"),
    }
}

/// Writes as a round would; the epoch is a thing that one command sets and anybody can read.
async fn write(store: &Store, lease: &Lease, epoch: &str) -> Result<(), StoreError> {
    lease.cover(store.new_epoch(epoch.to_owned())).await
}

async fn epoch(store: &Store) -> String {
    store.feed_state().await.unwrap().epoch
}

async fn of_many_that_ask_at_once_one_has_the_job(engine: Engine) {
    let store = Arc::new(engine.open("first").await);
    let askers = (0..8).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { ask(&store, &format!("origin-{number}"), NOW).await })
    });
    let mut granted = 0;
    for asker in askers.collect::<Vec<_>>() {
        match asker.await.unwrap() {
            Leasing::Granted(lease) => {
                granted += 1;
                assert_eq!((lease.token(), lease.until()), (1, NOW.after(KEPT)));
            }
            Leasing::Held(until) => assert_eq!(until, NOW.after(KEPT)),
        }
    }
    assert_eq!(granted, 1);
}

async fn a_holder_goes_on_with_its_token_and_a_job_that_was_given_back_is_free(engine: Engine) {
    let store = engine.open("first").await;
    let first = granted(ask(&store, "a", at(0)).await);
    let renewed = granted(ask(&store, "a", at(10)).await);
    assert_eq!((renewed.token(), renewed.until()), (first.token(), at(25)));
    // What the round began with is good for as long as the token is.
    write(&store, &first, "by a").await.unwrap();
    assert_eq!(ask(&store, "b", at(24)).await, Leasing::Held(at(25)));
    // A clock that was set back shortens nothing.
    assert_eq!(granted(ask(&store, "a", at(2)).await).until(), at(25));
    store.give_back_job(&renewed).await.unwrap();
    let next = granted(ask(&store, "b", at(12)).await);
    assert_eq!(next.token(), first.token() + 1);
    // Giving back what is no longer one's own takes nothing from anybody.
    store.give_back_job(&renewed).await.unwrap();
    assert_eq!(ask(&store, "a", at(13)).await, Leasing::Held(at(27)));
    // Other jobs are others.
    let other = store.lease_job("other", "a", KEPT, at(13)).await.unwrap();
    assert_eq!(granted(other).token(), 1);
}

async fn who_comes_back_after_its_lease_ended_cannot_write_any_more(engine: Engine) {
    let store = engine.open("first").await;
    let slept = granted(ask(&store, "a", at(0)).await);
    let other = granted(ask(&store, "b", at(15)).await);
    assert_eq!(other.token(), 2);
    let refused = write(&store, &slept, "by a").await;
    assert!(matches!(refused, Err(StoreError::LeaseLost)), "{refused:?}");
    assert_eq!(epoch(&store).await, "first");
    write(&store, &other, "by b").await.unwrap();
    assert_eq!(ask(&store, "a", at(16)).await, Leasing::Held(at(30)));
    // Reads, and writes outside of rounds, ask for no lease.
    assert_eq!(slept.cover(epoch(&store)).await, "by b");
    store.new_epoch("by hand".to_owned()).await.unwrap();
    // Also the holder's own old lease is worth nothing once it had ended, even where nobody else came.
    let again = granted(ask(&store, "b", at(40)).await);
    assert_eq!(again.token(), 3);
    assert!(matches!(write(&store, &other, "by b").await, Err(StoreError::LeaseLost)));
    write(&store, &again, "by b again").await.unwrap();
}

async fn no_write_of_the_old_holder_comes_after_the_job_changed_hands(engine: Engine) {
    let store = Arc::new(engine.open("first").await);
    for round in 0..5 {
        let now = at(round * 100);
        let old = granted(ask(&store, "a", now).await);
        let writing = Arc::clone(&store);
        let writer = tokio::spawn(async move {
            let mut written = 0;
            loop {
                match write(&writing, &old, &format!("a {round} {written}")).await {
                    Ok(()) => written += 1,
                    Err(StoreError::LeaseLost) => return written,
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
        let begun = async {
            while !epoch(&store).await.starts_with(&format!("a {round} ")) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), begun).await.unwrap();
        let new = granted(ask(&store, "b", now.after(KEPT)).await);
        write(&store, &new, "b").await.unwrap();
        assert!(writer.await.unwrap() > 0);
        assert_eq!(epoch(&store).await, "b", "round {round}");
    }
}

async fn what_a_killed_process_had_is_free_where_no_other_can_have_it(engine: Engine) {
    let store = engine.open("first").await;
    let old = granted(ask(&store, "a", at(0)).await);
    store.free_abandoned_jobs().await.unwrap();
    assert_eq!(granted(ask(&store, "b", at(1)).await).token(), old.token() + 1);
}

on_every_engine!(
    of_many_that_ask_at_once_one_has_the_job,
    a_holder_goes_on_with_its_token_and_a_job_that_was_given_back_is_free,
    who_comes_back_after_its_lease_ended_cannot_write_any_more,
    no_write_of_the_old_holder_comes_after_the_job_changed_hands,
    what_a_killed_process_had_is_free_where_no_other_can_have_it
);

//! The place in a sum that a host without a better way gives.

use core::cell::Cell;

use futures::executor::block_on;

use super::*;
use crate::fakes::FakeCounters;

fn keys() -> Vec<String> {
    ["old", "new"].map(str::to_owned).to_vec()
}

#[test]
fn gives_places_until_the_sum_is_reached_and_counts_no_refusal() {
    let counters = FakeCounters::default();
    block_on(counters.increment("old", 2)).unwrap();
    for (counts, is_admitted) in [([2, 1], true), ([2, 2], true), ([2, 2], false), ([2, 2], false)]
    {
        let expected = Taken { counts: counts.to_vec(), is_admitted };
        assert_eq!(block_on(counters.take(&keys(), 4)), Ok(expected));
    }
    let nothing = Taken { counts: vec![2, 2], is_admitted: false };
    assert_eq!(block_on(counters.take(&keys(), 0)), Ok(nothing));
    let most = block_on(counters.take(&keys(), u64::MAX)).unwrap();
    assert_eq!(most, Taken { counts: vec![2, 3], is_admitted: true });
}

#[test]
fn no_key_and_a_broken_store_are_errors() {
    let counters = FakeCounters::default();
    assert!(block_on(counters.take(&[], 4)).is_err());
    counters.is_broken.set(true);
    assert!(block_on(counters.take(&keys(), 4)).is_err());
}

/// Another caller takes a place between our look and our increment.
struct Raced(FakeCounters, Cell<bool>);

impl Counters for Raced {
    async fn increment(&self, key: &str, delta: u32) -> Result<u64, CounterError> {
        if !self.1.replace(true) {
            self.0.increment(key, 1).await?;
        }
        self.0.increment(key, delta).await
    }

    async fn count(&self, key: &str) -> Result<u64, CounterError> {
        self.0.count(key).await
    }

    async fn forget(&self, key: &str) -> Result<(), CounterError> {
        self.0.forget(key).await
    }
}

#[test]
fn a_race_for_the_last_place_has_one_winner() {
    let counters = Raced(FakeCounters::default(), Cell::new(false));
    let lost = Taken { counts: vec![0, 2], is_admitted: false };
    assert_eq!(block_on(counters.take(&keys(), 1)), Ok(lost));
}

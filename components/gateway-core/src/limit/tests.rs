//! The window's guarantee, by arithmetic and by chance.

use futures::executor::block_on;
use ports::fakes::FakeCounters;

use super::*;
use crate::policy::OnFailure;

const QUOTA: Quota = Quota { name: "test", requests_max: 10, on_failure: OnFailure::Open };

struct Limiter {
    counters: FakeCounters,
    opened: RefCell<Opened>,
}

impl Limiter {
    fn new() -> Self {
        Self { counters: FakeCounters::default(), opened: RefCell::default() }
    }

    fn take(&self, who: &str, ms: i64) -> Standing {
        let now = Timestamp::from_unix_ms(ms);
        block_on(take(&self.counters, &self.opened, &QUOTA, 1, who, now)).unwrap()
    }
}

/// `SplitMix64`: small, seeded, good enough to choose arrival times.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(bound).unwrap()
    }
}

#[test]
fn no_window_admits_more_than_the_limit() {
    for seed in 0..300 {
        let mut random = Random(seed);
        let limiter = Limiter::new();
        let (mut ms, mut admitted) = (0_i64, Vec::<i64>::new());
        for _ in 0..400 {
            // Bursts, steady streams and pauses, as the seed has it.
            let pause = [1, 50, 3_000, 20_000][usize::try_from(random.below(4)).unwrap()];
            ms = ms.saturating_add_unsigned(random.below(pause));
            let standing = limiter.take("a", ms);
            if standing.is_admitted {
                admitted.push(ms);
            } else {
                assert_eq!(standing.remaining, 0, "seed {seed}");
            }
            let window = ms.saturating_sub(60_000);
            let inside = admitted.iter().filter(|at| **at > window).count();
            assert!(inside <= 10, "seed {seed}: {inside} within a minute at {ms}");
        }
        assert!(admitted.len() > 20, "seed {seed} admits something");
    }
}

#[test]
fn a_steady_caller_gets_four_fifths() {
    let limiter = Limiter::new();
    let admitted = (0..6_000).filter(|step| limiter.take("a", step * 100).is_admitted).count();
    assert!((80..=100).contains(&admitted), "{admitted} of 100 in ten minutes");
}

#[test]
fn who_comes_back_when_told_is_let_in() {
    for start in [0, 1, 7_000, 14_999, 15_000] {
        let limiter = Limiter::new();
        for _ in 0..10 {
            assert!(limiter.take("a", start).is_admitted);
        }
        let refused = limiter.take("a", start + 10);
        assert!(!refused.is_admitted && (1..=75).contains(&refused.reset_s), "{refused:?}");
        let back = start + 10 + i64::from(refused.reset_s) * 1_000;
        assert!(limiter.take("a", back).is_admitted, "{start}: {refused:?}");
        // And not one bucket too late.
        assert!(!Limiter::new().replay(start, back - 16_000), "{start}");
    }
}

impl Limiter {
    fn replay(&self, start: i64, then: i64) -> bool {
        for _ in 0..10 {
            self.take("a", start);
        }
        self.take("a", then.max(start)).is_admitted
    }
}

#[test]
fn keys_do_not_share_a_limit_and_say_what_is_left() {
    let limiter = Limiter::new();
    for used in 1..=10 {
        let standing = limiter.take("a", 0);
        assert_eq!((standing.is_admitted, standing.remaining), (true, 10 - used));
    }
    assert!(!limiter.take("a", 0).is_admitted);
    assert!(limiter.take("b", 0).is_admitted);
}

#[test]
fn refusals_do_not_prolong_the_wait() {
    let limiter = Limiter::new();
    for _ in 0..10 {
        limiter.take("a", 0);
    }
    for ms in (100..74_900).step_by(100) {
        assert!(!limiter.take("a", ms).is_admitted, "{ms}");
    }
    assert!(limiter.take("a", 75_000).is_admitted);
}

#[test]
fn old_windows_are_forgotten() {
    let limiter = Limiter::new();
    for step in 0..2_000_i64 {
        limiter.take(&format!("client {step}"), step * 1_000);
        assert!(limiter.counters.len() <= 100, "{} after {step}", limiter.counters.len());
    }
}

/// A host whose counters end by themselves.
struct Lasting(FakeCounters);

impl Counters for Lasting {
    async fn increment(&self, key: &str, delta: u32) -> Result<u64, CounterError> {
        self.0.increment(key, delta).await
    }

    async fn count(&self, key: &str) -> Result<u64, CounterError> {
        self.0.count(key).await
    }

    async fn forget(&self, key: &str) -> Result<(), CounterError> {
        Err(CounterError(format!("{key} was to be forgotten")))
    }

    fn forgets_by_itself(&self) -> bool {
        true
    }
}

#[test]
fn nothing_is_remembered_where_the_host_forgets() {
    let (counters, opened) = (Lasting(FakeCounters::default()), RefCell::default());
    for step in 0..20 {
        let now = Timestamp::from_unix_ms(step * 15_000);
        block_on(take(&counters, &opened, &QUOTA, 1, "a", now)).unwrap();
        assert_eq!(opened.borrow().0.len(), 0);
    }
}

#[test]
fn refusals_open_nothing_to_forget() {
    let limiter = Limiter::new();
    // The whole limit is in the bucket before, one more in the current one: a race was lost there.
    block_on(limiter.counters.increment("rate/test/a/0", 10)).unwrap();
    block_on(limiter.counters.increment("rate/test/a/1", 1)).unwrap();
    for _ in 0..100 {
        assert!(!limiter.take("a", 15_000).is_admitted);
    }
    assert_eq!(limiter.opened.borrow().0.len(), 0);
}

#[test]
fn races_for_the_last_place_have_one_winner() {
    let limiter = Limiter::new();
    let mut room = (0..9).map(|_| limiter.take("a", 0).is_admitted);
    assert!(room.all(|is_admitted| is_admitted));
    // Another instance takes the tenth place between our look and our increment.
    let stale = [0, 0, 0, 0, 9];
    let current = block_on(limiter.counters.increment("rate/test/a/0", 1)).unwrap();
    assert_eq!(current, 10);
    assert!(sum(&stale) < 10 && !limiter.take("a", 0).is_admitted);
}

#[test]
fn broken_counters_are_an_error_for_the_policy_to_judge() {
    let limiter = Limiter::new();
    limiter.counters.is_broken.set(true);
    let now = Timestamp::from_unix_ms(0);
    assert!(block_on(take(&limiter.counters, &limiter.opened, &QUOTA, 1, "a", now)).is_err());
}

#[test]
fn the_tighter_of_two_standings_speaks() {
    let standing =
        |is_admitted, remaining, reset_s| Standing { is_admitted, limit: 10, remaining, reset_s };
    for (one, other, expected) in [
        (standing(true, 3, 5), standing(true, 2, 9), 2),
        (standing(true, 0, 5), standing(false, 7, 9), 7),
        (standing(false, 1, 5), standing(false, 2, 9), 2),
    ] {
        assert_eq!(tighter(one, other).remaining, expected);
        assert_eq!(tighter(other, one).remaining, expected);
    }
}

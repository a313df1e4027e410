//! The table of what follows what, on plans and pools with the shop's rules.

use domain::Timestamp;
use http::StatusCode;
use pool_core::{Outcome, Plan, Step};

use super::*;
use crate::health::{AsOf, Health, wait};
use crate::origins::{Balance, Origins};

const OK: Outcome = answered(StatusCode::OK);
const UNAVAILABLE: Outcome = answered(StatusCode::SERVICE_UNAVAILABLE);
/// What silence and slowness are to a plan: [`crate::call`] says which is which.
const SILENT: Outcome = Outcome::TimedOut;
const SLOW: Outcome = Outcome::Refused;

const fn answered(status: StatusCode) -> Outcome {
    Outcome::answered(status, Duration::from_millis(1))
}

/// An instance before some origins.
struct World {
    origins: Origins,
    health: Health,
    now: Timestamp,
}

impl World {
    fn of(origins: usize) -> Self {
        let list: Vec<String> = (0..origins).map(|at| format!("http://{at}")).collect();
        Self {
            origins: Origins::parse(&list.join(",")).unwrap(),
            health: Health::default(),
            now: Timestamp::from_unix_ms(0),
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.after(Duration::from_millis(ms));
    }

    /// Plays one request's outcomes, each taking `step_ms`, and returns the places of the origins that were asked.
    fn play(&mut self, is_repeatable: bool, outcomes: &[Outcome], step_ms: u64) -> Vec<u8> {
        let mut outcomes = outcomes.iter();
        let mut asked = Vec::new();
        let facts =
            RequestFacts { is_read: false, is_idempotent: is_repeatable, is_replayable: true };
        let mut plan = {
            let AsOf { pool, now, .. } = self.health.as_of(&self.origins, self.now).unwrap();
            Plan::new(facts, pool, now)
        };
        loop {
            let AsOf { pool, now, random } = self.health.as_of(&self.origins, self.now).unwrap();
            match plan.next(pool, now, random) {
                Step::Try(mut attempt) => {
                    asked.push(attempt.origin.slot());
                    assert!(attempt.head_timeout <= ATTEMPT_SILENCE_MAX);
                    let outcome = *outcomes.next().unwrap();
                    self.pass(step_ms);
                    let AsOf { pool, now, .. } =
                        self.health.as_of(&self.origins, self.now).unwrap();
                    plan.report(&mut attempt, outcome, pool, now);
                    pool.end(&mut attempt.ticket, outcome, now);
                }
                Step::WaitUntil(until) => self.now = self.now.after(wait(now, until)),
                Step::Stop(_) => return asked,
                other => panic!("{other:?}"),
            }
        }
    }
}

fn play(is_repeatable: bool, origins: usize, outcomes: &[Outcome], step_ms: u64) -> Vec<u8> {
    World::of(origins).play(is_repeatable, outcomes, step_ms)
}

#[test]
fn asks_again_only_where_that_is_safe() {
    use Outcome::{Broken, NotSent};
    let conflict = answered(StatusCode::CONFLICT);
    let cases: [(bool, usize, &[Outcome], &[u8]); 17] = [
        (false, 1, &[OK, OK], &[0]),
        (true, 2, &[OK, OK], &[0]),
        (false, 1, &[NotSent; 9], &[0, 0, 0]),
        (false, 2, &[NotSent; 9], &[0, 1, 1]),
        (true, 1, &[Broken; 9], &[0, 0, 0]),
        (false, 2, &[Broken; 9], &[0]),
        (true, 2, &[Broken, OK, OK], &[0, 1]),
        (false, 2, &[NotSent, Broken, OK], &[0, 1]),
        (true, 2, &[SILENT; 9], &[0, 1]),
        (false, 2, &[SILENT; 9], &[0]),
        (true, 1, &[UNAVAILABLE; 9], &[0]),
        (true, 2, &[UNAVAILABLE; 9], &[0, 1]),
        (false, 2, &[UNAVAILABLE; 9], &[0]),
        (true, 2, &[SLOW; 9], &[0]),
        (true, 2, &[conflict; 9], &[0]),
        (true, 2, &[answered(StatusCode::INTERNAL_SERVER_ERROR); 9], &[0]),
        (true, 2, &[UNAVAILABLE, NotSent, NotSent], &[0, 1, 1]),
    ];
    for (is_repeatable, origins, outcomes, expected) in cases {
        let asked = play(is_repeatable, origins, outcomes, 1);
        assert_eq!(asked, expected, "{is_repeatable} {origins} {outcomes:?}");
    }
    for origins in [3, 8] {
        let mut asked = play(false, origins, &[NotSent; 9], 1);
        assert_eq!(asked.first(), Some(&0));
        asked.sort_unstable();
        asked.dedup();
        assert_eq!(asked.len(), 3, "each of them once");
    }
}

#[test]
fn origins_that_share_are_all_asked_and_one_that_fails_is_passed_over() {
    let mut world = World::of(2);
    world.origins = world.origins.clone().balanced(Balance::Share);
    let mut asked = [0_u32; 2];
    for _ in 0..200 {
        for place in world.play(true, &[OK, OK], 1) {
            asked[usize::from(place)] += 1;
        }
    }
    assert!(asked.iter().all(|&times| times >= 50), "{asked:?}");
    // Whoever meets the dead one first turns to the other, and the next requests go there at once.
    let mut world = World::of(2);
    world.origins = world.origins.clone().balanced(Balance::Share);
    let first = world.play(false, &[Outcome::NotSent, OK], 1);
    assert_eq!(first.len(), 2);
    for _ in 0..20 {
        assert_eq!(world.play(false, &[OK], 1), [first[1]]);
    }
}

#[test]
fn stops_when_the_time_for_silence_is_over() {
    assert_eq!(play(true, 3, &[SILENT; 9], 900).len(), 2);
    assert_eq!(play(true, 3, &[SILENT; 9], 1_750).len(), 1);
    assert_eq!(play(true, 3, &[SILENT; 9], 600).len(), 3);
}

#[test]
fn never_asks_more_than_three_times_nor_repeats_what_may_have_acted() {
    let outcomes =
        [Outcome::NotSent, Outcome::Broken, SILENT, SLOW, Outcome::Cancelled, UNAVAILABLE, OK];
    for seed in 0..2_401_usize {
        let pick = |divisor: usize| {
            let index = seed.checked_div(divisor).unwrap().checked_rem(outcomes.len()).unwrap();
            outcomes[index]
        };
        let script = [pick(1), pick(7), pick(49), pick(343)];
        for origins in 1..4 {
            let asked = play(false, origins, &script, 1);
            assert!(asked.len() <= usize::from(ATTEMPTS_MAX));
            let acted =
                script[..asked.len().saturating_sub(1)].iter().any(|o| *o != Outcome::NotSent);
            assert!(!acted, "{script:?} asked {asked:?}");
        }
    }
}

#[test]
fn two_failures_rest_the_first_origin_and_one_good_answer_brings_it_back() {
    let mut world = World::of(2);
    for _ in 0..2 {
        assert_eq!(world.play(true, &[Outcome::Broken, OK], 1), [0, 1]);
    }
    assert_eq!(world.play(true, &[OK], 1), [1]);
    assert_eq!(world.play(false, &[OK], 1), [1]);
    world.pass(3_000);
    // Its time is over: what may be repeated is risked first.
    assert_eq!(world.play(false, &[OK], 1), [1]);
    assert_eq!(world.play(true, &[Outcome::Broken, OK], 1), [0, 1]);
    assert_eq!(world.play(true, &[OK], 1), [1]);
    world.pass(3_100);
    assert_eq!(world.play(true, &[OK], 1), [1], "the second time is twice as long");
    world.pass(3_000);
    assert_eq!(world.play(true, &[OK], 1), [0]);
    assert_eq!(world.play(false, &[OK], 1), [0]);
}

#[test]
fn a_first_origin_that_gets_nothing_but_writes_is_tried_all_the_same() {
    let mut world = World::of(2);
    for _ in 0..2 {
        assert_eq!(world.play(false, &[Outcome::NotSent, OK], 1), [0, 1]);
    }
    assert_eq!(world.play(false, &[OK], 1), [1]);
    world.pass(3_000);
    assert_eq!(world.play(false, &[OK], 1), [1]);
    world.pass(10_000);
    assert_eq!(world.play(false, &[OK], 1), [0]);
}

#[test]
fn an_origin_that_asks_for_time_gets_a_little_of_it() {
    let mut world = World::of(2);
    let away = Outcome::Answered {
        status: StatusCode::SERVICE_UNAVAILABLE,
        latency: Duration::ZERO,
        retry_after: Some(Duration::from_secs(60)),
    };
    assert_eq!(world.play(true, &[away, OK], 1), [0, 1]);
    assert_eq!(world.play(true, &[OK], 1), [1]);
    world.pass(3_000);
    assert_eq!(world.play(true, &[OK], 1), [0]);
}

#[test]
fn when_nobody_is_well_everybody_is_tried_the_first_one_first() {
    let mut world = World::of(2);
    for _ in 0..4 {
        world.play(true, &[Outcome::Broken; 9], 1);
    }
    let asked = world.play(true, &[Outcome::NotSent, OK], 1);
    assert_eq!(asked, [0, 1]);
    let mut lone = World::of(1);
    for _ in 0..9 {
        assert_eq!(lone.play(false, &[UNAVAILABLE], 1), [0]);
    }
}

#[test]
fn a_storm_of_failures_is_not_multiplied() {
    let mut world = World::of(2);
    let mut asked = 0;
    for _ in 0..1_000 {
        asked += world.play(true, &[Outcome::Broken; 9], 0).len();
    }
    // A fifth more than the requests, what a second grants, and some for the waits between.
    assert!((1_000..1_300).contains(&asked), "{asked}");
}

#[test]
fn knows_what_may_be_repeated() {
    let mut headers = HeaderMap::new();
    let is_repeatable = |method, headers: &HeaderMap| facts(&method, headers).is_repeatable();
    assert!(is_repeatable(Method::GET, &headers));
    assert!(is_repeatable(Method::HEAD, &headers));
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        assert!(!is_repeatable(method, &headers));
    }
    headers.insert("idempotency-key", http::HeaderValue::from_static("k"));
    assert!(is_repeatable(Method::POST, &headers));
}

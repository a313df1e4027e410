use http::StatusCode;

use super::*;
use crate::origin::{Origin, Tier};
use crate::settings::{Balance, Hedge, Passive, Retries, Settings};

const MS: Duration = Duration::from_millis(1);

fn at(ms: u64) -> Instant {
    Instant::new(Duration::from_millis(ms))
}

fn answered(status: u16) -> Outcome {
    Outcome::answered(StatusCode::from_u16(status).unwrap(), MS)
}

fn pool_of(count: usize, settings: Settings) -> Pool {
    let origins = (0..count).map(|number| Origin::new(number.to_string())).collect();
    Pool::new(settings, origins, at(0)).unwrap()
}

const READ: RequestFacts = RequestFacts { is_read: true, is_idempotent: true, is_replayable: true };
const WRITE: RequestFacts =
    RequestFacts { is_read: false, is_idempotent: false, is_replayable: true };
const STREAMED_PUT: RequestFacts =
    RequestFacts { is_read: false, is_idempotent: true, is_replayable: false };

/// Plays outcomes, each after `step_ms`, and returns how often an origin was asked, how many different ones, and why it
/// stopped.
fn play(
    facts: RequestFacts,
    origins: usize,
    outcomes: &[Outcome],
    step_ms: u64,
) -> (usize, usize, Stop) {
    let mut pool = pool_of(origins, Settings::default());
    let mut now = at(0);
    let mut plan = Plan::new(facts, &mut pool, now);
    let mut outcomes = outcomes.iter();
    for random in 0..100 {
        match plan.next(&mut pool, now, random) {
            Step::Try(mut attempt) => {
                assert_eq!(plan.next(&mut pool, now, random), Step::Await);
                now = now.after(Duration::from_millis(step_ms));
                let outcome = *outcomes.next().expect("enough outcomes");
                plan.report(&mut attempt, outcome, &mut pool, now);
                pool.end(&mut attempt.ticket, outcome, now);
            }
            Step::WaitUntil(until) => now = until,
            Step::Stop(stop) => {
                let mut names: Vec<_> = plan.tried().iter().collect();
                names.sort();
                names.dedup();
                assert!(pool.states(now).all(|state| state.in_flight == 0));
                return (plan.tried().count(), names.len(), stop);
            }
            Step::WaitInQueue(_) | Step::Await => panic!("nobody else is there"),
        }
    }
    panic!("does not stop")
}

#[test]
fn asks_again_only_where_that_is_safe() {
    use Outcome::{Broken, Cancelled, NotSent, Refused, TimedOut};
    let ok = answered(200);
    let away = answered(503);
    for (facts, origins, outcomes, expected) in [
        (WRITE, 1, vec![ok], (1, 1, Stop::Settled)),
        (READ, 2, vec![ok], (1, 1, Stop::Settled)),
        (WRITE, 1, vec![NotSent; 3], (3, 1, Stop::Attempts)),
        (WRITE, 2, vec![NotSent; 3], (3, 2, Stop::Attempts)),
        (WRITE, 8, vec![NotSent; 3], (3, 3, Stop::Attempts)),
        (STREAMED_PUT, 2, vec![NotSent, ok], (2, 2, Stop::Settled)),
        (STREAMED_PUT, 2, vec![Broken], (1, 1, Stop::NotRepeatable)),
        (READ, 1, vec![Broken; 3], (3, 1, Stop::Attempts)),
        (READ, 2, vec![Broken, ok], (2, 2, Stop::Settled)),
        (WRITE, 2, vec![Broken], (1, 1, Stop::NotRepeatable)),
        (WRITE, 2, vec![NotSent, Broken], (2, 2, Stop::NotRepeatable)),
        (READ, 2, vec![TimedOut; 2], (2, 2, Stop::Refused(super::Refused::NoOther))),
        (WRITE, 2, vec![TimedOut], (1, 1, Stop::NotRepeatable)),
        (READ, 1, vec![away], (1, 1, Stop::Refused(super::Refused::NoOther))),
        (READ, 2, vec![away; 2], (2, 2, Stop::Refused(super::Refused::NoOther))),
        (WRITE, 2, vec![away], (1, 1, Stop::NotRepeatable)),
        (READ, 2, vec![Refused], (1, 1, Stop::GivenUp)),
        (READ, 2, vec![Cancelled], (1, 1, Stop::GivenUp)),
    ] {
        assert_eq!(
            play(facts, origins, &outcomes, 1),
            expected,
            "{facts:?} {origins} {outcomes:?}"
        );
    }
}

#[test]
fn answers_that_are_no_failures_stand() {
    for status in [200, 204, 304, 400, 402, 404, 408, 409, 412, 422, 425, 429, 500, 501, 505] {
        assert_eq!(play(READ, 3, &[answered(status)], 1), (1, 1, Stop::Settled), "{status}");
    }
    for status in [502, 503, 504] {
        assert_eq!(play(READ, 3, &[answered(status); 3], 1), (3, 3, Stop::Attempts), "{status}");
    }
}

#[test]
fn stops_when_the_time_is_over() {
    assert_eq!(play(READ, 3, &[Outcome::Broken; 3], 7_400), (3, 3, Stop::Deadline));
    assert_eq!(play(READ, 3, &[Outcome::Broken; 3], 7_500), (2, 2, Stop::Deadline));
    assert_eq!(play(READ, 3, &[Outcome::Broken; 3], 14_950), (1, 1, Stop::Deadline));
}

#[test]
fn attempts_have_no_more_time_than_the_plan() {
    let mut pool = pool_of(2, Settings::default());
    let mut plan = Plan::new(READ, &mut pool, at(0));
    let Step::Try(mut attempt) = plan.next(&mut pool, at(0), 0) else { panic!() };
    assert_eq!((attempt.connect_timeout, attempt.head_timeout), (MS * 1_000, MS * 10_000));
    plan.report(&mut attempt, Outcome::TimedOut, &mut pool, at(10_000));
    let Step::Try(attempt) = plan.next(&mut pool, at(14_500), 0) else { panic!() };
    assert_eq!((attempt.connect_timeout, attempt.head_timeout), (MS * 500, MS * 500));
    let mut plan = Plan::new(READ, &mut pool, at(0)).until(at(90));
    assert_eq!(plan.next(&mut pool, at(0), 0), Step::Stop(Stop::Deadline));
}

#[test]
fn the_same_origin_is_asked_after_a_pause_that_doubles() {
    let mut pool = pool_of(1, Settings::default());
    let mut plan = Plan::new(READ, &mut pool, at(0));
    let mut waits = Vec::new();
    let mut now = at(0);
    loop {
        match plan.next(&mut pool, now, 3) {
            Step::Try(mut attempt) => {
                plan.report(&mut attempt, Outcome::NotSent, &mut pool, now);
            }
            Step::WaitUntil(until) => {
                assert_eq!(plan.next(&mut pool, now, 9), Step::WaitUntil(until));
                waits.push(until.since(now).as_micros());
                now = until;
            }
            _ => break,
        }
    }
    assert_eq!(waits.len(), 2);
    assert!((12_500..=25_000).contains(&waits[0]), "{waits:?}");
    assert!((25_000..=50_000).contains(&waits[1]), "{waits:?}");
}

#[test]
fn an_origin_that_asked_for_time_is_not_asked_again() {
    let told = Outcome::Answered {
        status: StatusCode::SERVICE_UNAVAILABLE,
        latency: MS,
        retry_after: Some(MS * 2_000),
    };
    assert_eq!(play(READ, 1, &[told], 1), (1, 1, Stop::Refused(Refused::NoOther)));
}

#[test]
fn the_budget_bounds_further_attempts() {
    let retries = Retries { budget_percent: 20, budget_per_second: 0, ..Retries::default() };
    let passive = Passive { failures_in_row: 999, failures_percent: 101, ..Passive::default() };
    let mut pool = pool_of(2, Settings { retries, passive, ..Settings::default() });
    let mut stops = Vec::new();
    for _ in 0..100 {
        let mut plan = Plan::new(READ, &mut pool, at(0));
        let stop = loop {
            match plan.next(&mut pool, at(0), 5) {
                Step::Try(mut attempt) => {
                    plan.report(&mut attempt, Outcome::Broken, &mut pool, at(0));
                }
                Step::Stop(stop) => break stop,
                Step::WaitUntil(_) => break Stop::GivenUp,
                other => panic!("{other:?}"),
            }
        };
        stops.push(stop);
    }
    assert_eq!(pool.counts().retries, 20);
    assert_eq!(stops.iter().filter(|stop| **stop == Stop::Budget).count(), 80);
    assert_eq!(pool.counts().over_budget, 80);
}

fn hedging(origins: usize) -> Pool {
    let hedge = Some(Hedge { delay: Some(MS * 50), ..Hedge::default() });
    pool_of(origins, Settings { hedge, ..Settings::default() })
}

#[test]
fn a_slow_read_gets_a_second_attempt_elsewhere_and_the_first_answer_wins() {
    let mut pool = hedging(2);
    let mut plan = Plan::new(READ, &mut pool, at(0));
    assert_eq!(plan.hedge_at(&pool), None);
    let Step::Try(mut first) = plan.next(&mut pool, at(0), 0) else { panic!() };
    assert_eq!(plan.hedge_at(&pool), Some(at(50)));
    assert_eq!(plan.hedge(&mut pool, at(49), 0), None);
    let mut second = plan.hedge(&mut pool, at(50), 0).unwrap();
    assert_ne!(first.origin, second.origin);
    assert!(second.is_hedge);
    assert_eq!(plan.hedge_at(&pool), None);
    plan.report(&mut second, answered(200), &mut pool, at(60));
    assert!(plan.is_settled());
    plan.report(&mut first, Outcome::Cancelled, &mut pool, at(60));
    assert!(plan.is_settled());
    assert_eq!(plan.next(&mut pool, at(60), 0), Step::Stop(Stop::Settled));
    pool.end(&mut second.ticket, answered(200), at(61));
    assert_eq!(pool.counts().hedges, 1);
    assert!(pool.states(at(61)).all(|state| state.failures == 0 && state.in_flight == 0));
}

#[test]
fn a_failure_waits_for_the_attempt_beside_it() {
    let mut pool = hedging(3);
    let mut plan = Plan::new(READ, &mut pool, at(0));
    let Step::Try(mut first) = plan.next(&mut pool, at(0), 0) else { panic!() };
    let mut second = plan.hedge(&mut pool, at(50), 0).unwrap();
    plan.report(&mut first, answered(502), &mut pool, at(55));
    assert_eq!(plan.next(&mut pool, at(55), 0), Step::Await);
    plan.report(&mut second, Outcome::Broken, &mut pool, at(56));
    let Step::Try(third) = plan.next(&mut pool, at(56), 0) else { panic!() };
    assert!(third.origin != first.origin && third.origin != second.origin);
}

#[test]
fn writes_and_lone_origins_are_not_hedged() {
    let mut pool = hedging(2);
    for facts in [WRITE, RequestFacts { is_read: false, ..READ }, STREAMED_PUT] {
        let mut plan = Plan::new(facts, &mut pool, at(0));
        let Step::Try(mut attempt) = plan.next(&mut pool, at(0), 0) else { panic!() };
        assert_eq!(plan.hedge_at(&pool), None);
        assert_eq!(plan.hedge(&mut pool, at(99), 0), None);
        plan.report(&mut attempt, answered(200), &mut pool, at(99));
        pool.end(&mut attempt.ticket, answered(200), at(99));
    }
    let mut lone = hedging(1);
    let mut plan = Plan::new(READ, &mut lone, at(0));
    assert!(matches!(plan.next(&mut lone, at(0), 0), Step::Try(_)));
    assert_eq!(plan.hedge(&mut lone, at(50), 0), None);
    assert_eq!(plan.hedge_at(&lone), None, "it is not worth asking again");
}

#[test]
fn the_delay_of_a_hedge_is_the_95th_percentile_of_enough_answers() {
    let mut pool = pool_of(2, Settings { hedge: Some(Hedge::default()), ..Settings::default() });
    for count in 0..=100_u32 {
        let mut plan = Plan::new(READ, &mut pool, at(0));
        let Step::Try(mut attempt) = plan.next(&mut pool, at(0), 0) else { panic!() };
        assert_eq!(plan.hedge_at(&pool).is_some(), count >= 100);
        if let Some(delay) = plan.hedge_at(&pool) {
            assert!((20..=25).contains(&delay.since_start().as_millis()), "{delay:?}");
        }
        let outcome = Outcome::answered(StatusCode::OK, MS * 20);
        plan.report(&mut attempt, outcome, &mut pool, at(0));
        pool.end(&mut attempt.ticket, outcome, at(0));
    }
}

#[test]
fn requests_queue_when_every_origin_is_full_and_too_many_are_refused() {
    let balance = Balance { in_flight_max: 1, pending_max: 2, ..Balance::default() };
    let mut pool = pool_of(1, Settings { balance, ..Settings::default() });
    let mut plans: Vec<Plan> = (0..4).map(|_| Plan::new(READ, &mut pool, at(0))).collect();
    let Step::Try(mut served) = plans[0].next(&mut pool, at(0), 0) else { panic!() };
    let Step::WaitInQueue(one) = plans[1].next(&mut pool, at(0), 0) else { panic!() };
    let Step::WaitInQueue(two) = plans[2].next(&mut pool, at(10), 0) else { panic!() };
    let overloaded = Step::Stop(Stop::Refused(Refused::Overloaded));
    assert_eq!(plans[3].next(&mut pool, at(10), 0), overloaded);
    assert_eq!(pool.poll_waiting(at(10)), None);
    plans[0].report(&mut served, answered(200), &mut pool, at(20));
    assert_eq!(pool.poll_waiting(at(20)), None, "its body still comes");
    pool.end(&mut served.ticket, answered(200), at(30));
    let mut late = Plan::new(READ, &mut pool, at(30));
    assert_eq!(late.next(&mut pool, at(30), 0), overloaded, "nobody overtakes");
    assert_eq!(pool.poll_waiting(at(30)), Some(one));
    assert_eq!(pool.poll_waiting(at(30)), None);
    let Step::Try(mut served) = plans[1].next(&mut pool, at(30), 0) else { panic!() };
    assert_eq!(pool.poll_waiting(at(2_009)), None);
    assert_eq!(pool.poll_deadline(at(2_009)), Some(at(2_010)));
    assert_eq!(pool.poll_waiting(at(2_010)), Some(two), "its time is over");
    assert_eq!(plans[2].next(&mut pool, at(2_010), 0), overloaded);
    assert_eq!((pool.waiting(), pool.counts().overloaded), (0, 3));
    pool.end(&mut served.ticket, answered(200), at(2_011));
}

#[test]
fn a_further_attempt_goes_to_the_second_tier_before_it_repeats_one() {
    let mut origins = vec![Origin::new("a"), Origin::new("b")];
    origins[1].tier = Tier::Secondary;
    let mut pool = Pool::new(Settings::default(), origins, at(0)).unwrap();
    let mut plan = Plan::new(READ, &mut pool, at(0));
    let Step::Try(mut first) = plan.next(&mut pool, at(0), 0) else { panic!() };
    assert_eq!(pool.origin(first.origin).unwrap().name, "a");
    plan.report(&mut first, Outcome::NotSent, &mut pool, at(0));
    let Step::Try(second) = plan.next(&mut pool, at(0), 0) else { panic!() };
    assert_eq!(pool.origin(second.origin).unwrap().name, "b");
}

#[test]
fn never_repeats_what_an_origin_may_have_acted_on() {
    let outcomes = [
        Outcome::NotSent,
        Outcome::Broken,
        Outcome::TimedOut,
        Outcome::Refused,
        Outcome::Cancelled,
        answered(503),
        answered(200),
    ];
    for first in outcomes {
        for second in outcomes {
            for third in outcomes {
                for origins in 1..4 {
                    let script = [first, second, third];
                    let (asked, _, _) = play(WRITE, origins, &script, 1);
                    let before = &script[..asked.saturating_sub(1)];
                    let acted = before.iter().any(|outcome| *outcome != Outcome::NotSent);
                    assert!(!acted, "{script:?} of {origins} asked {asked}");
                }
            }
        }
    }
}

use core::time::Duration;

use http::StatusCode;

use super::*;
use crate::origin::Tier;
use crate::request::{Outcome, RequestFacts, Tried};
use crate::settings::{Balance, Passive, Probes, Tiers};

const READ: RequestFacts = RequestFacts { is_read: true, is_idempotent: true, is_replayable: true };
const WRITE: RequestFacts =
    RequestFacts { is_read: false, is_idempotent: false, is_replayable: false };

fn at(ms: u64) -> Instant {
    Instant::new(Duration::from_millis(ms))
}

fn answered(status: u16, latency_ms: u64) -> Outcome {
    let status = StatusCode::from_u16(status).unwrap();
    Outcome::answered(status, Duration::from_millis(latency_ms))
}

/// Origins by name; those in capitals are secondary.
fn pool_of(names: &str, settings: Settings) -> Pool {
    let origins = names.chars().map(|name| {
        let tier = if name.is_uppercase() { Tier::Secondary } else { Tier::Primary };
        Origin { tier, ..Origin::new(name) }
    });
    Pool::new(settings, origins.collect(), at(0)).unwrap()
}

fn id(pool: &Pool, name: &str) -> OriginId {
    pool.states(at(0)).find(|state| state.origin.name == name).unwrap().id
}

fn condition(pool: &Pool, name: &str, now: Instant) -> Condition {
    pool.states(now).find(|state| state.origin.name == name).unwrap().condition
}

/// One attempt at the origin, however it was chosen.
fn attempt(pool: &mut Pool, name: &str, outcome: Outcome, now: Instant) {
    let pick = Pick { origin: id(pool, name), kind: PickKind::Usual };
    let mut ticket = pool.begin(pick, now);
    pool.end(&mut ticket, outcome, now);
}

fn eject(pool: &mut Pool, names: &str, now: Instant) {
    for name in names.chars() {
        for _ in 0..2 {
            attempt(pool, &name.to_string(), Outcome::Broken, now);
        }
    }
}

/// The names of all that are chosen over many random numbers, in order, and how.
fn chosen(pool: &Pool, facts: RequestFacts, now: Instant) -> (String, Vec<PickKind>) {
    let (mut names, mut kinds) = (Vec::new(), Vec::new());
    for random in 0..300 {
        let pick = pool.clone().pick(&facts, &Tried::default(), now, random).unwrap();
        names.push(pool.origin(pick.origin).unwrap().name.clone());
        kinds.push(pick.kind);
    }
    names.sort();
    names.dedup();
    kinds.dedup();
    (names.concat(), kinds)
}

#[test]
fn a_tier_is_used_when_nobody_of_the_one_before_is_usable() {
    use PickKind::{Panic, Usual};
    for (origins, ejected, expected, kind) in [
        ("abAB", "", "ab", Usual),
        ("abAB", "a", "b", Usual),
        ("abcA", "ab", "c", Usual),
        ("abAB", "ab", "AB", Usual),
        ("abAB", "abA", "B", Usual),
        ("ab", "a", "b", Usual),
        ("abcd", "ab", "cd", Usual),
        ("abc", "ab", "abc", Panic),
        ("abABC", "abAB", "ABC", Panic),
        ("a", "a", "a", Panic),
        ("aA", "aA", "a", Panic),
    ] {
        let mut pool = pool_of(origins, Settings::default());
        eject(&mut pool, ejected, at(1));
        assert_eq!(
            chosen(&pool, WRITE, at(2)),
            (expected.into(), vec![kind]),
            "{origins} {ejected}"
        );
    }
}

#[test]
fn panic_can_be_moved_or_forbidden() {
    for (percent, expected) in [(100, "a"), (67, "a"), (66, "abc"), (0, "abc")] {
        let tiers = Tiers { panic_down_percent: percent, ..Tiers::default() };
        let mut pool = pool_of("abc", Settings { tiers, ..Settings::default() });
        eject(&mut pool, "bc", at(1));
        assert_eq!(chosen(&pool, WRITE, at(2)).0, expected, "{percent}");
    }
}

#[test]
fn at_most_half_of_a_tier_is_ejected_unless_a_later_one_can_take_over() {
    for (origins, failing, expected) in [
        ("a", "a", 1),
        ("ab", "ab", 1),
        ("abc", "abc", 2),
        ("abcd", "abcd", 2),
        ("abcde", "abcde", 3),
        ("abcdA", "abcd", 4),
        ("abAB", "abAB", 3),
    ] {
        let mut pool = pool_of(origins, Settings::default());
        eject(&mut pool, failing, at(1));
        let is_ejected = |name: &char| {
            matches!(condition(&pool, &name.to_string(), at(2)), Condition::Ejected { .. })
        };
        let ejected = origins.chars().filter(is_ejected).count();
        assert_eq!(ejected, expected, "{origins}");
    }
}

#[test]
fn reads_are_risked_on_trial_and_writes_only_when_nobody_is_usable() {
    let mut pool = pool_of("ab", Settings::default());
    eject(&mut pool, "a", at(0));
    assert_eq!(chosen(&pool, READ, at(4_999)), ("b".into(), vec![PickKind::Usual]));
    assert_eq!(chosen(&pool, READ, at(5_000)), ("a".into(), vec![PickKind::Trial]));
    assert_eq!(chosen(&pool, WRITE, at(5_000)), ("b".into(), vec![PickKind::Usual]));
    let pick = pool.pick(&READ, &Tried::default(), at(5_000), 0).unwrap();
    let mut trial = pool.begin(pick, at(5_000));
    assert_eq!(
        chosen(&pool, READ, at(5_001)),
        ("b".into(), vec![PickKind::Usual]),
        "one at a time"
    );
    pool.end(&mut trial, Outcome::Cancelled, at(5_001));
    assert_eq!(chosen(&pool, READ, at(5_001)).1, [PickKind::Trial], "it said nothing");
    assert_eq!(chosen(&pool, WRITE, at(14_999)).0, "b");
    assert_eq!(chosen(&pool, WRITE, at(15_000)).1, [PickKind::Trial], "it has waited for long");
    let mut lone = pool_of("a", Settings::default());
    eject(&mut lone, "a", at(0));
    assert_eq!(chosen(&lone, WRITE, at(5_000)).1, [PickKind::Trial]);
}

#[test]
fn two_good_trials_bring_an_origin_back_slowly() {
    let mut pool = pool_of("ab", Settings::default());
    eject(&mut pool, "a", at(0));
    for _ in 0..2 {
        assert_eq!(condition(&pool, "a", at(5_000)), Condition::OnTrial);
        let pick = pool.pick(&READ, &Tried::default(), at(5_000), 0).unwrap();
        assert_eq!(pick, Pick { origin: id(&pool, "a"), kind: PickKind::Trial });
        let mut ticket = pool.begin(pick, at(5_000));
        pool.end(&mut ticket, answered(200, 5), at(5_005));
    }
    assert_eq!(condition(&pool, "a", at(5_005)), Condition::Starting { share_permille: 100 });
    assert_eq!(condition(&pool, "a", at(10_005)), Condition::Starting { share_permille: 550 });
    assert_eq!(condition(&pool, "a", at(15_005)), Condition::Usable);
}

#[test]
fn a_trial_costs_a_request_only_while_it_could_be_repeated() {
    let mut pool = pool_of("ab", Settings::default());
    eject(&mut pool, "a", at(0));
    while pool.try_withdraw(at(5_000)) {}
    assert_eq!(chosen(&pool, READ, at(5_000)).1, [PickKind::Usual]);
}

#[test]
fn a_good_head_whose_body_breaks_is_a_failure_and_counts_once() {
    let mut pool = pool_of("ab", Settings::default());
    let pick = Pick { origin: id(&pool, "a"), kind: PickKind::Usual };
    for (outcomes, failures, in_a_row) in [
        (&[answered(200, 1), answered(200, 1)][..], 0, 0),
        (&[answered(200, 1), Outcome::Cancelled], 0, 0),
        (&[answered(200, 1), Outcome::Broken, Outcome::Broken], 1, 1),
        (&[answered(404, 1), Outcome::Broken], 2, 1),
        (&[answered(200, 1), answered(503, 1)], 3, 1),
        (&[Outcome::Cancelled, Outcome::Broken], 3, 1),
    ] {
        let mut ticket = pool.begin(pick, at(0));
        for outcome in outcomes {
            pool.note(&mut ticket, *outcome, at(1));
        }
        assert_eq!(pool.states(at(1)).next().unwrap().in_flight, 1);
        pool.end(&mut ticket, Outcome::Cancelled, at(1));
        pool.end(&mut ticket, Outcome::Cancelled, at(1));
        let state = pool.states(at(1)).next().unwrap();
        assert_eq!((state.failures, state.in_flight), (failures, 0), "{outcomes:?}");
        assert_eq!(state.failures_in_row, in_a_row, "{outcomes:?}");
    }
}

#[test]
fn only_a_503_may_ask_for_time() {
    let passive = Passive::default();
    for (status, is_ejected) in [(503, true), (502, false), (429, false), (200, false)] {
        let mut pool = pool_of("ab", Settings { passive: passive.clone(), ..Settings::default() });
        let outcome = Outcome::Answered {
            status: StatusCode::from_u16(status).unwrap(),
            latency: Duration::ZERO,
            retry_after: Some(Duration::from_secs(20)),
        };
        attempt(&mut pool, "a", outcome, at(0));
        let expected = Condition::Ejected { until: at(20_000) };
        assert_eq!(condition(&pool, "a", at(0)) == expected, is_ejected, "{status}");
    }
}

#[test]
fn five_hundred_is_a_failure_where_the_settings_say_so() {
    for (statuses, expected) in [(vec![], false), (vec![StatusCode::INTERNAL_SERVER_ERROR], true)] {
        let passive = Passive { failure_statuses: statuses, ..Passive::default() };
        let pool = pool_of("a", Settings { passive, ..Settings::default() });
        assert_eq!(pool.is_failure(answered(500, 1)), expected);
        assert!(!pool.is_failure(answered(503, 1)));
    }
}

#[test]
fn probes_take_down_and_bring_up_and_shorten_an_ejection() {
    let probes = Some(Probes { jitter_percent: 0, ..Probes::default() });
    let mut pool = pool_of("abc", Settings { probes, ..Settings::default() });
    let (a, b) = (id(&pool, "a"), id(&pool, "b"));
    let round = |pool: &mut Pool, now: Instant, failing: &[OriginId]| {
        let mut probed = 0;
        while let Some(origin) = pool.poll_probe(now, 1) {
            pool.handle_probe(origin, !failing.contains(&origin), now);
            probed += 1;
        }
        assert_eq!(probed, 3);
    };
    round(&mut pool, at(0), &[a]);
    assert_eq!(condition(&pool, "a", at(0)), Condition::Usable);
    round(&mut pool, at(5_000), &[a]);
    assert_eq!(condition(&pool, "a", at(5_000)), Condition::Down);
    assert_eq!(chosen(&pool, READ, at(5_000)).0, "bc");
    for second in [10, 15, 20] {
        assert_eq!(condition(&pool, "a", at(second * 1_000)), Condition::Down);
        round(&mut pool, at(second * 1_000), &[]);
    }
    assert_eq!(condition(&pool, "a", at(20_000)), Condition::Starting { share_permille: 100 });
    for now in [21_000, 26_000, 36_000, 56_000] {
        eject(&mut pool, "b", at(now));
        pool.handle_time(at(now + 20_000));
    }
    assert_eq!(pool.member(b).unwrap().breaker.ejections(), 4, "the fourth is for 40 s");
    let mut pool = pool_of("abc", Settings { probes, ..Settings::default() });
    pool.settings.passive.ejection = Duration::from_secs(60);
    round(&mut pool, at(0), &[]);
    round(&mut pool, at(5_000), &[]);
    eject(&mut pool, "b", at(6_000));
    for second in [10, 15, 20] {
        assert!(matches!(condition(&pool, "b", at(second * 1_000)), Condition::Ejected { .. }));
        round(&mut pool, at(second * 1_000), &[]);
    }
    assert_eq!(condition(&pool, "b", at(20_000)), Condition::OnTrial, "three since the ejection");
}

#[test]
fn says_when_something_changes_by_itself() {
    let mut pool = pool_of("ab", Settings::default());
    assert_eq!(pool.poll_deadline(at(0)), None);
    eject(&mut pool, "a", at(1));
    assert_eq!(pool.poll_deadline(at(2)), Some(at(5_001)));
    assert_eq!(pool.poll_deadline(at(9_999)), Some(at(9_999)));
    pool.wait(at(2)).unwrap();
    assert_eq!(pool.poll_deadline(at(2)), Some(at(2_002)));
    let mut probed =
        pool_of("a", Settings { probes: Some(Probes::default()), ..Settings::default() });
    assert_eq!(probed.poll_deadline(at(0)), Some(at(0)));
    probed.poll_probe(at(0), 0).unwrap();
    assert_eq!(probed.poll_deadline(at(0)), Some(at(2_000)), "the probe's timeout");
    assert_eq!(probed.poll_probe(at(2_000), 0), None);
    assert!(probed.poll_deadline(at(2_000)).unwrap() >= at(4_000));
}

#[test]
fn a_new_list_keeps_the_state_of_those_who_stay() {
    let mut pool = pool_of("abc", Settings::default());
    let (a, b) = (id(&pool, "a"), id(&pool, "b"));
    eject(&mut pool, "a", at(0));
    let mut ticket = pool.begin(Pick { origin: b, kind: PickKind::Usual }, at(0));
    let mut list = vec![Origin::new("d"), Origin::new("a"), Origin::new("c")];
    list[2].weight = 0;
    pool.set_origins(list, at(10)).unwrap();
    assert_eq!(id(&pool, "a"), a);
    assert!(matches!(condition(&pool, "a", at(10)), Condition::Ejected { .. }));
    assert_eq!(condition(&pool, "c", at(10)), Condition::Drained);
    assert_eq!(condition(&pool, "d", at(10)), Condition::Starting { share_permille: 100 });
    let d = id(&pool, "d");
    assert_eq!((d.slot(), pool.origin(b)), (b.slot(), None), "the place is taken, the id is not");
    pool.end(&mut ticket, Outcome::Broken, at(11));
    let state = pool.states(at(11)).find(|state| state.id == d).unwrap();
    assert_eq!((state.in_flight, state.failures), (0, 0));
}

#[test]
fn refuses_lists_that_are_empty_too_long_or_repeat_a_name() {
    let of = |count: usize| (0..count).map(|at| Origin::new(at.to_string())).collect::<Vec<_>>();
    let new = |origins| Pool::new(Settings::default(), origins, at(0)).map(|_| ());
    assert_eq!(new(vec![]), Err(OriginsError::Empty));
    assert_eq!(new(of(64)), Ok(()));
    assert_eq!(new(of(65)), Err(OriginsError::TooMany));
    assert_eq!(new(vec![Origin::new("a"), Origin::new("a")]), Err(OriginsError::Repeated(1)));
    let mut pool = pool_of("a", Settings::default());
    assert!(pool.set_origins(vec![], at(0)).is_err());
    assert_eq!(pool.states(at(0)).count(), 1);
}

#[test]
fn a_pool_without_anybody_enlisted_refuses() {
    let origin = Origin { weight: 0, ..Origin::new("a") };
    let mut pool = Pool::new(Settings::default(), vec![origin], at(0)).unwrap();
    assert_eq!(pool.pick(&READ, &Tried::default(), at(0), 0), Err(Refused::NoOrigin));
}

#[test]
fn an_origins_own_limit_counts_before_the_pools() {
    let balance = Balance { in_flight_max: 3, ..Balance::default() };
    let mut pool = pool_of("ab", Settings { balance, ..Settings::default() });
    let mut list = vec![Origin::new("a"), Origin::new("b")];
    list[0].in_flight_max = Some(1);
    pool.set_origins(list, at(0)).unwrap();
    let mut count = 0;
    while let Ok(pick) = pool.pick(&READ, &Tried::default(), at(0), count) {
        let _ticket = pool.begin(pick, at(0));
        count += 1;
    }
    let in_flight: Vec<u32> = pool.states(at(0)).map(|state| state.in_flight).collect();
    assert_eq!(in_flight, [1, 3]);
    assert_eq!(pool.pick(&READ, &Tried::default(), at(0), 0), Err(Refused::Busy));
}

#[test]
fn the_slower_of_two_gets_little_and_a_quick_refusal_is_not_quick() {
    for (outcome, elapsed_ms) in [(answered(200, 200), 200), (answered(503, 1), 1)] {
        let passive = Passive { failures_in_row: 99, ..Passive::default() };
        let mut pool = pool_of("ab", Settings { passive, ..Settings::default() });
        let pick = Pick { origin: id(&pool, "a"), kind: PickKind::Usual };
        let mut ticket = pool.begin(pick, at(0));
        pool.end(&mut ticket, outcome, at(elapsed_ms));
        attempt(&mut pool, "b", answered(200, 20), at(elapsed_ms));
        assert_eq!(chosen(&pool, READ, at(elapsed_ms)).0, "b", "{outcome:?}");
    }
}

#[test]
fn a_returned_origin_is_not_judged_by_its_bad_time_nor_flooded_for_its_emptiness() {
    let mut pool = pool_of("ab", Settings::default());
    let pick = Pick { origin: id(&pool, "a"), kind: PickKind::Usual };
    for _ in 0..2 {
        let mut ticket = pool.begin(pick, at(0));
        pool.end(&mut ticket, Outcome::TimedOut, at(10_000));
    }
    for _ in 0..2 {
        let pick = pool.pick(&READ, &Tried::default(), at(15_000), 0).unwrap();
        assert_eq!(pick.kind, PickKind::Trial);
        let mut ticket = pool.begin(pick, at(15_000));
        pool.end(&mut ticket, answered(200, 5), at(15_005));
    }
    let latencies: Vec<_> = pool.states(at(15_005)).map(|state| state.latency).collect();
    assert_eq!(latencies[0], latencies[1], "as the other's");
    attempt(&mut pool, "b", answered(200, 400), at(15_005));
    let chosen = (0..1_000).filter(|random| {
        let picked = pool.clone().pick(&READ, &Tried::default(), at(15_005), *random).unwrap();
        picked.origin == id(&pool, "a")
    });
    // A tenth of a share, drawn first or second: 2 × 0.1 / 1.1.
    let count = chosen.count();
    assert!((130..=230).contains(&count), "{count} of 1,000 although it is much cheaper");
}

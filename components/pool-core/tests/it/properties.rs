//! What must hold, whatever the origins do.

use std::time::Duration;

use pool_core::settings::{Balance, Deadlines, Hedge, Passive, Probes, Retries};
use pool_core::{Condition, Origin, PickKind, Settings, Tier};

use crate::rng::Rng;
use crate::sim::Behaviour::{Away, Dead, Empty, Flapping, Garbage, Silent, Well};
use crate::sim::{Behaviour, READ, Sim, WRITE, at};

/// Further attempts that the default budget allows over a time.
fn allowed(sim: &Sim, seconds: u64) -> u64 {
    let retries = sim.pool.settings().retries;
    let counts = sim.pool.counts();
    counts.requests * u64::from(retries.budget_percent) / 100
        + seconds * u64::from(retries.budget_per_second)
        + u64::from(retries.budget_max)
}

fn failed(sim: &Sim) -> u64 {
    sim.stops.values().sum()
}

#[test]
fn a_dead_origin_gets_two_requests_and_then_trials_and_no_reader_notices() {
    for (seed, behaviour) in [(1, Dead), (2, Garbage), (3, Away(None)), (4, Away(Some(4)))] {
        let mut sim = Sim::of(3, Settings::default(), Well(20), Rng::seeded(seed));
        sim.script(1, 10_000, behaviour);
        sim.run(100, 120_000);
        // Two failures eject it; a third request may have been in flight.
        let usual = |from| sim.asked(1, from, 120_000).filter(|k| *k == PickKind::Usual).count();
        assert!((1..=3).contains(&usual(10_000)), "{behaviour:?}: {}", usual(10_000));
        assert_eq!(usual(25_000), 0, "{behaviour:?}");
        let trials = sim.asked(1, 10_000, 120_000).filter(|k| *k == PickKind::Trial).count();
        assert!((1..=30).contains(&trials), "{behaviour:?}: {trials} trials");
        assert_eq!(failed(&sim), 0, "{behaviour:?} {:?}", sim.stops);
        assert!(sim.pool.counts().retries <= 40, "{behaviour:?} {:?}", sim.pool.counts());
    }
}

#[test]
fn a_silent_origin_holds_few_requests_and_then_none() {
    let deadlines = Deadlines { head: Duration::from_secs(1), ..Deadlines::default() };
    let mut sim =
        Sim::of(3, Settings { deadlines, ..Settings::default() }, Well(20), Rng::seeded(5));
    sim.script(0, 5_000, Silent);
    sim.run(100, 60_000);
    let usual = sim.asked(0, 6_100, 60_000).filter(|kind| *kind != PickKind::Trial).count();
    assert_eq!(usual, 0);
    // Requests in flight make it dear before its first timeout.
    assert!(sim.asked(0, 5_000, 6_100).count() <= 40);
    assert_eq!(failed(&sim), 0, "{:?}", sim.stops);
}

#[test]
fn with_probes_a_dead_origin_costs_readers_no_trial() {
    let settings = Settings { probes: Some(Probes::default()), ..Settings::default() };
    let mut sim = Sim::of(3, settings, Well(20), Rng::seeded(6));
    sim.script(2, 10_000, Dead);
    sim.run(50, 200_000);
    assert!(sim.asked(2, 11_000, 200_000).count() <= 2, "until the second failed probe");
    assert_eq!(failed(&sim), 0);
}

#[test]
fn an_ejected_origin_that_is_well_again_takes_over_when_the_only_other_one_dies() {
    for seed in 0..20 {
        let mut sim = Sim::of(2, Settings::default(), Well(5), Rng::seeded(seed));
        sim.script(1, 1_000, Garbage);
        sim.script(1, 3_000, Well(5));
        sim.script(0, 3_500, Dead);
        sim.run(500, 20_000);
        // Until two requests have shown that it is well; its ejection would have lasted for seconds.
        assert!(failed(&sim) <= 10, "seed {seed}: {:?}", sim.stops);
        assert!(sim.share(1, 4_000, 20_000) >= 90, "seed {seed}");
    }
}

#[test]
fn further_attempts_stay_within_the_budget_when_everything_fails() {
    for behaviour in [Dead, Garbage, Away(None), Flapping] {
        let mut sim = Sim::of(4, Settings::default(), behaviour, Rng::seeded(7));
        sim.run(500, 20_000);
        let counts = sim.pool.counts();
        let further = counts.retries + counts.hedges;
        assert!(further <= allowed(&sim, 21), "{behaviour:?} {counts:?}");
        let attempts = u64::try_from(sim.asked.len()).unwrap();
        assert_eq!(attempts, counts.requests + further, "{behaviour:?}");
    }
}

#[test]
fn everybody_gets_its_share_of_the_load() {
    for per_second in [20, 200, 2_000] {
        let mut sim = Sim::of(5, Settings::default(), Well(20), Rng::seeded(8));
        sim.run(per_second, 60_000 * 20 / per_second.min(200));
        for slot in 0..5 {
            let share = sim.share(slot, 0, u64::MAX);
            assert!((14..=26).contains(&share), "{per_second}/s: {slot} has {share} %");
        }
        assert_eq!(failed(&sim), 0);
    }
}

#[test]
fn weights_are_shares() {
    let origin = |name: &str, weight| (Origin { weight, ..Origin::new(name) }, vec![(0, Well(20))]);
    let origins = vec![origin("a", 1), origin("b", 2), origin("c", 7), origin("d", 0)];
    for per_second in [20, 500] {
        let mut sim = Sim::new(Settings::default(), origins.clone(), Rng::seeded(9));
        sim.run(per_second, 60_000);
        for (slot, expected) in [(0, 10), (1, 20), (2, 70), (3, 0)] {
            let share = sim.share(slot, 0, u64::MAX);
            let near = expected - expected / 4..=expected + expected / 4 + 3;
            assert!(near.contains(&share), "{per_second}/s: {slot} has {share} %");
        }
    }
}

#[test]
fn nobody_starves_and_the_slow_get_less() {
    let mut sim = Sim::of(4, Settings::default(), Well(20), Rng::seeded(10));
    sim.script(3, 0, Well(400));
    sim.run(200, 120_000);
    for from in [20_000, 60_000, 90_000] {
        for slot in 0..4 {
            assert!(sim.asked(slot, from, from + 30_000).count() > 0, "{slot} from {from}");
        }
        let slow = sim.share(3, from, from + 30_000);
        assert!(slow <= 3, "the slow one has {slow} %");
    }
}

#[test]
fn an_origin_that_was_slow_has_its_share_again_within_two_half_lives() {
    for (seed, per_second, behaviour) in [(19, 200, 3_000), (20, 20, 3_000), (21, 200, 9_000)] {
        let run = |revisit_requests| {
            let balance = Balance { revisit_requests, ..Balance::default() };
            let settings = Settings { balance, ..Settings::default() };
            let mut sim = Sim::of(2, settings, Well(10), Rng::seeded(seed));
            sim.script(1, 10_000, Well(behaviour));
            sim.script(1, 12_500, Well(10));
            sim.run(per_second, 60_000);
            assert_eq!(failed(&sim), 0);
            // From the last slow answer on: that of a request of 12.5 s, a tenth late.
            let recovered = 12_500 + behaviour * 11 / 10 + 10_000;
            sim.share(1, recovered, recovered + 10_000)
        };
        let share = run(Balance::default().revisit_requests);
        assert!((38..=62).contains(&share), "seed {seed}: {share} %");
        let alone = run(u32::MAX);
        assert!(alone <= 1, "seed {seed}: without looks it has {alone} %");
    }
}

#[test]
fn an_origin_that_is_still_slow_meets_a_request_in_fifty_at_most() {
    for (seed, per_second) in [(22, 500), (23, 20), (24, 4)] {
        let mut sim = Sim::of(2, Settings::default(), Well(10), Rng::seeded(seed));
        sim.script(1, 10_000, Well(3_000));
        sim.run(per_second, 120_000);
        // Half of those that arrive until the first slow answer meet it; those are not meant.
        let looks = sim.asked(1, 20_000, 120_000).count();
        let requests = usize::try_from(per_second * 100).unwrap();
        // A look takes 3 s, and the next comes a half-life after it began.
        let most = (requests / 50).min(100 / 5) + 1;
        assert!((1..=most).contains(&looks), "seed {seed}: {looks} of {requests}, not {most}");
    }
}

#[test]
fn a_returned_origin_starts_slowly_and_then_gets_its_share() {
    let mut sim = Sim::of(2, Settings::default(), Well(20), Rng::seeded(11));
    sim.script(0, 10_000, Dead);
    sim.script(0, 30_000, Well(20));
    sim.run(300, 90_000);
    let trials = |sim: &Sim| {
        let mut found = sim.asked.iter().filter(|a| a.slot == 0 && a.kind == PickKind::Trial);
        found.next_back().unwrap().at_ms
    };
    let back = trials(&sim);
    assert!((30_000..65_000).contains(&back), "{back}");
    let second = |from: u64| sim.share(0, back + 100 + from * 1_000, back + 1_100 + from * 1_000);
    let ramp: Vec<u64> = (0..20).map(second).collect();
    assert!((1..=25).contains(&ramp[0]), "{ramp:?}");
    assert!(ramp[4] > ramp[0] && ramp[4] < 48, "{ramp:?}");
    assert!(ramp[12..].iter().all(|share| (38..=62).contains(share)), "{ramp:?}");
}

#[test]
fn a_pool_of_nothing_but_writes_gets_its_origin_back() {
    let mut sim = Sim::of(2, Settings::default(), Well(20), Rng::seeded(18));
    sim.script(0, 10_000, Dead);
    sim.script(0, 20_000, Well(20));
    sim.requests(vec![WRITE]);
    sim.run(100, 120_000);
    assert!((38..=62).contains(&sim.share(0, 100_000, 120_000)));
    assert_eq!(
        failed(&sim),
        0,
        "nothing was sent to the dead one, so it could be sent to the other"
    );
}

#[test]
fn the_second_tier_takes_over_and_gives_back() {
    let mut second = Origin::new("second");
    second.tier = Tier::Secondary;
    let origins = vec![
        (Origin::new("a"), vec![(0, Well(20)), (10_000, Dead), (40_000, Well(20))]),
        (Origin::new("b"), vec![(0, Well(20)), (10_000, Garbage), (40_000, Well(20))]),
        (second, vec![(0, Well(60))]),
    ];
    let mut sim = Sim::new(Settings::default(), origins, Rng::seeded(12));
    sim.run(100, 120_000);
    assert_eq!(sim.share(2, 0, 10_000), 0);
    assert!(sim.share(2, 11_000, 40_000) >= 95);
    assert_eq!(sim.share(2, 110_000, 120_000), 0);
    assert_eq!(failed(&sim), 0, "{:?}", sim.stops);
    assert_eq!(sim.pool.counts().panics, 0);
}

#[test]
fn hedges_cut_the_tail_within_the_budget_and_count_no_failure() {
    let run = |hedge| {
        let settings = Settings { hedge, ..Settings::default() };
        let mut sim = Sim::of(3, settings, Well(20), Rng::seeded(13));
        for second in 0..30 {
            sim.script(1, 5_000 + second * 1_000, Well(1_500));
            sim.script(1, 5_000 + second * 1_000 + 100, Well(20));
        }
        sim.run(200, 40_000);
        assert_eq!(failed(&sim), 0);
        assert!(sim.pool.states(at(90_000)).all(|state| state.failures == 0));
        sim
    };
    assert_eq!(run(None).pool.counts().hedges, 0);
    let sim = run(Some(Hedge::default()));
    let hedges = sim.pool.counts().hedges;
    assert!(hedges > 0 && hedges <= allowed(&sim, 41), "{hedges}");
}

#[test]
fn a_full_pool_queues_and_refuses_but_loses_nobody() {
    let balance = Balance { in_flight_max: 4, pending_max: 16, ..Balance::default() };
    let mut sim =
        Sim::of(2, Settings { balance, ..Settings::default() }, Well(100), Rng::seeded(14));
    sim.run(200, 20_000);
    assert_eq!(sim.in_flight_max, 4);
    let overloaded = sim.pool.counts().overloaded;
    assert!(overloaded > 0);
    assert_eq!(failed(&sim), overloaded, "{:?}", sim.stops);
    // 8 places of 101 ms each.
    let possible = 20_000 * 8 / 101;
    assert!(sim.served > possible * 9 / 10, "{} of {possible}", sim.served);
}

#[test]
fn answers_that_are_no_failures_eject_nobody() {
    let mut sim = Sim::of(2, Settings::default(), Empty, Rng::seeded(15));
    sim.run(100, 10_000);
    let is_usable =
        |sim: &Sim| sim.pool.states(at(10_000)).all(|state| state.condition == Condition::Usable);
    assert!(is_usable(&sim));
    assert_eq!(failed(&sim), 0);
}

fn random_settings(rng: &mut Rng) -> Settings {
    let ms = |rng: &mut Rng, max: u64| Duration::from_millis(rng.below(max));
    let percent = |rng: &mut Rng| u8::try_from(rng.below(101)).unwrap();
    let few = |rng: &mut Rng| u32::try_from(rng.below(6)).unwrap();
    let mut settings = Settings::default();
    settings.balance.latency_half_life = ms(rng, 10_000);
    settings.balance.slow_start = ms(rng, 20_000);
    settings.balance.slow_start_percent = percent(rng);
    settings.balance.in_flight_max = 1 + few(rng) * few(rng) * 10;
    settings.balance.pending_max = usize::try_from(rng.below(30)).unwrap();
    settings.balance.pending_wait_max = ms(rng, 3_000);
    settings.tiers.panic_down_percent = percent(rng);
    settings.tiers.ejected_percent_max = percent(rng);
    settings.passive = Passive {
        failures_in_row: few(rng),
        failures_percent: percent(rng),
        requests_min: few(rng) * 10,
        window: ms(rng, 20_000),
        ejection: ms(rng, 10_000),
        ejection_max: ms(rng, 60_000),
        forgotten_after: ms(rng, 60_000),
        retry_after_max: ms(rng, 30_000),
        ..Passive::default()
    };
    settings.breaker.trials_max = few(rng);
    settings.breaker.successes = few(rng);
    settings.breaker.patience = ms(rng, 20_000);
    settings.probes = (rng.below(2) == 0).then(|| Probes {
        interval: ms(rng, 10_000) + Duration::from_millis(50),
        jitter_percent: percent(rng),
        timeout: ms(rng, 3_000),
        failures_down: few(rng),
        successes_up: few(rng),
    });
    settings.retries = Retries {
        attempts_max: u8::try_from(rng.below(12)).unwrap(),
        budget_percent: percent(rng),
        budget_per_second: few(rng) * few(rng),
        budget_max: few(rng) * 20,
        backoff: ms(rng, 100),
        backoff_max: ms(rng, 1_000),
    };
    settings.hedge = (rng.below(2) == 0).then(|| Hedge {
        delay: (rng.below(2) == 0).then(|| ms(rng, 100)),
        delay_min: ms(rng, 30),
        answers_min: few(rng) * 20,
    });
    settings.deadlines = Deadlines {
        overall: ms(rng, 15_000),
        connect: ms(rng, 1_000),
        head: ms(rng, 5_000),
        attempt_min: ms(rng, 200),
    };
    settings
}

fn random_behaviour(rng: &mut Rng) -> Behaviour {
    match rng.below(9) {
        0 => Dead,
        1 => Silent,
        2 => Garbage,
        3 => Away(None),
        4 => Away(Some(rng.below(20))),
        5 => Flapping,
        6 => Empty,
        _ => Well(1 + rng.below(300)),
    }
}

#[test]
fn whatever_happens_every_request_ends_and_every_limit_holds() {
    let mut seeds = Rng::seeded(16);
    for _ in 0..60 {
        let mut rng = Rng::seeded(seeds.next());
        let settings = random_settings(&mut rng);
        let count = 1 + rng.below(6);
        let mut origins = Vec::new();
        for name in 0..count {
            let mut origin = Origin::new(name.to_string());
            origin.weight = u16::try_from(rng.below(5)).unwrap();
            if rng.below(3) == 0 {
                origin.tier = Tier::Secondary;
            }
            let mut script = vec![(0, random_behaviour(&mut rng))];
            for turn in 1..6 {
                script.push((turn * 4_000, random_behaviour(&mut rng)));
            }
            origins.push((origin, script));
        }
        let per_second = 5 + rng.below(100);
        let mut sim = Sim::new(settings, origins, rng);
        sim.requests(vec![READ, READ, WRITE]);
        sim.run(per_second, 24_000);
        let counts = sim.pool.counts();
        assert!(counts.retries + counts.hedges <= allowed(&sim, 60), "{counts:?}");
    }
}

#[test]
fn with_one_good_origin_readers_hardly_notice_what_the_others_do() {
    let mut seeds = Rng::seeded(17);
    for _ in 0..20 {
        let mut rng = Rng::seeded(seeds.next());
        let mut origins = vec![(Origin::new("good"), vec![(0, Well(20))])];
        for name in ["x", "y"] {
            let mut script = vec![(0, Well(20))];
            for turn in 1..10 {
                let behaviour = match rng.below(4) {
                    0 => Dead,
                    1 => Garbage,
                    2 => Flapping,
                    _ => Well(20),
                };
                script.push((turn * 5_000, behaviour));
            }
            origins.push((Origin::new(name), script));
        }
        let settings = Settings { probes: Some(Probes::default()), ..Settings::default() };
        let mut sim = Sim::new(settings, origins, rng);
        sim.run(100, 50_000);
        let (failed, requests) = (failed(&sim), sim.pool.counts().requests);
        assert!(failed * 200 <= requests, "{failed} of {requests}: {:?}", sim.stops);
    }
}

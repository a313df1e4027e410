use proptest::prelude::*;

use super::*;

const EJECT: Failure = Failure { retry_after: None, may_eject: true };

/// A breaker with the default settings and a clock.
struct Bench {
    breaker: Breaker,
    passive: Passive,
    settings: settings::Breaker,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self {
            breaker: Breaker::new(Instant::START),
            passive: Passive::default(),
            settings: settings::Breaker::default(),
            now: Instant::START,
        }
    }

    fn fail(&mut self) -> bool {
        self.fail_with(EJECT)
    }

    fn fail_with(&mut self, failure: Failure) -> bool {
        self.breaker.handle_failure(self.breaker.epoch(), failure, &self.passive, self.now)
    }

    fn succeed(&mut self) -> bool {
        self.breaker.handle_success(self.breaker.epoch(), &self.settings, &self.passive, self.now)
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.after(Duration::from_millis(ms));
        self.breaker.handle_time(self.now);
    }

    fn name(&self) -> &'static str {
        match self.breaker.state() {
            State::Closed => "closed",
            State::Open { .. } => "open",
            State::HalfOpen { .. } => "half-open",
        }
    }

    fn left_ms(&self) -> u128 {
        match self.breaker.state() {
            State::Open { until, .. } => until.since(self.now).as_millis(),
            _ => 0,
        }
    }
}

#[test]
fn every_event_in_every_state_leads_where_the_drawing_says() {
    type Event = fn(&mut Bench);
    let events: [(&str, Event); 7] = [
        ("success", |bench| {
            bench.succeed();
        }),
        ("two successes", |bench| {
            bench.succeed();
            bench.succeed();
        }),
        ("failure", |bench| {
            bench.fail();
        }),
        ("two failures", |bench| {
            bench.fail();
            bench.fail();
        }),
        ("short time", |bench| bench.pass(10)),
        ("long time", |bench| bench.pass(60_000)),
        ("probes", |bench| bench.breaker.handle_probes_succeeded(bench.now)),
    ];
    let states: [(&str, Event, [&str; 7]); 3] = [
        ("closed", |_| {}, ["closed", "closed", "closed", "open", "closed", "closed", "closed"]),
        (
            "open",
            |bench| {
                bench.fail();
                bench.fail();
            },
            ["open", "closed", "open", "open", "open", "half-open", "half-open"],
        ),
        (
            "half-open",
            |bench| {
                bench.fail();
                bench.fail();
                bench.pass(5_000);
            },
            ["half-open", "closed", "open", "open", "half-open", "half-open", "half-open"],
        ),
    ];
    for (from, arrive, expected) in states {
        for ((event, act), to) in events.iter().zip(expected) {
            let mut bench = Bench::new();
            arrive(&mut bench);
            assert_eq!(bench.name(), from);
            act(&mut bench);
            assert_eq!(bench.name(), to, "{from} + {event}");
        }
    }
}

#[test]
fn a_success_between_failures_starts_the_row_again() {
    let mut bench = Bench::new();
    for _ in 0..9 {
        assert!(!bench.fail());
        bench.succeed();
        bench.succeed();
    }
    assert_eq!(bench.name(), "closed");
}

#[test]
fn half_of_enough_requests_in_the_window_eject() {
    let mut bench = Bench::new();
    for _ in 0..9 {
        bench.fail();
        bench.succeed();
    }
    assert_eq!(bench.name(), "closed", "18 requests are too few");
    bench.succeed();
    assert!(bench.fail(), "10 of 20");
    let mut bench = Bench::new();
    for _ in 0..50 {
        bench.fail();
        bench.succeed();
        bench.pass(1_000);
    }
    assert_eq!(bench.name(), "closed", "never 20 within 10 s");
}

#[test]
fn ejections_double_up_to_a_minute_and_are_forgotten_after_one_of_health() {
    let mut bench = Bench::new();
    bench.fail();
    bench.fail();
    for expected in [5_000, 10_000, 20_000, 40_000, 60_000, 60_000] {
        assert_eq!(bench.left_ms(), expected);
        bench.pass(60_000);
        assert!(bench.fail(), "one failed trial is enough");
    }
    bench.pass(60_000);
    bench.succeed();
    assert!(bench.succeed());
    bench.pass(59_999);
    bench.fail();
    bench.fail();
    assert_eq!(bench.left_ms(), 60_000);
    bench.pass(60_000);
    bench.succeed();
    bench.succeed();
    bench.pass(60_000);
    bench.fail();
    bench.fail();
    assert_eq!(bench.left_ms(), 5_000);
}

#[test]
fn nobody_is_ejected_when_the_tier_has_lost_enough() {
    let mut bench = Bench::new();
    for _ in 0..99 {
        assert!(!bench.fail_with(Failure { retry_after: None, may_eject: false }));
    }
    assert!(bench.fail(), "but at once when that changes");
}

#[test]
fn a_named_time_ejects_at_once_up_to_a_bound_and_probes_do_not_shorten_it() {
    for (told_s, expected_ms) in [(0, 0), (7, 7_000), (3_600, 30_000)] {
        let mut bench = Bench::new();
        let retry_after = Some(Duration::from_secs(told_s));
        bench.fail_with(Failure { retry_after, may_eject: true });
        assert_eq!(bench.left_ms(), expected_ms);
        bench.breaker.handle_probes_succeeded(bench.now);
        assert_eq!(bench.left_ms(), expected_ms);
        assert_eq!(bench.breaker.ejections(), 0);
    }
}

#[test]
fn what_began_in_an_earlier_state_says_nothing_about_this_one() {
    let mut bench = Bench::new();
    let old = bench.breaker.epoch();
    bench.fail();
    bench.fail();
    bench.pass(5_000);
    assert_eq!(bench.name(), "half-open");
    bench.breaker.begin_trial();
    assert!(!bench.breaker.handle_failure(old, EJECT, &bench.passive, bench.now));
    bench.breaker.handle_success(old, &bench.settings, &bench.passive, bench.now);
    bench.breaker.end_trial(old);
    assert_eq!(bench.breaker.state(), State::HalfOpen { trials: 1, successes: 0 });
}

#[test]
fn trials_are_limited() {
    let mut bench = Bench::new();
    assert!(!bench.breaker.may_try(&bench.settings));
    bench.fail();
    bench.fail();
    assert!(!bench.breaker.may_try(&bench.settings));
    bench.pass(5_000);
    assert!(bench.breaker.may_try(&bench.settings));
    bench.breaker.begin_trial();
    assert!(!bench.breaker.may_try(&bench.settings));
    bench.breaker.end_trial(bench.breaker.epoch());
    assert!(bench.breaker.may_try(&bench.settings));
}

proptest! {
    #[test]
    fn no_ejection_is_longer_than_its_bound_and_every_one_ends(
        events in prop::collection::vec((0_u8..7, 0_u64..20_000), 0..200),
    ) {
        let mut bench = Bench::new();
        for (event, number) in events {
            let retry_after = (event == 0).then(|| Duration::from_millis(number * 10));
            match event {
                0..=2 => {
                    bench.fail_with(Failure { retry_after, may_eject: number % 4 > 0 });
                }
                3 => {
                    bench.succeed();
                }
                4 => bench.pass(number),
                5 if bench.breaker.may_try(&bench.settings) => bench.breaker.begin_trial(),
                5 => bench.breaker.end_trial(bench.breaker.epoch()),
                _ => bench.breaker.handle_probes_succeeded(bench.now),
            }
            prop_assert!(bench.left_ms() <= 60_000);
            if let State::HalfOpen { trials, successes } = bench.breaker.state() {
                prop_assert!(trials <= 1 && successes < 2);
            }
        }
        bench.pass(60_000);
        prop_assert_ne!(bench.name(), "open");
    }
}

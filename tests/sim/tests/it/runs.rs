//! The shop as it is.

use std::collections::BTreeMap;

use sim::{Options, Report, StoreKind, run};

/// Seeds of the bounded run among the tests: 100, some ten seconds on two cores. The ring `sim` of `cargo xtask test` runs
/// 1 000 on each store.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=100;
/// The same on PostgreSQL: 16, some twenty seconds.
const SEEDS_POSTGRES: std::ops::RangeInclusive<u64> = 1..=16;
/// Runs at once here: 2, as many as CI has cores.
const JOBS: u64 = 2;

/// Seeds that once found something: `(seed, steps, what it was)`. They stay, whatever the first ones find.
const FOUND: [(u64, u64, &str); 3] = [
    (
        174,
        1_200,
        "an attempt slower than its lease was answered otherwise than the one that overtook it",
    ),
    (382, 1_200, "the same, under a clock that was put right"),
    (535, 1_200, "the same"),
];

fn good(seed: u64, steps: u64, store: StoreKind) -> Report {
    let report = run(&Options { steps, store, ..Options::of_seed(seed) }).unwrap();
    assert!(report.findings.is_empty(), "{report}");
    report
}

/// Runs seeds, and says how often what happened in all of them.
fn all_good(seeds: std::ops::RangeInclusive<u64>, store: StoreKind) -> BTreeMap<&'static str, u64> {
    let reports: Vec<Report> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..JOBS)
            .map(|job| {
                let seeds = seeds.clone().filter(move |seed| seed % JOBS == job);
                scope.spawn(move || seeds.map(|seed| good(seed, 600, store)).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut counts = BTreeMap::new();
    for report in &reports {
        report.counts.iter().for_each(|(&what, count)| *counts.entry(what).or_default() += count);
    }
    counts
}

/// Whether a run over this store can be made here; says so if not.
#[expect(clippy::print_stdout, reason = "tests say what they leave out")]
fn is_there(store: StoreKind) -> bool {
    if !store.is_there() {
        println!("left out on PostgreSQL: {} names no server", pgcluster::TEST_URL);
    }
    store.is_there()
}

#[test]
fn no_seed_of_the_bounded_run_breaks_a_promise() {
    let counts = all_good(SEEDS, StoreKind::Sqlite);
    // A world in which nothing happens keeps every promise.
    for what in [
        "orders",
        "confirmed",
        "kills",
        "stops",
        "nights",
        "clock steps",
        "full queues",
        "provider outages",
        "double clicks",
        "lost checkouts",
        "sign-ins",
    ] {
        assert!(counts.get(what).is_some_and(|&count| count >= 10), "too few {what}: {counts:?}");
    }
}

#[test]
fn two_processes_on_one_database_break_no_promise() {
    if is_there(StoreKind::Postgres) {
        let counts = all_good(SEEDS_POSTGRES, StoreKind::Postgres);
        for what in ["orders", "confirmed", "kills", "cut connections", "double clicks"] {
            assert!(
                counts.get(what).is_some_and(|&count| count >= 2),
                "too few {what}: {counts:?}"
            );
        }
    }
}

#[test]
fn seeds_that_found_something_stay_good() {
    for (seed, steps, what) in FOUND {
        println!("seed {seed}: {what}");
        good(seed, steps, StoreKind::Sqlite);
    }
}

#[test]
fn one_seed_gives_one_run_line_by_line() {
    repeats(&[3, 17, 42], StoreKind::Sqlite);
}

#[test]
fn one_seed_gives_one_run_on_postgresql_when_commands_come_one_after_the_other() {
    if is_there(StoreKind::PostgresInTurn) {
        repeats(&[3, 17], StoreKind::PostgresInTurn);
    }
}

fn repeats(seeds: &[u64], store: StoreKind) {
    for &seed in seeds {
        let once = || run(&Options { keeps_trace: true, store, ..Options::of_seed(seed) }).unwrap();
        let (first, second) = (once(), once());
        let differs = first.trace.iter().zip(&second.trace).find(|(left, right)| left != right);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(first.digest, second.digest, "seed {seed}");
        assert_eq!(first.history, second.history, "seed {seed}");
        assert!(first.trace.len() > 40, "seed {seed}");
    }
}

#[test]
fn another_seed_gives_another_run() {
    let digest = |seed| run(&Options::of_seed(seed)).unwrap().digest;
    assert_ne!(digest(1), digest(2));
}

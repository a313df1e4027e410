//! `cargo xtask sim`: runs seeds on all cores and says what they came to.
#![expect(clippy::print_stdout, reason = "the result of a program")]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Parser;
use sim::{Options, Plant, Report, STEPS_DEFAULT, StoreKind};

/// Simulates the checkout: seeded shoppers, faults and crashes, and checks of the books after each run.
#[derive(Debug, Parser)]
struct Args {
    /// The seed, or the first of several.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds to run, from the first on.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Steps of the rough time of each run.
    #[arg(long, default_value_t = STEPS_DEFAULT)]
    steps: u64,
    /// Runs at once; 0 takes one per core.
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// The store that the shop runs over.
    #[arg(long, value_enum, default_value_t = StoreKind::Sqlite)]
    store: StoreKind,
    /// Print every line of the trace; for one seed.
    #[arg(long)]
    trace: bool,
    /// Write the clients' history of a single seed to this file, as NDJSON.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Run each seed twice and compare the digests.
    #[arg(long)]
    twice: bool,
    /// Go on after a seed has failed.
    #[arg(long)]
    keep_going: bool,
}

/// How often progress is told: every 5 s.
const TELL_EVERY: Duration = Duration::from_secs(5);

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    if args.seeds == 1 {
        return single(&args);
    }
    many(&args)
}

fn options(args: &Args, seed: u64) -> Options {
    Options {
        seed,
        steps: args.steps,
        store: args.store,
        keeps_trace: args.trace && args.seeds == 1,
        plant: Plant::default(),
    }
}

/// Runs a seed; a panic of the shop or of the simulation is a failure like any other.
fn run(args: &Args, seed: u64) -> Result<Report> {
    let options = options(args, seed);
    let report = run_once(&options)?;
    if args.twice {
        let again = run_once(&options)?.digest;
        anyhow::ensure!(
            again == report.digest,
            "seed {seed} is not deterministic: {} and {again}",
            report.digest
        );
    }
    Ok(report)
}

fn run_once(options: &Options) -> Result<Report> {
    let Options { seed, steps, store, .. } = *options;
    let run = catch_unwind(AssertUnwindSafe(|| sim::run(options)));
    run.map_err(|_panic| {
        anyhow::anyhow!(
            "panicked; repeat it: cargo xtask sim --seed {seed} --steps {steps} --store {store}"
        )
    })
    .and_then(|report| report)
    .with_context(|| format!("run seed {seed}"))
}

fn single(args: &Args) -> Result<ExitCode> {
    let report = run(args, args.seed)?;
    for line in &report.trace {
        println!("{line}");
    }
    if let Some(path) = &args.history {
        std::fs::write(path, &report.history)
            .with_context(|| format!("write {}", path.display()))?;
    }
    println!("{report}");
    println!("{} ms", report.took.as_millis());
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn many(args: &Args) -> Result<ExitCode> {
    let started = Instant::now();
    let _prepared = args.store.prepare().context("prepare the runs")?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = if args.jobs == 0 { cores } else { args.jobs };
    let (next, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let results: Mutex<Vec<Result<Report>>> = Mutex::new(Vec::new());
    let told = Mutex::new(Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let offset = next.fetch_add(1, Ordering::Relaxed);
                    if offset >= args.seeds {
                        break;
                    }
                    let result = run(args, args.seed.saturating_add(offset));
                    if !is_good(&result) {
                        tell(&result);
                        is_over.fetch_or(!args.keep_going, Ordering::Relaxed);
                    }
                    let mut results =
                        results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    results.push(result);
                    let mut told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    if told.elapsed() > TELL_EVERY {
                        println!("{} of {} seeds", results.len(), args.seeds);
                        *told = Instant::now();
                    }
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(summarise(args, &results, jobs, started.elapsed()))
}

fn is_good(result: &Result<Report>) -> bool {
    result.as_ref().is_ok_and(|report| report.findings.is_empty())
}

/// Says what is wrong with a seed, as soon as it is known.
fn tell(result: &Result<Report>) {
    match result {
        Ok(report) => println!("{report}"),
        Err(error) => println!("{error:#}"),
    }
}

/// What is wrong with a seed, in a line that begins with `failed seed` and finds its way into the summary of all tests: of
/// what was printed before, a log may keep only the end.
fn in_short(result: &Result<Report>) -> Option<String> {
    let line = match result {
        Ok(report) => {
            let first = report.findings.first()?;
            let (seed, step, count) = (report.seed, report.at_step, report.findings.len());
            format!("failed seed {seed} at step {step}, {count} findings: {first}")
        }
        Err(error) => format!("failed seed: {error:#}"),
    };
    Some(line.replace('\n', " "))
}

fn summarise(args: &Args, results: &[Result<Report>], jobs: usize, took: Duration) -> ExitCode {
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    for report in results.iter().flatten() {
        report.counts.iter().for_each(|(what, count)| *counts.entry(what).or_default() += count);
    }
    let failed = results.iter().filter(|result| !is_good(result)).count();
    println!("{counts:?}");
    for line in results.iter().filter_map(in_short) {
        println!("{line}");
    }
    println!(
        "{} of {} seeds from {} ran, {} steps each, {failed} failed; {:.1} s, {jobs} at once",
        results.len(),
        args.seeds,
        args.seed,
        args.steps,
        took.as_secs_f64()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

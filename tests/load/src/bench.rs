//! The measurement: three servers, the same bytes, interleaved rounds.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use harness::{Client, EdgeOptions, Environment, Process, Role, Stack, StackOptions};

use crate::cli::EdgeArgs;
use crate::client::{self, Turn};
use crate::manifest;
use crate::plain::Plain;
use crate::report::{Report, Series};

/// Lifts the rate limits out of the way.
const RATE_LIMIT_SCALE: (&str, &str) = ("rate_limit_scale", "1000000");
/// Linux counts CPU time in hundredths of a second towards user space.
const TICK_US: u64 = 10_000;

/// A server under measurement.
#[derive(Debug)]
struct Target {
    name: &'static str,
    url: String,
    pid: Option<u32>,
}

/// Starts everything, measures, prints.
pub(crate) async fn run(args: &EdgeArgs) -> Result<()> {
    let environment = Environment::from_env()?;
    let folder = tempfile::tempdir().context("make a folder")?;
    let lifted = vec![(RATE_LIMIT_SCALE.0.to_owned(), RATE_LIMIT_SCALE.1.to_owned())];
    let options = StackOptions {
        edge: EdgeOptions { manifest: None, variables: lifted.clone() },
        unseeded: false,
    };
    say("start the shop")?;
    let mut stack = Stack::start_with(environment.clone(), options).await?;
    let alone = start_catalog_alone(&stack, &environment, folder.path(), lifted).await?;
    let answer = stack.client().get(&args.path).await?;
    let same = Client::new(alone.url()).get(&args.path).await?;
    if answer.status != 200 || same.body != answer.body {
        bail!(
            "{} is not the same 200 from both nodes ({}, {})",
            args.path,
            answer.status,
            same.status
        );
    }
    let plain = Plain::start(&answer, folder.path()).await?;
    let targets = [
        Target { name: "plain hyper", url: plain.url.clone(), pid: plain.pid },
        Target {
            name: "gateway + catalog",
            url: stack.url(Role::Edge),
            pid: stack.process(Role::Edge)?.pid(),
        },
        Target { name: "catalog alone", url: alone.url().to_owned(), pid: alone.pid() },
    ];
    let mut report = Report::new(args, answer.body.len(), targets.iter().map(|target| target.name));
    for round in 0..args.rounds {
        say(&format!("round {} of {}", round + 1, args.rounds))?;
        // Another one begins each round, so that none always follows the same neighbour.
        for at in (0..targets.len()).map(|at| (at + round as usize) % targets.len()) {
            if let (Some(target), Some(series)) = (targets.get(at), report.series.get_mut(at)) {
                take_turn(args, target, series).await?;
            }
        }
    }
    drop((alone, plain));
    report.print(args.json)
}

async fn start_catalog_alone(
    stack: &Stack,
    environment: &Environment,
    folder: &Path,
    variables: Vec<(String, String)>,
) -> Result<Process> {
    let original = environment.manifest();
    let original = std::fs::read_to_string(&original)
        .with_context(|| format!("read {}", original.display()))?;
    let derived = folder.join("catalog-alone.toml");
    std::fs::write(&derived, manifest::catalog_alone(&original, &environment.root)?)
        .with_context(|| format!("write {}", derived.display()))?;
    let options = EdgeOptions { manifest: Some(derived), variables };
    stack.start_edge("catalog-alone", &options).await
}

async fn take_turn(args: &EdgeArgs, target: &Target, series: &mut Series) -> Result<()> {
    let turn = Turn {
        url: target.url.clone(),
        path: args.path.clone(),
        connections: args.connections,
        warm_up: Duration::from_millis(args.warm_up_ms.into()),
        duration: Duration::from_secs(args.seconds.into()),
    };
    let pid = target.pid;
    let measured = tokio::task::spawn_blocking(move || {
        let (before, after) = (AtomicU64::new(0), AtomicU64::new(0));
        let begin = || before.store(cpu_us(pid), Ordering::Relaxed);
        let end = || after.store(cpu_us(pid), Ordering::Relaxed);
        let measured = client::run(&turn, begin, end)?;
        anyhow::Ok((measured, after.into_inner().saturating_sub(before.into_inner())))
    });
    let (measured, cpu_us) = measured.await.context("run the client")??;
    if measured.answers == 0 || measured.refusals > 0 {
        bail!("{}: {} answers, {} refusals", target.name, measured.answers, measured.refusals);
    }
    series.add(measured, cpu_us);
    Ok(())
}

/// CPU time of a process so far, in microseconds; 0 when the system does not say.
fn cpu_us(pid: Option<u32>) -> u64 {
    let stat = pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok());
    // The name, in parentheses, may contain spaces; user and system time are fields 14 and 15.
    let ticks = stat.as_deref().and_then(|stat| stat.rsplit_once(')')).map(|(_, rest)| {
        rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
    });
    ticks.unwrap_or(0_u64).saturating_mul(TICK_US)
}

fn say(what: &str) -> Result<()> {
    writeln!(std::io::stderr(), "{what}").context("write to standard error")
}

//! The measurement: three servers, the same bytes, interleaved rounds.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use harness::{Client, EdgeOptions, Environment, Process, Role, Stack, StackOptions};

use crate::cli::{EdgeArgs, Effort};
use crate::client::{self, Turn};
use crate::manifest;
use crate::plain::Plain;
use crate::report::{Report, Series, Subject};

/// Lifts the rate limits out of the way.
pub(crate) const RATE_LIMIT_SCALE: (&str, &str) = ("rate_limit_scale", "1000000");
/// Linux counts CPU time in hundredths of a second towards user space.
const TICK_US: u64 = 10_000;

/// A server under measurement.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    /// The processes that it consists of.
    pub(crate) pids: Vec<u32>,
}

/// Starts everything, measures, prints.
pub(crate) async fn run(args: &EdgeArgs) -> Result<()> {
    let environment = Environment::from_env()?;
    let folder = tempfile::tempdir().context("make a folder")?;
    let lifted = vec![(RATE_LIMIT_SCALE.0.to_owned(), RATE_LIMIT_SCALE.1.to_owned())];
    let options = StackOptions {
        edge: EdgeOptions { variables: lifted.clone(), ..EdgeOptions::default() },
        ..StackOptions::default()
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
        Target {
            name: "plain hyper",
            url: plain.url.clone(),
            pids: plain.pid.into_iter().collect(),
        },
        Target {
            name: "gateway + catalog",
            url: stack.url(Role::Edge),
            pids: stack.process(Role::Edge)?.pid().into_iter().collect(),
        },
        Target {
            name: "catalog alone",
            url: alone.url().to_owned(),
            pids: alone.pid().into_iter().collect(),
        },
    ];
    let subject = Subject { path: &args.path, body_bytes: answer.body.len() };
    let report = compare(&args.effort, subject, "plain", &targets).await?;
    drop((alone, plain));
    report.print(args.effort.json)
}

/// Gives every server its turn in every round.
pub(crate) async fn compare(
    effort: &Effort,
    subject: Subject<'_>,
    yardstick: &'static str,
    targets: &[Target],
) -> Result<Report> {
    let names = targets.iter().map(|target| target.name);
    let mut report = Report::new(effort, subject, yardstick, names);
    for round in 0..effort.rounds {
        say(&format!("{}: round {} of {}", subject.path, round + 1, effort.rounds))?;
        // Another one begins each round, so that none always follows the same neighbour.
        for at in (0..targets.len()).map(|at| (at + round as usize) % targets.len()) {
            if let (Some(target), Some(series)) = (targets.get(at), report.series.get_mut(at)) {
                take_turn(effort, subject.path, target, series).await?;
            }
        }
    }
    Ok(report)
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
    let options = EdgeOptions { manifest: Some(derived), variables, ..EdgeOptions::default() };
    stack.start_edge("catalog-alone", &options).await
}

async fn take_turn(
    effort: &Effort,
    path: &str,
    target: &Target,
    series: &mut Series,
) -> Result<()> {
    let turn = Turn {
        url: target.url.clone(),
        path: path.to_owned(),
        connections: effort.connections,
        warm_up: Duration::from_millis(effort.warm_up_ms.into()),
        duration: Duration::from_secs(effort.seconds.into()),
    };
    let pids = target.pids.clone();
    let measured = tokio::task::spawn_blocking(move || {
        let (before, after) = (AtomicU64::new(0), AtomicU64::new(0));
        let begin = || before.store(pids.iter().map(|pid| cpu_us(*pid)).sum(), Ordering::Relaxed);
        let end = || after.store(pids.iter().map(|pid| cpu_us(*pid)).sum(), Ordering::Relaxed);
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
fn cpu_us(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    // The name, in parentheses, may contain spaces; user and system time are fields 14 and 15.
    let ticks = stat.as_deref().and_then(|stat| stat.rsplit_once(')')).map(|(_, rest)| {
        rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
    });
    ticks.unwrap_or(0_u64).saturating_mul(TICK_US)
}

pub(crate) fn say(what: &str) -> Result<()> {
    writeln!(std::io::stderr(), "{what}").context("write to standard error")
}

//! `ci`: everything that is checked, in the order in which a mistake shows soonest.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::Context;
use crate::cli::{Ring, TestArgs};
use crate::{deny, deps, disk, lint, test, tidy, worker};

type Stage = (&'static str, fn(&Context) -> Result<()>);

const STAGES: [Stage; 6] = [
    ("tidy", tidy::run),
    ("deps", deps::run),
    ("lint", lint::run),
    ("deny", deny::run),
    ("worker", worker::check),
    ("test", |context| test::run(context, &TestArgs { ring: Ring::All, name: None })),
];

/// The command.
pub(crate) fn run(context: &Context) -> Result<()> {
    disk::require(context.workspace.target())?;
    let mut timings: Vec<(&str, Duration)> = Vec::new();
    for (name, stage) in STAGES {
        let started = Instant::now();
        let outcome = stage(context).with_context(|| name.to_owned());
        timings.push((name, started.elapsed()));
        if outcome.is_err() {
            show(context, &timings);
            return outcome;
        }
    }
    show(context, &timings);
    Ok(())
}

fn show(context: &Context, timings: &[(&str, Duration)]) {
    let words: Vec<String> =
        timings.iter().map(|(name, took)| format!("{name} {:.0} s", took.as_secs_f64())).collect();
    context.reporter.result(&format!("took: {}", words.join(", ")));
}

//! `sim`: runs the simulated checkout, and prints how to repeat what failed.

use std::process::Command;

use anyhow::Result;

use crate::Context;
use crate::cli::SimArgs;

/// The command. Unoptimised, as the tests are: a seed takes a third of a second, an optimised build minutes.
pub(crate) fn run(context: &Context, args: &SimArgs) -> Result<()> {
    build(context)?;
    let workspace = &context.workspace;
    let mut sim = Command::new(workspace.programs(false).join("sim"));
    sim.current_dir(workspace.root()).args(words(args));
    let title = "simulate the checkout";
    context.steps.passed_on(title, &mut sim)?.require_success(title)
}

/// Builds the simulator.
pub(crate) fn build(context: &Context) -> Result<()> {
    let mut build = context.workspace.cargo();
    build.args(["build", "--package", "sim"]);
    context.steps.run("build the simulator", &mut build).map(drop)
}

/// The simulator's own command line.
fn words(args: &SimArgs) -> Vec<String> {
    let SimArgs { seed, seeds, steps, jobs, store, trace, twice, keep_going, history } = args;
    let mut words = vec![format!("--seed={seed}"), format!("--seeds={seeds}")];
    words.extend(steps.map(|steps| format!("--steps={steps}")));
    words.extend(jobs.map(|jobs| format!("--jobs={jobs}")));
    words.extend(store.as_ref().map(|store| format!("--store={store}")));
    words.extend(history.as_ref().map(|file| format!("--history={}", file.display())));
    let switches = [(trace, "--trace"), (twice, "--twice"), (keep_going, "--keep-going")];
    words.extend(
        switches.into_iter().filter(|(is_set, _)| **is_set).map(|(_, word)| word.to_owned()),
    );
    words
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::words;
    use crate::cli::{Cli, Command};

    fn check(line: &str, expected: &[&str]) {
        let cli = Cli::parse_from(line.split(' '));
        let Command::Sim(args) = cli.command else { panic!("{line}") };
        assert_eq!(words(&args), expected);
    }

    #[test]
    fn hands_on_what_was_asked_and_leaves_the_rest_to_the_simulator() {
        check("xtask sim --seed 7 --steps 400", &["--seed=7", "--seeds=1", "--steps=400"]);
        check("xtask sim --seeds 1000 --jobs 2", &["--seed=1", "--seeds=1000", "--jobs=2"]);
        check(
            "xtask sim --trace --twice --keep-going --store sqlite --history h.ndjson",
            &[
                "--seed=1",
                "--seeds=1",
                "--store=sqlite",
                "--history=h.ndjson",
                "--trace",
                "--twice",
                "--keep-going",
            ],
        );
    }
}

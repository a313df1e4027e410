//! `cargo xtask`: the one command of whoever works on Vitrine, or only wants to see it.
//!
//! Layer: dev (L5). Nothing imports it; nothing that ships depends on it.
//! Not here: anything that the shop does itself. This program builds, starts, watches and checks.
//! Start at [`cli::Command`]: every command is a file of that name. [`step`] runs programs,
//! [`report`] is the only way to the terminal, [`stop`] turns Ctrl-C into a question.

mod assets;
mod bench;
mod build;
mod ci;
mod clean_data;
mod cli;
mod deny;
mod deps;
mod disk;
mod doctor;
mod lint;
mod report;
mod sim;
mod spin;
mod stamp;
mod step;
mod stop;
mod test;
mod tidy;
mod tools;
mod up;
mod worker;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use report::Reporter;
use step::Steps;
use stop::Stop;
use workspace::Workspace;

/// What every command needs: where it is, how it speaks, how it runs programs.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) workspace: Workspace,
    pub(crate) reporter: Reporter,
    pub(crate) steps: Steps,
    pub(crate) stop: Stop,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let reporter = Reporter::choose(cli.command.wants_json());
    match run(cli.command, reporter.clone()) {
        Ok(code) => code,
        Err(error) => {
            reporter.failure(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, reporter: Reporter) -> anyhow::Result<ExitCode> {
    let stop = Stop::on_signals()?;
    let workspace = Workspace::find()?;
    let steps = Steps::new(reporter.clone(), stop.clone());
    let context = Context { workspace, reporter, steps, stop };
    match command {
        Command::Up(args) => up::run(&context, &args),
        Command::Build(args) => build::run(&context, &args),
        Command::Test(args) => test::run(&context, &args),
        Command::Lint => lint::run(&context),
        Command::Deps => deps::run(&context),
        Command::Tidy => tidy::run(&context),
        Command::Deny => deny::run(&context),
        Command::Ci => ci::run(&context),
        Command::Doctor => return doctor::run(&context),
        Command::Bench(args) => bench::run(&context, &args),
        Command::Sim(args) => sim::run(&context, &args),
        Command::Worker(args) => worker::run(&context, &args),
        Command::Assets => assets::run(&context),
        Command::CleanData(args) => clean_data::run(&context, &args),
        Command::Spin(command) => spin::run(&context, &command),
    }?;
    Ok(ExitCode::SUCCESS)
}

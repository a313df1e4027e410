//! `bench`: builds optimised programs and hands over to the load program.

use std::process::Command;

use anyhow::Result;

use crate::Context;
use crate::build;
use crate::cli::{BenchArgs, BenchTarget};
use crate::step::{self, PassedOn};
use crate::tools;
use crate::worker;

/// The command.
pub(crate) fn run(context: &Context, args: &BenchArgs) -> Result<()> {
    if args.what == BenchTarget::Checkout {
        return checkout(context, args);
    }
    if args.what == BenchTarget::Faults {
        return faults(context, args);
    }
    let mut load = Command::new(context.workspace.programs(true).join("load"));
    let (what, title) = prepare(context, args.what, &mut load)?;
    let workspace = &context.workspace;
    let mut command = workspace.cargo();
    command.args(["build", "--release", "--package", "load"]);
    context.steps.run("build the load program", &mut command)?;
    load.current_dir(workspace.root())
        .arg(what)
        .args(&args.rest)
        .env("VITRINE_ROOT", workspace.root())
        .env("VITRINE_BIN_DIR", workspace.programs(true))
        .env("VITRINE_COMMIT", commit(context))
        .env("VITRINE_CATALOGUE", workspace.demo_shop().join("catalogue.json"))
        .env("VITRINE_MEDIA", workspace.demo_shop().join("media"));
    let ended = context.steps.passed_on(title, &mut load)?;
    hand_on(context, args, title, &ended)
}

/// The store alone, without an edge: it needs PostgreSQL, and no components.
fn checkout(context: &Context, args: &BenchArgs) -> Result<()> {
    let title = "measure checkouts";
    tools::postgres(context, "checkouts are measured on PostgreSQL too")?;
    let workspace = &context.workspace;
    let mut command = workspace.cargo();
    command.args(["build", "--release", "--package", "sale"]);
    context.steps.run("build the flash sale", &mut command)?;
    let mut sale = Command::new(workspace.programs(true).join("sale"));
    sale.current_dir(workspace.root()).arg("checkout").args(&args.rest);
    let ended = context.steps.passed_on(title, &mut sale)?;
    hand_on(context, args, title, &ended)
}

/// Real origins over real databases, without an edge.
fn faults(context: &Context, args: &BenchArgs) -> Result<()> {
    let title = "harm a shop under load";
    tools::postgres(context, "the primary of a PostgreSQL cluster is killed")?;
    let workspace = &context.workspace;
    let mut command = workspace.cargo();
    command.args(["build", "--release", "--package", "sale", "--package", "server"]);
    context.steps.run("build the origin and what harms it", &mut command)?;
    let mut sale = Command::new(workspace.programs(true).join("sale"));
    sale.current_dir(workspace.root()).arg("faults").args(&args.rest);
    sale.env("VITRINE_ORIGIN_BIN", workspace.programs(true).join("vitrine-origin"));
    if wants_patroni(&args.rest) {
        sale.env("VITRINE_PATRONI", tools::patroni(context)?);
    }
    let ended = context.steps.passed_on(title, &mut sale)?;
    hand_on(context, args, title, &ended)
}

/// Tells whether kinds of harm are asked for that Patroni is needed for: by name, or by naming none.
fn wants_patroni(rest: &[String]) -> bool {
    !rest.iter().any(|word| word.starts_with("--kind"))
        || rest.iter().any(|word| word.contains("patroni-"))
}

fn hand_on(context: &Context, args: &BenchArgs, title: &str, ended: &PassedOn) -> Result<()> {
    // Progress goes to standard error; a program that asked for JSON reads the other.
    if args.rest.iter().any(|word| word == "--json")
        && let Some(json) = ended.lines.iter().rfind(|line| line.starts_with('{'))
    {
        context.reporter.result(json);
    }
    ended.require_success(title)
}

/// Builds and installs what a measurement needs; returns what the load program calls it, and people.
fn prepare(
    context: &Context,
    what: BenchTarget,
    load: &mut Command,
) -> Result<(&'static str, &'static str)> {
    // A proxy needs no shop, only a gateway.
    if matches!(what, BenchTarget::Cdn | BenchTarget::CdnSoak) {
        build::components(context)?;
        build::node(context, true)?;
        if what == BenchTarget::CdnSoak {
            return Ok(("cdn-soak", "keep two proxies under load and faults"));
        }
        tools::peers(context)?;
        return Ok(("cdn", "measure the caching proxy"));
    }
    build::everything(context, true)?;
    load.env("VITRINE_HELLO_WASM", build::hello(context)?);
    match what {
        BenchTarget::Edge => {
            worker::npm_packages(context)?;
            Ok(("edge", "measure the edge"))
        }
        BenchTarget::Worker => {
            worker::build(context)?;
            Ok(("worker", "measure the Worker"))
        }
        // The others have returned already.
        BenchTarget::Soak
        | BenchTarget::Cdn
        | BenchTarget::CdnSoak
        | BenchTarget::Checkout
        | BenchTarget::Faults => {
            load.env("VITRINE_GUESTS_WASM", build::guests(context)?.current);
            Ok(("soak", "keep a node under load"))
        }
    }
}

/// The commit that is measured; says so when the clone has changes beside it.
fn commit(context: &Context) -> String {
    let git = |args: &[&str]| {
        step::ask(Command::new("git").current_dir(context.workspace.root()).args(args))
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    let changes = git(&["status", "--porcelain", "--untracked-files=no"]);
    if changes.is_none_or(|changes| changes.is_empty()) { commit } else { commit + ", changed" }
}

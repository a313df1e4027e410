//! `worker`: builds, runs and deploys the edge application as a Cloudflare Worker.
//!
//! Not here: the Worker itself (`edge/worker`) and what it is given (`wrangler.toml`).

mod build;
mod config;
mod deploy;
mod dev;
mod imports;
mod startup;
mod tools;

use anyhow::Result;

use crate::Context;
use crate::cli::{WorkerArgs, WorkerBuildArgs, WorkerCommand};

pub(crate) use tools::{has_rust_source, npm_packages};

/// The command.
pub(crate) fn run(context: &Context, args: &WorkerArgs) -> Result<()> {
    match &args.command {
        WorkerCommand::Build(args) => build::run(context, args),
        WorkerCommand::Dev(args) => dev::run(context, args),
        WorkerCommand::Deploy(args) => deploy::run(context, args),
    }
}

/// Builds the Worker, unless it is that of the sources.
pub(crate) fn build(context: &Context) -> Result<()> {
    build::build(context)
}

/// Builds the Worker, and its variant that fails on purpose, unless they are those of the sources.
pub(crate) fn build_for_tests(context: &Context) -> Result<()> {
    build::build(context)?;
    build::build_faulty(context)
}

/// Builds the Worker and lets wrangler check that every environment could be deployed.
pub(crate) fn check(context: &Context) -> Result<()> {
    build::run(context, &WorkerBuildArgs { check: true, test_faults: false, release: true })
}

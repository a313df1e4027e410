//! Measures what serving through WebAssembly costs, and whether it holds: `cargo xtask bench`.
//!
//! Layer: dev (L5). In one run, in interleaved rounds, one thread on one core asks servers that have another core for
//! themselves: plain hyper, the shop's crates natively behind hyper, the edge node in both lanes, workerd; for the caching
//! proxy nginx. Machines differ and change by the minute, so the ratios are the result; CPU time per request of the serving
//! process does not depend on who else is on the machine, or little.
//! Not here: what the figures should be (the issue and `docs/BUDGET.md` say it; the report shows both).
//! Start at [`edge::run`] or [`cdn::run`]; [`generator`] asks, [`soak::run`] keeps a node under load while it is deployed to,
//! [`cdn_soak::run`] two proxies while their surroundings fail.

mod affinity;
mod cdn;
mod cdn_soak;
mod cli;
mod connection;
mod content;
mod edge;
mod generator;
mod goals;
mod histogram;
mod machine;
mod manifest;
mod matrix;
mod origin;
mod plain;
mod random;
mod report;
mod responder;
mod serve_native;
mod soak;
mod trace;
mod worker;

use std::io::Write as _;

use anyhow::Context as _;
use clap::Parser as _;

use crate::cli::{Cli, Command};

/// The node's allocator, for the yardsticks: what differs is to be the host alone.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let command = Cli::parse().command;
    let mut runtime = match &command {
        // A yardstick is one thread.
        Command::ServePlain { .. } | Command::ServeNative(_) | Command::ServeOrigin(_) => {
            tokio::runtime::Builder::new_current_thread()
        }
        Command::Edge(_)
        | Command::Worker(_)
        | Command::Cdn(_)
        | Command::CdnSoak(_)
        | Command::Soak(_) => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build().context("start the runtime")?;
    match command {
        Command::Edge(args) => runtime.block_on(edge::run(&args)),
        Command::Worker(args) => runtime.block_on(worker::run(&args)),
        Command::Cdn(args) => runtime.block_on(cdn::run(&args)),
        Command::CdnSoak(args) => runtime.block_on(cdn_soak::run(&args)),
        Command::Soak(args) => runtime.block_on(soak::run(&args)),
        Command::ServePlain { answer } => runtime.block_on(plain::serve(&answer)),
        Command::ServeNative(args) => runtime.block_on(serve_native::serve(args)),
        Command::ServeOrigin(args) => runtime.block_on(origin::serve(args)),
    }
}

/// Tells how far it is.
fn say(what: &str) -> anyhow::Result<()> {
    writeln!(std::io::stderr(), "{what}").context("write to standard error")
}

/// Reads `NAME=VALUE`.
fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("it has no `=`")?;
    Ok((name.to_owned(), value.to_owned()))
}

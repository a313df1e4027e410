//! Measures what serving through WASM costs: `cargo xtask bench edge`.
//!
//! Layer: dev (L5). In one run, in interleaved rounds, the same closed loop of keep-alive
//! connections asks three servers for the same bytes: plain hyper, the edge node (gateway and
//! catalog), and an edge node with the catalog alone. Machines differ and change by the minute, so
//! the ratios are the result; so is CPU time per request of the serving process, which does not
//! depend on how much of the machine the client takes.
//! Not here: limits to hold (that is for whoever reads the figures).
//! Start at [`bench::run`]; [`worker::run`] compares the Worker in workerd with the node.

mod bench;
mod cli;
mod client;
mod manifest;
mod plain;
mod report;
mod worker;

use clap::Parser as _;

use crate::cli::{Cli, Command};

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match Cli::parse().command {
        Command::Edge(args) => runtime.block_on(bench::run(&args)),
        Command::Worker(args) => runtime.block_on(worker::run(&args)),
        Command::ServePlain { answer } => runtime.block_on(plain::serve(&answer)),
    }
}

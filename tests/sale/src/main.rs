//! A flash sale: how many orders a second, and what a shop that grew to a million orders makes of it.
//!
//! Layer: dev (L5). Drives the origin's store as its application does, without HTTP: carts lie ready, buyers place
//! orders and their payments are captured. Beside it, in the same run and on the same database, what others do: one
//! transaction for each order, with `SELECT … FOR UPDATE` of the stock row; and what the database does of itself.
//! Not here: the edge (`load`), and whether it is right (`sim`, the tests of `store` and `app`).
//! Start at [`bench::run`].

mod bench;

use std::io::Write as _;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A flash sale, measured.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures checkouts.
    Checkout(bench::Options),
}

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    match Cli::parse().command {
        Command::Checkout(options) => runtime.block_on(bench::run(&options)),
    }
}

/// Tells how far it is.
fn say(what: &str) -> anyhow::Result<()> {
    writeln!(std::io::stderr(), "{what}").context("write to standard error")
}

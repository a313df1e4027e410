//! A flash sale: how many orders a second, and what a shop that grew to a million orders makes of it.
//!
//! Layer: dev (L5). Drives the origin's store as its application does, without HTTP: carts lie ready, buyers place
//! orders and their payments are captured. Beside it, in the same run and on the same database, what others do: one
//! transaction for each order, with `SELECT … FOR UPDATE` of the stock row; and what the database does of itself.
//! [`faults`] asks the other question, of real processes over HTTP: whether it is right while they are killed.
//! Not here: the edge (`load`), and faults that are simulated (`sim`).
//! Start at [`bench::run`] and [`faults::run`].

mod bench;
mod faults;

use std::io::Write as _;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{Signal, SignalKind, signal};

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
    /// Kills, cuts and fills while people buy, and looks whether anything is lost, sold or charged twice.
    Faults(faults::Options),
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
    let command = Cli::parse().command;
    runtime.block_on(async {
        let mut stop = Stop::listen().context("listen for signals")?;
        let work = async {
            match &command {
                Command::Checkout(options) => bench::run(options).await,
                Command::Faults(options) => faults::run(options).await,
            }
        };
        // Whoever is dropped ends its processes and takes its disks away.
        tokio::select! {
            done = work => done,
            () = stop.wait() => bail!("stopped on request"),
        }
    })
}

/// The signals that end the program.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Tells how far it is.
fn say(what: &str) -> anyhow::Result<()> {
    writeln!(std::io::stderr(), "{what}").context("write to standard error")
}

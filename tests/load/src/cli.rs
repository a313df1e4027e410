//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Measures the shop under load.
#[derive(Debug, Parser)]
#[command(name = "load")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compares plain hyper, gateway and catalog, and the catalog alone.
    Edge(EdgeArgs),
    /// Compares the Worker in workerd with the edge node.
    Worker(WorkerArgs),
    /// Serves one recorded answer to every request; the measurement starts this itself.
    #[command(hide = true)]
    ServePlain {
        /// A recorded answer.
        answer: PathBuf,
    },
}

/// How much to measure.
#[derive(Debug, Args)]
pub(crate) struct Effort {
    /// Keep-alive connections, each with one request at a time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) connections: u32,
    /// Rounds; in each, every server has its turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Seconds of one turn.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub(crate) seconds: u32,
    /// Milliseconds before each turn that are not counted.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(0..=60_000))]
    pub(crate) warm_up_ms: u32,
    /// Prints JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The edge node against plain hyper.
#[derive(Debug, Args)]
pub(crate) struct EdgeArgs {
    #[command(flatten)]
    pub(crate) effort: Effort,
    /// What to ask for.
    #[arg(long, default_value = "/v1/products?limit=24")]
    pub(crate) path: String,
}

/// The Worker against the edge node.
#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    pub(crate) effort: Effort,
    /// What to ask for, each in a table of its own; again for more.
    #[arg(long = "path", default_values = ["/v1/products?limit=24", "/healthz"])]
    pub(crate) paths: Vec<String>,
}

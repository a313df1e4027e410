//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::origin::OriginArgs;
use crate::serve_native::NativeArgs;

/// Measures the shop under load.
#[derive(Debug, Parser)]
#[command(name = "load")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compares the edge node's two lanes with plain hyper, with the same crates natively, and with workerd.
    Edge(EdgeArgs),
    /// Compares the Worker in workerd with the edge node.
    Worker(WorkerArgs),
    /// Compares the caching proxy with nginx; hit ratio and memory of a bounded cache; a crowd before a cold object.
    Cdn(CdnArgs),
    /// Keeps two proxies before two origins under load and faults; fails if a client loses a request or sees a wrong byte.
    CdnSoak(CdnSoakArgs),
    /// Keeps a node under load while it is deployed to and while components trap and loop; fails if anything else fails.
    Soak(SoakArgs),
    /// Serves one recorded answer to every request; the measurement starts this itself.
    #[command(hide = true)]
    ServePlain {
        /// A recorded answer.
        answer: PathBuf,
    },
    /// Serves the shop's catalogue without a host; the measurement starts this itself.
    #[command(hide = true)]
    ServeNative(NativeArgs),
    /// Is an origin; the measurement starts this itself.
    #[command(hide = true)]
    ServeOrigin(OriginArgs),
}

/// How much to measure.
#[derive(Debug, Clone, Args)]
pub(crate) struct Effort {
    /// Keep-alive connections, each with one request at a time; several, comma-separated.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64], value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) connections: Vec<u32>,
    /// Rounds; in each, every server has its turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Milliseconds of one turn.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub(crate) turn_ms: u32,
    /// Milliseconds before each turn that are not counted.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(0..=60_000))]
    pub(crate) warm_up_ms: u32,
    /// Prints JSON instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Effort {
    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_millis(self.warm_up_ms.into())
    }

    pub(crate) fn turn(&self) -> Duration {
        Duration::from_millis(self.turn_ms.into())
    }

    /// Itself, or cut down where it is to be quick.
    fn cut(&self, quick: bool) -> Self {
        if !quick {
            return self.clone();
        }
        let json = self.json;
        Self { connections: vec![1, 16], rounds: 1, turn_ms: 60, warm_up_ms: 20, json }
    }
}

/// The edge node against its yardsticks.
#[derive(Debug, Args)]
pub(crate) struct EdgeArgs {
    #[command(flatten)]
    pub(crate) effort: Effort,
    /// Only these parts; again for more.
    #[arg(long = "part", value_enum)]
    pub(crate) parts: Vec<Part>,
    /// One short round of everything: says that the measurement works, not how fast anything is.
    #[arg(long)]
    pub(crate) quick: bool,
}

/// A part of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Requests per second, latency and CPU time, as fast as answers come.
    Rates,
    /// Latency at 70 % of the highest rate.
    Paced,
    /// From nothing to the first answer.
    Start,
    /// What an idle instance holds, and how long making one takes.
    Memory,
    /// Where the processor time of a request goes, by samples of `perf`; only when it is asked for.
    Profile,
}

impl EdgeArgs {
    /// Whether `part` is asked for.
    pub(crate) fn wants(&self, part: Part) -> bool {
        let is_usual = self.parts.is_empty() && part != Part::Profile;
        is_usual || self.parts.contains(&part)
    }

    /// The effort, cut down where it is to be quick.
    pub(crate) fn effort(&self) -> Effort {
        self.effort.cut(self.quick)
    }
}

/// The caching proxy against its yardsticks.
#[derive(Debug, Args)]
pub(crate) struct CdnArgs {
    #[command(flatten)]
    pub(crate) effort: Effort,
    /// Only these parts; again for more.
    #[arg(long = "part", value_enum)]
    pub(crate) parts: Vec<CdnPart>,
    /// One short round of everything: says that the measurement works, not how fast anything is.
    #[arg(long)]
    pub(crate) quick: bool,
    /// What the trace of the bounded cache follows from.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// A part of the measurement of the caching proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CdnPart {
    /// Requests per second, latency and CPU time of what is cached and of what is passed on.
    Rates,
    /// The same over TLS and HTTP/2, for information.
    Http2,
    /// Hit ratio and memory of a cache that is much smaller than what is asked for.
    Bounded,
    /// Thousands of requests for one object that a slow origin has.
    Crowd,
}

impl CdnArgs {
    /// Whether `part` is asked for.
    pub(crate) fn wants(&self, part: CdnPart) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    /// The effort, cut down where it is to be quick.
    pub(crate) fn effort(&self) -> Effort {
        self.effort.cut(self.quick)
    }
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

/// A node under load and change.
#[derive(Debug, Args)]
pub(crate) struct SoakArgs {
    /// How long.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) minutes: f64,
    /// Keep-alive connections, each with one request at a time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) connections: u32,
    /// Of 1 000 requests so many go to a component that traps on them, and as many to one that loops.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=400))]
    pub(crate) faults_permille: u32,
    /// Milliseconds between two deployments.
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub(crate) deploy_every_ms: u32,
    /// Leaves the deployments out.
    #[arg(long)]
    pub(crate) without_deploys: bool,
    /// Prints JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Two proxies under load and faults.
#[derive(Debug, Args)]
pub(crate) struct CdnSoakArgs {
    /// How long.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) minutes: f64,
    /// Clients, each with one request at a time; every fourth speaks HTTP/2.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) clients: u32,
    /// Milliseconds between two requests of one client.
    #[arg(long, default_value_t = 10)]
    pub(crate) pause_ms: u32,
    /// Lets the next fault come though nodes may still pass over the origin that had the last one.
    #[arg(long)]
    pub(crate) harsh: bool,
    /// What the order of faults and wishes follows from; by default the clock. It is printed.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Prints JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

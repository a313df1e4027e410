//! The command line; the doc comments are its help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Builds, starts and checks Vitrine.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build everything, start the shop and keep it running until Ctrl-C.
    Up(UpArgs),
    /// Build the components, the programs, the storefront and the demo shop.
    Build(BuildArgs),
    /// Run the tests, and say what ran.
    Test(TestArgs),
    /// Check the format, the lints (natively and for WebAssembly) and the documentation.
    Lint,
    /// Check who may import whom (house guide, part 3).
    Deps,
    /// Check what no compiler checks: file length, headers, stray spaces, sleeping tests.
    Tidy,
    /// Check licences, sources and duplicates of the crates we use.
    Deny,
    /// Everything that CI checks: lint, deps, tidy, deny, test.
    Ci,
    /// Say what is missing on this machine, and the command that gets it.
    Doctor,
    /// Measure a part of the shop.
    Bench(BenchArgs),
    /// Simulate the checkout: seeded shoppers, kills, lost and doubled messages, clock steps, and the books afterwards.
    Sim(SimArgs),
    /// Build, run or deploy the edge application as a Cloudflare Worker.
    Worker(WorkerArgs),
    /// Make the demo shop: models, pictures, catalogue.
    Assets,
    /// Remove a data folder, unless a shop runs on it.
    CleanData(CleanDataArgs),
    /// Give real Spin what it needs: the parts that `spin build` builds, the data that `spin up` serves.
    #[command(subcommand)]
    Spin(SpinCommand),
}

impl Command {
    /// Whether answers are JSON lines.
    pub(crate) fn wants_json(&self) -> bool {
        matches!(
            self,
            Self::Up(UpArgs { json: true, .. })
                | Self::Worker(WorkerArgs {
                    command: WorkerCommand::Dev(WorkerDevArgs { json: true, .. })
                })
        )
    }
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Port of the shop; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    pub(crate) edge_port: u16,
    /// Port of the origin; 0 takes a free one.
    #[arg(long, default_value_t = 8081)]
    pub(crate) origin_port: u16,
    /// Port of the local payment provider; the default is the origin's and one.
    #[arg(long)]
    pub(crate) payments_port: Option<u16>,
    /// Folder of databases, secrets and logs; made when absent, kept between starts.
    #[arg(long, value_name = "DIR", default_value = ".vitrine")]
    pub(crate) data: PathBuf,
    /// Build optimised programs: slower to start the first time, faster to serve.
    #[arg(long)]
    pub(crate) release: bool,
    /// Keep the shop in a PostgreSQL cluster of a primary and two standbys, with two origins before it.
    ///
    /// Their ports follow the origin's: the second origin has it and 2, the servers have it and 3 to 5. PostgreSQL is
    /// installed from Debian's packages where it is missing; its own service is neither started nor enabled.
    #[arg(long)]
    pub(crate) postgres: bool,
    /// Start with the data as it is, without the demo catalogue.
    #[arg(long)]
    pub(crate) no_seed: bool,
    /// Let a stand-in for Stripe take the money, with its fields in the checkout, in place of the local payment provider.
    #[arg(long)]
    pub(crate) stripe: bool,
    /// Set a variable of spin.toml for the edge, for instance `cors_origins=*`.
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    pub(crate) variables: Vec<String>,
    /// Start what the last build left, without building.
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Print one JSON object a line instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// What to build.
    #[arg(value_enum, default_value_t = BuildTarget::All)]
    pub(crate) what: BuildTarget,
    /// Build optimised programs.
    #[arg(long)]
    pub(crate) release: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BuildTarget {
    /// Everything that `up` starts.
    All,
    /// The WebAssembly components.
    Components,
    /// The edge node and the origin.
    Programs,
    /// The pages.
    Storefront,
    /// Models, pictures and catalogue.
    DemoShop,
    /// The misbehaving components that the node's tests load, and the one that measurements ask.
    Guests,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Which ring of tests.
    #[arg(value_enum, default_value_t = Ring::All)]
    pub(crate) ring: Ring,
    /// Only Rust tests whose name contains this.
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ring {
    /// Beside the code, no I/O: Rust, documentation examples, storefront.
    Unit,
    /// One crate with its real surroundings: databases, sockets, components in the node.
    It,
    /// One table of cases on every host: natively, on our node, in workerd, on real Spin where it is.
    Conformance,
    /// The node as a caching proxy, asked by the public suite behind cache-tests.fyi.
    Cache,
    /// The whole shop, over HTTP and in a browser.
    E2e,
    /// The 3D models, with other people's validators.
    Models,
    /// The simulated checkout: 1 000 seeds on SQLite and on PostgreSQL.
    Sim,
    /// All of them.
    All,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// What to measure.
    #[arg(value_enum)]
    pub(crate) what: BenchTarget,
    /// Handed to the load program as it is: `--quick`, `--json`, `--minutes 10`; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) rest: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchTarget {
    /// Our node in both lanes, plain hyper, the same crates natively, workerd: rates, latency, CPU time, start, memory.
    Edge,
    /// The Worker in workerd and our node, on the same routes, in one run.
    Worker,
    /// The caching proxy beside nginx, hit ratio and memory of a bounded cache, a crowd before a cold object.
    Cdn,
    /// Two proxies before two origins for ten minutes, with dying, silent, slow and garbling origins, purges, new
    /// certificates and restarts; no client may lose a request.
    CdnSoak,
    /// A node under load for ten minutes, with deployments, rollbacks, traps and endless loops; nothing else may fail.
    Soak,
    /// A flash sale on the embedded store and on PostgreSQL: orders a second of one SKU, combined, against row locks, many
    /// SKUs and a million orders that are there already.
    Checkout,
    /// Real faults while people buy: origins and the PostgreSQL primary are killed, cut off and run out of disk, by hand and
    /// under Patroni, 20 rounds each; nothing acknowledged may be lost, nothing sold or charged twice; says how long recovery took.
    Faults,
}

#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// The seed, or the first of several. The same seed gives the same run, line by line.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many seeds to run, from the first on.
    #[arg(long, default_value_t = 1)]
    pub(crate) seeds: u64,
    /// Steps of the time in which things break; the default is the simulator's, 600.
    #[arg(long)]
    pub(crate) steps: Option<u64>,
    /// Runs at once; the default is one per core.
    #[arg(long)]
    pub(crate) jobs: Option<usize>,
    /// The store that the shop runs over: `sqlite`; or, in the server of `ORIGIN_TEST_PG_URL`, `postgres` with two
    /// processes at once, or `postgres-in-turn`, which can be repeated.
    #[arg(long)]
    pub(crate) store: Option<String>,
    /// Print every line of the trace; for one seed.
    #[arg(long)]
    pub(crate) trace: bool,
    /// Run each seed twice and compare the digests of the traces.
    #[arg(long)]
    pub(crate) twice: bool,
    /// Go on after a seed has failed.
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Write the clients' history of a single seed to this file, as NDJSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    #[command(subcommand)]
    pub(crate) command: WorkerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkerCommand {
    /// Build the Worker, optimised, and say what it weighs; installs what that needs.
    Build(WorkerBuildArgs),
    /// Start the shop with the Worker as its edge, in wrangler, and keep it running until Ctrl-C.
    Dev(WorkerDevArgs),
    /// Push the Worker to Cloudflare with wrangler.
    Deploy(WorkerDeployArgs),
}

#[derive(Debug, Args)]
pub(crate) struct WorkerBuildArgs {
    /// Then let wrangler check a deployment to every environment.
    #[arg(long)]
    pub(crate) check: bool,
    /// Build the variant that fails on purpose at some addresses, for tests, into a folder of its own.
    #[arg(long, hide = true, conflicts_with = "check")]
    pub(crate) test_faults: bool,
    /// A Worker is always optimised; this is accepted for those who write it.
    #[arg(long, hide = true)]
    pub(crate) release: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerDevArgs {
    /// Port of the shop; 0 takes a free one.
    #[arg(long, default_value_t = 8787)]
    pub(crate) port: u16,
    /// Port of the origin; 0 takes a free one.
    #[arg(long, default_value_t = 8081)]
    pub(crate) origin_port: u16,
    /// Port of the local payment provider; the default is the origin's and one.
    #[arg(long)]
    pub(crate) payments_port: Option<u16>,
    /// Folder of databases, secrets and logs, the same as that of `up`; made when absent, kept between starts.
    #[arg(long, value_name = "DIR", default_value = ".vitrine")]
    pub(crate) data: PathBuf,
    /// Build an optimised origin; the Worker always is.
    #[arg(long)]
    pub(crate) release: bool,
    /// Start with the data as it is, without the demo catalogue.
    #[arg(long)]
    pub(crate) no_seed: bool,
    /// Set a variable or a secret of the Worker, for instance `cors_origins=*`.
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    pub(crate) variables: Vec<String>,
    /// Start what the last build left, without building.
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Print one JSON object a line instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerDeployArgs {
    /// Where to: production where none is named, all of them with --dry-run.
    #[arg(long = "env", value_enum, value_name = "ENVIRONMENT")]
    pub(crate) environment: Option<WorkerEnvironment>,
    /// Do everything but the upload; needs neither network nor login.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Set a variable of wrangler.toml, for instance `origin_url=https://origin.example`.
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    pub(crate) variables: Vec<String>,
    /// Secrets to upload with the Worker: a file of `name=value` lines, or of JSON.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub(crate) secrets_file: Option<PathBuf>,
}

/// An environment of wrangler.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WorkerEnvironment {
    /// For trying things out.
    Dev,
    /// For the last look.
    Staging,
    /// For shoppers.
    Production,
}

impl WorkerEnvironment {
    /// Its name in wrangler.toml.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CleanDataArgs {
    /// The folder to remove.
    #[arg(long, value_name = "DIR", default_value = ".vitrine")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SpinCommand {
    /// Build one component, and what it mounts: the commands of `spin.toml`.
    Build(SpinBuildArgs),
    /// Fill Spin's default SQLite database from an origin's change feed.
    Seed(SpinSeedArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SpinBuildArgs {
    /// The component, as `spin.toml` calls it.
    pub(crate) component: String,
}

#[derive(Debug, Args)]
pub(crate) struct SpinSeedArgs {
    /// The origin; a second one may follow behind a comma.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    pub(crate) origin: String,
    /// Spin's state folder; the default is `.spin` beside `spin.toml`.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// File with the secret of the origin's edges; the default is the development secret.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Stay, and write every change of the origin, until Ctrl-C.
    #[arg(long)]
    pub(crate) follow: bool,
    /// Use the program that the last build left.
    #[arg(long)]
    pub(crate) no_build: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

//! The command line; its doc comments are the help.

mod app_options;
mod cache_options;
mod operation_options;
mod proxy_options;
mod refused;
mod server_options;
mod sign_options;

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

mod deploy_options;

#[cfg(test)]
pub(crate) use self::app_options::Pair;
pub(crate) use self::{
    app_options::{AppOptions, VariableArgument},
    cache_options::CacheOptions,
    operation_options::OperationOptions,
    proxy_options::ProxyOptions,
    refused::explain,
};
pub(crate) use deploy_options::{Deploy, Promote, Reach, Rollback, VersionOptions, Versions};
pub(crate) use server_options::{AccessLogFormat, ServerOptions};
pub(crate) use sign_options::{Expiry, Sign};

/// Vitrine's edge node.
#[derive(Debug, Parser)]
#[command(name = "vitrine-edge", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the application that a manifest describes, until SIGTERM or SIGINT.
    Up(Box<Up>),
    /// Stand in front of an origin: a caching reverse proxy, until SIGTERM or SIGINT.
    Proxy(Box<ProxyOptions>),
    /// Give a running node a new version of its application, without losing a request.
    Deploy(Deploy),
    /// End the trial of a version, or return to the version before.
    Rollback(Rollback),
    /// Give the version on trial all requests, or a larger share.
    Promote(Promote),
    /// List the versions of a running node.
    Versions(Versions),
    /// Check the settings of `up` and `proxy`, or explain each: value, unit, where it comes from.
    Config(Config),
    /// Fill a SQLite file that another host reads, such as Spin, from an origin's change feed.
    Replicate(Replicate),
    /// Print the address of a file behind a route that asks for signed ones (`signed_by`), good until a moment.
    Sign(Sign),
    /// Compile the component on standard input, within bounds; `up` starts this for each component that is new to it.
    #[command(hide = true)]
    Compile(Compile),
}

#[derive(Debug, Args)]
pub(crate) struct Config {
    /// Print every setting in the form of a configuration file; what may be a secret as `***`.
    #[arg(long)]
    pub(crate) explain: bool,
    /// The file with settings.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One command, `up` or `proxy`, and options as they would be given to it.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) line: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct Compile {
    /// Processor time that it may take, in seconds.
    #[arg(long)]
    pub(crate) cpu_s: u64,
    /// Memory that it may take, in bytes.
    #[arg(long)]
    pub(crate) memory_bytes: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) app: AppOptions,
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3000", env = "SPIN_HTTP_LISTEN_ADDR",
          value_parser = app_options::listen_address)]
    pub(crate) listen: SocketAddr,
    /// Where the port is taken, try the next ones, ten in all.
    #[arg(long)]
    pub(crate) find_free_port: bool,
    /// Serve everything in the standard lane, also components that have an express lane: for comparing the two.
    #[arg(long)]
    pub(crate) standard_lane: bool,
    /// This node's name, sent as `Vitrine-Edge`.
    #[arg(long, value_name = "NAME", default_value = "edge", value_parser = node_id)]
    pub(crate) node_id: String,
    /// How log lines look.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,
    #[command(flatten)]
    pub(crate) versions: VersionOptions,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
    #[command(flatten)]
    pub(crate) limits: LimitOptions,
    #[command(flatten)]
    pub(crate) cache: CacheOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Replicate {
    /// The file; made when absent. Tables in it that the feed does not bring are left alone.
    #[arg(long, value_name = "FILE")]
    pub(crate) into: PathBuf,
    /// Origins, comma-separated, the first being the primary.
    #[arg(
        long,
        value_name = "URL",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:8081"
    )]
    pub(crate) feed: Vec<String>,
    /// File with the secret that the origin's edges sign with; without it the development secret.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Stay, and write every change until SIGTERM or SIGINT.
    #[arg(long)]
    pub(crate) follow: bool,
    /// This follower's name in the origin's log.
    #[arg(long, value_name = "NAME", default_value = "replicate", value_parser = node_id)]
    pub(crate) node_id: String,
    /// How log lines look.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,
}

/// Bounds; `runtime::Limits` says what each costs.
#[derive(Debug, Args)]
pub(crate) struct LimitOptions {
    /// Longest time to the head of an answer, in milliseconds.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) request_timeout_ms: u64,
    /// Longest time for an answer's body after its head, in milliseconds.
    #[arg(long, default_value_t = 60_000)]
    pub(crate) stream_timeout_ms: u64,
    /// Processor time per request and component, in milliseconds.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) cpu_budget_ms: u64,
    /// Memory per instance, in MiB.
    #[arg(long, default_value_t = 128)]
    pub(crate) memory_mib: usize,
    /// Largest request body, in bytes.
    #[arg(long, default_value_t = 1024 * 1024)]
    pub(crate) body_bytes_max: u64,
    /// Instances per component.
    #[arg(long, default_value_t = 64)]
    pub(crate) instances_max: usize,
    /// Requests that may wait for an instance of one component.
    #[arg(long, default_value_t = 128)]
    pub(crate) queue_max: usize,
    /// Open connections, of all serving threads together; further ones wait.
    #[arg(long, default_value_t = 4096)]
    pub(crate) connections_max: usize,
    /// Largest request head, in bytes.
    #[arg(long, default_value_t = 32 * 1024)]
    pub(crate) head_bytes_max: usize,
    /// Longest time for a request's head to arrive, and for a connection to be idle, in milliseconds.
    #[arg(long, default_value_t = 15_000)]
    pub(crate) head_timeout_ms: u64,
    /// Longest time to finish requests after a signal, in milliseconds.
    #[arg(long, default_value_t = 5_000)]
    pub(crate) drain_timeout_ms: u64,
}

impl LimitOptions {
    /// The bounds of components; what has no option keeps its default.
    pub(crate) fn runtime(&self) -> runtime::Limits {
        runtime::Limits {
            request_timeout: Duration::from_millis(self.request_timeout_ms),
            stream_timeout: Duration::from_millis(self.stream_timeout_ms),
            cpu_budget: Duration::from_millis(self.cpu_budget_ms),
            memory_bytes_max: self.memory_mib.saturating_mul(1024 * 1024),
            instances_max: self.instances_max.max(1),
            queue_max: self.queue_max,
            ..runtime::Limits::default()
        }
    }
}

/// Whether log lines are for people or programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One line of text.
    Text,
    /// One JSON object.
    Json,
}

fn node_id(text: &str) -> Result<String, &'static str> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(is_good) {
        return Err("a name has 1 to 64 letters, digits, `-`, `_` or `.`");
    }
    Ok(text.to_owned())
}

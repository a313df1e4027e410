//! Options for operating the node: where operators ask it.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use super::app_options;
use crate::otlp::Endpoint;

/// How operators see and steer a running node.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Operation")]
pub(crate) struct OperationOptions {
    /// Take settings from this TOML file too: a key for each option, at its top or in a table named for the command. The
    /// command line wins over the environment (`VITRINE_<OPTION>`), and that over the file.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Answer operators here, apart from clients: metrics, health, pools, cache and purges. Port 0 takes a free one.
    #[arg(long, value_name = "ADDR", value_parser = app_options::listen_address)]
    pub(crate) admin: Option<SocketAddr>,
    /// A file whose first line is the token that operators send as `Authorization: Bearer`; needed where `--admin` is
    /// not a loopback address.
    #[arg(long, value_name = "FILE", requires = "admin")]
    pub(crate) admin_token_file: Option<PathBuf>,
    /// Do not serve `/metrics` to clients.
    #[arg(long)]
    pub(crate) no_metrics_on_site: bool,
    /// Send spans of requests to this OpenTelemetry collector, as OTLP over HTTP in JSON: `http://host[:port]`, port 4318
    /// by default.
    #[arg(long, value_name = "URL")]
    pub(crate) otlp_endpoint: Option<Endpoint>,
    /// How many of the traces that begin here are recorded, from 0 to 1; of others those that their caller records.
    #[arg(long, value_name = "RATIO", default_value_t = 0.1, value_parser = ratio)]
    pub(crate) otlp_ratio: f64,
    /// Spans that may wait for the collector; beyond it they are dropped and counted. Each takes some 500 bytes.
    #[arg(long, value_name = "N", default_value_t = 4096,
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub(crate) otlp_queue_max: usize,
    /// Send who asks here over plain HTTP to the same address over HTTPS (308). Needs `--tls-cert`.
    #[arg(long, value_name = "ADDR", value_parser = app_options::listen_address, requires = "tls_cert")]
    pub(crate) redirect_http: Option<SocketAddr>,
    /// The port under which clients reach `--listen`, for redirects and `Alt-Svc`; by default the port it has.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) public_port: Option<u16>,
    /// Serve HTTP/3 too, on the same address over UDP, and say so in `Alt-Svc`. Needs `--tls-cert`.
    #[arg(long, requires = "tls_cert")]
    pub(crate) http3: bool,
    /// HTTP/3 requests at once on one connection; the client is told and waits with further ones.
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub(crate) h3_streams_max: u32,
    /// Tell browsers over HTTPS to use nothing else for this host, for so many seconds (`Strict-Transport-Security`); 0
    /// takes it back, and without it nothing is said.
    #[arg(long, value_name = "S", requires = "tls_cert")]
    pub(crate) hsts_max_age_s: Option<u32>,
}

fn ratio(text: &str) -> Result<f64, &'static str> {
    let ratio: f64 = text.parse().map_err(|_| "a ratio is a number from 0 to 1")?;
    if (0.0..=1.0).contains(&ratio) { Ok(ratio) } else { Err("a ratio is from 0 to 1") }
}

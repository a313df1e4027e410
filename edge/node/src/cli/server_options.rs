//! Options of `up` about serving HTTP: threads, TLS, whom to believe, and the bounds of connections.

use std::path::PathBuf;

use api_types::client_address::Cidr;
use clap::{Args, ValueEnum};

use super::OperationOptions;
use crate::{cdn_loop::CdnId, cli::LogFormat};

/// How HTTP is served.
#[derive(Debug, Args)]
pub(crate) struct ServerOptions {
    /// Serving threads, each with a listener of its own on the same address; by default one per core and at least two:
    /// with one, a component in a loop holds up every other connection for a tick at a time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Certificate chain in PEM, the node's own first: HTTPS instead of HTTP; read anew on SIGHUP.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// A proxy (an address or a CIDR block) whose `X-Forwarded-For` and `Forwarded` are believed; again for more.
    #[arg(long = "trusted-proxy", value_name = "CIDR")]
    pub(crate) trusted_proxies: Vec<Cidr>,
    /// This node's name in `CDN-Loop`; by default `vitrine-edge-` and the node's id.
    #[arg(long, value_name = "NAME")]
    pub(crate) cdn_id: Option<CdnId>,
    /// How often a request may name this node in `CDN-Loop` and still be served; beyond it the answer is 508.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) cdn_loop_max: usize,
    /// One line per request on standard error, by default as `--log-format`; lines that are not taken in time are
    /// dropped and counted.
    #[arg(long, value_enum)]
    pub(crate) access_log: Option<AccessLogFormat>,
    /// Headers of one request, by number; beyond it the answer is 431. Above 100 each request costs an allocation more.
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub(crate) headers_max: usize,
    /// Longest wait for the next bytes of a request's body, in milliseconds; beyond it the answer is 408.
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    pub(crate) body_stall_timeout_ms: u64,
    /// Least bytes per second of a request's body, on average and not before the wait above; 0 asks for none.
    #[arg(long, value_name = "BYTES", default_value_t = 256)]
    pub(crate) body_rate_min: u64,
    /// Longest time for a TLS handshake, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    pub(crate) handshake_timeout_ms: u64,
    /// HTTP/2 requests at once on one connection; the client is told and further ones are refused.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) h2_streams_max: u32,
    /// HTTP/2 requests of one connection that were reset before they were looked at; beyond it the connection ends.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) h2_resets_max: usize,
    /// HTTP/2 requests of one connection that this node had to reset for the client's errors; beyond it the connection
    /// ends.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    pub(crate) h2_error_resets_max: usize,
    #[command(flatten)]
    pub(crate) operation: OperationOptions,
}

impl ServerOptions {
    /// How requests are logged beside log lines that look like `format`.
    pub(crate) fn access_log(&self, format: LogFormat) -> AccessLogFormat {
        self.access_log.unwrap_or(match format {
            LogFormat::Text => AccessLogFormat::Text,
            LogFormat::Json => AccessLogFormat::Json,
        })
    }

    /// How many threads serve.
    pub(crate) fn threads(&self) -> usize {
        match self.threads {
            Some(given) => usize::from(given),
            None => std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2)),
        }
    }
}

/// Whether and how requests are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccessLogFormat {
    /// Not at all.
    Off,
    /// One line of text.
    Text,
    /// One JSON object.
    Json,
}

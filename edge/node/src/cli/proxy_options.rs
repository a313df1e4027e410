//! `proxy`: origins instead of an application.

use std::net::SocketAddr;

use clap::{Args, FromArgMatches as _};

use super::{
    CacheOptions, LimitOptions, LogFormat, ServerOptions, Up, app_options,
    cache_options::SetCookieOption, node_id,
};
use crate::application::Origins;

#[derive(Debug, Args)]
pub(crate) struct ProxyOptions {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3000",
          value_parser = app_options::listen_address)]
    pub(crate) listen: SocketAddr,
    /// An origin, `http(s)://host[:port]`; again for more, which share the requests.
    #[arg(long = "origin", value_name = "URL", required = true)]
    pub(crate) origins: Vec<String>,
    /// Store nothing: every request goes to an origin.
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Longest wait for the head of an origin's answer, all attempts together, in milliseconds; it does not run while
    /// the client's body comes. Beyond it the answer is 504.
    #[arg(long, value_name = "MS", default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub(crate) origin_timeout_ms: u64,
    /// This node's name, in `Vitrine-Edge` and `Via`.
    #[arg(long, value_name = "NAME", default_value = "edge", value_parser = node_id)]
    pub(crate) node_id: String,
    /// How log lines look.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
    #[command(flatten)]
    pub(crate) limits: LimitOptions,
    #[command(flatten)]
    pub(crate) cache: CacheOptions,
}

impl ProxyOptions {
    /// Returns the options that it has in common with `up`, and what it stands in front of.
    pub(crate) fn split(self) -> (Up, Origins) {
        let origins = Origins {
            urls: self.origins,
            is_cached: !self.no_cache,
            timeout_ms: self.origin_timeout_ms,
        };
        let mut up = defaults();
        up.listen = self.listen;
        up.node_id = self.node_id;
        up.log_format = self.log_format;
        up.server = self.server;
        up.limits = self.limits;
        up.cache = self.cache;
        // Whoever puts a proxy before an origin expects a cache by the RFC.
        up.cache.cache_set_cookie.get_or_insert(SetCookieOption::Explicit);
        (up, origins)
    }
}

/// The options of `up` when none is given.
fn defaults() -> Up {
    let command = Up::augment_args(clap::Command::new("up").no_binary_name(true));
    let matches = command.get_matches_from(Vec::<String>::new());
    Up::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

//! Options for operating the node: where operators ask it.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use super::app_options;

/// How operators see and steer a running node.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Operation")]
pub(crate) struct OperationOptions {
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
}

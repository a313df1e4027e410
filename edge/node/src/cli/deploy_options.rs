//! Options about versions: of the commands that change them, and of `up`.

use std::path::PathBuf;

use clap::Args;

use super::app_options::{Pair, pair};
use crate::traffic::Share;

/// What `up` does about versions.
#[derive(Debug, Args)]
pub(crate) struct VersionOptions {
    /// Serve the version that served last from this state directory; the manifest only when there is none.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Deploy the manifest anew whenever it or a component's file changes. For development.
    #[arg(long)]
    pub(crate) watch: bool,
}

/// Which node is meant.
#[derive(Debug, Args)]
pub(crate) struct Reach {
    /// The running node's state directory, on this machine.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: PathBuf,
    /// Longest wait for the node, in seconds. Default 600: large components take their time to compile.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) timeout_s: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// The manifest; `spin.toml` without this option and without `--component`.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Take another file for a component; without `--from`, the rest is as in the version that serves.
    #[arg(long = "component", value_name = "ID=FILE", value_parser = component)]
    pub(crate) components: Vec<(String, PathBuf)>,
    /// Set an application variable for this version. Kept in the node's memory alone.
    #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) variables: Vec<Pair>,
    /// Give it this share of clients only, in percent, 1 to 99.
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    pub(crate) canary: Option<Share>,
    /// End the canary by itself when more than this share of its answers are 5xx, in percent, 1 to 99. Judged over at
    /// least 100 answers at a time.
    #[arg(long, value_name = "PERCENT", value_parser = share, requires = "canary")]
    pub(crate) failures_max: Option<Share>,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// The version to return to.
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Promote {
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Another share of clients instead of all, in percent, 1 to 99.
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    pub(crate) canary: Option<Share>,
}

#[derive(Debug, Args)]
pub(crate) struct Versions {
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Answer with JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn component(text: &str) -> Result<(String, PathBuf), &'static str> {
    let (id, path) = text.split_once('=').ok_or("it has no `=`")?;
    Ok((id.to_owned(), PathBuf::from(path)))
}

fn share(text: &str) -> Result<Share, &'static str> {
    text.parse().ok().and_then(Share::new).ok_or("a share is a whole number from 1 to 99")
}

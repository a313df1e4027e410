//! The measurement of the edge node: what it costs against plain hyper, against the same crates natively, in either
//! lane, with and without a token; how it starts, and what it holds.

mod memory;
mod paced;
mod profile;
mod servers;
mod start;
mod workerd;

use std::time::{Duration, Instant};

use anyhow::Result;
use harness::Environment;

use crate::affinity::Cores;
use crate::cli::{EdgeArgs, Part};
use crate::matrix;
use crate::report::Report;
use crate::say;
use servers::Servers;

pub(crate) use memory::Memory;
pub(crate) use paced::Paced;
pub(crate) use profile::Profile;
pub(crate) use servers::{NODE_ENV, PRODUCTS, hello_wasm, node_options};
pub(crate) use start::Starts;

/// A token is valid for 15 minutes; it is renewed when it is this old.
const TOKEN_KEPT: Duration = Duration::from_mins(5);
/// The series that sends a token.
pub(crate) const WITH_TOKEN: &str = "node, express lane, with a token";

/// Starts everything, measures, prints.
pub(crate) async fn run(args: &EdgeArgs) -> Result<()> {
    let environment = Environment::from_env()?;
    let effort = args.effort();
    let cores = Cores::choose();
    let mut report = Report::new(&effort, cores);
    let mut servers = Servers::start(&environment, cores).await?;
    if let Some(why) = &servers.left_out {
        report.note(why.clone());
    }
    if args.wants(Part::Rates) {
        let mut groups = servers.groups();
        let mut token: Option<(Instant, String)> = None;
        for round in 0..effort.rounds {
            if token.as_ref().is_none_or(|(since, _)| since.elapsed() > TOKEN_KEPT) {
                let bearer = servers.log_in().await?;
                for group in &mut groups {
                    group.ask_with(WITH_TOKEN, &[("authorization", &bearer)]);
                }
                token = Some((Instant::now(), bearer));
            }
            matrix::round(&effort, cores.client, round, &mut groups).await?;
        }
        report.groups = groups;
    }
    if args.wants(Part::Paced) {
        say("latency at 70 % of the highest rate")?;
        report.paced = paced::run(&effort, cores, &servers.paced()).await?;
    }
    if args.wants(Part::Profile) {
        say("profiles")?;
        if profile::is_possible().await {
            let folder = servers.folder.path();
            report.profiles = profile::run(&effort, cores, folder, &servers.profiled()).await?;
        } else {
            report.note("no profile: perf is not installed (Debian: linux-perf)".to_owned());
        }
    }
    if args.wants(Part::Start) {
        say("starts")?;
        report.starts = start::run(&servers, cores, if args.quick { 1 } else { 10 }).await?;
    }
    if args.wants(Part::Memory) {
        say("memory of idle instances")?;
        report.memory = memory::run(&servers, if args.quick { 8 } else { 60 }).await?;
    }
    servers.stop().await?;
    report.print()
}

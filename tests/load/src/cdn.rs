//! The measurement of the caching proxy, beside nginx: what is cached, what is passed on, how a bounded cache fares, and
//! what an origin sees of a crowd.

mod bounded;
mod crowd;
mod gateway;
mod h2;
mod nginx;
mod servers;

use anyhow::Result;
use harness::Environment;

use crate::affinity::Cores;
use crate::cli::{CdnArgs, CdnPart};
use crate::goals::Goal;
use crate::matrix::{self, Figures, Group};
use crate::report::{Report, ratio};
use crate::say;
use servers::Servers;

pub(crate) use servers::certificate;

/// The page: 4 KB.
const PAGE: &str = "/4096/fixed/page.html";
const PAGE_BYTES: usize = 4096;
/// The model: 1 MB.
const MODEL: &str = "/1000000/fixed/chair.glb";
const MODEL_BYTES: usize = 1_000_000;
/// What is passed on.
const SMALL_BYTES: usize = 1024;

const FILE: &str = "nginx, file";
const NGINX_CACHE: &str = "nginx, proxy_cache";
const CACHED: &str = "node, cached";
const GATEWAY: &str = "node, cached, with gateway";
const PROXIED: &str = "node, proxy";
const PROXIED_BY_NGINX: &str = "nginx, proxy";

/// Goals are about this many connections.
const CONNECTIONS: u32 = 16;
const PAGE_GROUP: &str = "page of 4 KB";
const MODEL_GROUP: &str = "model of 1 MB, whole";
const RANGES_GROUP: &str = "model of 1 MB, in ranges of 64 KiB";
const PROXIED_GROUP: &str = "1 KB of an origin, uncached";
/// In which group whose rate is to be at least how much of whose.
const GOALS: [(&str, &str, &str, f64); 5] = [
    (PAGE_GROUP, CACHED, FILE, 1.2),
    (PAGE_GROUP, GATEWAY, FILE, 0.7),
    (MODEL_GROUP, CACHED, FILE, 0.9),
    (RANGES_GROUP, CACHED, FILE, 0.9),
    (PROXIED_GROUP, PROXIED, PROXIED_BY_NGINX, 0.9),
];

/// Starts everything, measures, prints.
pub(crate) async fn run(args: &CdnArgs) -> Result<()> {
    let environment = Environment::from_env()?;
    let effort = args.effort();
    let cores = Cores::choose();
    let mut report = Report::new(&effort, cores);
    if args.wants(CdnPart::Rates) || args.wants(CdnPart::Http2) {
        let servers = Servers::start(&environment, cores).await?;
        servers.notes.iter().for_each(|note| report.note(note.clone()));
        if args.wants(CdnPart::Rates) {
            let mut groups = servers.groups()?;
            for round in 0..effort.rounds {
                matrix::round(&effort, cores.client, round, &mut groups).await?;
            }
            report.goals.extend(goals(&groups));
            report.groups = groups;
        }
        if args.wants(CdnPart::Http2) {
            match h2::run(&effort, cores, &servers).await? {
                Some(section) => report.sections.push(section),
                None => {
                    report.note("HTTP/2 is left out: no h2load (Debian: nghttp2-client)".to_owned())
                }
            }
        }
    }
    if args.wants(CdnPart::Bounded) {
        say("a bounded cache")?;
        bounded::run(args, &environment, &mut report).await?;
    }
    if args.wants(CdnPart::Crowd) {
        say("a crowd before one cold object")?;
        crowd::run(args, &environment, &mut report).await?;
    }
    report.print()
}

/// The goals that there are figures for.
fn goals(groups: &[Group]) -> Vec<Goal> {
    let goal = |(name, of, to, least): (&str, &str, &str, f64)| {
        let group = groups.iter().find(|group| group.name == name)?;
        let figure = ratio(rate(group, of)?, rate(group, to)?);
        Some(Goal::least(format!("{name}: {of} : {to}, requests/s"), figure, least))
    };
    GOALS.into_iter().filter_map(goal).collect()
}

fn rate(group: &Group, name: &str) -> Option<f64> {
    let series = group.series.iter().find(|series| series.target.name == name)?;
    let figures = series.figures.iter().find(|figures| figures.connections == CONNECTIONS);
    figures.map(Figures::rate)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::generator::Measured;
    use crate::matrix::Target;

    #[test]
    fn each_group_has_its_own_goals() {
        let group = |name, servers: &[&'static str]| {
            let mut group = Group::new(name, "/", 1);
            for name in servers {
                let address = ([127, 0, 0, 1], 1).into();
                group = group.with(&Target { name, address, pids: vec![] });
            }
            for series in &mut group.series {
                let mut figures = Figures { connections: CONNECTIONS, ..Figures::default() };
                let mut measured = Measured::default();
                (measured.answers, measured.elapsed) = (10, Duration::from_secs(1));
                figures.add(&measured, 1);
                series.figures.push(figures);
            }
            group
        };
        let groups = [
            group(PAGE_GROUP, &[FILE, CACHED, GATEWAY]),
            group(MODEL_GROUP, &[FILE, CACHED]),
            group(PROXIED_GROUP, &[PROXIED_BY_NGINX, PROXIED]),
        ];
        let lines: Vec<String> = goals(&groups).iter().map(Goal::line).collect();
        assert_eq!(lines.len(), 4, "{lines:?}");
        for (line, (verdict, bound)) in lines.iter().zip([
            ("MISSED", ">= 1.2"),
            ("met", ">= 0.7"),
            ("met", ">= 0.9"),
            ("met", ">= 0.9"),
        ]) {
            assert!(line.contains(verdict) && line.contains(bound), "{line}");
        }
    }
}

//! Thousands of requests for one object that nobody has yet: the origin is to be asked once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use harness::{Client, Environment};
use serde_json::json;
use tokio::sync::Barrier;

use super::servers::start_node;
use crate::cli::CdnArgs;
use crate::content;
use crate::goals::Goal;
use crate::histogram::Histogram;
use crate::origin::Child;
use crate::report::{Report, Section};

const REQUESTS: usize = 10_000;
const CONNECTIONS: usize = 500;
/// The object: 64 KB.
const BYTES: usize = 64_000;
/// The origin's head comes after so many milliseconds, and the body in so many pieces with pauses between them.
const WAIT_MS: u64 = 300;
const PIECES: usize = 8;
const PAUSE_MS: u64 = 20;
const OPENING: &str = "/1/fixed/opening";
/// As many objects, one after the other.
const OBJECTS: usize = 3;

/// Lets the crowd in, and reports.
pub(crate) async fn run(
    args: &CdnArgs,
    environment: &Environment,
    report: &mut Report,
) -> Result<()> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let origin = Child::start("origin", None, folder.path()).await?;
    let words = ["proxy", "--origin", origin.url()];
    let node = start_node(environment, None, folder.path(), "crowd", &words).await?;
    let requests = if args.quick { CONNECTIONS * 2 } else { REQUESTS };
    // What connections are opened with: it is in the cache before anything is counted.
    Client::new(node.url()).get(OPENING).await?;
    let mut crowds = Vec::new();
    for object in 0..OBJECTS {
        let path = format!("/{BYTES}/fixed/after/{WAIT_MS}/{PIECES}/{PAUSE_MS}/cold-{object}");
        let before = origin.requests().await?;
        let mut crowd = ask(&path, node.url(), requests).await?;
        crowd.origin = origin.requests().await?.saturating_sub(before);
        crowds.push(crowd);
    }
    let most = crowds.iter().map(|crowd| crowd.origin).max().unwrap_or(0);
    let what = format!("crowd: requests of the origin for one object that {requests} ask for");
    report.goals.push(Goal::most(what, most as f64, 1.0));
    report.sections.push(section(requests, &crowds));
    Ok(())
}

#[derive(Debug)]
struct Crowd {
    origin: u64,
    took: Duration,
    latencies: Histogram,
}

/// Asks on all connections at once, on each again and again.
async fn ask(path: &str, url: &str, requests: usize) -> Result<Crowd> {
    let expected = Arc::new(content::whole(path, 0, BYTES));
    // One more waits: whoever looks at the clock.
    let ready = Arc::new(Barrier::new(CONNECTIONS + 1));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (client, path) = (Client::new(url), path.to_owned());
        let (expected, ready) = (Arc::clone(&expected), Arc::clone(&ready));
        asking.spawn(async move {
            // Opens its connection.
            let opened = client.get(OPENING).await;
            ready.wait().await;
            opened?;
            let mut latencies = Histogram::default();
            for _ in 0..requests / CONNECTIONS {
                let asked = Instant::now();
                let answer = client.get(&path).await?;
                if answer.status != 200 || answer.body != *expected {
                    bail!("{path}: {} and {} bytes, not its", answer.status, answer.body.len());
                }
                latencies.record(asked.elapsed());
            }
            Ok(latencies)
        });
    }
    ready.wait().await;
    let started = Instant::now();
    let mut latencies = Histogram::default();
    while let Some(ended) = asking.join_next().await {
        latencies.add(&ended.context("ask")??);
    }
    Ok(Crowd { origin: 0, took: started.elapsed(), latencies })
}

fn section(requests: usize, crowds: &[Crowd]) -> Section {
    let mut text = format!(
        "\n{requests} requests on {CONNECTIONS} connections for an object of {BYTES} bytes whose origin answers after {WAIT_MS} ms, in {PIECES} pieces every {PAUSE_MS} ms\n\
         object   of the origin   all answered ms   p50 ms   slowest ms\n"
    );
    let mut lines = Vec::new();
    for (at, crowd) in crowds.iter().enumerate() {
        let took_ms = crowd.took.as_secs_f64() * 1000.0;
        let middle_ms = crowd.latencies.quantile_us(500) / 1000.0;
        let slowest_ms = crowd.latencies.quantile_us(1000) / 1000.0;
        text.push_str(&format!(
            "{:>6}   {:>13}   {took_ms:>15.0}   {middle_ms:>6.1}   {slowest_ms:>10.0}\n",
            at + 1,
            crowd.origin
        ));
        lines.push(json!({ "origin_requests": crowd.origin, "ms": took_ms, "ms_p50": middle_ms, "ms_max": slowest_ms }));
    }
    let json = json!({ "requests": requests, "connections": CONNECTIONS, "objects": lines });
    Section { name: "crowd", text, json }
}

//! What an idle instance holds, and how long making one takes.
//!
//! Instances are forced: as many requests as there shall be, each with a body that does not come, so that each keeps an
//! instance. The same connections have asked for a fixed answer before: what they cost is not the instances' cost.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use harness::{Client, EdgeOptions, Process, eventually};
use serde_json::Value;

use super::servers::{NODE_ARGS, Servers};
use crate::machine::private_kib;
use crate::manifest::{FIXED, READ};
use crate::matrix::address;

/// Huge pages come and go by 2 MiB, and with them 33 KiB for each of 60 instances, or nothing.
const SMALL_PAGES: (&str, &str) = ("MIMALLOC_ALLOW_THP", "0");
const TAKEN_LIMIT: Duration = Duration::from_secs(30);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// What the instances of one lane hold.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    pub(crate) lane: &'static str,
    pub(crate) instances: u32,
    /// Memory that only the node has, more than before, per instance.
    pub(crate) kib_per_instance: f64,
    /// The time that making an instance took in the middle, as the node says in its log.
    pub(crate) instantiate_us: f64,
}

/// Measures both lanes, each in a node of its own.
pub(crate) async fn run(servers: &Servers, instances: u32) -> Result<Vec<Memory>> {
    let mut all = Vec::new();
    for (lane, name, argument) in [
        ("express lane", "memory-express", None),
        ("standard lane", "memory-standard", Some("--standard-lane")),
    ] {
        let args = NODE_ARGS.into_iter().chain(argument).chain(["--log-format=json"]);
        let options = EdgeOptions {
            manifest: Some(servers.manifest.clone()),
            args: args.map(str::to_owned).collect(),
            env: [("RUST_LOG", "warn,runtime=debug"), SMALL_PAGES]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            compiled_by: Some(servers.stack.data(harness::Role::Edge)),
            ..EdgeOptions::default()
        };
        let mut process = servers.stack.start_edge(name, &options).await?;
        let memory = measure(&process, lane, instances).await;
        process.kill().await?;
        all.push(memory?);
    }
    Ok(all)
}

async fn measure(process: &Process, lane: &'static str, instances: u32) -> Result<Memory> {
    let pid = process.pid().context("find the node")?;
    let node = address(process.url())?;
    let client = Client::new(process.url());
    // Once each, so that what only the first costs is not counted.
    hold(node, READ, 1, &client).await?;
    hold(node, FIXED, instances, &client).await?;
    let before = private_kib(pid);
    hold(node, READ, instances, &client).await?;
    let more = private_kib(pid).saturating_sub(before);
    let mut took = instantiations(&process.log());
    took.sort_by(f64::total_cmp);
    Ok(Memory {
        lane,
        instances,
        // One was there already.
        kib_per_instance: more as f64 / f64::from(instances - 1),
        instantiate_us: took.get(took.len() / 2).copied().unwrap_or(0.0),
    })
}

/// Begins so many requests at once, waits until an instance is taken for each, and ends them all.
async fn hold(node: SocketAddr, path: &'static str, count: u32, client: &Client) -> Result<()> {
    let begun = tokio::task::spawn_blocking(move || {
        (0..count).map(|_| begin(node, path)).collect::<Result<Vec<_>>>()
    });
    let begun = begun.await.context("begin requests")??;
    if path == READ {
        let what = format!("{count} instances are taken");
        eventually(TAKEN_LIMIT, &what, || async {
            let metrics = client.get("/metrics").await.ok()?.text();
            let value = metrics.lines().find_map(|line| {
                line.strip_prefix("vitrine_edge_component_busy_instances{component=\"hello\"} ")
            });
            (value?.parse::<u32>().ok()? >= count).then_some(())
        })
        .await?;
    }
    tokio::task::spawn_blocking(move || begun.into_iter().try_for_each(end))
        .await
        .context("end requests")?
}

/// Sends a head, and no body yet.
fn begin(node: SocketAddr, path: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(node).context("reach a node")?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).context("set up a connection")?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 1\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).context("begin a request")?;
    Ok(stream)
}

/// Sends the body, and reads the answer to its end.
fn end(mut stream: TcpStream) -> Result<()> {
    // An answer that does not look at the body may have closed already.
    let _ = stream.write_all(b"x");
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = stream.shutdown(Shutdown::Both);
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        bail!("no 200 but {:?} ({read:?})", String::from_utf8_lossy(&answer));
    }
    Ok(())
}

/// How long each instance took to make, by the node's log.
fn instantiations(log: &str) -> Vec<f64> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let hello =
        lines.filter(|line| line.get("component.id").and_then(Value::as_str) == Some("hello"));
    hello.filter_map(|line| line.get("instantiate_us")?.as_f64()).collect()
}

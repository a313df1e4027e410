//! Origins and nodes, and what can be done to them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use harness::{Client, Environment, Process, Program, eventually};
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use super::tls::CERTIFICATES;
use crate::cdn::certificate;
use crate::origin::{Child, Rule, now_ms};
use crate::random::Random;

/// Below the ports that systems give to connections: one that is free while its server is away stays so.
const PORTS: std::ops::Range<u64> = 20_000..32_000;
/// A node that was asked to end has this long: it gives its requests 5 s.
const DRAIN_LIMIT: Duration = Duration::from_secs(20);
/// An origin that is well again is used within this: nodes pass one over for 60 s at most, and then try it.
const SETTLE_LIMIT: Duration = Duration::from_secs(90);
/// A node that has so many more answers of an origin does no longer only try it.
const SETTLED_ANSWERS: u64 = 10;
/// The option that a node has when it can be told to purge.
const ADMIN: &str = "--admin ";
const TOKEN: &str = "a-token-of-the-soak-test";

/// Everything that runs.
#[derive(Debug)]
pub(crate) struct Fleet {
    origins: Vec<Child>,
    nodes: Vec<Node>,
    purges: Purges,
    // Behind the processes, which use it.
    _folder: TempDir,
}

/// A node, and its files.
#[derive(Debug)]
struct Node {
    process: Process,
    address: SocketAddr,
    admin: Option<Client>,
    /// Which certificate lies in its file.
    certificate: usize,
    files: [String; 2],
    environment: Environment,
}

/// Up to when answers were purged, by node and tag: when it was asked for, and when it was confirmed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Purges(Arc<Mutex<BTreeMap<(usize, &'static str), u64>>>);

impl Purges {
    /// Nothing older may come from this node by now.
    pub(crate) fn at(&self, node: usize, rule: Rule) -> Option<u64> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(node, rule.word())).copied()
    }

    fn confirm(&self, node: usize, rule: Rule, asked_at: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((node, rule.word()), asked_at);
    }
}

impl Fleet {
    /// Starts two origins and two nodes.
    pub(crate) async fn start(environment: &Environment, random: &mut Random) -> Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("vitrine-").tempdir().context("make a folder")?;
        let place = folder.path();
        let mut origins = Vec::new();
        for name in ["origin-0", "origin-1"] {
            let addresses = [free_address(random)?, free_address(random)?];
            origins.push(Child::start_at(name, addresses, None, place).await?);
        }
        let urls: Vec<String> = origins.iter().map(|origin| origin.url().to_owned()).collect();
        let can_purge = knows_admin(environment).await?;
        if !can_purge {
            crate::say("purges are left out: this node has no --admin")?;
        }
        let mut nodes = Vec::new();
        for name in ["node-0", "node-1"] {
            let admin = if can_purge { Some(free_address(random)?) } else { None };
            let address = free_address(random)?;
            nodes.push(Node::start(environment, name, (address, admin), &urls, place).await?);
        }
        Ok(Self { origins, nodes, purges: Purges::default(), _folder: folder })
    }

    /// Where the nodes listen.
    pub(crate) fn addresses(&self) -> [SocketAddr; 2] {
        let at = |at: usize| self.nodes.get(at).map(|node| node.address);
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        [0, 1].map(|number| at(number).unwrap_or(nowhere))
    }

    /// What was purged.
    pub(crate) fn purges(&self) -> Purges {
        self.purges.clone()
    }

    /// Whether nodes can be told to purge.
    pub(crate) fn can_purge(&self) -> bool {
        self.nodes.iter().all(|node| node.admin.is_some())
    }

    /// One of the origins.
    pub(crate) fn origin(&mut self, at: usize) -> Result<&mut Child> {
        self.origins.get_mut(at).context("find an origin")
    }

    fn node(&mut self, at: usize) -> Result<&mut Node> {
        self.nodes.get_mut(at).context("find a node")
    }

    /// Puts the other certificate in its place, and tells the node so.
    pub(crate) fn change_certificate(&mut self, at: usize) -> Result<()> {
        let node = self.node(at)?;
        node.certificate = (node.certificate + 1) % CERTIFICATES.len();
        node.put_certificate()?;
        node.process.signal(Signal::HUP)
    }

    /// Ends a node as a deployment would, and starts it again.
    pub(crate) async fn drain(&mut self, at: usize) -> Result<()> {
        let process = &mut self.node(at)?.process;
        let status = process.terminate(DRAIN_LIMIT).await?;
        if !status.success() {
            bail!("node {at} ended with {status} after SIGTERM");
        }
        process.restart().await
    }

    /// Purges what has this rule, on one node.
    pub(crate) async fn purge(&mut self, at: usize, rule: Rule, is_soft: bool) -> Result<()> {
        let asked_at = now_ms();
        let purges = self.purges.clone();
        let admin = self.node(at)?.admin.clone().context("purge without --admin")?;
        let answer = admin
            .post("/purge", &json!({ "tags": [rule.word()], "soft": is_soft }))
            .await
            .context("purge")?;
        if !(200..300).contains(&answer.status) {
            bail!("purge on node {at}: {} {}", answer.status, answer.text());
        }
        // What may be shown while it is fetched anew may be shown after a soft purge too.
        if !is_soft || rule == Rule::Strict {
            purges.confirm(at, rule, asked_at);
        }
        Ok(())
    }

    /// Waits until every node uses an origin again that nothing is wrong with; returns how long that took.
    pub(crate) async fn settle(&self, at: usize) -> Result<Duration> {
        let origin = self.origins.get(at).context("find an origin")?;
        let (started, before) = (Instant::now(), origin.answers().await?);
        let what = format!("origin {at} is used by every node");
        let settled = eventually(SETTLE_LIMIT, &what, || async {
            let now = origin.answers().await.ok()?;
            let more = |(via, count): (&String, &u64)| {
                let before = before.get(via).copied().unwrap_or(0);
                count.saturating_sub(before) >= SETTLED_ANSWERS
            };
            (now.iter().filter(|one| more(*one)).count() >= self.nodes.len()).then_some(())
        });
        settled.await?;
        Ok(started.elapsed())
    }

    /// How the logs of everybody end.
    pub(crate) fn log_ends(&self) -> String {
        let nodes = self.nodes.iter().map(|node| &node.process);
        let all = nodes.chain(self.origins.iter().map(|origin| &origin.process));
        let end = |process: &Process| {
            let log = process.log();
            let lines: Vec<&str> = log.lines().rev().take(8).collect();
            lines.into_iter().rev().map(|line| format!("  | {line}\n")).collect::<String>()
        };
        all.map(|process| format!("the log of {} ends with:\n{}", process.url(), end(process)))
            .collect()
    }

    /// Ends every process.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            node.process.kill().await?;
        }
        for origin in &mut self.origins {
            origin.process.kill().await?;
        }
        Ok(())
    }
}

impl Node {
    async fn start(
        environment: &Environment,
        name: &str,
        (address, admin): (SocketAddr, Option<SocketAddr>),
        origins: &[String],
        folder: &Path,
    ) -> Result<Self> {
        let file = |end: &str| folder.join(format!("{name}{end}")).display().to_string();
        let files = [file(".pem"), file(".key.pem")];
        let mut args = vec!["proxy".to_owned(), format!("--listen={address}")];
        args.extend(origins.iter().map(|url| format!("--origin={url}")));
        args.extend([format!("--tls-cert={}", files[0]), format!("--tls-key={}", files[1])]);
        args.extend(["--threads=2", "--access-log=off", "--cache-mib=64"].map(str::to_owned));
        args.push(format!("--node-id={name}"));
        if let Some(admin) = admin {
            let token = file(".token");
            std::fs::write(&token, format!("{TOKEN}\n")).context("write a token")?;
            args.extend([format!("--admin={admin}"), format!("--admin-token-file={token}")]);
        }
        let client = |admin: SocketAddr| {
            let client = Client::new(&format!("http://{admin}"));
            client.with_header("authorization", &format!("Bearer {TOKEN}"))
        };
        let admin = admin.map(client).transpose()?;
        put_certificate(environment, CERTIFICATES[0], &files)?;
        let path = environment.bin_dir.join("vitrine-edge");
        let name = name.to_owned();
        let program = Program { name, path, args, env: Vec::new(), announces: "listening " };
        let process = Process::start_alone(program, folder).await?;
        let environment = environment.clone();
        Ok(Self { process, address, admin, certificate: 0, files, environment })
    }

    fn put_certificate(&self) -> Result<()> {
        let name = CERTIFICATES.get(self.certificate).copied().unwrap_or(CERTIFICATES[0]);
        put_certificate(&self.environment, name, &self.files)
    }
}

/// The key first, then the certificate: between the two nobody is told to look.
fn put_certificate(environment: &Environment, name: &str, files: &[String; 2]) -> Result<()> {
    let (chain, key) = certificate(environment, name);
    for (from, to) in [(key, &files[1]), (chain, &files[0])] {
        std::fs::copy(&from, to).with_context(|| format!("copy {from}"))?;
    }
    Ok(())
}

async fn knows_admin(environment: &Environment) -> Result<bool> {
    let program = environment.bin_dir.join("vitrine-edge");
    let help = tokio::process::Command::new(program).args(["proxy", "--help"]).output().await;
    let help = help.context("ask the node what it can")?;
    Ok(String::from_utf8_lossy(&help.stdout).contains(ADMIN))
}

fn free_address(random: &mut Random) -> Result<SocketAddr> {
    for _ in 0..1000 {
        let port = PORTS.start + random.below(PORTS.end - PORTS.start);
        let port = u16::try_from(port).context("use a port")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port of {PORTS:?} is free")
}

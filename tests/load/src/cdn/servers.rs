//! The servers of the measurement: our node in its variants, nginx in its, and the origin that fills their caches.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use harness::{Client, Environment, Process, Program};
use tempfile::TempDir;

use super::nginx::{Nginx, Surroundings};
use super::{CACHED, FILE, GATEWAY, MODEL, MODEL_BYTES, NGINX_CACHE, PAGE, PAGE_BYTES, gateway};
use super::{MODEL_GROUP, PAGE_GROUP, PROXIED_GROUP, RANGES_GROUP};
use super::{PROXIED, PROXIED_BY_NGINX, SMALL_BYTES};
use crate::affinity::Cores;
use crate::content;
use crate::edge::NODE_ENV;
use crate::generator::Question;
use crate::matrix::{Group, Target, address};
use crate::origin::Child;
use crate::random::Random;
use crate::responder::Origin;
use crate::say;

/// Certificates of the node's tests: self-signed for `edge.test`, and secret to nobody.
const CERTIFICATES: &str = "edge/node/tests/it/tls";
/// Bytes that one request for a part of the model asks for.
const RANGE_BYTES: usize = 64 * 1024;
/// How many different parts are asked for in turn.
const RANGES: usize = 64;

/// All servers.
#[derive(Debug)]
pub(crate) struct Servers {
    node: Process,
    node_tls: Process,
    node_uncached: Process,
    node_gateway: Option<Process>,
    nginx: Nginx,
    _origin: Child,
    responder: Origin,
    /// What the reader must know.
    pub(crate) notes: Vec<String>,
    // Behind the processes, which use it.
    _folder: TempDir,
}

impl Servers {
    /// Starts them, fills caches, and makes sure that all give the same bytes.
    pub(crate) async fn start(environment: &Environment, cores: Cores) -> Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("vitrine-").tempdir().context("make a folder")?;
        write_files(&folder.path().join("files"))?;
        let place = folder.path();
        say("start the origin, three nodes and nginx")?;
        let origin = Child::start("origin", cores.client, place).await?;
        let responder = Origin::bind(&content::whole("/small", 0, SMALL_BYTES))?;
        let starting = Starting { environment, cores, folder: place };
        let (certificate, key) = certificate(environment, "one");
        // Where nginx has its files: what is sent of a file system's pages goes in larger pieces than nameless memory.
        let bodies = place.join("bodies").display().to_string();
        let words = ["--origin", origin.url(), "--cache-body-dir", &bodies];
        let node = starting.proxy("cached", &words).await?;
        let tls = ["--origin", origin.url(), "--tls-cert", &certificate, "--tls-key", &key];
        let node_tls = starting.proxy("tls", &tls).await?;
        let url = format!("http://{}", responder.address);
        let uncached = ["--origin", &url, "--no-cache"];
        let node_uncached = starting.proxy("uncached", &uncached).await?;
        let surroundings = Surroundings {
            folder: place,
            tls: (PathBuf::from(certificate), PathBuf::from(key)),
            origin: address(origin.url())?,
            responder: responder.address,
        };
        let nginx = Nginx::start(&surroundings, cores.server).await?;
        let mut notes = vec![format!("yardstick: {}", nginx.version)];
        let node_gateway = match starting.gateway(address(origin.url())?).await {
            Ok(node) => Some(node),
            Err(error) if is_unknown(&error) => {
                notes.push(
                    "with gateway: left out, this node knows no middleware before pools".to_owned(),
                );
                None
            }
            Err(error) => return Err(error.context("start the node with a gateway")),
        };
        let servers = Self {
            node,
            node_tls,
            node_uncached,
            node_gateway,
            nginx,
            _origin: origin,
            responder,
            notes,
            _folder: folder,
        };
        servers.compare().await?;
        Ok(servers)
    }

    /// Who is asked what.
    pub(crate) fn groups(&self) -> Result<Vec<Group>> {
        let cached = target(CACHED, &self.node)?;
        let mut page = Group::new(PAGE_GROUP, PAGE, PAGE_BYTES);
        page = page.with(&self.nginx.files(FILE)).with(&cached);
        if let Some(node) = &self.node_gateway {
            page = page.with(&target(GATEWAY, node)?);
        }
        page = page.with(&self.nginx.cache(NGINX_CACHE));
        let mut model = Group::new(MODEL_GROUP, MODEL, MODEL_BYTES);
        model = model.with(&self.nginx.files(FILE)).with(&cached);
        model = model.with(&self.nginx.cache(NGINX_CACHE));
        let mut ranges = Group::new(RANGES_GROUP, MODEL, RANGE_BYTES);
        for server in [self.nginx.files(FILE), cached, self.nginx.cache(NGINX_CACHE)] {
            ranges.ask(server, range_questions());
        }
        let mut proxied = Group::new(PROXIED_GROUP, "/small", SMALL_BYTES);
        proxied.origin = Some(self.responder.clone());
        proxied = proxied
            .with(&self.nginx.proxy(PROXIED_BY_NGINX))
            .with(&target(PROXIED, &self.node_uncached)?);
        Ok(vec![page, model, ranges, proxied])
    }

    /// Who is asked for the page over TLS and HTTP/2, the yardstick first.
    pub(crate) fn over_tls(&self) -> Result<[Target; 2]> {
        Ok([self.nginx.tls(FILE), target(CACHED, &self.node_tls)?])
    }

    /// Asks everybody for everything: only the same bytes can be compared. What was asked lies in every cache then.
    async fn compare(&self) -> Result<()> {
        for (path, bytes) in [(PAGE, PAGE_BYTES), (MODEL, MODEL_BYTES)] {
            let expected = content::whole(path, 0, bytes);
            let mut all = vec![self.nginx.files(FILE), self.nginx.cache(NGINX_CACHE)];
            all.push(target(CACHED, &self.node)?);
            if let Some(node) = &self.node_gateway {
                all.push(target(GATEWAY, node)?);
            }
            for server in all {
                let client = Client::new(&format!("http://{}", server.address));
                // Twice: the second time it comes from the cache.
                for _ in 0..2 {
                    let answer = client.get(path).await?;
                    if answer.status != 200 || answer.body != expected {
                        bail!("{path} of {}: {}, not its bytes", server.name, answer.status);
                    }
                }
                let part = client.with_header("range", "bytes=1000-2999")?.get(path).await?;
                if part.status != 206 || part.body != expected.get(1000..3000).unwrap_or_default() {
                    bail!("{path} of {}: {}, not the bytes of a range", server.name, part.status);
                }
            }
        }
        Ok(())
    }
}

/// What every node is started with.
struct Starting<'a> {
    environment: &'a Environment,
    cores: Cores,
    folder: &'a Path,
}

impl Starting<'_> {
    async fn proxy(&self, name: &str, args: &[&str]) -> Result<Process> {
        let mut all = vec!["proxy"];
        all.extend(args);
        self.node(name, &all).await
    }

    async fn gateway(&self, origin: std::net::SocketAddr) -> Result<Process> {
        let file = self.folder.join("gateway.toml");
        std::fs::write(&file, gateway::manifest(&self.environment.root, origin))
            .context("write a manifest")?;
        let text = file.display().to_string();
        let state = self.folder.join("gateway").display().to_string();
        self.node("gateway", &["up", "--from", &text, "--state-dir", &state]).await
    }

    async fn node(&self, name: &str, args: &[&str]) -> Result<Process> {
        let args = [args, &["--threads=1"]].concat();
        start_node(self.environment, self.cores.server, self.folder, name, &args).await
    }
}

/// Starts a node on a free port, without a log of requests.
pub(crate) async fn start_node(
    environment: &Environment,
    core: Option<usize>,
    folder: &Path,
    name: &str,
    args: &[&str],
) -> Result<Process> {
    let mut path = environment.bin_dir.join("vitrine-edge");
    let mut args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    args.extend(["--listen=127.0.0.1:0", "--access-log=off"].map(str::to_owned));
    if let Some(core) = core {
        (path, args) = harness::on_core(core, &path, args);
    }
    let env = NODE_ENV.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let program = Program { name: name.to_owned(), path, args, env, announces: "listening " };
    Process::start_alone(program, folder).await
}

/// Whether the node was refused only because it does not know the table yet.
fn is_unknown(error: &anyhow::Error) -> bool {
    let said = format!("{error:#}");
    said.contains("unknown field") && said.contains(gateway::KEY)
}

fn target(name: &'static str, process: &Process) -> Result<Target> {
    let url = process.url().replace("https://", "http://");
    Ok(Target { name, address: address(&url)?, pids: process.pid().into_iter().collect() })
}

/// Files of certificate and key.
pub(crate) fn certificate(environment: &Environment, name: &str) -> (String, String) {
    let folder = environment.root.join(CERTIFICATES);
    let file = |end: &str| folder.join(format!("{name}{end}")).display().to_string();
    (file(".pem"), file(".key.pem"))
}

fn write_files(root: &Path) -> Result<()> {
    for (path, bytes) in [(PAGE, PAGE_BYTES), (MODEL, MODEL_BYTES)] {
        let file = root.join(path.trim_start_matches('/'));
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).context("make a folder of files")?;
        }
        std::fs::write(&file, content::whole(path, 0, bytes))
            .with_context(|| format!("write {}", file.display()))?;
    }
    Ok(())
}

/// Parts at places that no page and no block of a cache begins at.
fn range_questions() -> Vec<Question> {
    let mut random = Random::seeded(1);
    let question = |_| {
        let start = random.below((MODEL_BYTES - RANGE_BYTES) as u64);
        let range = format!("bytes={start}-{}", start + RANGE_BYTES as u64 - 1);
        Question::get("range", MODEL, &[("range", &range)])
            .answered_with(206)
            .of_length(RANGE_BYTES)
    };
    (0..RANGES).map(question).collect()
}

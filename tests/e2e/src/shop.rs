//! Payments, origin and edge on free ports, each of which a test may kill and start again.
//!
//! `cargo xtask up` would start a killed one by itself; here it stays dead until the test says so.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::client::Client;
use crate::programs::{Programs, signal};

const START_LIMIT: Duration = Duration::from_secs(180);
const STOP_LIMIT: Duration = Duration::from_secs(10);
const EDGE_SECRET: &str = "6564676565646765656467656564676565646765656467656564676565646765";
const PAYMENTS_SECRET: &str = "7061796d656e74737061796d656e74737061796d656e74737061796d656e7473";
/// Longest piece of a log that a failing test shows.
const LOG_TAIL_BYTES: usize = 3000;

/// A process of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The local payment provider.
    Payments,
    /// The origin.
    Origin,
    /// The edge node.
    Edge,
}

impl Role {
    const ALL: [Self; 3] = [Self::Payments, Self::Origin, Self::Edge];

    fn name(self) -> &'static str {
        match self {
            Self::Payments => "payments",
            Self::Origin => "origin",
            Self::Edge => "edge",
        }
    }
}

/// A running shop with its own data; all of it ends with the value.
#[derive(Debug)]
pub struct Shop {
    programs: Programs,
    data: TempDir,
    ports: BTreeMap<Role, u16>,
    running: BTreeMap<Role, Child>,
}

impl Shop {
    /// Starts a seeded shop and waits until its edge has the catalogue.
    ///
    /// # Errors
    /// When something is not built or does not start.
    pub fn start() -> Result<Self> {
        let programs = Programs::find()?;
        let data =
            tempfile::Builder::new().prefix("vitrine-e2e-").tempdir().context("make a folder")?;
        fs::write(data.path().join("edge-secret"), EDGE_SECRET).context("write a secret")?;
        fs::write(data.path().join("payments-secret"), PAYMENTS_SECRET)
            .context("write a secret")?;
        let mut shop = Self { programs, data, ports: free_ports()?, running: BTreeMap::new() };
        shop.seed()?;
        for role in Role::ALL {
            shop.run(role)?;
        }
        shop.wait("the edge has the catalogue", || {
            shop.edge().get("/v1/products?limit=1").is_ok_and(|answer| {
                answer.status == 200 && answer.json()["items"][0]["sku"].is_string()
            })
        })?;
        Ok(shop)
    }

    /// Asks the edge, as shoppers do.
    #[must_use]
    pub fn edge(&self) -> Client {
        self.client(Role::Edge)
    }

    /// Asks the origin, as only the edge should.
    #[must_use]
    pub fn origin(&self) -> Client {
        self.client(Role::Origin)
    }

    /// Starts a process that was stopped or killed, on its old port and data.
    ///
    /// # Errors
    /// When it does not start.
    pub fn run(&mut self, role: Role) -> Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.data.path().join(role.name()).with_extension("log"))
            .context("open a log")?;
        let mut command = self.command(role)?;
        command.current_dir(&self.programs.root).stdin(Stdio::null());
        command.stdout(log.try_clone().context("open a log")?).stderr(log);
        let child = command.spawn().with_context(|| format!("start {}", role.name()))?;
        self.running.insert(role, child);
        let client = self.client(role);
        self.wait(&format!("{} is healthy", role.name()), || {
            client.get("/healthz").is_ok_and(|answer| answer.status == 200)
        })
    }

    /// Ends a process as a power cut does.
    pub fn kill(&mut self, role: Role) {
        if let Some(mut child) = self.running.remove(&role) {
            signal(child.id(), true);
            let _ = child.wait();
        }
    }

    /// Ends a process as an operator does, and waits until it is gone.
    ///
    /// # Errors
    /// When it does not end in time, or not well.
    pub fn stop(&mut self, role: Role) -> Result<()> {
        let Some(mut child) = self.running.remove(&role) else { return Ok(()) };
        signal(child.id(), false);
        let mut status = None;
        let ended = wait_for(STOP_LIMIT, || {
            status = child.try_wait().ok().flatten();
            status.is_some()
        });
        if !ended {
            signal(child.id(), true);
            let _ = child.wait();
            bail!("{} does not stop within {STOP_LIMIT:?}", role.name());
        }
        match status {
            Some(status) if status.success() => Ok(()),
            other => bail!("{} ended with {other:?}", role.name()),
        }
    }

    fn client(&self, role: Role) -> Client {
        Client::new(self.port(role))
    }

    fn port(&self, role: Role) -> u16 {
        self.ports.get(&role).copied().unwrap_or_default()
    }

    fn url(&self, role: Role) -> String {
        format!("http://127.0.0.1:{}", self.port(role))
    }

    fn seed(&self) -> Result<()> {
        let output = Command::new(self.programs.origin())
            .arg("seed")
            .arg("--data")
            .arg(self.folder(Role::Origin)?)
            .arg("--catalogue")
            .arg(&self.programs.catalogue)
            .output()
            .context("seed")?;
        if !output.status.success() {
            bail!("seed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    fn folder(&self, role: Role) -> Result<PathBuf> {
        let folder = self.data.path().join(role.name());
        fs::create_dir_all(&folder).context("make a data folder")?;
        Ok(folder)
    }

    fn command(&self, role: Role) -> Result<Command> {
        let listen = format!("127.0.0.1:{}", self.port(role));
        let data = self.folder(role)?;
        let secret = |name: &str| self.data.path().join(name);
        let mut command = Command::new(match role {
            Role::Edge => self.programs.edge(),
            Role::Origin | Role::Payments => self.programs.origin(),
        });
        match role {
            Role::Payments => {
                command.args(["payments", "--listen", &listen, "--data"]).arg(data);
                command.arg("--secret-file").arg(secret("payments-secret"));
                let webhook = format!("{}/webhooks/payments", self.url(Role::Origin));
                command.args(["--webhook-url", &webhook]);
            }
            Role::Origin => {
                command.args(["serve", "--listen", &listen, "--data"]).arg(data);
                command.arg("--edge-secret-file").arg(secret("edge-secret"));
                command.args(["--payments-url", &self.url(Role::Payments)]);
                command.arg("--payments-secret-file").arg(secret("payments-secret"));
                command.arg("--media-dir").arg(&self.programs.media);
            }
            Role::Edge => {
                command.arg("up").arg("--from").arg(self.programs.root.join("spin.toml"));
                command.args(["--listen", &listen, "--state-dir"]).arg(data);
                command.args(["--variable", &format!("origin_url={}", self.url(Role::Origin))]);
                command.args(["--variable", &format!("public_url={}", self.url(Role::Edge))]);
                // A crowd of guests on one machine has one address.
                command.args(["--variable", "rate_limit_scale=10000"]);
                command.env("SPIN_VARIABLE_EDGE_SECRET", EDGE_SECRET);
            }
        }
        Ok(command)
    }

    fn wait(&self, what: &str, look: impl FnMut() -> bool) -> Result<()> {
        if !wait_for(START_LIMIT, look) {
            bail!("not within {START_LIMIT:?}: {what}\n{}", self.logs());
        }
        Ok(())
    }

    fn logs(&self) -> String {
        let tail = |role: Role| {
            let log = self.data.path().join(role.name()).with_extension("log");
            let text = fs::read_to_string(log).unwrap_or_default();
            let from = text.len().saturating_sub(LOG_TAIL_BYTES);
            let start = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            format!("── {}\n{}", role.name(), text.get(start..).unwrap_or_default())
        };
        Role::ALL.map(tail).join("\n")
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        for role in Role::ALL {
            self.kill(role);
        }
        if std::thread::panicking() {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), self.logs().as_bytes());
        }
    }
}

fn wait_for(limit: Duration, mut look: impl FnMut() -> bool) -> bool {
    let until = std::time::Instant::now() + limit;
    while !look() {
        if std::time::Instant::now() > until {
            return false;
        }
        std::thread::sleep(crate::LOOK_EVERY);
    }
    true
}

/// Origin and payments must know each other's port before either listens, so none can choose its own.
fn free_ports() -> Result<BTreeMap<Role, u16>> {
    let mut held = Vec::new();
    let mut ports = BTreeMap::new();
    for role in Role::ALL {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
        ports.insert(role, listener.local_addr().context("find a free port")?.port());
        held.push(listener);
    }
    Ok(ports)
}

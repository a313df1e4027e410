//! Payments, origin and edge as processes that know each other.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::client::Client;
use crate::environment::{Environment, text};
use crate::eventually;
use crate::process::{LISTENING, Process, Spec};

const START_LIMIT: Duration = Duration::from_secs(30);
/// An edge node compiles its components at the first start; unoptimised, that takes a while.
const EDGE_START_LIMIT: Duration = Duration::from_secs(180);
const SEED_LIMIT: Duration = Duration::from_secs(60);
const READY_LIMIT: Duration = Duration::from_secs(60);
/// Where the payment provider tells the origin how a payment went.
const WEBHOOK_PATH: &str = "/internal/payments/webhook";
const SECRET_BYTES: usize = 32;
/// Where a node keeps compiled components, below its state folder.
const COMPILED: &str = "components";

/// The processes that every stack has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The local payment provider.
    Payments,
    /// The origin.
    Origin,
    /// The first edge node.
    Edge,
}

/// How an edge node differs from the usual one.
#[derive(Debug, Clone, Default)]
pub struct EdgeOptions {
    /// Another manifest than the repository's.
    pub manifest: Option<PathBuf>,
    /// Variables beside `origin_url` and `public_url`.
    pub variables: Vec<(String, String)>,
    /// Further arguments of `vitrine-edge up`.
    pub args: Vec<String>,
    /// Further variables of its environment.
    pub env: Vec<(String, String)>,
    /// The one core that it may use; without it all of them.
    pub core: Option<usize>,
    /// A node's state folder, whose compiled components it begins with.
    pub compiled_by: Option<PathBuf>,
}

/// How a stack differs from the usual one.
#[derive(Debug, Clone, Default)]
pub struct StackOptions {
    /// The first edge node.
    pub edge: EdgeOptions,
    /// Leaves the shop empty.
    pub unseeded: bool,
    /// Starts no edge node: whoever asks starts its own.
    pub without_edge: bool,
}

/// A program beside the stack's own, for example another host of the edge application.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its name in logs and errors.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables beside those that this process has.
    pub env: Vec<(String, String)>,
    /// What it prints in front of its address when it accepts connections.
    pub announces: &'static str,
}

/// A running shop. Dropping it ends every process and deletes its data.
#[derive(Debug)]
pub struct Stack {
    environment: Environment,
    // Before `data`: the processes must be gone when their folder is deleted.
    processes: BTreeMap<Role, Process>,
    ports: Ports,
    data: TempDir,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    payments: u16,
    origin: u16,
    edge: u16,
}

impl Stack {
    /// Starts a seeded shop from what `cargo xtask` built.
    pub async fn start() -> Result<Self> {
        Self::start_with(Environment::from_env()?, StackOptions::default()).await
    }

    /// Starts a shop that differs from the usual one, and waits until its edge serves the catalogue.
    pub async fn start_with(environment: Environment, options: StackOptions) -> Result<Self> {
        let data =
            tempfile::Builder::new().prefix("vitrine-").tempdir().context("make a folder")?;
        for folder in ["payments", "origin", "edge", "logs"] {
            let folder = data.path().join(folder);
            fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
        }
        for secret in ["edge.secret", "payments.secret"] {
            write_secret(&data.path().join(secret))?;
        }
        let [payments, origin, edge] = free_ports()?;
        let ports = Ports { payments, origin, edge };
        let mut stack = Self { environment, processes: BTreeMap::new(), ports, data };
        if !options.unseeded {
            stack.seed().await?;
        }
        for role in [Role::Payments, Role::Origin] {
            let process = Process::start(stack.spec(role)?).await?;
            stack.processes.insert(role, process);
        }
        if options.without_edge {
            return Ok(stack);
        }
        let spec = stack.edge_spec("edge", edge, &options.edge)?;
        stack.processes.insert(Role::Edge, Process::start(spec).await?);
        if !options.unseeded {
            stack.wait_for_catalogue(&stack.client()).await?;
        }
        Ok(stack)
    }

    /// Starts another edge node of the same origin; the caller keeps it and must drop it first.
    pub async fn start_edge(&self, name: &str, options: &EdgeOptions) -> Result<Process> {
        let folder = self.path(name);
        fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
        if let Some(state) = &options.compiled_by {
            copy_files(&state.join(COMPILED), &folder.join(COMPILED))?;
        }
        let [port] = free_ports()?;
        let process = Process::start(self.edge_spec(name, port, options)?).await?;
        self.wait_for_catalogue(&Client::new(process.url())).await?;
        Ok(process)
    }

    /// Starts a program in the repository; the caller keeps it and must drop it first.
    pub async fn start_program(&self, program: Program) -> Result<Process> {
        let Program { name, path, args, env, announces } = program;
        let spec = self.with_program(&name, path, args, env, EDGE_START_LIMIT);
        Process::start(Spec { announces, ..spec }).await
    }

    /// Makes a folder that is deleted with the stack.
    pub fn new_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.path(name);
        fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
        Ok(folder)
    }

    /// Returns the folder of a role's data.
    #[must_use]
    pub fn data(&self, role: Role) -> PathBuf {
        self.path(match role {
            Role::Payments => "payments",
            Role::Origin => "origin",
            Role::Edge => "edge",
        })
    }

    /// Returns the state folder of an edge node that was started under `name`.
    #[must_use]
    pub fn edge_data(&self, name: &str) -> PathBuf {
        self.path(name)
    }

    /// Returns the file with the secret that the edge signs with.
    #[must_use]
    pub fn edge_secret_file(&self) -> PathBuf {
        self.path("edge.secret")
    }

    /// Returns a client of the first edge node.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&self.url(Role::Edge))
    }

    /// Makes a key of the staff that may do everything, as an operator does beside the running origin.
    ///
    /// # Errors
    /// When the origin's program does not make one.
    pub fn staff_key(&self, name: &str) -> Result<String> {
        let output = std::process::Command::new(self.environment.program("vitrine-origin")?)
            .args(["admin", "--data"])
            .arg(self.data(Role::Origin))
            .args(["key", "create", "--name", name, "--role", "owner", "--days", "1"])
            .output()
            .context("make a key of the staff")?;
        let said = String::from_utf8_lossy(&output.stdout);
        let key = said.lines().find(|line| line.starts_with("vk_"));
        key.map(str::to_owned).with_context(|| {
            format!("make a key of the staff: {}", String::from_utf8_lossy(&output.stderr))
        })
    }

    /// Returns where a role listens, or will again.
    #[must_use]
    pub fn url(&self, role: Role) -> String {
        let port = match role {
            Role::Payments => self.ports.payments,
            Role::Origin => self.ports.origin,
            Role::Edge => self.ports.edge,
        };
        url(port)
    }

    /// Returns the handle of a role: its number, log, kill, terminate, restart.
    pub fn process(&mut self, role: Role) -> Result<&mut Process> {
        self.processes.get_mut(&role).with_context(|| format!("find the process of {role:?}"))
    }

    /// Ends a role with SIGKILL.
    pub async fn kill(&mut self, role: Role) -> Result<()> {
        self.process(role)?.kill().await
    }

    /// Starts a role again on the same data and port.
    pub async fn restart(&mut self, role: Role) -> Result<()> {
        self.process(role)?.restart().await
    }

    /// Returns the secret that the edge signs with and the feed asks for.
    pub fn edge_secret(&self) -> Result<String> {
        let secret =
            fs::read_to_string(self.path("edge.secret")).context("read the edge secret")?;
        Ok(secret.trim().to_owned())
    }

    /// Waits until `client` is served products from an edge's own copy.
    pub async fn wait_for_catalogue(&self, client: &Client) -> Result<()> {
        eventually(READY_LIMIT, "the edge serves the catalogue", || async {
            let answer = client.get("/v1/products?limit=1").await.ok()?;
            (answer.status == 200 && answer.text().contains("\"sku\"")).then_some(())
        })
        .await
    }

    async fn seed(&self) -> Result<()> {
        let mut command = tokio::process::Command::new(self.environment.program("vitrine-origin")?);
        command
            .args(["seed", "--data", &text(&self.path("origin"))])
            .args(["--catalogue", &text(&self.environment.catalogue)])
            .current_dir(&self.environment.root)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(SEED_LIMIT, command.output())
            .await
            .with_context(|| format!("wait {SEED_LIMIT:?} for the seeding"))?
            .context("seed the shop")?;
        if !output.status.success() {
            bail!("seed the shop: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    fn spec(&self, role: Role) -> Result<Spec> {
        let secret = text(&self.path("payments.secret"));
        let (name, port) = match role {
            Role::Payments => ("payments", self.ports.payments),
            Role::Origin => ("origin", self.ports.origin),
            Role::Edge => bail!("an edge has options of its own"),
        };
        let mut args = Vec::new();
        let mut add = |option: &str, value: String| args.extend([option.to_owned(), value]);
        add("--listen", address(port));
        add("--data", text(&self.path(name)));
        if role == Role::Payments {
            add("--secret-file", secret);
            add("--webhook-url", format!("{}{WEBHOOK_PATH}", url(self.ports.origin)));
            args.insert(0, "payments".to_owned());
        } else {
            add("--edge-secret-file", text(&self.path("edge.secret")));
            add("--payments-url", url(self.ports.payments));
            add("--payments-secret-file", secret);
            add("--media-dir", text(&self.environment.media));
            args.push("--allow-development-secret".to_owned());
            args.insert(0, "serve".to_owned());
        }
        let program = self.environment.program("vitrine-origin")?;
        Ok(self.with_program(name, program, args, Vec::new(), START_LIMIT))
    }

    fn edge_spec(&self, name: &str, port: u16, options: &EdgeOptions) -> Result<Spec> {
        let manifest = options.manifest.clone().unwrap_or_else(|| self.environment.manifest());
        let mut args = vec!["up".to_owned()];
        let mut add = |option: &str, value: String| args.extend([option.to_owned(), value]);
        add("--from", text(&manifest));
        add("--listen", address(port));
        add("--state-dir", text(&self.path(name)));
        add("--node-id", name.to_owned());
        add("--variable", format!("origin_url={}", url(self.ports.origin)));
        add("--variable", format!("public_url={}", url(port)));
        for (variable, value) in &options.variables {
            add("--variable", format!("{variable}={value}"));
        }
        args.extend(options.args.iter().cloned());
        let mut env = vec![("SPIN_VARIABLE_EDGE_SECRET".to_owned(), self.edge_secret()?)];
        env.extend(options.env.iter().cloned());
        let mut program = self.environment.program("vitrine-edge")?;
        if let Some(core) = options.core {
            (program, args) = on_core(core, &program, args);
        }
        Ok(self.with_program(name, program, args, env, EDGE_START_LIMIT))
    }

    fn with_program(
        &self,
        name: &str,
        program: PathBuf,
        args: Vec<String>,
        env: Vec<(String, String)>,
        start_limit: Duration,
    ) -> Spec {
        let log = self.path("logs").join(format!("{name}.log"));
        let folder = self.environment.root.clone();
        let (name, announces) = (name.to_owned(), LISTENING);
        Spec { name, program, args, env, folder, log, start_limit, announces }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.data.path().join(name)
    }
}

/// Returns the command line that runs a program on one core.
#[must_use]
pub fn on_core(core: usize, program: &Path, args: Vec<String>) -> (PathBuf, Vec<String>) {
    let mut words = vec!["--cpu-list".to_owned(), core.to_string(), text(program)];
    words.extend(args);
    // Replaces itself by the program: the process keeps its number.
    (PathBuf::from("taskset"), words)
}

fn copy_files(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("make {}", to.display()))?;
    let entries = fs::read_dir(from).with_context(|| format!("list {}", from.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("list {}", from.display()))?;
        let path = entry.path();
        if path.is_file() {
            fs::copy(&path, to.join(entry.file_name()))
                .with_context(|| format!("copy {}", path.display()))?;
        }
    }
    Ok(())
}

/// Ports that were free a moment ago, all different.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .context("find a free port")?;
        *port = listener.local_addr().context("find a free port")?.port();
        held.push(listener);
    }
    Ok(ports)
}

fn write_secret(path: &Path) -> Result<()> {
    use std::io::Write as _;
    let mut bytes = [0_u8; SECRET_BYTES];
    fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("read random bytes")?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("write {}", path.display()))
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn url(port: u16) -> String {
    format!("http://{}", address(port))
}

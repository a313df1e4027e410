//! The servers of the measurement: all run at once, on one core, and are asked one at a time.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use harness::{
    Answer, Client, EdgeOptions, Environment, Process, Program, Role, Stack, StackOptions,
};
use http::HeaderMap;
use serde_json::json;
use tempfile::TempDir;

use super::{WITH_TOKEN, workerd};
use crate::affinity::Cores;
use crate::manifest::{self, HELLO};
use crate::matrix::{Group, Target, address};
use crate::plain::Plain;
use crate::say;

/// Arguments that make a node comparable with one thread of plain hyper, which writes no log either.
pub(crate) const NODE_ARGS: [&str; 2] = ["--threads=1", "--access-log=off"];
/// The same in its environment.
pub(crate) const NODE_ENV: [(&str, &str); 1] = [("RUST_LOG", "warn")];
/// A list of products: about 10 KB.
pub(crate) const PRODUCTS: &str = "/v1/products?limit=24";
/// A small answer: about 1.2 KB.
const SMALL: &str = "/v1/products?limit=3";
/// Lifts the rate limits out of the way.
const LIFTED: (&str, &str) = ("rate_limit_scale", "1000000");
/// Where `cargo xtask` puts the hello component.
const HELLO_WASM: &str = "VITRINE_HELLO_WASM";
/// Who is logged in.
const WHO: (&str, &str) = ("bench@example.com", "correct horse battery staple");

/// Returns where the hello component was built.
pub(crate) fn hello_wasm() -> Result<PathBuf> {
    let path = std::env::var_os(HELLO_WASM)
        .with_context(|| format!("{HELLO_WASM} is not set: run this through `cargo xtask`"))?;
    Ok(PathBuf::from(path))
}

/// All servers.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) environment: Environment,
    // Processes before the stack, which has their folders.
    processes: Vec<Process>,
    plain: Vec<Plain>,
    pub(crate) stack: Stack,
    pub(crate) folder: TempDir,
    /// The derived application.
    pub(crate) manifest: PathBuf,
    /// The hello component alone.
    pub(crate) hello_manifest: PathBuf,
    express: Target,
    standard: Target,
    native: Target,
    hello: Vec<Target>,
    answers: Vec<(&'static str, String, usize)>,
    plain_targets: Vec<Target>,
    /// What is not on this machine.
    pub(crate) left_out: Option<String>,
}

impl Servers {
    /// Starts them, and makes sure that they give the same answers.
    pub(crate) async fn start(environment: &Environment, cores: Cores) -> Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let (manifest, hello_manifest) = write_manifests(environment, folder.path())?;
        say("start the shop and a node with both lanes")?;
        let edge = node_options(Some(manifest.clone()), cores);
        let options = StackOptions { edge: edge.clone(), ..StackOptions::default() };
        let mut stack = Stack::start_with(environment.clone(), options).await?;
        let express = process_target("node, express lane", stack.process(Role::Edge)?)?;
        say("start a node with the standard lane alone")?;
        let compiled_by = Some(stack.data(Role::Edge));
        let mut edge = EdgeOptions { compiled_by, ..edge };
        edge.args.push("--standard-lane".to_owned());
        let standard_process = stack.start_edge("standard", &edge).await?;
        let standard = process_target("node, standard lane", &standard_process)?;
        say("start the yardsticks")?;
        let native_process = start_native(&stack, environment, cores).await?;
        let native = process_target("natively in hyper", &native_process)?;
        let mut processes = vec![standard_process, native_process];
        let (hello, left_out) = match workerd::start(&stack, environment, cores).await? {
            Ok((process, target)) => {
                processes.push(process);
                (vec![target], None)
            }
            Err(why) => (Vec::new(), Some(why)),
        };
        let mut servers = Self {
            environment: environment.clone(),
            processes,
            plain: Vec::new(),
            stack,
            folder,
            manifest,
            hello_manifest,
            express,
            standard,
            native,
            hello,
            answers: Vec::new(),
            plain_targets: Vec::new(),
            left_out,
        };
        servers.compare().await?;
        servers.start_plain(cores).await?;
        Ok(servers)
    }

    /// Who is asked what.
    pub(crate) fn groups(&self) -> Vec<Group> {
        let mut groups = Vec::new();
        for (at, (name, path, body_bytes)) in self.answers.iter().enumerate() {
            let mut group = Group::new(name, path, *body_bytes);
            if path == HELLO {
                group = self.plain_targets.get(at).into_iter().fold(group, Group::with);
                group = self
                    .hello
                    .iter()
                    .fold(group.with(&self.express).with(&self.standard), Group::with);
                groups.push(group);
                continue;
            }
            group = group.with(&self.native).with(&self.express).with(&self.standard);
            if path == PRODUCTS {
                let target = Target { name: WITH_TOKEN, ..self.express.clone() };
                group.add(target, &[]);
            }
            group = self.plain_targets.get(at).into_iter().fold(group, Group::with);
            groups.push(group);
        }
        groups
    }

    /// Whose latency is measured at a pace, and at which path.
    pub(crate) fn paced(&self) -> Vec<(Target, String)> {
        let mut paced = Vec::new();
        for path in [HELLO, SMALL, PRODUCTS] {
            for target in [&self.express, &self.standard] {
                paced.push((target.clone(), path.to_owned()));
            }
        }
        paced
    }

    /// Whose processor time is looked into, and at which path.
    pub(crate) fn profiled(&self) -> Vec<(Target, String)> {
        let mut profiled = self.paced();
        if let Some(plain) = self.plain_targets.first() {
            profiled.push((plain.clone(), HELLO.to_owned()));
        }
        profiled.push((self.native.clone(), SMALL.to_owned()));
        profiled.push((self.native.clone(), PRODUCTS.to_owned()));
        profiled
    }

    /// Logs a shopper in, and returns the header that proves it.
    pub(crate) async fn log_in(&self) -> Result<String> {
        let who = json!({ "email": WHO.0, "password": WHO.1 });
        let key = format!("bench-{:?}", std::time::SystemTime::now());
        let key: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
        let client = self.stack.client().with_header("idempotency-key", &key)?;
        let mut answer = client.post("/v1/auth/login", &who).await?;
        if answer.status != 200 {
            let client = self.stack.client().with_header("idempotency-key", &format!("{key}r"))?;
            answer = client.post("/v1/auth/register", &who).await?;
        }
        let token = answer.json()?;
        let token = token.get("access_token").and_then(serde_json::Value::as_str);
        let token = token.with_context(|| format!("log in: {}", answer.text()))?;
        let bearer = format!("Bearer {token}");
        let asking = self.stack.client().with_header("authorization", &bearer)?;
        let me = asking.get("/v1/me").await?;
        if me.status != 200 {
            bail!("the token is not taken: {} {}", me.status, me.text());
        }
        Ok(bearer)
    }

    /// Ends every process, so that their folders can go.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.plain.clear();
        for process in &mut self.processes {
            process.kill().await?;
        }
        for role in [Role::Edge, Role::Origin, Role::Payments] {
            self.stack.kill(role).await?;
        }
        Ok(())
    }

    /// Asks everybody for every answer: only the same bytes can be compared.
    async fn compare(&mut self) -> Result<()> {
        let handle = self.first_handle().await?;
        let paths = [
            ("hello", HELLO.to_owned()),
            ("list of 24", PRODUCTS.to_owned()),
            ("one product", format!("/v1/products/{handle}")),
            ("list of 3", SMALL.to_owned()),
        ];
        for (name, path) in paths {
            let answer = ask(&self.express, &path).await?;
            let others: Vec<&Target> = if path == HELLO {
                self.hello.iter().chain([&self.standard]).collect()
            } else {
                vec![&self.standard, &self.native]
            };
            for other in others {
                let same = ask(other, &path).await?;
                if same.body != answer.body {
                    bail!(
                        "{path}: not the same bytes from {} and {}",
                        self.express.name,
                        other.name
                    );
                }
            }
            self.answers.push((name, path, answer.body.len()));
        }
        Ok(())
    }

    async fn first_handle(&self) -> Result<String> {
        let list = ask(&self.express, SMALL).await?.json()?;
        let handle = list.pointer("/items/0/handle").and_then(serde_json::Value::as_str);
        Ok(handle.with_context(|| format!("find a product in {list}"))?.to_owned())
    }

    /// One plain server for each answer, which it has recorded.
    async fn start_plain(&mut self, cores: Cores) -> Result<()> {
        for (name, path, _) in &self.answers {
            let mut answer = ask(&self.express, path).await?;
            if path == HELLO {
                // Nothing but the greeting: what the node adds to it is the node's cost.
                answer.headers = HeaderMap::new();
            }
            let file = name.replace(' ', "-");
            let plain = Plain::start(&answer, cores.server, self.folder.path(), &file).await?;
            self.plain_targets.push(Target {
                name: "plain hyper",
                address: address(&plain.url)?,
                pids: plain.pid.into_iter().collect(),
            });
            self.plain.push(plain);
        }
        Ok(())
    }
}

/// Options of a node under measurement.
pub(crate) fn node_options(manifest: Option<PathBuf>, cores: Cores) -> EdgeOptions {
    EdgeOptions {
        manifest,
        variables: vec![(LIFTED.0.to_owned(), LIFTED.1.to_owned())],
        args: NODE_ARGS.iter().map(|word| (*word).to_owned()).collect(),
        env: NODE_ENV
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        core: cores.server,
        compiled_by: None,
    }
}

fn write_manifests(environment: &Environment, folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let hello = hello_wasm()?;
    let original = environment.manifest();
    let text = std::fs::read_to_string(&original)
        .with_context(|| format!("read {}", original.display()))?;
    let (shop, alone) = (folder.join("shop.toml"), folder.join("hello.toml"));
    manifest::write(&manifest::with_hello(&text, &environment.root, &hello)?, &shop)?;
    manifest::write(&manifest::hello_alone(&hello)?, &alone)?;
    Ok((shop, alone))
}

async fn start_native(stack: &Stack, environment: &Environment, cores: Cores) -> Result<Process> {
    let mut path = std::env::current_exe().context("find this program")?;
    let mut args = vec!["serve-native".to_owned()];
    let mut add = |option: &str, value: String| args.extend([option.to_owned(), value]);
    add("--root", environment.root.display().to_string());
    add("--origin", stack.url(Role::Origin));
    add("--secret-file", stack.edge_secret_file().display().to_string());
    add("--folder", stack.new_folder("native")?.display().to_string());
    add("--variable", format!("{}={}", LIFTED.0, LIFTED.1));
    add("--variable", format!("public_url={}", stack.url(Role::Edge)));
    if let Some(core) = cores.server {
        (path, args) = harness::on_core(core, &path, args);
    }
    let name = "native".to_owned();
    let program = Program { name, path, args, env: Vec::new(), announces: "listening " };
    stack.start_program(program).await
}

fn process_target(name: &'static str, process: &Process) -> Result<Target> {
    let pids = process.pid().into_iter().collect();
    Ok(Target { name, address: address(process.url())?, pids })
}

async fn ask(target: &Target, path: &str) -> Result<Answer> {
    let client = Client::new(&format!("http://{}", target.address));
    let answer = client.with_header("accept", "application/json")?.get(path).await?;
    if answer.status != 200 {
        bail!("{}: {path}: {} {}", target.name, answer.status, answer.text());
    }
    Ok(answer)
}

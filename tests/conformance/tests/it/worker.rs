//! The built Worker in real workerd, for what only it has; left out, in one printed line, where it is not built.

pub(crate) mod socket;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use conformance::world::{RUNTIME, World};
use harness::{Client, Process, Program, Role, eventually};

/// What must be built: `cargo xtask worker build`.
const BUILT: &str = "target/worker/build/index.js";

/// Longest wait for a change at the origin to reach the Worker's store: its feed takes seconds, its memory ten.
const ARRIVES_WITHIN: Duration = Duration::from_secs(90);

/// How the Worker runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Multiplies every limit.
    pub(crate) scale: u32,
    /// Where its state is kept; in memory when absent.
    pub(crate) state: Option<PathBuf>,
    /// Whether it follows the origin's changes.
    pub(crate) is_scheduled: bool,
    /// The folder of another build than the one to deploy.
    pub(crate) build: Option<&'static str>,
}

/// Runs a test against the world, unless the Worker is not built.
#[expect(clippy::print_stdout, reason = "says what was left out")]
pub(crate) fn with_world(test: impl AsyncFnOnce(&World) -> Result<()>) {
    if !super::root().join(BUILT).is_file() {
        println!("conformance worker: left out ({BUILT} is missing: `cargo xtask worker build`)");
        return;
    }
    let world: Arc<World> = World::shared().unwrap_or_else(|error| panic!("{error:#}"));
    let outcome = RUNTIME.block_on(async { test(&world).await });
    outcome.unwrap_or_else(|error| panic!("{error:#}"));
}

/// Starts the Worker before the world's origin.
pub(crate) async fn start(world: &World, options: &Options) -> Result<Process> {
    let node =
        std::env::var_os("VITRINE_NODE").map_or_else(|| PathBuf::from("node"), PathBuf::from);
    let mut args = vec!["edge/worker/serve.mjs".to_owned(), "--port".to_owned(), "0".to_owned()];
    let mut add = |option: &str, value: String| args.extend([option.to_owned(), value]);
    add("--origin", world.stack().url(Role::Origin));
    add("--secret-file", world.stack().edge_secret_file().display().to_string());
    let scale = options.scale.max(1);
    for variable in [
        format!("rate_limit_scale={scale}"),
        "trusted_proxies=127.0.0.0/8".to_owned(),
        "public_url=https://shop.example".to_owned(),
        "cors_origins=https://friend.example".to_owned(),
    ] {
        add("--variable", variable);
    }
    if let Some(state) = &options.state {
        add("--state", state.display().to_string());
    }
    if let Some(build) = options.build {
        add("--build", build.to_owned());
    }
    if options.is_scheduled {
        args.push("--scheduled".to_owned());
    }
    // Its log has its name, and says where it listens: tests that run together must not read each other's.
    static STARTED: AtomicU32 = AtomicU32::new(1);
    let program = Program {
        name: format!("worker-{}", STARTED.fetch_add(1, Ordering::Relaxed)),
        path: node,
        args,
        env: Vec::new(),
        announces: "listening ",
    };
    world.stack().start_program(program).await
}

/// Asks as if from that address, so that tests do not use up each other's limits.
pub(crate) fn client(process: &Process, address: &str) -> Result<Client> {
    Client::new(process.url()).with_header("x-forwarded-for", address)
}

/// Sets a flag at the origin, which carries it to every edge.
pub(crate) async fn set_flag(world: &World, name: &str, value: &str) -> Result<()> {
    let program = world.environment().bin_dir.join("vitrine-origin");
    let output = tokio::process::Command::new(program)
        .args(["flag", "--data"])
        .arg(world.stack().data(Role::Origin))
        .args([name, value])
        .output()
        .await
        .context("run vitrine-origin flag")?;
    if !output.status.success() {
        bail!("vitrine-origin flag: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Waits until the Worker's own address says something about the flag.
pub(crate) async fn flag_arrives(client: &Client, is_on: bool) -> Result<()> {
    let what = "the flag arrives at the Worker";
    eventually(ARRIVES_WITHIN, what, || async {
        let answer = client.get("/v1/waiting-room").await.ok()?;
        ((answer.status == 422) == is_on).then_some(())
    })
    .await
}

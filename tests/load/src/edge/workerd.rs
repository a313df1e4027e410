//! npm's workerd with a JavaScript hello, as plain `workerd serve`: nothing of miniflare or wrangler is before it.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use harness::{Environment, Process, Program, Stack};

use crate::affinity::Cores;
use crate::matrix::Target;

/// Where npm puts the program, by its package for this processor.
const PACKAGES: &str = "edge/worker/node_modules/@cloudflare";
/// The whole Worker and where it listens.
const CONFIG: &str = r#"using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [ (name = "hello", worker = .hello) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "hello") ]
);

const hello :Workerd.Worker = (
  modules = [ (name = "hello", esModule = "export default { fetch() { return new Response('Hello, world'); } };") ],
  compatibilityDate = "2025-01-01",
);
"#;
/// What workerd writes when it listens; the port and a brace follow.
const ANNOUNCES: &str = "{\"event\":\"listen\",\"socket\":\"http\",\"port\":";

/// Starts it, or says why not.
pub(crate) async fn start(
    stack: &Stack,
    environment: &Environment,
    cores: Cores,
) -> Result<Result<(Process, Target), String>> {
    let package =
        if cfg!(target_arch = "aarch64") { "workerd-linux-arm64" } else { "workerd-linux-64" };
    let mut path = environment.root.join(PACKAGES).join(package).join("bin/workerd");
    if !path.is_file() {
        return Ok(Err(format!("workerd is left out: {PACKAGES}/{package} is not installed")));
    }
    let config: PathBuf = stack.new_folder("workerd")?.join("config.capnp");
    std::fs::write(&config, CONFIG).with_context(|| format!("write {}", config.display()))?;
    let mut args =
        vec!["serve".to_owned(), config.display().to_string(), "--control-fd=1".to_owned()];
    if let Some(core) = cores.server {
        (path, args) = harness::on_core(core, &path, args);
    }
    let name = "workerd-hello".to_owned();
    let program = Program { name, path, args, env: Vec::new(), announces: ANNOUNCES };
    let process = stack.start_program(program).await?;
    let port = process.url().trim_end_matches('}').parse().context("read workerd's port")?;
    let target = Target {
        name: "workerd, JavaScript",
        address: std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, port)),
        pids: process.pid().into_iter().collect(),
    };
    Ok(Ok((process, target)))
}

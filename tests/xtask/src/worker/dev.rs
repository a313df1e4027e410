//! `worker dev`: the whole shop on this machine, with the Worker in wrangler as its edge.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::config::{self, Config};
use super::{build, tools};
use crate::Context;
use crate::build as parts;
use crate::cli::WorkerDevArgs;
use crate::up::{self, DataDir, Edge, Ports, RATE_LIMIT_SCALE, Shop, Spec, Wishes, health};

/// The environment of `wrangler.toml` that runs here.
const ENVIRONMENT: &str = "dev";
const START_LIMIT: Duration = Duration::from_secs(90);
/// From a served product to a served model: the Worker fetches it from the origin at first use.
const MODEL_LIMIT: Duration = Duration::from_secs(30);
/// Cloudflare's cron runs every minute; wrangler leaves that to whoever starts it.
const CRON_EVERY: Duration = Duration::from_secs(60);
/// Wait after a run that failed, or that found nobody listening yet.
const CRON_RETRY: Duration = Duration::from_secs(1);
/// Longest run of a cron: the platform's limit.
const CRON_LIMIT: Duration = Duration::from_secs(15 * 60);
/// Inside the Worker, where `--test-scheduled` puts it: the address that every Worker has leads to the static assets,
/// which stand before ours and have no cron.
const CRON_PATH: &str = "/__scheduled?cron=*+*+*+*+*";

/// The command.
pub(crate) fn run(context: &Context, args: &WorkerDevArgs) -> Result<()> {
    let data = up::open(context, &args.data)?;
    let ports = Ports::choose(&Wishes {
        edge: args.port,
        edge_option: "--port",
        origin: args.origin_port,
        payments: args.payments_port,
        has_cluster: false,
    })?;
    // Refuses a wrong variable before anything takes time.
    config::set_variables(&mut Config::read(context)?.environment(ENVIRONMENT)?, &args.variables)?;
    if args.no_build {
        parts::require_tools()?;
    } else {
        build::build(context)?;
        parts::origin_side(context, args.release)?;
    }
    let shop = Shop::new(context, &data, ports, args.release)?;
    if !args.no_seed {
        up::seed(context, &shop)?;
    }
    let edge = worker(context, &data, &shop, ports.edge, &args.variables)?;
    let port = ports.edge;
    std::thread::spawn(move || run_cron(port));
    up::serve(context, &data, &shop.addresses(), |supervisor| {
        shop.start(supervisor, edge, !args.no_seed)?;
        if args.no_seed {
            return Ok(());
        }
        let model = find_model(port)?;
        supervisor.wait_until("fetch a model through the Worker", MODEL_LIMIT, || {
            health::get(port, &model).is_some_and(|(status, _)| status == 200)
        })
    })
}

/// wrangler, serving the built Worker with a configuration and a state of its own.
fn worker(
    context: &Context,
    data: &DataDir,
    shop: &Shop,
    port: u16,
    variables: &[String],
) -> Result<Edge> {
    let folder = data.path().join("worker");
    let config = configure(context, shop, &folder, variables)?;
    let mut args = tools::wrangler_words(context);
    let (port, folder_name) = (port.to_string(), folder.display().to_string());
    args.extend(
        [
            "dev",
            "--config",
            &config.display().to_string(),
            "--local",
            "--test-scheduled",
            "--ip",
            "127.0.0.1",
            "--port",
            &port,
            // Any free one: nothing of ours needs it, and two shops may run at once.
            "--inspector-port",
            "0",
            "--persist-to",
            &folder_name,
            "--show-interactive-dev-session=false",
        ]
        .map(str::to_owned),
    );
    let mut env: Vec<(String, String)> =
        tools::WRANGLER_ENV.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    for (name, path) in [
        ("WRANGLER_REGISTRY_PATH", folder.join("registry")),
        ("WRANGLER_CACHE_DIR", folder.join("cache")),
        ("WRANGLER_LOG_PATH", folder.join("logs")),
    ] {
        env.push((name.to_owned(), path.display().to_string()));
    }
    let spec = Spec {
        role: "worker",
        url: shop.url(),
        program: crate::tools::find("node").context("Node.js is missing")?,
        args,
        env,
        folder: context.workspace.root().to_path_buf(),
        mend: None,
    };
    Ok(Edge { spec, start_limit: START_LIMIT })
}

/// Writes the configuration of this shop; its secrets go into a file that wrangler reads beside it.
fn configure(
    context: &Context,
    shop: &Shop,
    folder: &Path,
    variables: &[String],
) -> Result<PathBuf> {
    let mut config = Config::read(context)?.environment(ENVIRONMENT)?;
    let main = config.get("main").and_then(Value::as_str).map(PathBuf::from);
    if main.is_none_or(|main| !main.is_file()) {
        bail!("the Worker is not built: run `cargo xtask worker build`");
    }
    let own = [
        format!("origin_url={}", shop.origin_url()),
        format!("public_url={}", shop.url()),
        format!("rate_limit_scale={RATE_LIMIT_SCALE}"),
        format!("edge_secret={}", shop.edge_secret()?),
    ];
    let mut secrets = config::set_variables(&mut config, &own)?;
    // Those of the command line come last, and win.
    for (name, value) in config::set_variables(&mut config, variables)? {
        secrets.retain(|(other, _)| *other != name);
        secrets.push((name, value));
    }
    config::write(folder, &config, &secrets)
}

/// Runs the cron of the Worker for as long as this program lives, one run at a time.
fn run_cron(port: u16) {
    loop {
        let started = Instant::now();
        let ran = health::get_within(CRON_LIMIT, port, CRON_PATH);
        let wait = match ran {
            Some((200, _)) => CRON_EVERY.saturating_sub(started.elapsed()),
            _ => CRON_RETRY,
        };
        std::thread::sleep(wait);
    }
}

/// The path of some product's model.
fn find_model(port: u16) -> Result<String> {
    let read = |path: &str| -> Result<Value> {
        let (_, body) = health::get(port, path).with_context(|| format!("read {path}"))?;
        serde_json::from_str(&body).with_context(|| format!("read {path}"))
    };
    let products = read("/v1/products?limit=24")?;
    let items = products.get("items").and_then(Value::as_array).into_iter().flatten();
    for item in items {
        let Some(handle) = item.get("handle").and_then(Value::as_str) else { continue };
        let product = read(&format!("/v1/products/{handle}"))?;
        if let Some(url) = product.pointer("/model/web_glb_url").and_then(Value::as_str) {
            let path = url.find("/m/").and_then(|at| url.get(at..));
            return Ok(path.context("a model lies elsewhere")?.to_owned());
        }
    }
    bail!("no product has a model")
}

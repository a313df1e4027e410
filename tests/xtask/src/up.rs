//! `up`: from a clone to a shop that answers, and back to nothing running.

mod data;
pub(crate) mod health;
mod ports;
mod postgres;
mod shop;
mod supervisor;

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::Context;
use crate::build;
use crate::cli::UpArgs;

pub(crate) use data::{DataDir, Listed};
pub(crate) use ports::{Ports, Wishes};
pub(crate) use shop::{Edge, RATE_LIMIT_SCALE, Shop};
pub(crate) use supervisor::{Spec, Supervisor};

/// The command.
pub(crate) fn run(context: &Context, args: &UpArgs) -> Result<()> {
    let data = open(context, &args.data)?;
    let ports = Ports::choose(&Wishes {
        edge: args.edge_port,
        edge_option: "--edge-port",
        origin: args.origin_port,
        payments: args.payments_port,
        has_cluster: args.postgres,
    })?;
    check_manifest(context)?;
    let databases = ports
        .cluster
        .map(|cluster| postgres::Databases::find(context, &data, cluster.databases))
        .transpose()?;
    if !args.no_build {
        build::everything(context, args.release)?;
    }
    let mut shop = Shop::new(context, &data, ports, args.release)?;
    if let Some(databases) = &databases {
        shop.set_database(databases.urls());
    }
    if args.stripe {
        shop.set_stripe()?;
    }
    let node = shop.node(&args.variables)?;
    let mut addresses = shop.addresses();
    addresses.push(("edge metrics", format!("{}/metrics", shop.url())));
    serve(context, &data, &addresses, |supervisor| {
        if let Some(databases) = &databases {
            databases.start(context, supervisor)?;
        }
        if !args.no_seed {
            seed(context, &shop)?;
        }
        shop.start(supervisor, node, !args.no_seed)
    })
}

/// Takes the data folder, and ends what an earlier start left running in it.
pub(crate) fn open(context: &Context, path: &Path) -> Result<DataDir> {
    let path = std::path::absolute(path).context("find the data folder")?;
    let data = DataDir::open(&path)?;
    for ended in data.end_leftovers()? {
        context.reporter.note(&format!("ended {ended}, left over from an earlier start"));
    }
    Ok(data)
}

/// Starts a shop, keeps it running until somebody asks for its end, and ends it.
pub(crate) fn serve(
    context: &Context,
    data: &DataDir,
    addresses: &[(&str, String)],
    start: impl FnOnce(&mut Supervisor<'_>) -> Result<()>,
) -> Result<()> {
    let mut supervisor = Supervisor::new(context, data)?;
    let started = start(&mut supervisor);
    if started.is_ok() {
        announce(context, addresses, &supervisor.listed());
        supervisor.watch();
        context.reporter.note("stopping …");
    }
    let stopping = Instant::now();
    let stopped = supervisor.stop();
    if stopped.is_ok() {
        let seconds = stopping.elapsed().as_secs_f64();
        context.reporter.note(&format!("stopped in {seconds:.1} s, nothing is left running"));
        context.reporter.event(&json!({"event": "stopped"}));
    }
    match started {
        // A start that was interrupted is not a failure of the shop.
        Err(_) if context.stop.is_requested() => stopped,
        Err(error) => Err(error),
        Ok(()) => stopped,
    }
}

/// Refuses a manifest that no build can mend, before anything takes time.
fn check_manifest(context: &Context) -> Result<()> {
    let path = context.workspace.path("spin.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    if let Err(error) = text.parse::<toml::Table>() {
        let reason = error.message().to_owned();
        let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
        bail!("spin.toml is not valid TOML: {reason} (line {line})");
    }
    Ok(())
}

/// Puts the demo catalogue into the origin.
pub(crate) fn seed(context: &Context, shop: &Shop) -> Result<()> {
    let catalogue = context.workspace.demo_shop().join("catalogue.json");
    if !catalogue.is_file() {
        bail!(
            "{} is missing: run `cargo xtask assets`, or start with --no-seed",
            catalogue.display()
        );
    }
    context.steps.run("seed the demo shop", &mut shop.seed(&catalogue)?)?;
    Ok(())
}

/// Tells the processes and the addresses; the first address is the shop's, and ready.
fn announce(context: &Context, addresses: &[(&str, String)], processes: &[Listed]) {
    let reporter = &context.reporter;
    for Listed { role, pid, url } in processes {
        reporter.result(&format!("{role} {pid} {url}"));
    }
    for (name, url) in addresses {
        reporter.result(&format!("  {name:<18} {url}"));
        reporter.event(&json!({"event": "address", "name": name, "url": url}));
    }
    if let Some((_, url)) = addresses.first() {
        reporter.result(&format!("ready {url}"));
        reporter.event(&json!({"event": "ready", "url": url}));
    }
}

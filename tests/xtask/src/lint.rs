//! `lint`: format, clippy natively and for WebAssembly, documentation.

use std::process::Command;

use anyhow::Result;

use crate::Context;
use crate::build;
use crate::tools;
use crate::workspace::WASM_TARGET;

/// Pure crates and what they stand on: they must build for both WebAssembly targets.
const EVERYWHERE: [&str; 14] = [
    "domain",
    "api-types",
    "ports",
    "gateway-core",
    "catalog-core",
    "ar-core",
    "origin-client",
    "files-core",
    "http-semantics",
    "cache-core",
    "pool-core",
    "feed-core",
    "rooms-core",
    "upstash",
];
/// What only Spin's target can build.
const SPIN_GUESTS: [&str; 11] = [
    "express",
    "spin-ports",
    "gateway",
    "catalog",
    "ar-router",
    "shop-api",
    "assets",
    "guests",
    "guests-express",
    "guests-p2",
    "hello",
];

/// The command.
pub(crate) fn run(context: &Context) -> Result<()> {
    build::require_tools()?;
    tools::install_targets(context)?;
    let steps = &context.steps;
    steps.run("check the format", cargo(context).args(["fmt", "--all", "--check"]))?;
    steps.run(
        "lint natively",
        deny_warnings(cargo(context).args(["clippy", "--workspace", "--all-targets"])),
    )?;
    for target in tools::TARGETS {
        let mut command = cargo(context);
        command.args(["clippy", "--target", target]);
        for package in EVERYWHERE {
            command.args(["--package", package]);
        }
        steps.run(&format!("lint for {target}"), deny_warnings(&mut command))?;
    }
    let mut guests = cargo(context);
    guests.args(["clippy", "--target", WASM_TARGET]);
    for package in SPIN_GUESTS {
        guests.args(["--package", package]);
    }
    steps.run("lint the components", deny_warnings(&mut guests))?;
    let mut worker = cargo(context);
    worker.args(["clippy", "--target", tools::WORKER_TARGET, "--package", "edge-worker"]);
    steps.run("lint the Worker", deny_warnings(&mut worker))?;
    let storefront = context.workspace.path("assets/storefront");
    build::npm_ci(context, "storefront", &storefront)?;
    let mut types = Command::new("npm");
    steps.run(
        "check the storefront's types",
        types.current_dir(&storefront).args(["run", "check"]),
    )?;
    let mut doc = cargo(context);
    doc.args(["doc", "--workspace", "--no-deps", "--document-private-items"]);
    steps.run("check the documentation", doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(())
}

fn cargo(context: &Context) -> Command {
    context.workspace.cargo()
}

/// Raises warnings to errors without changing the flags that dependencies are compiled with.
fn deny_warnings(command: &mut Command) -> &mut Command {
    command.args(["--", "-D", "warnings"])
}

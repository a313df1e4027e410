//! `deny`: licences, sources and duplicates of the crates we use, by cargo-deny.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::Context;
use crate::tools;

const VERSION: &str = "0.20.2";

/// The command.
pub(crate) fn run(context: &Context) -> Result<()> {
    let program = cargo_deny(context)?;
    let mut command = Command::new(program);
    // The advisories are a git fetch, which not every network allows: `cargo deny check advisories`.
    command.current_dir(context.workspace.root());
    command.args(["--all-features", "check", "--hide-inclusion-graph"]);
    command.args(["licenses", "bans", "sources"]);
    context.steps.run("check licences, duplicates and sources", &mut command)?;
    Ok(())
}

/// cargo-deny from the PATH or from our cache, where it is built if it is in neither.
fn cargo_deny(context: &Context) -> Result<PathBuf> {
    if let Some(found) = tools::find("cargo-deny") {
        return Ok(found);
    }
    let cache = context.workspace.tool_cache();
    let program = cache.join("bin/cargo-deny");
    if program.is_file() {
        return Ok(program);
    }
    let mut install = context.workspace.cargo();
    install.args(["install", "cargo-deny", "--locked", "--no-default-features"]);
    install.args(["--version", VERSION, "--root"]).arg(&cache);
    // A tool that runs for seconds need not be optimised for minutes.
    install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0");
    install.env("CARGO_PROFILE_RELEASE_LTO", "false");
    install.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    install.env("CARGO_TARGET_DIR", cache.join("build"));
    context.steps.run("build cargo-deny, once for this machine", &mut install)?;
    // Its build output is of no more use.
    let _ = std::fs::remove_dir_all(cache.join("build"));
    Ok(program)
}

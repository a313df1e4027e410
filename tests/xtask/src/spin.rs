//! `spin`: what real Spin needs beside its own program. Spin builds by the commands in `spin.toml`, which come here,
//! and keeps its database in a file that nobody fills by itself.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::Context;
use crate::build;
use crate::cli::{SpinBuildArgs, SpinCommand, SpinSeedArgs};

/// Where Spin keeps its state unless told otherwise, beside `spin.toml`.
const STATE_DIR: &str = ".spin";
/// The file of the database `default` in it.
const DATABASE: &str = "sqlite_db.db";
/// The component that serves files: they must be there when Spin starts, which refuses a folder that is not.
const FILES_COMPONENT: &str = "assets";

/// The command.
pub(crate) fn run(context: &Context, command: &SpinCommand) -> Result<()> {
    match command {
        SpinCommand::Build(args) => build_component(context, args),
        SpinCommand::Seed(args) => seed(context, args),
    }
}

fn build_component(context: &Context, args: &SpinBuildArgs) -> Result<()> {
    build::component(context, &args.component)?;
    if args.component == FILES_COMPONENT {
        build::require_tools()?;
        build::storefront(context)?;
        if !build::has_demo_shop(context)? {
            let mut command = context.workspace.cargo();
            command.args(["build", "--package", "demo-shop"]);
            context.steps.run("build the maker of the demo shop", &mut command)?;
        }
        build::demo_shop(context, false)?;
    }
    Ok(())
}

fn seed(context: &Context, args: &SpinSeedArgs) -> Result<()> {
    if !args.no_build {
        let mut command = context.workspace.cargo();
        command.args(["build", "--package", "node"]);
        context.steps.run("build edge node", &mut command)?;
    }
    let program = context.workspace.programs(false).join("vitrine-edge");
    if !program.is_file() {
        bail!("{} is missing: leave out --no-build", program.display());
    }
    let mut command = Command::new(program);
    command.arg("replicate").arg("--into").arg(database(context, args)?);
    command.args(["--feed", &args.origin, "--node-id", "spin-seed"]);
    if let Some(file) = &args.secret_file {
        command.arg("--secret-file").arg(file);
    }
    if args.follow {
        command.arg("--follow");
    }
    let title = format!("fill Spin's database from {}", args.origin);
    match context.steps.passed_on(&title, &mut command) {
        Ok(ended) => ended.require_success(&title).with_context(|| advice(args)),
        // Ctrl-C is how following ends.
        Err(_) if args.follow && context.stop.is_requested() => {
            context.reporter.note("stopped following");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn database(context: &Context, args: &SpinSeedArgs) -> Result<PathBuf> {
    let folder = match &args.state_dir {
        Some(folder) => std::path::absolute(folder).context("find the state folder")?,
        None => context.workspace.path(STATE_DIR),
    };
    Ok(folder.join(DATABASE))
}

fn advice(args: &SpinSeedArgs) -> String {
    let secret = match &args.secret_file {
        None => "believe the development secret (`--allow-development-secret`)".to_owned(),
        Some(file) => format!("have the secret of {}", file.display()),
    };
    format!("an origin must answer at {} and {secret}; `cargo xtask up` starts one", args.origin)
}

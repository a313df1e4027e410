//! `bench`: builds optimised programs and hands over to the load program.

use std::process::Command;

use anyhow::Result;

use crate::Context;
use crate::build;
use crate::cli::{BenchArgs, BenchTarget};
use crate::worker;

/// The command.
pub(crate) fn run(context: &Context, args: &BenchArgs) -> Result<()> {
    build::everything(context, true)?;
    let (what, title) = match args.what {
        BenchTarget::Edge => ("edge", "measure the edge"),
        BenchTarget::Worker => {
            worker::build(context)?;
            ("worker", "measure the Worker")
        }
    };
    let workspace = &context.workspace;
    let mut command = workspace.cargo();
    command.args(["build", "--release", "--package", "load"]);
    context.steps.run("build the load program", &mut command)?;
    let mut load = Command::new(workspace.programs(true).join("load"));
    load.current_dir(workspace.root())
        .arg(what)
        .args(&args.rest)
        .env("VITRINE_ROOT", workspace.root())
        .env("VITRINE_BIN_DIR", workspace.programs(true))
        .env("VITRINE_CATALOGUE", workspace.demo_shop().join("catalogue.json"))
        .env("VITRINE_MEDIA", workspace.demo_shop().join("media"));
    context.steps.passed_on(title, &mut load)?.require_success(title)
}

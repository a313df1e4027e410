//! `assets`: makes the demo shop anew where its sources have changed.

use anyhow::Result;

use crate::Context;
use crate::build;

/// The command.
pub(crate) fn run(context: &Context) -> Result<()> {
    build::programs(context, false)?;
    build::demo_shop(context, false)?;
    let out = context.workspace.demo_shop();
    context.reporter.result(&format!("demo shop: {}", out.display()));
    Ok(())
}

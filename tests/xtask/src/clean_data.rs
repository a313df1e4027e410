//! `clean-data`: removes what `up` keeps between starts.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::Context;
use crate::cli::CleanDataArgs;
use crate::up::DataDir;

/// The command.
pub(crate) fn run(context: &Context, args: &CleanDataArgs) -> Result<()> {
    let path = std::path::absolute(&args.data).context("find the data folder")?;
    if !path.exists() {
        context.reporter.result(&format!("{} is not there: nothing to remove", path.display()));
        return Ok(());
    }
    if !DataDir::is_one(&path) {
        bail!(
            "{} does not look like a data folder of `cargo xtask up`: not removed",
            path.display()
        );
    }
    // Held until the folder is gone, so that no shop starts on it meanwhile.
    let _data = DataDir::open(&path)?;
    fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
    context.reporter.result(&format!("removed {}", path.display()));
    Ok(())
}

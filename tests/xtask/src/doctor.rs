//! tmp
use anyhow::Result;
pub(crate) fn run(_c: &crate::Context) -> Result<std::process::ExitCode> {
    Ok(std::process::ExitCode::SUCCESS)
}

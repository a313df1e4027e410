//! tmp
use anyhow::Result;
pub(crate) fn run(_c: &crate::Context) -> Result<()> {
    Ok(())
}

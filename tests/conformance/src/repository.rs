//! Files of the clone that cases are held against.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// Returns the clone.
#[must_use]
pub fn root() -> PathBuf {
    harness::root()
}

/// Returns a file's bytes, by its path in the clone.
///
/// # Errors
/// When it is not there: something was not built.
pub fn file(path: &str) -> Result<Vec<u8>> {
    let path = root().join(path);
    std::fs::read(&path)
        .with_context(|| format!("read {}: run `cargo xtask build`", path.display()))
}

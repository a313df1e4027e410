//! Where the built programs and the demo shop are: what `cargo xtask` says in the environment.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Paths that a stack is started from.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The repository.
    pub root: PathBuf,
    /// The folder of `vitrine-origin` and `vitrine-edge`.
    pub bin_dir: PathBuf,
    /// The catalogue to seed.
    pub catalogue: PathBuf,
    /// Models and pictures that the catalogue speaks of.
    pub media: PathBuf,
}

/// The clone: `VITRINE_ROOT`, or where the package stands that cargo runs, `.` without cargo.
///
/// Read as the program runs: clones share a cache, and cargo takes a program that another clone built for fresh.
#[must_use]
pub fn root() -> PathBuf {
    let said = std::env::var_os("VITRINE_ROOT").map(PathBuf::from);
    let package = || std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    said.or_else(|| package().map(|package| package.join("../..")))
        .unwrap_or_else(|| PathBuf::from("."))
}

impl Environment {
    /// Reads `VITRINE_ROOT`, `VITRINE_BIN_DIR`, `VITRINE_CATALOGUE` and `VITRINE_MEDIA`.
    pub fn from_env() -> Result<Self> {
        let path = |name: &str| -> Result<PathBuf> {
            let value = std::env::var_os(name)
                .with_context(|| format!("{name} is not set: run this through `cargo xtask`"))?;
            let path = PathBuf::from(value);
            std::path::absolute(&path).with_context(|| format!("use {name}={}", path.display()))
        };
        Ok(Self {
            root: path("VITRINE_ROOT")?,
            bin_dir: path("VITRINE_BIN_DIR")?,
            catalogue: path("VITRINE_CATALOGUE")?,
            media: path("VITRINE_MEDIA")?,
        })
    }

    /// Returns the repository's manifest.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.root.join("spin.toml")
    }

    pub(crate) fn program(&self, name: &str) -> Result<PathBuf> {
        let path = self.bin_dir.join(name);
        if !path.is_file() {
            bail!("{} is missing: run `cargo xtask build`", path.display());
        }
        Ok(path)
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}

//! Where things are: the clone, the build output, the tool cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::step;

/// The cargo profile of the WebAssembly builds.
pub(crate) const WASM_PROFILE: &str = "wasm";
pub(crate) const WASM_TARGET: &str = "wasm32-wasip2";

/// The clone and its build output.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Finds the clone that cargo runs this program for.
    ///
    /// Not the one that it was built in: clones share a cache, and cargo takes the other's program for fresh.
    pub(crate) fn find() -> Result<Self> {
        let package = std::env::var_os("CARGO_MANIFEST_DIR").context("run it as `cargo xtask`")?;
        let root = Path::new(&package)
            .ancestors()
            .nth(2)
            .context("find the root of the clone")?
            .to_path_buf();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => std::path::absolute(dir).context("read CARGO_TARGET_DIR")?,
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Where cargo puts the programs of a profile.
    pub(crate) fn programs(&self, release: bool) -> PathBuf {
        self.target.join(if release { "release" } else { "debug" })
    }

    /// Where cargo puts the WebAssembly of a package.
    pub(crate) fn built_wasm(&self, package: &str) -> PathBuf {
        let file = format!("{}.wasm", package.replace('-', "_"));
        self.target.join(WASM_TARGET).join(WASM_PROFILE).join(file)
    }

    /// Generated files that `spin.toml` names: always in the clone, wherever cargo builds.
    pub(crate) fn generated(&self) -> PathBuf {
        self.root.join("target")
    }

    pub(crate) fn demo_shop(&self) -> PathBuf {
        self.generated().join("demo-shop")
    }

    /// Tools that the tests need and the machine may lack; outside the clone, shared by clones.
    pub(crate) fn tool_cache(&self) -> PathBuf {
        let cache = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
        cache.unwrap_or_else(|| self.generated()).join("vitrine/tools")
    }

    /// A cargo command in the clone.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root).env("CARGO_TERM_COLOR", color());
        command
    }

    /// The files that git knows, and new ones that it does not ignore.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let listed = step::ask(Command::new("git").current_dir(&self.root).args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))
        .context("list the files of the clone with git")?;
        let mut files: Vec<PathBuf> =
            listed.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect();
        files.retain(|file| self.root.join(file).is_file());
        files.sort();
        files.dedup();
        Ok(files)
    }
}

fn color() -> &'static str {
    use std::io::IsTerminal as _;
    if std::io::stderr().is_terminal() { "always" } else { "never" }
}

//! Where the built programs and the demo shop are.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// Paths of everything that a test starts. `cargo xtask test` says where they are; without it they
/// are looked for where cargo puts them.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The root of the clone.
    pub root: PathBuf,
    /// Folder of `vitrine-edge` and `vitrine-origin`.
    pub folder: PathBuf,
    /// The program behind `cargo xtask`.
    pub xtask: PathBuf,
    /// The demo catalogue.
    pub catalogue: PathBuf,
    /// Folder of models and pictures.
    pub media: PathBuf,
}

impl Programs {
    /// Finds them.
    ///
    /// # Errors
    /// When something is not built yet: the message says how to build it.
    pub fn find() -> Result<Self> {
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let root = match path("VITRINE_ROOT") {
            Some(root) => root,
            None => Path::new(env!("CARGO_MANIFEST_DIR"))
                .ancestors()
                .nth(2)
                .context("find the root of the clone")?
                .to_path_buf(),
        };
        let folder = match path("VITRINE_BIN_DIR") {
            Some(folder) => folder,
            // This program is in `target/debug/deps`.
            None => std::env::current_exe()
                .context("find this program")?
                .ancestors()
                .nth(2)
                .context("find the folder of programs")?
                .to_path_buf(),
        };
        let shop = root.join("target/demo-shop");
        let found = Self {
            xtask: path("VITRINE_XTASK").unwrap_or_else(|| folder.join("xtask")),
            catalogue: path("VITRINE_CATALOGUE").unwrap_or_else(|| shop.join("catalogue.json")),
            media: path("VITRINE_MEDIA").unwrap_or_else(|| shop.join("media")),
            root,
            folder,
        };
        for needed in [&found.edge(), &found.origin(), &found.xtask, &found.catalogue] {
            if !needed.is_file() {
                bail!("{} is not built: run `cargo xtask test e2e`", needed.display());
            }
        }
        Ok(found)
    }

    pub(crate) fn edge(&self) -> PathBuf {
        self.folder.join("vitrine-edge")
    }

    pub(crate) fn origin(&self) -> PathBuf {
        self.folder.join("vitrine-origin")
    }
}

/// Sends SIGKILL (`is_kill`) or SIGTERM to a process; that it is gone already is no error.
pub fn signal(pid: u32, is_kill: bool) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, if is_kill { Signal::KILL } else { Signal::TERM });
    }
}

/// Whether a process of that number runs.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| test_kill_process(pid).is_ok())
}

//! `up --watch`: deploys the manifest anew when it or a component's file has changed. For development.
//!
//! Files are looked at, not listened to: builds replace them by rename, and editors do what they like; two looks a
//! second at some ten files cost nothing, and work on every file system.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use manifest::Manifest;

use crate::{
    application::Source,
    deploy::{Deployer, Given, Order, Refusal},
};

/// Between two looks. A file counts as written when it is the same at two of them.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// When a file was written and how long it is; `None` if it is not there.
type Seen = BTreeMap<PathBuf, Option<(SystemTime, u64)>>;

/// Begins to look, until the process ends.
pub(crate) fn start(mut watched: Watched, deployer: Arc<Deployer>) {
    tokio::spawn(async move {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            if !watched.look() {
                continue;
            }
            let given = Given { from: Some(watched.manifest.clone()), ..Given::default() };
            match deployer.deploy(Order { given, canary: None, failures_max_percent: None }).await {
                Ok(outcome) => tracing::info!(version = outcome.version, "changed files serve"),
                Err(Refusal::Busy) => watched.tried.clear(),
                Err(refusal) => tracing::error!("changed files do not serve: {refusal}"),
            }
        }
    });
}

/// What was seen of the files.
pub(crate) struct Watched {
    manifest: PathBuf,
    /// The files of a manifest that could be read last.
    sources: Vec<PathBuf>,
    /// What serves, or was tried.
    tried: Seen,
    last: Seen,
}

impl Watched {
    /// Takes the first look: before the files are read, so that no change is missed.
    pub(crate) fn begin(source: &Source) -> Option<Self> {
        let Source::Manifest(manifest) = source else {
            tracing::warn!("nothing is watched: only a manifest's files are");
            return None;
        };
        std::path::absolute(manifest).ok().map(Self::new)
    }

    fn new(manifest: PathBuf) -> Self {
        let mut watched =
            Self { manifest, sources: Vec::new(), tried: Seen::new(), last: Seen::new() };
        watched.last = watched.see();
        watched.tried = watched.last.clone();
        watched
    }

    /// Whether there is something new that has settled.
    fn look(&mut self) -> bool {
        let now = self.see();
        let has_settled = now == self.last;
        self.last = now;
        if !has_settled || self.last == self.tried || self.last.values().any(Option::is_none) {
            return false;
        }
        self.tried = self.last.clone();
        true
    }

    fn see(&mut self) -> Seen {
        let text = std::fs::read_to_string(&self.manifest).unwrap_or_default();
        // One that cannot be read tells nothing of its files.
        if let Ok(read) = Manifest::parse(&text) {
            let base_dir = self.manifest.parent().unwrap_or_else(|| Path::new("/"));
            self.sources = read.sources().map(|source| base_dir.join(source)).collect();
        }
        let files = self.sources.iter().chain([&self.manifest]);
        let seen = files.map(|path| {
            let found = std::fs::metadata(path).ok();
            (path.clone(), found.and_then(|found| Some((found.modified().ok()?, found.len()))))
        });
        seen.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        std::fs::write(path, text).expect("writes");
    }

    #[test]
    fn a_change_counts_once_when_it_has_settled_and_nothing_is_missing() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let (manifest, wasm) = (dir.path().join("spin.toml"), dir.path().join("a.wasm"));
        write(
            &manifest,
            "spin_manifest_version = 2\n[application]\nname = \"a\"\n[[trigger.http]]\nroute = \"/\"\n\
             component = \"a\"\n[component.a]\nsource = \"a.wasm\"\n",
        );
        write(&wasm, "one");
        let mut watched = Watched::new(manifest.clone());
        assert!(!watched.look() && !watched.look());
        write(&wasm, "longer");
        assert!(!watched.look(), "it may still be written");
        assert!(watched.look());
        assert!(!watched.look(), "it was tried");
        std::fs::remove_file(&wasm).expect("removes");
        assert!(!watched.look() && !watched.look(), "a build is replacing it");
        write(&wasm, "built again");
        assert!(!watched.look() && watched.look());
        write(&manifest, "broken");
        assert!(!watched.look() && watched.look(), "who watches wants to hear of it");
        write(&wasm, "and its component still counts");
        assert!(!watched.look() && watched.look());
    }
}

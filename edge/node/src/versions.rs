//! Versions on disk: what was deployed, unchangeable, so that it can be returned to and served again after a restart.
//!
//! `STATE_DIR/versions/` holds `<id>/spin.toml` as it was given, `<id>/version.json` about it, `wasm/<sha256>.wasm`
//! shared by all versions, and `history.json`. No variable's value is ever written here. Files appear by rename, so a
//! half one is never found. What was copied for `files` lies elsewhere (`application/files.rs`), under the digest that
//! `version.json` has.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use domain::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use crate::{application::Files, deployment::VersionId};

/// What is known about a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) id: VersionId,
    pub(crate) created_at: Timestamp,
    /// Of the manifest, of every component's wasm, and of the files that were copied for them.
    pub(crate) digest: String,
    /// The manifest that it was made from.
    pub(crate) manifest: PathBuf,
    /// SHA-256 of each component's wasm.
    pub(crate) components: BTreeMap<String, String>,
    /// The digest of each component's copied files.
    #[serde(default, skip_serializing_if = "Files::is_empty")]
    pub(crate) files: Files,
    /// Names of variables that it was given values of its own for.
    pub(crate) variables: BTreeSet<String>,
}

impl Record {
    /// Where the manifest's relative directories start; those that components see as a whole are not copied.
    pub(crate) fn base_dir(&self) -> &Path {
        self.manifest.parent().unwrap_or_else(|| Path::new("/"))
    }
}

/// Which versions served, the newest last: that one is current.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct History {
    pub(crate) served: Vec<VersionId>,
}

impl History {
    /// Appends `id`, unless it is the newest already.
    pub(crate) fn then(&self, id: VersionId) -> Self {
        let mut served = self.served.clone();
        if served.last() != Some(&id) {
            served.push(id);
        }
        let surplus = served.len().saturating_sub(HISTORY_MAX);
        served.drain(..surplus);
        Self { served }
    }

    /// Returns the history up to `id`, if it served once.
    pub(crate) fn back_to(&self, id: VersionId) -> Option<Self> {
        let position = self.served.iter().rposition(|served| *served == id)?;
        Some(Self { served: self.served.get(..=position)?.to_vec() })
    }

    /// Returns the version before the newest.
    pub(crate) fn previous(&self) -> Option<VersionId> {
        self.served.iter().rev().nth(1).copied()
    }
}

/// Steps back that are remembered: 50, more than versions are kept.
const HISTORY_MAX: usize = 50;
/// Versions kept beside those in use: 10, so that a week of daily deployments can be returned to.
const KEPT_MAX: usize = 10;
/// Largest wasm file: 128 MiB, twenty times our largest component.
const WASM_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Largest manifest: 1 MiB.
const MANIFEST_BYTES_MAX: u64 = 1024 * 1024;

/// The directory of versions.
pub(crate) struct VersionStore {
    dir: PathBuf,
}

impl VersionStore {
    /// Names the versions in `state_dir`, to read them.
    pub(crate) fn at(state_dir: &Path) -> Self {
        // Components are looked for from their manifest's directory, unless they are absolute. There is no current
        // directory only if it was removed.
        let dir = state_dir.join("versions");
        Self { dir: std::path::absolute(&dir).unwrap_or(dir) }
    }

    /// Makes the directory where it is missing, and removes what a killed deployment left. One at a time may do so.
    pub(crate) fn open(state_dir: &Path) -> anyhow::Result<Self> {
        let store = Self::at(state_dir);
        // A manifest could not name a file in it.
        ensure!(store.dir.to_str().is_some(), "the name of {} is no text", store.dir.display());
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(store.dir.join("wasm"));
        made.with_context(|| format!("make {}", store.dir.display()))?;
        for folder in [store.dir.clone(), store.dir.join("wasm")] {
            for name in names(&folder)? {
                if name.starts_with('.') {
                    remove(&folder.join(name));
                }
            }
        }
        Ok(store)
    }

    /// Returns every version that is kept, oldest first. What cannot be read is left out and said in the log.
    pub(crate) fn list(&self) -> anyhow::Result<Vec<Record>> {
        let mut records = Vec::new();
        for id in self.ids()? {
            match self.record(id) {
                Ok(record) => records.push(record),
                Err(error) => tracing::warn!(version = id, "version not usable: {error:#}"),
            }
        }
        Ok(records)
    }

    /// Returns the largest number in use, 0 without any.
    pub(crate) fn newest(&self) -> anyhow::Result<VersionId> {
        let served = self.history()?.served.into_iter().max();
        Ok(self.ids()?.into_iter().chain(served).max().unwrap_or(0))
    }

    fn ids(&self) -> anyhow::Result<Vec<VersionId>> {
        if matches!(fs::exists(&self.dir), Ok(false)) {
            return Ok(Vec::new());
        }
        let mut ids: Vec<_> =
            names(&self.dir)?.iter().filter_map(|name| name.parse().ok()).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Returns what is known about version `id`.
    pub(crate) fn record(&self, id: VersionId) -> anyhow::Result<Record> {
        let record: Record = read_json(&self.dir.join(id.to_string()).join("version.json"))?;
        ensure!(record.id == id, "version {id} says that it is version {}", record.id);
        Ok(record)
    }

    /// Returns the manifest of version `id`, having checked that its components are what they were.
    pub(crate) fn manifest(&self, record: &Record) -> anyhow::Result<String> {
        for (component, digest) in &record.components {
            let (_, found) = read_wasm(&self.wasm(digest))?;
            ensure!(
                found == *digest,
                "component `{component}` of version {} was changed",
                record.id
            );
        }
        read_text(&self.dir.join(record.id.to_string()).join("spin.toml"))
    }

    /// Returns where the wasm with `digest` is.
    pub(crate) fn wasm(&self, digest: &str) -> PathBuf {
        self.dir.join("wasm").join(format!("{digest}.wasm"))
    }

    /// Takes in a wasm file whose digest is `digest`.
    pub(crate) fn keep_wasm(&self, bytes: &[u8], digest: &str) -> anyhow::Result<()> {
        let path = self.wasm(digest);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if fs::metadata(&path).is_ok_and(|found| found.len() == length) {
            return Ok(());
        }
        write(&path, bytes)
    }

    /// Keeps a version whose components were kept before.
    pub(crate) fn keep(&self, record: &Record, manifest: &str) -> anyhow::Result<()> {
        let incoming = self.dir.join(format!(".{}", record.id));
        let whole = self.dir.join(record.id.to_string());
        let made = || -> anyhow::Result<()> {
            fs::create_dir(&incoming).with_context(|| format!("make {}", incoming.display()))?;
            write(&incoming.join("spin.toml"), manifest.as_bytes())?;
            write(&incoming.join("version.json"), &serde_json::to_vec_pretty(record)?)?;
            sync(&incoming)?;
            fs::rename(&incoming, &whole).with_context(|| format!("make {}", whole.display()))?;
            sync(&self.dir)
        };
        made().inspect_err(|_| remove(&incoming))
    }

    /// Forgets a version that came to nothing.
    pub(crate) fn forget(&self, id: VersionId) {
        remove(&self.dir.join(id.to_string()));
    }

    pub(crate) fn history(&self) -> anyhow::Result<History> {
        let path = self.dir.join("history.json");
        match fs::exists(&path) {
            Ok(false) => Ok(History::default()),
            _ => read_json(&path),
        }
    }

    /// From here on, a restart with `--resume` serves the newest of `history`.
    pub(crate) fn set_history(&self, history: &History) -> anyhow::Result<()> {
        write(&self.dir.join("history.json"), &serde_json::to_vec(history)?)
    }

    /// Removes the oldest versions that are not `used`, and wasm that no version has. Failing leaves more than needed.
    pub(crate) fn prune(&self, used: &BTreeSet<VersionId>) -> anyhow::Result<()> {
        let mut idle = self.ids()?;
        idle.retain(|id| !used.contains(id));
        let surplus = idle.len().saturating_sub(KEPT_MAX);
        for id in idle.iter().take(surplus) {
            remove(&self.dir.join(id.to_string()));
        }
        let mut digests = BTreeSet::new();
        for id in self.ids()? {
            // What cannot be read may still be of use to somebody: then nothing is removed.
            digests.extend(self.record(id)?.components.into_values());
        }
        for name in names(&self.dir.join("wasm"))? {
            if name.strip_suffix(".wasm").is_none_or(|digest| !digests.contains(digest)) {
                remove(&self.dir.join("wasm").join(name));
            }
        }
        Ok(())
    }
}

/// Returns a digest over a manifest, its components and their copied files.
pub(crate) fn digest(
    manifest: &str,
    components: &BTreeMap<String, String>,
    files: &Files,
) -> String {
    let mut hash = Sha256::new();
    hash.update(manifest.len().to_le_bytes());
    hash.update(manifest);
    for (id, digest) in components {
        hash.update(format!("{id}={digest}\n"));
    }
    for (id, digest) in files {
        hash.update(format!("files of {id}={digest}\n"));
    }
    hex(&hash.finalize())
}

/// Writes `bytes` as digests are written.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a wasm file; returns its digest too.
pub(crate) fn read_wasm(path: &Path) -> anyhow::Result<(Vec<u8>, String)> {
    let bytes = read(path, WASM_BYTES_MAX)?;
    let digest = hex(&Sha256::digest(&bytes));
    Ok((bytes, digest))
}

/// Reads a manifest.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    let bytes = read(path, MANIFEST_BYTES_MAX)?;
    String::from_utf8(bytes).with_context(|| format!("read {}", path.display()))
}

fn read(path: &Path, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    use io::Read as _;
    let shown = path.display();
    // A pipe would keep the node waiting for ever.
    let found = fs::metadata(path).with_context(|| format!("read {shown}"))?;
    ensure!(found.is_file(), "read {shown}: it is no file");
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(|| format!("read {shown}"))?;
    file.take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)
        .with_context(|| format!("read {shown}"))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > bytes_max) {
        bail!("read {shown}: it is larger than {} MiB", bytes_max / 1024 / 1024);
    }
    Ok(bytes)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let bytes = read(path, MANIFEST_BYTES_MAX)?;
    serde_json::from_slice(&bytes).with_context(|| format!("read {}", path.display()))
}

/// Writes beside and renames: a name never stands for half of its bytes, not even after a power failure.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let incoming = path.with_file_name(format!(".{name}"));
    let written = || -> io::Result<()> {
        let mut file = File::create(&incoming)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&incoming, path)
    };
    let written = written().with_context(|| format!("write {}", path.display()));
    written.inspect_err(|_| remove(&incoming))?;
    sync(path.parent().unwrap_or_else(|| Path::new(".")))
}

fn sync(folder: &Path) -> anyhow::Result<()> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.with_context(|| format!("write {}", folder.display()))
}

fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let read = || format!("read {}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(read)? {
        names.push(entry.with_context(read)?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

/// Removes what is in nobody's way if it stays.
fn remove(path: &Path) {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    if let Err(error) = removed
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), "not removed: {error}");
    }
}

#[cfg(test)]
mod tests;

//! `files` and `exclude_files`: directories are mounted as they are; patterns, single files and exclusions need a copy.
//!
//! A copy's directory is named by the digest of what is in it: versions with the same files share one, and what a version
//! was deployed with stays what it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read as _},
    os::unix::ffi::OsStrExt as _,
    path::{Component as Part, Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail, ensure};
use manifest::{App, Component, FilesEntry, Mount};
use sha2::{Digest as _, Sha256};

use crate::{up::Failure, versions::hex};

/// Most files copied for one component: 16 384, a large documentation site. Beyond it the application is refused: a
/// pattern caught more than was meant.
const FILES_MAX: usize = 16_384;

/// Most bytes copied for one component: 1 GiB, a few seconds at every start. Larger trees are mounted as directories.
const BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// The digest of each component's copied files; those without copies are not in it.
pub(crate) type Files = BTreeMap<String, String>;

/// Copies below `staging` what must be copied, and mounts that in place of the entries. Nothing below `staging` is copied.
///
/// A component in `kept` sees the files with that digest or the application is refused, whatever lies in `base_dir` now.
pub(super) fn mount(
    app: &mut App,
    base_dir: &Path,
    staging: &Path,
    kept: &Files,
    is_direct: bool,
) -> Result<Files, Failure> {
    let staging = std::path::absolute(staging).unwrap_or_else(|_| staging.to_owned());
    let components: Vec<Component> = app.components().values().cloned().collect();
    let mut files = Files::new();
    for component in components {
        let id = &component.id;
        let kept = kept.get(id);
        if kept.is_none() && !needs_copy(&component, base_dir) {
            continue;
        }
        if is_direct {
            return Err(Failure::Configuration(anyhow!(
                "--direct-mounts: component `{id}` has files that are not whole directories"
            )));
        }
        let digest = match kept {
            Some(digest) if is_whole(&staging.join(digest), digest) => digest.clone(),
            _ => take_in(&component, base_dir, &staging, kept)?,
        };
        let copies = staging.join(&digest);
        let source = copies.to_str().context("the path of the copies is not UTF-8");
        let source = source.map_err(Failure::Configuration)?.to_owned();
        app.mount(id, vec![Mount { source, destination: "/".to_owned() }]);
        files.insert(id.clone(), digest);
    }
    Ok(files)
}

/// Returns the digests of the copies below `staging` that the components of `app` see.
pub(super) fn mounted(app: &App, staging: &Path) -> BTreeSet<String> {
    let staging = std::path::absolute(staging).unwrap_or_else(|_| staging.to_owned());
    let mounts = app.components().values().flat_map(|component| &component.grants.files);
    let copies = mounts.filter_map(|mount| Path::new(&mount.source).strip_prefix(&staging).ok());
    copies.filter_map(|copy| Some(copy.to_str()?.to_owned())).collect()
}

/// Removes the copies below `staging` that are not `used`, and what was left half copied. Failing leaves more than needed.
pub(super) fn prune(staging: &Path, used: &BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(staging) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !used.contains(*name)) else { continue };
        let digest = name.strip_prefix('.').unwrap_or(name);
        // The directory may be one that others use as well (`--temp`).
        let is_copy = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_copy && let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!(path = %entry.path().display(), "not removed: {error}");
        }
    }
}

/// Copies a component's files as they are now; returns their digest, which must be `kept` if there is one.
fn take_in(
    component: &Component,
    base_dir: &Path,
    staging: &Path,
    kept: Option<&String>,
) -> Result<String, Failure> {
    let id = &component.id;
    let plan = plan(component, base_dir, staging)
        .with_context(|| format!("files of component `{id}`"))
        .map_err(Failure::Configuration)?;
    let copied = || -> anyhow::Result<Option<String>> {
        let digest = digest(&plan)?;
        if kept.is_some_and(|kept| *kept != digest) {
            return Ok(None);
        }
        if !is_whole(&staging.join(&digest), &digest) {
            copy(&plan, staging, &digest)?;
        }
        Ok(Some(digest))
    };
    let digest = copied()
        .with_context(|| format!("copy files of component `{id}`"))
        .map_err(Failure::Other)?;
    digest.ok_or_else(|| {
        Failure::Configuration(anyhow!(
            "files of component `{id}` have changed, and the copy that was kept of them is gone or damaged"
        ))
    })
}

/// Whether mounting directories as they are would not give what the manifest says.
fn needs_copy(component: &Component, base_dir: &Path) -> bool {
    let mut destinations = BTreeSet::new();
    !component.files.exclude.is_empty()
        || component.files.entries.iter().any(|entry| match entry {
            FilesEntry::Pattern(_) => true,
            // One that does not exist is left to whoever mounts it.
            FilesEntry::Placed(mount) => {
                base_dir.join(&mount.source).is_file() || !destinations.insert(&mount.destination)
            }
        })
}

/// Where each file goes, relative to the component's root, and where it comes from.
type Plan = BTreeMap<PathBuf, PathBuf>;

fn plan(component: &Component, base_dir: &Path, staging: &Path) -> anyhow::Result<Plan> {
    let mut planning = Planning::new(&component.files.exclude, base_dir, staging)?;
    for entry in &component.files.entries {
        match entry {
            FilesEntry::Pattern(pattern) => planning.add_pattern(pattern)?,
            FilesEntry::Placed(mount) => planning.add_placed(mount)?,
        }
    }
    Ok(planning.plan)
}

struct Planning<'a> {
    base_dir: &'a Path,
    /// Never copied into itself. Absolute.
    staging: &'a Path,
    exclude: Vec<glob::Pattern>,
    plan: Plan,
    bytes: u64,
}

impl<'a> Planning<'a> {
    fn new(exclude: &[String], base_dir: &'a Path, staging: &'a Path) -> anyhow::Result<Self> {
        let pattern = |text: &String| {
            glob::Pattern::new(text)
                .with_context(|| format!("exclude_files: `{text}` is no pattern"))
        };
        let exclude = exclude.iter().map(pattern).collect::<Result<_, _>>()?;
        Ok(Self { base_dir, staging, exclude, plan: Plan::new(), bytes: 0 })
    }

    /// A file, a directory with all below it, or a pattern, seen under its own path.
    fn add_pattern(&mut self, pattern: &str) -> anyhow::Result<()> {
        let path = self.base_dir.join(pattern);
        if path.is_dir() {
            return self.add_below(&path, Path::new(pattern));
        }
        if path.is_file() {
            return self.add(path, Path::new(pattern));
        }
        ensure!(pattern.contains(['*', '?', '[']), "`{pattern}` does not exist and is no pattern");
        let base_dir = self.base_dir;
        self.add_matches(base_dir, pattern, Path::new(""))
    }

    fn add_placed(&mut self, mount: &Mount) -> anyhow::Result<()> {
        let source = self.base_dir.join(&mount.source);
        let destination = Path::new(mount.destination.trim_start_matches('/'));
        if source.is_dir() {
            return self.add_below(&source, destination);
        }
        ensure!(source.is_file(), "`{}` does not exist", mount.source);
        let is_name = !mount.destination.ends_with('/') && destination.file_name().is_some();
        ensure!(is_name, "`{}` is no name for the file `{}`", mount.destination, mount.source);
        self.add(source, destination)
    }

    fn add_below(&mut self, dir: &Path, destination: &Path) -> anyhow::Result<()> {
        self.add_matches(dir, "**/*", destination)
    }

    /// Adds the files below `dir` that match, under `destination`.
    fn add_matches(&mut self, dir: &Path, pattern: &str, destination: &Path) -> anyhow::Result<()> {
        let shown = dir.to_str().context("a path is not UTF-8")?;
        let whole = format!("{}/{pattern}", glob::Pattern::escape(shown));
        let matches = glob::glob(&whole)
            .with_context(|| format!("`{pattern}` cannot be read as a pattern"))?;
        for found in matches {
            let found = found.context("read a directory")?;
            let is_copy =
                std::path::absolute(&found).is_ok_and(|found| found.starts_with(self.staging));
            if !found.is_file() || is_copy {
                continue;
            }
            let below = normal(&found)
                .strip_prefix(normal(dir))
                .map(Path::to_owned)
                .with_context(|| format!("{} is outside of {shown}", found.display()))?;
            self.add(found, &destination.join(below))?;
        }
        Ok(())
    }

    fn add(&mut self, source: PathBuf, destination: &Path) -> anyhow::Result<()> {
        let (path, base_dir) = (normal(&source), normal(self.base_dir));
        let own = path.strip_prefix(&base_dir).unwrap_or(&path);
        if self.exclude.iter().any(|pattern| pattern.matches_path(own)) {
            return Ok(());
        }
        let length = source.metadata().with_context(|| format!("read {}", source.display()))?.len();
        self.bytes = self.bytes.saturating_add(length);
        if self.bytes > BYTES_MAX {
            bail!("more than {BYTES_MAX} bytes would be copied: mount a directory instead");
        }
        self.plan.insert(normal(destination), source);
        if self.plan.len() > FILES_MAX {
            bail!("more than {FILES_MAX} files would be copied: mount a directory instead");
        }
        Ok(())
    }
}

/// Drops `.` parts, which a pattern's matches may have and its directory may not.
fn normal(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Part::CurDir)).collect()
}

/// Returns a digest over names and contents.
fn digest(plan: &Plan) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    for (destination, source) in plan {
        let shown = || format!("read {}", source.display());
        let name = destination.as_os_str().as_bytes();
        hash.update(name.len().to_le_bytes());
        hash.update(name);
        let mut content = Sha256::new();
        let mut file = File::open(source).with_context(shown)?;
        loop {
            let read = file.read(&mut buffer).with_context(shown)?;
            let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { break };
            content.update(piece);
        }
        // Of one length, so that no content can pass for the next name.
        hash.update(content.finalize());
    }
    Ok(hex(&hash.finalize()))
}

/// Whether the copy in `dir` is there and what it was: the disk may have lost or changed some of it.
fn is_whole(dir: &Path, expected: &str) -> bool {
    let found = || -> anyhow::Result<String> {
        let mut plan = Plan::new();
        collect(dir, Path::new(""), &mut plan)?;
        digest(&plan)
    };
    dir.is_dir() && found().is_ok_and(|found| found == expected)
}

fn collect(dir: &Path, below: &Path, plan: &mut Plan) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &name, plan)?;
        } else {
            plan.insert(name, entry.path());
        }
    }
    Ok(())
}

/// Copies the files beside, and renames: a digest never stands for half of its files.
fn copy(plan: &Plan, staging: &Path, expected: &str) -> anyhow::Result<()> {
    let (incoming, whole) = (staging.join(format!(".{expected}")), staging.join(expected));
    let copied = || -> anyhow::Result<()> {
        remove(&incoming)?;
        fs::create_dir_all(&incoming).with_context(|| format!("make {}", incoming.display()))?;
        for (destination, source) in plan {
            let destination = incoming.join(destination);
            let shown = || format!("copy {} to {}", source.display(), destination.display());
            if let Some(parent) = destination.parent() {
                fs::create_dir_all(parent).with_context(shown)?;
            }
            fs::copy(source, &destination).with_context(shown)?;
        }
        ensure!(is_whole(&incoming, expected), "they were changed meanwhile");
        remove(&whole)?;
        fs::rename(&incoming, &whole).with_context(|| format!("make {}", whole.display()))
    };
    // A full disk must not stay full of it.
    copied().inspect_err(|_| {
        let _ = fs::remove_dir_all(&incoming);
    })
}

fn remove(dir: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;

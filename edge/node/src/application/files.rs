//! `files` and `exclude_files`: directories are mounted as they are; patterns, single files and exclusions need a copy.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component as Part, Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use manifest::{App, Component, FilesEntry, Mount};

use crate::up::Failure;

/// Most files copied for one component: 16 384, a large documentation site. Beyond it the application is refused: a
/// pattern caught more than was meant.
const FILES_MAX: usize = 16_384;

/// Most bytes copied for one component: 1 GiB, a few seconds at every start. Larger trees are mounted as directories.
const BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Copies below `staging` what must be copied, and mounts that in place of the entries.
pub(super) fn mount(
    app: &mut App,
    base_dir: &Path,
    staging: &Path,
    is_direct: bool,
) -> Result<(), Failure> {
    let components: Vec<Component> = app.components().values().cloned().collect();
    for component in components {
        if !needs_copy(&component, base_dir) {
            continue;
        }
        let id = &component.id;
        if is_direct {
            return Err(Failure::Configuration(anyhow::anyhow!(
                "--direct-mounts: component `{id}` has files that are not whole directories"
            )));
        }
        let root = std::path::absolute(staging.join(id)).unwrap_or_else(|_| staging.join(id));
        let plan = plan(&component, base_dir, staging)
            .with_context(|| format!("files of component `{id}`"))
            .map_err(Failure::Configuration)?;
        let source = copy(&plan, &root)
            .with_context(|| format!("copy files of component `{id}`"))
            .map_err(Failure::Other)?;
        app.mount(id, vec![Mount { source, destination: "/".to_owned() }]);
    }
    Ok(())
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
    /// Never copied into itself.
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
            if !found.is_file() || found.starts_with(self.staging) {
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

/// Copies the files; returns the directory as mounts name it.
fn copy(plan: &Plan, root: &Path) -> anyhow::Result<String> {
    let name = root.to_str().context("the path of the copies is not UTF-8")?;
    match std::fs::remove_dir_all(root) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("remove {name}"));
        }
        _ => {}
    }
    std::fs::create_dir_all(root).with_context(|| format!("make {name}"))?;
    for (destination, source) in plan {
        let destination = root.join(destination);
        let shown = || format!("copy {} to {}", source.display(), destination.display());
        if let Some(parent) = destination.parent() {
            std::fs::create_dir_all(parent).with_context(shown)?;
        }
        std::fs::copy(source, &destination).with_context(shown)?;
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests;

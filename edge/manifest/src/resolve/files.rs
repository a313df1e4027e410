//! `files` and `exclude_files`: what can be said of them without a look at the disk.

use crate::{
    Files, FilesEntry, ManifestError, Mount,
    place::{Fault, Within as _},
    raw::{RawComponent, RawMount},
    text_or::TextOr,
};

/// Checks the entries of component `id`.
pub(super) fn files(id: &str, raw: &RawComponent) -> Result<Files, Fault> {
    let mut entries = Vec::new();
    for (at, entry) in raw.files.iter().enumerate() {
        entries.push(self::entry(id, entry).within(at).within("files")?);
    }
    for (at, pattern) in raw.exclude_files.iter().enumerate() {
        check(id, "exclude_files", pattern, pattern).within(at).within("exclude_files")?;
    }
    Ok(Files { entries, exclude: raw.exclude_files.clone() })
}

fn entry(id: &str, raw: &TextOr<RawMount>) -> Result<FilesEntry, ManifestError> {
    match raw {
        TextOr::Text(pattern) => {
            check(id, "files", pattern, pattern)?;
            check_pattern(id, pattern)?;
            Ok(FilesEntry::Pattern(pattern.clone()))
        }
        TextOr::Table(RawMount { source, destination }) => {
            check(id, "files", source, source.trim_start_matches("../"))?;
            check(id, "files", destination, destination.trim_start_matches('/'))?;
            let destination = format!("/{}", destination.trim_start_matches('/'));
            Ok(FilesEntry::Placed(Mount { source: source.clone(), destination }))
        }
    }
}

/// Refuses patterns of which Spin says that they mean something else than they seem to.
fn check_pattern(id: &str, pattern: &str) -> Result<(), ManifestError> {
    let refused = |reason| ManifestError::Files {
        id: id.to_owned(),
        key: "files",
        entry: pattern.escape_debug().to_string(),
        reason,
    };
    if pattern.starts_with('/') {
        return Err(refused("is not below the manifest's directory"));
    }
    if pattern == "." || pattern.ends_with("/.") {
        return Err(refused("ends in `.`: end it in `**/*`, or write { source, destination }"));
    }
    Ok(())
}

/// Refuses what leads elsewhere than it says. `checked` is the part of `entry` that must not.
fn check(id: &str, key: &'static str, entry: &str, checked: &str) -> Result<(), ManifestError> {
    let refused = |reason| ManifestError::Files {
        id: id.to_owned(),
        key,
        entry: entry.escape_debug().to_string(),
        reason,
    };
    if entry.is_empty() {
        return Err(refused("is empty"));
    }
    if entry.contains('\0') {
        return Err(refused("has a zero byte"));
    }
    if checked.split('/').any(|part| part == "..") {
        return Err(refused("has a `..` in it"));
    }
    Ok(())
}

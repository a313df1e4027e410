//! Fonts of documents, from files.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use app::{FONT_BYTES_MAX, Fonts};

/// Reads fonts before anything is opened or bound, in the order in which they are asked.
pub(crate) fn read(files: &[PathBuf]) -> anyhow::Result<Fonts> {
    let mut fonts = Fonts::default();
    for named in files {
        let (path, index) = split(named);
        let bytes = content(&path).with_context(|| format!("read font {}", path.display()))?;
        fonts.add(bytes, index).map_err(|error| anyhow!("font {} {error}", path.display()))?;
    }
    Ok(fonts)
}

/// Splits `FILE#N`; a file that has such a name itself is meant first.
fn split(named: &Path) -> (PathBuf, u32) {
    let parts = named.to_str().and_then(|text| text.rsplit_once('#'));
    match parts.and_then(|(file, index)| Some((file, index.parse().ok()?))) {
        Some((file, index)) if !named.is_file() => (file.into(), index),
        _ => (named.to_owned(), 0),
    }
}

/// Reads a file, and no more than tells that it is too long.
fn content(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(FONT_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

//! Whether generated output is still that of its sources: a digest kept beside the output.

use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A digest of source files, and where the digest of the last build is kept.
#[derive(Debug)]
pub(crate) struct Stamp {
    file: PathBuf,
    digest: String,
}

impl Stamp {
    /// Digests the names and contents of all files below `sources` but those in `skipped` folders.
    pub(crate) fn of(file: PathBuf, sources: &[PathBuf], skipped: &[&str]) -> Result<Self> {
        let mut files = Vec::new();
        for source in sources {
            collect(source, skipped, &mut files)?;
        }
        files.sort();
        let mut hasher = DefaultHasher::new();
        for path in files {
            hasher.write(path.as_os_str().as_encoded_bytes());
            hasher.write(&fs::read(&path).with_context(|| format!("read {}", path.display()))?);
        }
        Ok(Self { file, digest: format!("{:016x}", hasher.finish()) })
    }

    pub(crate) fn is_current(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|kept| kept.trim() == self.digest)
    }

    /// Forgets the last build: a build that fails half-way must run again.
    pub(crate) fn forget(&self) {
        let _ = fs::remove_file(&self.file);
    }

    pub(crate) fn keep(&self) -> Result<()> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        fs::write(&self.file, &self.digest)
            .with_context(|| format!("write {}", self.file.display()))
    }
}

fn collect(path: &Path, skipped: &[&str], files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_file() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    if !path.is_dir() || path.file_name().is_some_and(|name| skipped.iter().any(|s| name == *s)) {
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("list {}", path.display()))? {
        collect(
            &entry.with_context(|| format!("list {}", path.display()))?.path(),
            skipped,
            files,
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Stamp;

    #[test]
    fn a_stamp_is_current_until_a_source_changes() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("src");
        fs::create_dir(&source).unwrap();
        fs::write(source.join("a"), "1").unwrap();
        let stamp = || {
            Stamp::of(folder.path().join("stamp"), std::slice::from_ref(&source), &["skip"])
                .unwrap()
        };
        assert!(!stamp().is_current());
        stamp().keep().unwrap();
        assert!(stamp().is_current());
        fs::create_dir(source.join("skip")).unwrap();
        fs::write(source.join("skip/b"), "2").unwrap();
        assert!(stamp().is_current(), "a skipped folder does not count");
        fs::write(source.join("a"), "2").unwrap();
        assert!(!stamp().is_current());
    }
}

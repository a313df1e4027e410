//! The manifest's mounts as a disk.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use domain::Timestamp;
use files_core::{Disk, Facts};
use manifest::Mount;

/// Folders of the clone under the names that the component knows.
pub(crate) struct Folders<'a> {
    pub(crate) root: &'a Path,
    pub(crate) mounts: &'a [Mount],
}

impl Folders<'_> {
    fn path(&self, location: &str) -> Option<PathBuf> {
        self.mounts.iter().find_map(|mount| {
            let below = location.strip_prefix(&mount.destination)?.strip_prefix('/')?;
            Some(self.root.join(&mount.source).join(below))
        })
    }
}

impl Disk for Folders<'_> {
    async fn facts(&self, location: &str) -> Result<Option<Facts>, String> {
        let metadata = self.path(location).and_then(|path| std::fs::metadata(path).ok());
        Ok(metadata.filter(std::fs::Metadata::is_file).map(|metadata| {
            let since = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let modified = since.map(|since| Timestamp::from_unix_ms(0).after(since));
            Facts { length: metadata.len(), modified }
        }))
    }

    async fn read(&self, location: &str, start: u64, length: u64) -> Result<Bytes, String> {
        let read = || -> std::io::Result<Vec<u8>> {
            let path = self.path(location).ok_or(std::io::ErrorKind::NotFound)?;
            let mut file = std::fs::File::open(path)?;
            file.seek(SeekFrom::Start(start))?;
            let mut content = vec![0; usize::try_from(length).unwrap_or(0)];
            file.read_exact(&mut content)?;
            Ok(content)
        };
        read().map(Bytes::from).map_err(|error| format!("{location}: {error}"))
    }
}

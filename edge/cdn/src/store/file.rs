//! Large bodies.

use std::{
    fs::File,
    io::{self, Write as _},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use rustix::fs::{MemfdFlags, memfd_create};

/// A file with a body; it is removed when nobody needs it any more.
#[derive(Debug)]
pub struct BodyFile {
    file: Arc<File>,
    length: u64,
    path: Option<PathBuf>,
}

impl BodyFile {
    /// Takes a file that stays where it is.
    pub(super) const fn of(file: Arc<File>, length: u64) -> Self {
        Self { file, length, path: None }
    }

    /// Returns its length in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Returns the open file.
    #[must_use]
    pub fn handle(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Whoever still sends it has it open; somebody else may have removed its name.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Where large bodies lie.
#[derive(Debug)]
pub(super) struct Bodies {
    directory: Option<PathBuf>,
    next: AtomicU64,
}

impl Bodies {
    pub(super) fn new(directory: Option<PathBuf>) -> io::Result<Self> {
        if let Some(directory) = &directory {
            std::fs::create_dir_all(directory)?;
            for entry in std::fs::read_dir(directory)? {
                let path = entry?.path();
                // What an earlier process left is of no use without what was in its memory.
                if path.extension().is_some_and(|extension| extension == "body") {
                    std::fs::remove_file(path)?;
                }
            }
        }
        Ok(Self { directory, next: AtomicU64::new(0) })
    }

    pub(super) fn write(&self, pieces: &[Bytes]) -> io::Result<BodyFile> {
        let (mut file, path) = match &self.directory {
            None => (File::from(memfd_create("vitrine-cache", MemfdFlags::CLOEXEC)?), None),
            Some(directory) => {
                let name = format!("{:016x}.body", self.next.fetch_add(1, Relaxed));
                let path = directory.join(name);
                let file = File::options().read(true).write(true).create_new(true).open(&path)?;
                (file, Some(path))
            }
        };
        // From here on the file goes when writing fails.
        let mut body = BodyFile { file: Arc::new(file.try_clone()?), length: 0, path };
        for piece in pieces {
            file.write_all(piece)?;
            body.length =
                body.length.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        }
        body.file = Arc::new(file);
        Ok(body)
    }
}

//! Names and places of the files of a directory.
//!
//! `ab/abcd….head` has an address's heads, `ab/abcd…-0123….body` a body, `ab/abcd…-0123….new` heads that are being
//! written. Whatever has another name belongs to somebody else and is left alone.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use super::index::Name;

/// A directory, and the numbers for new files in it.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    first_id: u64,
    next_id: AtomicU64,
}

/// What a file is by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Head(Name),
    Body(Name, u64),
    New(Name, u64),
}

impl Directory {
    /// Makes the directory if it is not there; only its owner may read it.
    pub(super) fn open(root: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&root)?;
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        // Numbers of different processes do not meet; if they did, making the file would fail.
        let first_id = u64::from_le_bytes(bytes);
        Ok(Self { root, first_id, next_id: AtomicU64::new(first_id) })
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Returns a number for a new file.
    pub(super) fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Relaxed)
    }

    /// Whether a number was given by this process.
    pub(super) fn is_own(&self, id: u64) -> bool {
        let given = self.next_id.load(Relaxed).wrapping_sub(self.first_id);
        id.wrapping_sub(self.first_id) < given
    }

    /// Returns the directories below, whether they are there or not.
    pub(super) fn below(&self) -> impl Iterator<Item = PathBuf> {
        (0..=u8::MAX).map(|first| self.root.join(format!("{first:02x}")))
    }

    fn path(&self, name: Name, rest: &str) -> PathBuf {
        let text = name.text();
        let first = text.get(..2).unwrap_or_default();
        self.root.join(first).join(format!("{text}{rest}"))
    }

    pub(super) fn head(&self, name: Name) -> PathBuf {
        self.path(name, ".head")
    }

    pub(super) fn body(&self, name: Name, id: u64) -> PathBuf {
        self.path(name, &format!("-{id:016x}.body"))
    }

    pub(super) fn new_head(&self, name: Name, id: u64) -> PathBuf {
        self.path(name, &format!("-{id:016x}.new"))
    }

    /// Makes a file that was not there, and the folder for it.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Not the directory itself: if it is gone, somebody took it away.
                let folder = path.parent().unwrap_or(&self.root);
                DirBuilder::new().mode(0o700).create(folder)?;
                options.open(path)
            }
            opened => opened,
        }
    }
}

/// Reads a file's name.
pub(super) fn kind(file: &str) -> Option<Kind> {
    let (stem, ending) = file.rsplit_once('.')?;
    if ending == "head" {
        return Name::read(stem).map(Kind::Head);
    }
    let (name, id) = stem.split_once('-')?;
    let (name, id) = (Name::read(name)?, read_id(id)?);
    match ending {
        "body" => Some(Kind::Body(name, id)),
        "new" => Some(Kind::New(name, id)),
        _ => None,
    }
}

fn read_id(text: &str) -> Option<u64> {
    let id = u64::from_str_radix(text, 16).ok()?;
    (format!("{id:016x}") == text).then_some(id)
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names_and_others_left_alone() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let directory = Directory::open(dir.path().to_owned()).expect("opens");
        let (name, id) = (Name::of("a"), directory.new_id());
        let named = |path: PathBuf| kind(path.file_name()?.to_str()?);
        assert_eq!(named(directory.head(name)), Some(Kind::Head(name)));
        assert_eq!(named(directory.body(name, id)), Some(Kind::Body(name, id)));
        assert_eq!(named(directory.new_head(name, id)), Some(Kind::New(name, id)));
        assert!(directory.is_own(id) && !directory.is_own(id.wrapping_add(1)));
        for other in ["lock", "purges", "a.head", "photo.body", ".head", "-.body", ""] {
            assert_eq!(kind(other), None, "{other}");
        }
    }
}

//! What a stored answer has as its body, and parts of it.

use std::{fs::File, sync::Arc};

use bytes::Bytes;
use http1::FilePart;

use super::file::BodyFile;
use crate::pieces::Piece;

/// A stored body.
#[derive(Debug, Clone)]
pub enum StoredBody {
    /// In memory.
    Memory(Bytes),
    /// In a file, which goes with the last who needs it.
    File(Arc<BodyFile>),
}

impl StoredBody {
    /// Takes a file that belongs to somebody else.
    pub(crate) fn of_file(file: Arc<File>, length: u64) -> Self {
        Self::File(Arc::new(BodyFile::of(file, length)))
    }

    /// Whether they are the same bytes because they are in the same place.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Memory(one), Self::Memory(other)) => {
                one.as_ptr() == other.as_ptr() && one.len() == other.len()
            }
            (Self::File(one), Self::File(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Returns its length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::File(file) => file.length(),
        }
    }

    /// Returns `length` bytes from `start`.
    #[must_use]
    pub fn part(&self, start: u64, length: u64) -> BodyPart {
        match self {
            Self::Memory(bytes) => {
                let bound = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                BodyPart::Memory(bytes.slice(bound(start)..bound(start.saturating_add(length))))
            }
            Self::File(file) => {
                BodyPart::File(FilePart { file: file.handle(), offset: start, length })
            }
        }
    }
}

impl StoredBody {
    /// Returns some bytes that are to be put between others: of a file they are read by and by.
    #[must_use]
    pub fn piece(&self, start: u64, length: u64) -> Piece {
        match self.part(start, length) {
            BodyPart::Memory(bytes) => Piece::Bytes(bytes),
            BodyPart::File(part) => Piece::File(part),
        }
    }
}

/// Some bytes of a stored body.
#[derive(Debug, Clone)]
pub enum BodyPart {
    /// In memory.
    Memory(Bytes),
    /// In a file.
    File(FilePart),
}

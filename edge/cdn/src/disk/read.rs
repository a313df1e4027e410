//! Reading answers back: once for all who want them, and nothing that is not what was written.

use std::{
    collections::btree_map,
    fs::File,
    io::{self, Read as _},
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
};

use bytes::Bytes;
use cache_core::Key;
use tokio::sync::watch;

use super::{
    Disk, Shared,
    format::{BodyAt, HEAD_BYTES_MAX, Heads, Place, Unreadable, Variant},
    index::{Files, Known, Name},
    writer::each_piece,
};
use crate::{
    answer::now,
    store::{SMALL_BYTES_MAX, Slot, Stored, StoredBody},
};

/// What was found on the disk; others who want it wait as long as it lives.
pub(crate) struct Found<'a> {
    disk: &'a Disk,
    name: Name,
    ticket: u64,
    files: Option<Files>,
    pub(crate) slot: Arc<Slot>,
    _turn: Turn<'a>,
}

/// What came of looking for an address.
pub(crate) enum Looked<'a> {
    Nothing,
    /// Somebody else has just read it: look into memory.
    Elsewhere,
    Found(Found<'a>),
}

/// The right to read an address; others wait until it is dropped.
struct Turn<'a> {
    disk: &'a Disk,
    name: Name,
    _tell: watch::Sender<()>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut reading = self.disk.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.remove(&self.name);
    }
}

/// Why something cannot be read.
enum ReadError {
    /// It is not there.
    Gone,
    /// It is not what was written.
    Damaged,
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Gone,
            // It is shorter than it was.
            io::ErrorKind::UnexpectedEof => Self::Damaged,
            _ => Self::Io(error),
        }
    }
}

impl Disk {
    /// Looks for an address, and reads all of its variants.
    pub(crate) async fn look(&self, key: &Key) -> Looked<'_> {
        let name = Name::of(key.as_str());
        let known = {
            let mut state = self.shared.state();
            let may_be_unknown = state.may_be_unknown(name);
            state.index.look(name, may_be_unknown)
        };
        if matches!(known, Known::Nothing) {
            return Looked::Nothing;
        }
        let turn = match self.turn(name) {
            Ok(turn) => turn,
            Err(mut others) => {
                // It ends with an error: nothing is ever said.
                let _ = others.changed().await;
                return Looked::Elsewhere;
            }
        };
        let (ticket, read) = match known {
            Known::Nothing => return Looked::Nothing,
            Known::Memory(slot, ticket) => (ticket, Some((slot, None))),
            Known::Disk(ticket) => (ticket, self.read(name, ticket, key).await),
        };
        let Some((slot, files)) = read else { return Looked::Nothing };
        Looked::Found(Found { disk: self, name, ticket, files, slot, _turn: turn })
    }

    fn turn(&self, name: Name) -> Result<Turn<'_>, watch::Receiver<()>> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        match reading.entry(name) {
            btree_map::Entry::Occupied(other) => Err(other.get().clone()),
            btree_map::Entry::Vacant(room) => {
                let (tell, told) = watch::channel(());
                room.insert(told);
                Ok(Turn { disk: self, name, _tell: tell })
            }
        }
    }

    async fn read(&self, name: Name, ticket: u64, key: &Key) -> Option<(Arc<Slot>, Option<Files>)> {
        // It is never closed.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        let (shared, key) = (Arc::clone(&self.shared), key.clone());
        let read = tokio::task::spawn_blocking(move || {
            let read = shared.read(name, ticket, &key);
            drop(permit);
            read
        });
        read.await.ok()?.map(|(slot, files)| (slot, Some(files)))
    }
}

impl Found<'_> {
    /// Has what was found put into memory, unless something else was stored or removed meanwhile; whether it was.
    pub(crate) fn take_in(&self, slot: &Arc<Slot>, put: impl FnOnce(Arc<Slot>)) -> bool {
        let mut state = self.disk.shared.state();
        let files = self.files.clone();
        let is_current = state.index.take_in(self.name, self.ticket, files, slot);
        if is_current {
            // Under the lock, or what is stored now would be put away again.
            put(Arc::clone(slot));
        }
        is_current
    }

    /// Removes what was found: all of it is purged.
    pub(crate) fn remove(&self) {
        self.disk.shared.remove_of(self.name, self.ticket, true);
    }
}

impl Shared {
    /// Forgets an address that was read; `was_there` if it was found at all.
    fn remove_of(&self, name: Name, ticket: u64, was_there: bool) {
        let mut state = self.state();
        let doomed = state.index.remove_of(name, ticket);
        state.note_gone(doomed.iter().filter(|_| was_there));
        state.doomed.extend(doomed);
        self.changed.notify_all();
    }

    fn read(&self, name: Name, ticket: u64, key: &Key) -> Option<(Arc<Slot>, Files)> {
        match self.try_read(name, key) {
            Ok(read) => {
                self.read_succeeded();
                Some(read)
            }
            Err(ReadError::Io(error)) => {
                self.read_failed(&error);
                None
            }
            Err(ReadError::Gone) => {
                self.remove_of(name, ticket, false);
                None
            }
            Err(ReadError::Damaged) => {
                self.counts.damaged.fetch_add(1, Relaxed);
                self.remove_of(name, ticket, true);
                None
            }
        }
    }

    fn try_read(&self, name: Name, key: &Key) -> Result<(Arc<Slot>, Files), ReadError> {
        let (heads, files) = self.read_heads(name)?;
        if heads.key != key.as_str() {
            return Err(ReadError::Gone);
        }
        let now = now();
        let mut variants = Vec::with_capacity(heads.variants.len());
        let mut missing = None;
        for variant in heads.variants {
            let place = variant.place();
            let Variant { sequence, mut meta, headers, body } = variant;
            let body = match body {
                BodyAt::Here(bytes) => StoredBody::Memory(bytes),
                BodyAt::File(place) => match self.read_body(name, place) {
                    Ok(body) => body,
                    Err(error) => {
                        missing = Some(error);
                        continue;
                    }
                },
            };
            // The clock went back: nobody knows how old it is.
            meta.no_cache |= meta.responded_at > now;
            variants.push(Stored::from_disk(meta, headers, body, sequence, place));
        }
        match missing {
            Some(error) if variants.is_empty() => Err(error),
            missing => {
                let is_damaged = matches!(missing, Some(ReadError::Damaged));
                self.counts.damaged.fetch_add(u64::from(is_damaged), Relaxed);
                Ok((Arc::new(Slot::of(variants)), files))
            }
        }
    }

    /// Reads and checks the heads of an address.
    fn read_heads(&self, name: Name) -> Result<(Heads, Files), ReadError> {
        let epoch = self.purges.epoch().ok_or(ReadError::Gone)?;
        let bytes = read_file(File::open(self.directory.head(name))?, HEAD_BYTES_MAX)?;
        let head_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let heads = Heads::decode(&bytes, epoch).map_err(|error| match error {
            // Of a time before a purge that could not be written down, or of another version.
            Unreadable::Foreign => ReadError::Gone,
            Unreadable::Damaged => ReadError::Damaged,
        })?;
        let bodies = heads.variants.iter().filter_map(Variant::place);
        let bodies = bodies.map(|place| (place.id, place.length)).collect();
        Ok((heads, Files { head_bytes, bodies }))
    }

    /// Returns the files that an address's heads speak of; `None` if they are good for nothing.
    pub(super) fn files_of(&self, name: Name) -> io::Result<Option<Files>> {
        match self.read_heads(name) {
            Ok((heads, files)) => Ok((Name::of(&heads.key) == name).then_some(files)),
            Err(ReadError::Damaged) => {
                self.counts.damaged.fetch_add(1, Relaxed);
                Ok(None)
            }
            Err(ReadError::Gone) => Ok(None),
            Err(ReadError::Io(error)) => Err(error),
        }
    }

    /// Opens a body, all of which is read once to check it: then it also lies in the kernel's memory, from where it is
    /// sent.
    fn read_body(&self, name: Name, place: Place) -> Result<StoredBody, ReadError> {
        let file = File::open(self.directory.body(name, place.id))?;
        if file.metadata()?.len() != place.length {
            return Err(ReadError::Damaged);
        }
        let is_small = usize::try_from(place.length).is_ok_and(|length| length <= SMALL_BYTES_MAX);
        if is_small {
            let bytes = read_file(file, SMALL_BYTES_MAX)?;
            let is_whole = crc32fast::hash(&bytes) == place.checksum;
            return if is_whole { Ok(StoredBody::Memory(bytes)) } else { Err(ReadError::Damaged) };
        }
        let file = Arc::new(file);
        let mut hasher = crc32fast::Hasher::new();
        each_piece(&file, place.length, |piece| {
            hasher.update(piece);
            Ok(())
        })?;
        if hasher.finalize() != place.checksum {
            return Err(ReadError::Damaged);
        }
        Ok(StoredBody::of_file(file, place.length))
    }
}

/// Reads a file of at most `bytes_max`.
fn read_file(file: File, bytes_max: usize) -> Result<Bytes, ReadError> {
    let length = file.metadata()?.len();
    let length = usize::try_from(length).ok().filter(|length| *length <= bytes_max);
    let length = length.ok_or(ReadError::Damaged)?;
    let mut bytes = Vec::with_capacity(length);
    let most = u64::try_from(length).unwrap_or(u64::MAX);
    file.take(most).read_to_end(&mut bytes)?;
    if bytes.len() == length { Ok(bytes.into()) } else { Err(ReadError::Damaged) }
}

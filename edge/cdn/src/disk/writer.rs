//! The one thread that writes and removes.

use std::{
    fs::File,
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::{
    Job, Shared, files,
    format::{BodyAt, Heads, INLINE_BYTES_MAX, Place, Variant},
    index::{Doomed, Files, Name, blocks},
};
use crate::store::{Stored, StoredBody};

/// What is copied at once: 128 KiB.
pub(super) const COPY_BYTES: usize = 128 * 1024;
/// How long a disk that was full is taken to have no more room than it had then: 60 s.
const FULL: Duration = Duration::from_secs(60);
/// What a head takes, roughly; of how much room is made for it.
const HEAD_BYTES: u64 = 4096;

enum Work {
    Write(Job),
    Remove(Vec<Doomed>),
}

/// What became of a job.
enum Written {
    Done,
    /// Something else was stored, or all of it removed, meanwhile.
    TooLate,
    /// It is more than an eighth of everything, or its heads are too long.
    TooLarge,
}

/// Files that go again unless they are kept.
struct Unfinished<'a> {
    shared: &'a Shared,
    paths: Vec<PathBuf>,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        for path in &self.paths {
            if let Err(error) = files::remove(path) {
                self.shared.write_failed("remove", &error);
            }
        }
    }
}

impl Shared {
    /// Writes and removes until the end.
    pub(super) fn write_all(&self) {
        while let Some(work) = self.next_work() {
            match work {
                Work::Write(job) => self.write(&job),
                Work::Remove(doomed) => self.unlink(doomed),
            }
        }
    }

    fn next_work(&self) -> Option<Work> {
        let mut state = self.state();
        loop {
            if !state.doomed.is_empty() {
                state.is_busy = true;
                return Some(Work::Remove(std::mem::take(&mut state.doomed)));
            }
            if state.is_closing {
                state.queue.clear();
            }
            if let Some(job) = state.queue.pop_front() {
                state.queued_bytes = state.queued_bytes.saturating_sub(job.bytes);
                if !state.index.is_current(job.name, job.ticket) {
                    continue;
                }
                state.is_busy = true;
                return Some(Work::Write(job));
            }
            state.is_busy = false;
            self.changed.notify_all();
            if state.is_closing {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Removes files, unless others have taken their place.
    pub(super) fn unlink(&self, doomed: Vec<Doomed>) {
        for Doomed { name, has_head, bodies } in doomed {
            let placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
            let head = has_head && !self.state().index.has_files(name);
            let head = head.then(|| self.directory.head(name));
            let bodies = bodies.into_iter().map(|id| self.directory.body(name, id));
            let failed =
                head.into_iter().chain(bodies).filter_map(|path| files::remove(&path).err());
            failed.for_each(|error| self.write_failed("remove", &error));
            drop(placing);
        }
    }

    fn write(&self, job: &Job) {
        match self.try_write(job) {
            Ok(Written::Done) => {
                self.counts.written.fetch_add(1, Relaxed);
                self.write_succeeded();
            }
            Ok(Written::TooLate) => {}
            Ok(Written::TooLarge) => {
                self.counts.dropped.fetch_add(1, Relaxed);
                self.give_up(job);
            }
            Err(error) => {
                self.write_failed("store", &error);
                let mut state = self.state();
                state.pause();
                if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
                {
                    // The oldest give way to the newest, and with less room it does not fail again at once.
                    state.index.lower(wanted(job));
                    state.full_until = Instant::now().checked_add(FULL);
                    let doomed = state.index.make_room(0);
                    state.note_gone(&doomed);
                    state.doomed.extend(doomed);
                }
                drop(state);
                self.give_up(job);
            }
        }
    }

    /// What is on the disk is older than what could not be written.
    fn give_up(&self, job: &Job) {
        let mut state = self.state();
        let doomed = state.index.remove_of(job.name, job.ticket);
        state.note_gone(&doomed);
        state.doomed.extend(doomed);
    }

    fn try_write(&self, job: &Job) -> io::Result<Written> {
        self.purges.revive()?;
        let Some(epoch) = self.purges.epoch() else { return Ok(Written::TooLate) };
        let doomed = {
            let mut state = self.state();
            if state.full_until.is_some_and(|until| until <= Instant::now()) {
                state.full_until = None;
                state.index.raise();
            }
            let wanted = wanted(job);
            if wanted > state.index.bytes_max() / 8 {
                return Ok(Written::TooLarge);
            }
            let doomed = state.index.make_room(wanted);
            state.note_gone(&doomed);
            doomed
        };
        self.unlink(doomed);
        let mut new = Unfinished { shared: self, paths: Vec::new() };
        let variants = job.slot.variants().iter();
        let variants = variants.map(|one| self.variant(job.name, one, &mut new));
        let variants = variants.collect::<io::Result<Vec<_>>>()?;
        let bodies = variants.iter().filter_map(Variant::place);
        let bodies = bodies.map(|place| (place.id, place.length)).collect();
        let heads = Heads { key: job.key.as_str().to_owned(), variants };
        let Some(encoded) = heads.encode(epoch) else { return Ok(Written::TooLarge) };
        let path = self.directory.new_head(job.name, self.directory.new_id());
        let mut file = self.directory.create(&path)?;
        new.paths.push(path);
        // Not synced: whatever a power failure leaves of it is found out by its checksum, and fetched again.
        file.write_all(&encoded)?;
        let head_bytes = u64::try_from(encoded.len()).unwrap_or(u64::MAX);
        self.place(job, Files { head_bytes, bodies }, new)
    }

    /// Puts heads in their place, unless they are too late.
    fn place(&self, job: &Job, files: Files, mut new: Unfinished<'_>) -> io::Result<Written> {
        let placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.state().index.is_current(job.name, job.ticket) {
            return Ok(Written::TooLate);
        }
        if let Some(head) = new.paths.last() {
            std::fs::rename(head, self.directory.head(job.name))?;
            new.paths.pop();
        }
        let old = self.state().index.settle(job.name, job.ticket, files);
        drop(placing);
        // Removed just now: its head goes with that, and its bodies here.
        let Some(old) = old else { return Ok(Written::TooLate) };
        new.paths.clear();
        self.unlink(vec![old]);
        Ok(Written::Done)
    }

    fn variant(&self, name: Name, one: &Stored, new: &mut Unfinished<'_>) -> io::Result<Variant> {
        let body = match &one.body {
            StoredBody::Memory(bytes) if one.body.length() <= INLINE_BYTES_MAX => {
                BodyAt::Here(bytes.clone())
            }
            body => {
                let is_there = |place: &Place| self.state().index.has_body(name, place.id);
                let place = match one.place().filter(is_there) {
                    Some(place) => place,
                    None => self.write_body(name, body, new)?,
                };
                one.set_place(place);
                BodyAt::File(place)
            }
        };
        Ok(Variant {
            sequence: one.sequence(),
            meta: one.meta.clone(),
            headers: one.headers.clone(),
            body,
        })
    }

    fn write_body(
        &self,
        name: Name,
        body: &StoredBody,
        new: &mut Unfinished<'_>,
    ) -> io::Result<Place> {
        let id = self.directory.new_id();
        let path = self.directory.body(name, id);
        let mut file = self.directory.create(&path)?;
        new.paths.push(path);
        let (length, mut hasher) = (body.length(), crc32fast::Hasher::new());
        match body {
            StoredBody::Memory(bytes) => {
                hasher.update(bytes);
                file.write_all(bytes)?;
            }
            StoredBody::File(from) => each_piece(&from.handle(), length, |piece| {
                hasher.update(piece);
                file.write_all(piece)
            })?,
        }
        Ok(Place { id, length, checksum: hasher.finalize() })
    }
}

/// How much room a job may take.
fn wanted(job: &Job) -> u64 {
    let bodies = job.slot.variants().iter().map(|one| blocks(one.bytes_to_write()));
    bodies.fold(HEAD_BYTES, u64::saturating_add)
}

/// Reads a file from its beginning, piece by piece.
pub(super) fn each_piece(
    file: &Arc<File>,
    length: u64,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut piece = vec![0; COPY_BYTES];
    let mut at = 0_u64;
    while at < length {
        let left = usize::try_from(length - at).unwrap_or(usize::MAX).min(COPY_BYTES);
        let read = file.read_at(piece.get_mut(..left).unwrap_or_default(), at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        each(piece.get(..read).unwrap_or_default())?;
        at = at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    Ok(())
}

//! Where answers are kept: by key, then by variant, within a bound of bytes.
//!
//! `quick_cache` decides what goes when there is no room (S3-FIFO, with weights); why not `foyer`: ADR 0026.
//! Small bodies lie in memory. Large ones lie in files, from which the kernel sends them without their bytes passing
//! through this process: in a directory where one is given, otherwise in memory that has no name. Behind the memory there
//! may be a disk (ADR 0028): what only lies there is looked for by [`Store::find`] alone.

mod body;
mod file;
mod purge;

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use cache_core::{Key, Meta};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use quick_cache::{Weighter, sync::Cache};

pub(crate) use self::purge::{PurgeRecord, Purged, Purges};
pub use self::{
    body::{BodyPart, StoredBody},
    file::BodyFile,
    purge::{Purge, PurgeKind},
};
use self::{file::Bodies, purge::Logged};
use crate::disk::{Disk, Looked, Place};
pub use crate::disk::{DiskFigures, DiskLimits};

/// Variants of one address: 32. With more, the one that came first goes.
pub(crate) const VARIANTS_MAX: usize = 32;
/// What an answer takes beside its fields and its body, roughly.
const OVERHEAD_BYTES: u64 = 512;
/// Bodies up to here lie in memory: 64 KiB, what is read and sent at once.
pub(crate) const SMALL_BYTES_MAX: usize = 64 * 1024;

/// How much is kept.
#[derive(Debug, Clone)]
pub struct StoreLimits {
    /// Bytes of all answers together, heads included. Default 256 MiB.
    pub bytes_max: u64,
    /// Bytes of one body. Default 64 MiB; never more than an eighth of all.
    pub body_bytes_max: u64,
    /// Where large bodies lie. Default none: they lie in memory.
    pub directory: Option<std::path::PathBuf>,
    /// The disk behind the memory. Default none: nothing survives the process.
    pub disk: Option<DiskLimits>,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self { bytes_max: 256 << 20, body_bytes_max: 64 << 20, directory: None, disk: None }
    }
}

/// A stored answer. It is never changed: a validation stores another in its place.
#[derive(Debug)]
pub struct Stored {
    /// What decisions need.
    pub meta: Meta,
    /// Fields as clients get them, but for `Age` and what the cache says of itself.
    pub headers: HeaderMap,
    /// The same as they go over the wire, `Content-Length` last.
    pub written: Bytes,
    /// How many bytes of `written` are before `Content-Length`.
    length_at: usize,
    /// The body.
    pub body: StoredBody,
    /// When it was asked for, as purges count.
    sequence: u64,
    /// The last purge that is known not to concern it, so that each is looked up once only.
    unconcerned: AtomicU64,
    /// Whether somebody validates it already.
    pub(crate) is_being_validated: AtomicBool,
    /// Where the body was written to on the disk, if it was.
    place: Mutex<Option<Place>>,
}

/// All variants of one address.
#[derive(Debug, Default)]
pub struct Slot {
    variants: Vec<Arc<Stored>>,
}

impl Slot {
    pub(crate) const fn of(variants: Vec<Arc<Stored>>) -> Self {
        Self { variants }
    }

    /// Returns the variants, the newest last.
    #[must_use]
    pub fn variants(&self) -> &[Arc<Stored>] {
        &self.variants
    }

    /// Returns the newest one that fits a request.
    #[must_use]
    pub fn find(&self, request: &HeaderMap) -> Option<&Arc<Stored>> {
        self.variants.iter().rev().find(|one| one.meta.vary.matches(request))
    }
}

#[derive(Debug, Clone)]
struct Weights;

impl Weighter<Key, Arc<Slot>> for Weights {
    fn weight(&self, key: &Key, slot: &Arc<Slot>) -> u64 {
        let key = u64::try_from(key.as_str().len()).unwrap_or(u64::MAX);
        slot.variants.iter().map(|one| one.weight()).sum::<u64>().saturating_add(key).max(1)
    }
}

impl Stored {
    /// Makes an answer that lies in no store.
    pub(crate) fn unkept(meta: Meta, headers: HeaderMap, body: StoredBody) -> Arc<Self> {
        Self::new(meta, headers, body, 0, None)
    }

    /// Makes an answer that was found on the disk.
    pub(crate) fn from_disk(
        meta: Meta,
        headers: HeaderMap,
        body: StoredBody,
        sequence: u64,
        place: Option<Place>,
    ) -> Arc<Self> {
        Self::new(meta, headers, body, sequence, place)
    }

    /// Makes the same answer with other fields, which lies in no store.
    pub(crate) fn detached(stored: &Self, headers: HeaderMap) -> Arc<Self> {
        Self::new(stored.meta.clone(), headers, stored.body.clone(), stored.sequence, None)
    }

    fn new(
        meta: Meta,
        mut headers: HeaderMap,
        body: StoredBody,
        sequence: u64,
        place: Option<Place>,
    ) -> Arc<Self> {
        headers.insert(header::CONTENT_LENGTH, body.length().into());
        let (written, length_at) = written(&headers);
        let is_being_validated = AtomicBool::new(false);
        let unconcerned = AtomicU64::new(sequence);
        Arc::new(Self {
            meta,
            headers,
            written,
            length_at,
            body,
            sequence,
            unconcerned,
            is_being_validated,
            place: Mutex::new(place),
        })
    }

    /// Returns where purges stood when it was asked for.
    pub(crate) const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Returns where the body was written to on the disk; it may be gone again.
    pub(crate) fn place(&self) -> Option<Place> {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers where the body was written to on the disk.
    pub(crate) fn set_place(&self, place: Place) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }

    /// Returns the length of a body that was not written to the disk.
    pub(crate) fn bytes_to_write(&self) -> u64 {
        if self.place().is_some() { 0 } else { self.body.length() }
    }

    /// Returns the fields as they go over the wire, but for `Content-Length`.
    #[must_use]
    pub fn written_without_length(&self) -> &[u8] {
        self.written.get(..self.length_at).unwrap_or_default()
    }

    fn weight(&self) -> u64 {
        // Fields lie there twice: to be looked at and to be sent.
        let head = u64::try_from(self.written.len()).unwrap_or(u64::MAX).saturating_mul(3);
        self.body.length().saturating_add(head).saturating_add(OVERHEAD_BYTES)
    }
}

/// The store.
#[derive(Debug)]
pub struct Store {
    slots: Cache<Key, Arc<Slot>, Weights>,
    bodies: Bodies,
    purges: Arc<Purges>,
    disk: Option<Disk>,
    body_bytes_max: u64,
    /// Answers that were stored.
    stored: AtomicU64,
}

/// What a store holds, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreFigures {
    /// Addresses.
    pub addresses: u64,
    /// Bytes.
    pub bytes: u64,
    /// Most bytes.
    pub bytes_max: u64,
    /// Answers stored since the start.
    pub stored: u64,
    /// The disk, where there is one.
    pub disk: Option<DiskFigures>,
}

/// Why a purge holds now, but will not after a restart.
#[derive(Debug, thiserror::Error)]
#[error("purged, but not on the disk: after a restart it may be back")]
pub struct PurgeLost(#[source] io::Error);

impl Store {
    /// Makes a store that is empty but for what lies on its disk.
    ///
    /// # Errors
    /// When a directory cannot be used.
    pub fn new(limits: &StoreLimits) -> io::Result<Self> {
        let bytes_max = limits.bytes_max.max(1 << 20);
        // A typical answer; only a first guess for the size of tables.
        let items = usize::try_from(bytes_max / (16 << 10)).unwrap_or(usize::MAX);
        let options = quick_cache::OptionsBuilder::new()
            .estimated_items_capacity(items.clamp(64, 1 << 16))
            .weight_capacity(bytes_max)
            // Each has its own share of the room, and none may be smaller than the largest answers.
            .shards(4)
            .build()
            .map_err(|_| io::Error::other("the store's size makes no sense"))?;
        let purges = Arc::default();
        let disk = limits.disk.as_ref().map(|disk| Disk::open(disk, &purges)).transpose()?;
        Ok(Self {
            slots: Cache::with_options(
                options,
                Weights,
                quick_cache::DefaultHashBuilder::default(),
                quick_cache::sync::DefaultLifecycle::default(),
            ),
            bodies: Bodies::new(limits.directory.clone())?,
            purges,
            disk,
            body_bytes_max: limits.body_bytes_max.min(bytes_max / 8),
            stored: AtomicU64::new(0),
        })
    }

    /// Returns the largest body that is kept, in bytes.
    #[must_use]
    pub const fn body_bytes_max(&self) -> u64 {
        self.body_bytes_max
    }

    /// Returns the answer that is stored for the address of this text, if it is the only one and not purged.
    pub(crate) fn only(&self, key: &str) -> Option<Arc<Stored>> {
        let slot = self.slots.get(key)?;
        let [stored] = slot.variants.as_slice() else { return None };
        self.purged(key, stored).is_none().then(|| Arc::clone(stored))
    }

    /// Returns what is stored for an address and has not been purged.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Arc<Slot>> {
        let slot = self.slots.get(key)?;
        let is_left = |one: &Arc<Stored>| self.purged(key.as_str(), one) != Some(PurgeKind::Hard);
        if slot.variants.iter().all(is_left) {
            return Some(slot);
        }
        let left = slot.variants.iter().filter(|one| is_left(one)).cloned();
        let left = Slot { variants: left.collect() };
        if left.variants.is_empty() {
            self.slots.remove(key);
            return None;
        }
        let left = Arc::new(left);
        self.slots.insert(key.clone(), Arc::clone(&left));
        Some(left)
    }

    /// Returns what is stored for an address and has not been purged, from the disk if it is not in memory.
    pub async fn find(&self, key: &Key) -> Option<Arc<Slot>> {
        if let Some(slot) = self.get(key) {
            return Some(slot);
        }
        let disk = self.disk.as_ref()?;
        // Whoever waits for another's reading may find that it came to nothing.
        for _ in 0..2 {
            let found = match disk.look(key).await {
                Looked::Nothing => return None,
                Looked::Found(found) => found,
                Looked::Elsewhere => match self.get(key) {
                    Some(slot) => return Some(slot),
                    None => continue,
                },
            };
            let is_left =
                |one: &&Arc<Stored>| self.purged(key.as_str(), one) != Some(PurgeKind::Hard);
            let left: Vec<_> = found.slot.variants.iter().filter(is_left).cloned().collect();
            if left.is_empty() {
                found.remove();
                return None;
            }
            let slot = Arc::new(Slot::of(left));
            // What makes room is dropped after the disk's lock is.
            let mut evicted = Default::default();
            let put = |slot| self.slots.insert_with_lifecycle(key.clone(), slot, &mut evicted);
            if !found.take_in(&slot, put) {
                return self.get(key);
            }
            disk.count_hit();
            return Some(slot);
        }
        None
    }

    /// Returns how an answer is purged, if it is.
    fn purged(&self, key: &str, one: &Stored) -> Option<PurgeKind> {
        let last = self.purges.sequence();
        // Nearly always nothing was purged since.
        if last <= one.unconcerned.load(Relaxed) {
            return None;
        }
        let judged = self.purges.judge(key, &one.meta.tags, one.sequence);
        if judged.is_none() {
            one.unconcerned.fetch_max(last, Relaxed);
        }
        judged
    }

    /// Whether a soft purge has made this answer stale.
    #[must_use]
    pub fn is_stale_by_purge(&self, key: &Key, one: &Stored) -> bool {
        self.purged(key.as_str(), one).is_some()
    }

    /// Returns where purges stand: an answer that was asked for before a purge is as old as what was purged.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.purges.sequence()
    }

    /// Makes a body that can be stored.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn body(&self, pieces: &[Bytes]) -> io::Result<StoredBody> {
        let length: usize = pieces.iter().map(Bytes::len).sum();
        match pieces {
            [] => Ok(StoredBody::Memory(Bytes::new())),
            // Copied: a piece may be a part of something much larger.
            pieces if length <= SMALL_BYTES_MAX => Ok(StoredBody::Memory(pieces.concat().into())),
            pieces => self.bodies.write(pieces).map(|file| StoredBody::File(Arc::new(file))),
        }
    }

    /// Stores an answer in the place of the variant for the same requests. `sequence` is where purges stood when it was
    /// asked for.
    pub fn put(
        &self,
        key: &Key,
        meta: Meta,
        headers: HeaderMap,
        body: StoredBody,
        sequence: u64,
    ) -> Arc<Stored> {
        let old = self.get(key);
        // A validation stores the same body again.
        let same = old.iter().flat_map(|slot| &slot.variants).find(|one| one.body.is_same(&body));
        let place = same.and_then(|one| one.place());
        let new = Stored::new(meta, headers, body, sequence, place);
        let others = old.iter().flat_map(|slot| slot.variants.iter());
        let mut variants: Vec<_> =
            others.filter(|one| one.meta.vary != new.meta.vary).cloned().collect();
        if variants.len() >= VARIANTS_MAX {
            variants.remove(0);
        }
        variants.push(Arc::clone(&new));
        let slot = Arc::new(Slot { variants });
        // First to the disk: from then on what is read from there is known to be older.
        if let Some(disk) = &self.disk {
            disk.store(key, &slot);
        }
        self.slots.insert(key.clone(), slot);
        self.stored.fetch_add(1, Relaxed);
        new
    }

    /// Drops all that is stored for an address; its files go in a moment.
    pub fn remove(&self, key: &Key) {
        if let Some(disk) = &self.disk {
            disk.remove(key);
        }
        self.slots.remove(key);
    }

    /// Drops all that is stored for an address, so that nothing brings it back.
    pub async fn remove_at_once(&self, key: &Key) {
        if let Some(disk) = &self.disk {
            disk.remove_at_once(key).await;
        }
        self.slots.remove(key);
    }

    /// Purges by tag, address, or all. Where there is a disk, it waits until that has written it down.
    ///
    /// # Errors
    /// When that fails: then it is purged until the process ends.
    pub fn purge(&self, purges: &[Purge]) -> Result<(), PurgeLost> {
        let (error, result) = match self.purges.add(purges) {
            Logged::Kept => return Ok(()),
            Logged::Voided(error) => (error, Ok(())),
            Logged::Lost(error) => {
                let told = io::Error::new(error.kind(), error.to_string());
                (told, Err(PurgeLost(error)))
            }
        };
        if let Some(disk) = &self.disk {
            disk.void(&error);
        }
        result
    }

    /// Waits until everything is written to the disk, but no longer than `limit`.
    pub fn settle(&self, limit: Duration) {
        if let Some(disk) = &self.disk {
            disk.settle(limit);
        }
    }

    /// Returns what it holds.
    #[must_use]
    pub fn figures(&self) -> StoreFigures {
        StoreFigures {
            addresses: u64::try_from(self.slots.len()).unwrap_or(u64::MAX),
            bytes: self.slots.weight(),
            bytes_max: self.slots.capacity(),
            stored: self.stored.load(Relaxed),
            disk: self.disk.as_ref().map(Disk::figures),
        }
    }
}

fn written(headers: &HeaderMap) -> (Bytes, usize) {
    let mut written = Vec::with_capacity(headers.len() * 48);
    let mut write = |name: &HeaderName, value: &HeaderValue| {
        written.extend_from_slice(name.as_str().as_bytes());
        written.extend_from_slice(b": ");
        written.extend_from_slice(value.as_bytes());
        written.extend_from_slice(b"\r\n");
        written.len()
    };
    let others = headers.iter().filter(|(name, _)| *name != header::CONTENT_LENGTH);
    let length_at = others.fold(0, |_, (name, value)| write(name, value));
    if let Some(length) = headers.get(header::CONTENT_LENGTH) {
        write(&header::CONTENT_LENGTH, length);
    }
    (written.into(), length_at)
}

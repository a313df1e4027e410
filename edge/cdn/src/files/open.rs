//! Finding a file below a folder, and nowhere else.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::OwnedFd,
    path::Path,
    sync::Arc,
    time::UNIX_EPOCH,
};

use api_types::validator;
use cache_core::{
    Key, Rules, Storage,
    storage::{self, Exchange},
};
use domain::Timestamp;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_semantics::{date, media_type, negotiation::Coding};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use crate::{
    answer::now,
    store::{Stored, StoredBody},
};

/// Files up to here are kept in memory while they are known: 64 KiB.
const SMALL_BYTES_MAX: u64 = 64 * 1024;
/// Files up to here are told apart by their content; larger ones by length and time of change, to the nanosecond.
const HASHED_BYTES_MAX: u64 = SMALL_BYTES_MAX;
/// Longest name of a file, with its folders: 1 024 bytes.
const NAME_BYTES_MAX: usize = 1_024;

/// A folder.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

/// Which file is wanted, and how it is told.
pub(super) struct Look<'a> {
    pub(super) name: &'a str,
    pub(super) coding: Option<Coding>,
    /// Whether other codings may exist.
    pub(super) varies: bool,
    pub(super) control: Option<&'a HeaderValue>,
}

impl Folder {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(root, flags, Mode::empty())?))
    }

    /// Opens a regular file; links that lead out of the folder lead nowhere.
    fn file(&self, name: &str) -> Option<(File, std::fs::Metadata)> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let file = File::from(openat2(&self.0, name, flags, Mode::empty(), within).ok()?);
        let facts = file.metadata().ok()?;
        facts.is_file().then_some((file, facts))
    }

    /// Reads what has to be known of a file; `before` is what it was, which stays if nothing has changed.
    pub(super) fn load(
        &self,
        look: &Look<'_>,
        before: Option<&Arc<Stored>>,
        rules: &Rules,
    ) -> Option<Arc<Stored>> {
        let suffix = match look.coding {
            None | Some(Coding::Identity) => "",
            Some(Coding::Brotli) => ".br",
            Some(Coding::Zstd) => ".zst",
            Some(Coding::Gzip) => ".gz",
        };
        let (mut file, facts) = self.file(&format!("{}{suffix}", look.name))?;
        let changed = facts.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let modified = i64::try_from(changed.as_millis()).unwrap_or(i64::MAX);
        let modified = Timestamp::from_unix_ms(modified);
        let (body, etag) = if facts.len() <= HASHED_BYTES_MAX {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).ok()?;
            let etag = validator::entity_tag(&bytes);
            (StoredBody::Memory(bytes.into()), etag)
        } else {
            let named = format!("{}\n{}\n{}{suffix}", facts.len(), changed.as_nanos(), look.name);
            let body = StoredBody::of_file(Arc::new(file), facts.len());
            (body, validator::entity_tag(named.as_bytes()))
        };
        let is_same = |before: &&Arc<Stored>| {
            before.headers.get(header::ETAG).is_some_and(|old| old.as_bytes() == etag.as_bytes())
        };
        if let Some(before) = before.filter(is_same) {
            return Some(Arc::clone(before));
        }
        let headers = describe(look, &etag, modified)?;
        stored(headers, body, rules)
    }
}

fn describe(look: &Look<'_>, etag: &str, modified: Timestamp) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(10);
    let kind = media_type::of_path(look.name).unwrap_or("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::ETAG, HeaderValue::from_str(etag).ok()?);
    headers.insert(header::LAST_MODIFIED, HeaderValue::from_str(&date::write(modified)).ok()?);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let control = look.control.cloned().unwrap_or(HeaderValue::from_static("no-cache"));
    headers.insert(header::CACHE_CONTROL, control);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if look.varies {
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if let Some(coding) = look.coding.filter(|coding| *coding != Coding::Identity) {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    Some(headers)
}

/// Makes of a file what the cache makes of an answer: the rules of ranges and conditions are the same.
fn stored(headers: HeaderMap, body: StoredBody, rules: &Rules) -> Option<Arc<Stored>> {
    let now = now();
    let mut decided = headers.clone();
    // What may be stored elsewhere is another matter; here the file itself is the truth.
    decided.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=1"));
    decided.remove(header::VARY);
    let exchange = Exchange {
        method: &Method::GET,
        target: &Key::of("http", "file", "/"),
        request: &HeaderMap::new(),
        status: StatusCode::OK,
        response: &decided,
        requested_at: now,
        responded_at: now,
    };
    match storage::decide(&exchange, rules) {
        Storage::Store(meta) => Some(Stored::unkept(meta, headers, body)),
        Storage::Not(_) => None,
    }
}

/// Makes a name below the folder of a path; `None` for what can be none.
pub(super) fn file_name(path: &str, index: Option<&str>) -> Option<String> {
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8().ok()?;
    let is_folder = decoded.ends_with('/');
    let mut name = String::with_capacity(decoded.len());
    for segment in decoded.split('/').filter(|segment| !segment.is_empty()) {
        // Hidden files, the way up, and what other systems take for a separator.
        let is_odd = segment.starts_with('.') || segment.contains(['\\', ':']);
        if is_odd || segment.chars().any(char::is_control) {
            return None;
        }
        if !name.is_empty() {
            name.push('/');
        }
        name.push_str(segment);
    }
    if is_folder || name.is_empty() {
        let index = index?;
        if !name.is_empty() {
            name.push('/');
        }
        name.push_str(index);
    }
    (name.len() <= NAME_BYTES_MAX).then_some(name)
}

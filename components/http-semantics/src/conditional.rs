//! Preconditions of a read (RFC 9110, section 13), in the order of section 13.2.2.

use domain::Timestamp;
use http::{HeaderMap, HeaderName, header};

use crate::range::{self, Part};
use crate::{date, entity_tag, tag_list};

/// What a conditional request gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// This much of the file.
    Send(Part),
    /// The asker has it already (304).
    NotModified,
    /// The asker's condition does not hold (412).
    Failed,
}

/// What identifies a file's present version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Entity tag, quoted, with `W/` if it is weak. `None` where there is none.
    pub etag: Option<String>,
    /// When it was changed, where known.
    pub modified: Option<Timestamp>,
    /// Whether [`Self::modified`] is a strong validator (section 8.8.2.2): nothing else can have been there in the same
    /// second. Parts of a version are put together by it.
    pub is_modified_strong: bool,
    /// How long it is, in bytes.
    pub length: u64,
}

/// Decides what a `GET` gets of a file that exists; for `HEAD`, ranges do not count.
#[must_use]
pub fn decide(headers: &HeaderMap, version: &Version, is_head: bool) -> Outcome {
    let has_lasted = if headers.contains_key(header::IF_MATCH) {
        if_match_holds(headers, version.etag.as_deref())
    } else {
        if_unmodified_since_holds(headers, version.modified)
    };
    if !has_lasted {
        return Outcome::Failed;
    }
    let has_it = if headers.contains_key(header::IF_NONE_MATCH) {
        if_none_match_names(headers, version.etag.as_deref())
    } else {
        if_modified_since_names(headers, version.modified)
    };
    if has_it {
        return Outcome::NotModified;
    }
    let range = only(headers, &header::RANGE).filter(|_| !is_head);
    match range {
        Some(range) if if_range_holds(headers, version) => {
            Outcome::Send(range::read(range, version.length))
        }
        _ => Outcome::Send(Part::Whole),
    }
}

/// Returns whether `If-Match` lets a request pass for a file that exists (section 13.1.1: strong comparison). Without the
/// header nothing passes.
#[must_use]
pub fn if_match_holds(headers: &HeaderMap, etag: Option<&str>) -> bool {
    let etag = etag.map(str::as_bytes).filter(|etag| entity_tag::is_strong(etag));
    tag_list::members(headers, &header::IF_MATCH)
        .any(|member| member == b"*" || etag.is_some_and(|etag| etag == member))
}

/// Returns whether `If-None-Match` names a file that exists (section 13.1.2: weak comparison), so that 304 is the answer to
/// a read and 412 to a write.
#[must_use]
pub fn if_none_match_names(headers: &HeaderMap, etag: Option<&str>) -> bool {
    let etag = etag.map(|etag| entity_tag::opaque(etag.as_bytes()));
    tag_list::members(headers, &header::IF_NONE_MATCH)
        .any(|member| member == b"*" || etag.is_some_and(|etag| etag == entity_tag::opaque(member)))
}

/// Returns whether `If-Unmodified-Since` lets a request pass (section 13.1.4). It is ignored where it is no date or nobody
/// knows when the file was changed.
#[must_use]
pub fn if_unmodified_since_holds(headers: &HeaderMap, modified: Option<Timestamp>) -> bool {
    match (moment(headers, &header::IF_UNMODIFIED_SINCE), modified) {
        (Some(since), Some(modified)) => modified.unix_s() <= since.unix_s(),
        _ => true,
    }
}

/// Returns whether `If-Modified-Since` is not before the last change (section 13.1.3), so that 304 is the answer. Headers
/// carry whole seconds; so does the comparison.
#[must_use]
pub fn if_modified_since_names(headers: &HeaderMap, modified: Option<Timestamp>) -> bool {
    match (moment(headers, &header::IF_MODIFIED_SINCE), modified) {
        (Some(since), Some(modified)) => modified.unix_s() <= since.unix_s(),
        _ => false,
    }
}

/// Returns whether a range may be sent (section 13.1.5): without `If-Range`, or if it names this version by a strong
/// validator. A range only makes sense of the version that the asker has begun to load.
#[must_use]
pub fn if_range_holds(headers: &HeaderMap, version: &Version) -> bool {
    if !headers.contains_key(header::IF_RANGE) {
        return true;
    }
    let mut lines = headers.get_all(header::IF_RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let line = line.as_bytes().trim_ascii();
    if line.starts_with(b"\"") || line.starts_with(b"W/") {
        let etag = version.etag.as_deref().map(str::as_bytes);
        return entity_tag::is_strong(line) && etag == Some(line);
    }
    match (moment(headers, &header::IF_RANGE), version.modified) {
        (Some(since), Some(modified)) => {
            version.is_modified_strong && since.unix_s() == modified.unix_s()
        }
        _ => false,
    }
}

fn moment(headers: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    date::read(only(headers, name)?.trim())
}

/// The value of a field that is no list; sent in several lines it has none.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut lines = headers.get_all(name).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    line.to_str().ok()
}

#[cfg(test)]
mod tests;

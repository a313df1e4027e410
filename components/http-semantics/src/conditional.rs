//! Preconditions of a read (RFC 9110, section 13), in the order of section 13.2.2.

use api_types::validator;
use domain::Timestamp;
use http::{HeaderMap, HeaderName, header};

use crate::date;
use crate::range::{self, Part};

/// What a conditional request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Strong entity tag, quoted.
    pub etag: String,
    /// When it was changed, where known.
    pub modified: Option<Timestamp>,
    /// How long it is, in bytes.
    pub length: u64,
}

/// Decides what a `GET` gets; for `HEAD`, ranges do not count.
#[must_use]
pub fn decide(headers: &HeaderMap, version: &Version, is_head: bool) -> Outcome {
    if let Some(wanted) = text(headers, &header::IF_MATCH)
        && !names_strongly(wanted, &version.etag)
    {
        return Outcome::Failed;
    }
    if headers.contains_key(header::IF_NONE_MATCH) {
        if validator::none_match_names(headers, &version.etag) {
            return Outcome::NotModified;
        }
    } else if is_unmodified_since(headers, version) {
        return Outcome::NotModified;
    }
    let range = text(headers, &header::RANGE).filter(|_| !is_head);
    match range {
        Some(range) if may_send_part(headers, version) => {
            Outcome::Send(range::read(range, version.length))
        }
        _ => Outcome::Send(Part::Whole),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn names_strongly(list: &str, etag: &str) -> bool {
    list.split(',').map(str::trim).any(|candidate| candidate == "*" || candidate == etag)
}

/// Headers carry whole seconds; so does the comparison.
fn is_unmodified_since(headers: &HeaderMap, version: &Version) -> bool {
    let since = text(headers, &header::IF_MODIFIED_SINCE).and_then(date::read);
    match (since, version.modified) {
        (Some(since), Some(modified)) => modified.unix_s() <= since.unix_s(),
        _ => false,
    }
}

/// A range only makes sense of the version that the asker has begun to load.
fn may_send_part(headers: &HeaderMap, version: &Version) -> bool {
    match text(headers, &header::IF_RANGE) {
        None => !headers.contains_key(header::IF_RANGE),
        Some(etag) if etag.starts_with('"') => etag == version.etag,
        Some(other) => match (date::read(other), version.modified) {
            (Some(since), Some(modified)) => since.unix_s() == modified.unix_s(),
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const NOW: &str = "Sun, 22 Nov 2026 12:00:00 GMT";
    const NEW: &str = "Mon, 23 Nov 2026 12:00:00 GMT";

    #[test]
    fn decides_in_the_order_of_the_rfc() {
        use Outcome::{Failed, NotModified, Send};
        let whole = Send(Part::Whole);
        let part = Send(Part::Bytes { start: 0, length: 2 });
        for (headers, expected) in [
            (vec![], whole),
            (vec![("if-none-match", "\"a\"")], NotModified),
            (vec![("if-none-match", "W/\"a\"")], NotModified),
            (vec![("if-none-match", "*")], NotModified),
            (vec![("if-none-match", "\"b\"")], whole),
            (vec![("if-modified-since", NOW)], NotModified),
            (vec![("if-modified-since", NEW)], NotModified),
            (vec![("if-modified-since", OLD)], whole),
            (vec![("if-modified-since", "yesterday")], whole),
            (vec![("if-none-match", "\"b\""), ("if-modified-since", NEW)], whole),
            (vec![("if-match", "\"a\"")], whole),
            (vec![("if-match", "*")], whole),
            (vec![("if-match", "W/\"a\"")], Failed),
            (vec![("if-match", "\"b\""), ("if-none-match", "\"a\"")], Failed),
            (vec![("range", "bytes=0-1")], part),
            (vec![("range", "bytes=0-1"), ("if-none-match", "\"a\"")], NotModified),
            (vec![("range", "bytes=0-1"), ("if-range", "\"a\"")], part),
            (vec![("range", "bytes=0-1"), ("if-range", "\"b\"")], whole),
            (vec![("range", "bytes=0-1"), ("if-range", "W/\"a\"")], whole),
            (vec![("range", "bytes=0-1"), ("if-range", NOW)], part),
            (vec![("range", "bytes=0-1"), ("if-range", NEW)], whole),
            (vec![("range", "bytes=99-")], Send(Part::Unsatisfiable)),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in &headers {
                map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let version = Version { etag: "\"a\"".into(), modified: date::read(NOW), length: 10 };
            assert_eq!(decide(&map, &version, false), expected, "{headers:?}");
        }
    }

    #[test]
    fn head_knows_no_ranges() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-1"));
        let version = Version { etag: "\"a\"".into(), modified: None, length: 10 };
        assert_eq!(decide(&headers, &version, true), Outcome::Send(Part::Whole));
    }
}

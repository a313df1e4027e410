//! What the cache tells about itself: `Cache-Status` (RFC 9211) for tools, and a short word for people.

use core::fmt::Write as _;
use core::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::meta::Meta;
use crate::request::Lookup;
use crate::reuse::Why;

/// The field's name.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// The name of the field with the short word.
pub const VITRINE_CACHE: HeaderName = HeaderName::from_static("vitrine-cache");

/// Longest key or detail that is written: 256 bytes; longer ones are cut.
const TEXT_BYTES_MAX: usize = 256;

/// Why a request went to the origin (section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// The cache was told to keep out.
    Bypass,
    /// Its method asks for the origin.
    Method,
    /// Nothing was stored for its address.
    UriMiss,
    /// Nothing that was stored for its address matched it.
    VaryMiss,
    /// Nothing fit; one of the two above.
    Miss,
    /// What was stored was fresh, but the request wanted it younger.
    Request,
    /// What was stored was stale.
    Stale,
    /// What was stored was a part of what the request wants.
    Partial,
}

impl Forward {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }

    /// Returns why a request that may not be answered from the store goes on; `None` when it may be.
    #[must_use]
    pub const fn of_lookup(lookup: Lookup) -> Option<Self> {
        match lookup {
            Lookup::Allowed => None,
            Lookup::Method => Some(Self::Method),
            Lookup::Content => Some(Self::Bypass),
            Lookup::NoStore | Lookup::Precondition => Some(Self::Request),
        }
    }

    /// Returns why a validation goes to the origin. An answer that must be validated before each use counts as stale.
    #[must_use]
    pub const fn of_validation(why: Why) -> Self {
        match why {
            Why::Stale | Why::NoCache => Self::Stale,
            Why::Request => Self::Request,
        }
    }
}

/// How a request was handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// Its answer came from the store, without asking.
    Hit,
    /// The origin was asked.
    Forwarded {
        /// Why.
        why: Forward,
        /// What the origin answered, where that is not the answer's own status (section 2.3).
        status: Option<StatusCode>,
        /// Whether the answer was stored.
        is_stored: bool,
        /// Whether it waited for another request's answer (section 2.6).
        is_collapsed: bool,
    },
}

/// What one cache says about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// How it was handled.
    pub handling: Handling,
    /// How long the answer will be fresh, in seconds; below zero for how long it has been stale (section 2.4).
    pub ttl_s: Option<i64>,
    /// The cache key (section 2.7). It may tell more than a client should know.
    pub key: Option<&'a str>,
    /// Anything else (section 2.8); what is not a token is written as a string.
    pub detail: Option<&'a str>,
}

/// Returns the `ttl` of a stored answer, in seconds, cut towards zero.
#[must_use]
pub fn ttl_s(meta: &Meta, now: domain::Timestamp) -> i64 {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let ttl = seconds(meta.ttl(now));
    if ttl > 0 { ttl } else { seconds(meta.staleness(now)).saturating_neg() }
}

/// Appends the cache's own member behind those of caches nearer to the origin.
pub fn write(headers: &mut HeaderMap, name: &str, entry: &Entry<'_>) {
    let mut text = String::with_capacity(64);
    push_text(&mut text, name);
    match entry.handling {
        Handling::Hit => text.push_str("; hit"),
        Handling::Forwarded { why, status, is_stored, is_collapsed } => {
            text.push_str("; fwd=");
            text.push_str(why.as_str());
            if let Some(status) = status {
                let _ = write!(text, "; fwd-status={}", status.as_u16());
            }
            if is_stored {
                text.push_str("; stored");
            }
            if is_collapsed {
                text.push_str("; collapsed");
            }
        }
    }
    if let Some(seconds) = entry.ttl_s {
        // Integers of structured fields have at most 15 digits.
        let _ = write!(text, "; ttl={}", seconds.clamp(-999_999_999_999_999, 999_999_999_999_999));
    }
    if let Some(key) = entry.key {
        text.push_str("; key=");
        push_string(&mut text, key);
    }
    if let Some(detail) = entry.detail {
        text.push_str("; detail=");
        push_text(&mut text, detail);
    }
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.append(CACHE_STATUS, value);
    }
}

/// Writes a token where the text is one, otherwise a string.
fn push_text(line: &mut String, text: &str) {
    let is_token = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '*')
        && text.len() <= TEXT_BYTES_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte));
    if is_token { line.push_str(text) } else { push_string(line, text) }
}

fn push_string(line: &mut String, text: &str) {
    line.push('"');
    for letter in text.chars().take(TEXT_BYTES_MAX) {
        match letter {
            '"' | '\\' => {
                line.push('\\');
                line.push(letter);
            }
            ' '..='~' => line.push(letter),
            _ => line.push('?'),
        }
    }
    line.push('"');
}

/// The short word, for `Vitrine-Cache`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// From the store, fresh.
    Hit,
    /// From the origin; nothing was stored that fits.
    Miss,
    /// From the store, stale: the origin failed, or the client accepts it.
    Stale,
    /// From the store, stale, while it is validated.
    Updating,
    /// From the store; the origin said that it is still valid.
    Revalidated,
    /// From the origin; what was stored was no longer valid.
    Expired,
    /// From the origin; the cache kept out.
    Bypass,
    /// From the origin, by another request that went there already.
    Collapsed,
}

impl Word {
    /// Returns the word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "HIT",
            Self::Miss => "MISS",
            Self::Stale => "STALE",
            Self::Updating => "UPDATING",
            Self::Revalidated => "REVALIDATED",
            Self::Expired => "EXPIRED",
            Self::Bypass => "BYPASS",
            Self::Collapsed => "COLLAPSED",
        }
    }

    /// Returns the word as a field's value.
    #[must_use]
    pub const fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::meta::tests::plain;
    use crate::testing::{at, headers};

    const HIT: Entry<'_> = Entry { handling: Handling::Hit, ttl_s: None, key: None, detail: None };

    fn check(name: &str, entry: Entry<'_>, expected: &str) {
        let mut written = HeaderMap::new();
        write(&mut written, name, &entry);
        assert_eq!(written, headers(&[("cache-status", expected)]));
    }

    fn forwarded(
        why: Forward,
        status: Option<u16>,
        is_stored: bool,
        is_collapsed: bool,
    ) -> Entry<'static> {
        let status = status.map(|status| StatusCode::from_u16(status).unwrap());
        Entry { handling: Handling::Forwarded { why, status, is_stored, is_collapsed }, ..HIT }
    }

    #[test]
    fn rfc9211_2_writes_hits() {
        check("vitrine", HIT, "vitrine; hit");
        check("vitrine", Entry { ttl_s: Some(376), ..HIT }, "vitrine; hit; ttl=376");
        check("vitrine", Entry { ttl_s: Some(-412), ..HIT }, "vitrine; hit; ttl=-412");
        let entry = Entry { key: Some("http://a/\"\\"), detail: Some("x y"), ..HIT };
        check("vitrine", entry, "vitrine; hit; key=\"http://a/\\\"\\\\\"; detail=\"x y\"");
        check(
            "vitrine",
            Entry { detail: Some("set-cookie"), ..HIT },
            "vitrine; hit; detail=set-cookie",
        );
    }

    #[test]
    fn rfc9211_2_writes_what_was_forwarded() {
        for (why, token) in [
            (Forward::Bypass, "bypass"),
            (Forward::Method, "method"),
            (Forward::UriMiss, "uri-miss"),
            (Forward::VaryMiss, "vary-miss"),
            (Forward::Miss, "miss"),
            (Forward::Request, "request"),
            (Forward::Stale, "stale"),
            (Forward::Partial, "partial"),
        ] {
            check("v", forwarded(why, None, false, false), &format!("v; fwd={token}"));
        }
        let entry = Entry { ttl_s: Some(60), ..forwarded(Forward::Stale, Some(304), true, true) };
        check("v", entry, "v; fwd=stale; fwd-status=304; stored; collapsed; ttl=60");
    }

    #[test]
    fn rfc9211_2_comes_behind_the_members_of_caches_nearer_to_the_origin() {
        let mut written = headers(&[("cache-status", "Origin; hit")]);
        write(&mut written, "vitrine", &HIT);
        let lines: Vec<_> = written.get_all(CACHE_STATUS).iter().collect();
        assert_eq!(lines, ["Origin; hit", "vitrine; hit"]);
    }

    #[test]
    fn rfc9211_2_a_name_that_is_no_token_is_a_string() {
        check("edge 1, Köln", HIT, "\"edge 1, K?ln\"; hit");
        check("1", HIT, "\"1\"; hit");
    }

    #[test]
    fn rfc9211_2_4_ttl_falls_below_zero_when_stale() {
        for (now, expected) in [(0, 60), (59, 1), (60, 0), (70, -10)] {
            assert_eq!(ttl_s(&plain(), at(now)), expected);
        }
    }

    #[test]
    fn says_in_one_word_where_an_answer_came_from() {
        for (word, text) in [
            (Word::Hit, "HIT"),
            (Word::Miss, "MISS"),
            (Word::Stale, "STALE"),
            (Word::Updating, "UPDATING"),
            (Word::Revalidated, "REVALIDATED"),
            (Word::Expired, "EXPIRED"),
            (Word::Bypass, "BYPASS"),
            (Word::Collapsed, "COLLAPSED"),
        ] {
            assert_eq!(word.value(), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_written(name in ".{0,20}", text in ".{0,300}") {
            let mut written = HeaderMap::new();
            write(&mut written, &name, &Entry { key: Some(&text), detail: Some(&text), ..HIT });
            prop_assert_eq!(written.len(), 1);
        }
    }
}

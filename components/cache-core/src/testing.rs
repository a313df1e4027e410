//! What the tests of this crate share.

use domain::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

/// The moment at which the tests happen: 2026-11-22T10:00:00Z, a Sunday.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_ms(1_795_341_600_000);

/// Returns the moment so many seconds after [`NOW`].
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ms(NOW.unix_ms().saturating_add(seconds.saturating_mul(1_000)))
}

/// Returns the HTTP date so many seconds after [`NOW`].
pub(crate) fn date(seconds: i64) -> String {
    http_semantics::date::write(at(seconds))
}

/// Makes a header map of lines.
pub(crate) fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    map
}

/// Any fields that a cache reads, with values that look like what it expects, or like nothing.
pub(crate) fn any_headers() -> impl Strategy<Value = HeaderMap> {
    let names = [
        "age",
        "authorization",
        "cache-control",
        "cache-tag",
        "cdn-cache-control",
        "connection",
        "content-length",
        "content-location",
        "date",
        "etag",
        "expires",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "last-modified",
        "range",
        "set-cookie",
        "vary",
    ];
    let value = prop_oneof![
        "[ -~]{0,30}",
        "(max-age|s-maxage|stale-if-error|min-fresh|max-stale)=\"?[0-9]{0,11}\"?(, (public|no-cache|immutable))?",
        "(private|no-cache)=\"[a-z, -]{0,12}\"?",
        "(W/)?\"[ab]?\"(, \"b\")?",
        "bytes=[0-9]{0,2}-[0-9]{0,2}",
        (-200_000_i64..200_000).prop_map(date),
        "(age|foo|etag|connection|\\*|, )+",
    ];
    proptest::collection::vec((proptest::sample::select(names.to_vec()), value), 0..8).prop_map(
        |lines| {
            let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
            headers(&lines)
        },
    )
}

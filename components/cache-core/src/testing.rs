//! What the tests of this crate share.

use domain::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};

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

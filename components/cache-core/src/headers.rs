//! Which fields of a response are kept (RFC 9111, section 3.1).

use domain::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::directives::Directives;
use crate::field;

const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");

/// Fields of one connection or of one transmission, and those that only concern caches.
///
/// `Trailer` names fields that are not stored. `Cache-Tag` is for purging, and nobody's business beyond this cache.
const NOT_STORED: [&str; 8] = [
    "age",
    "cache-tag",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Most tags that are kept of one answer: 128; more are left out, so that a purge by them does not find it.
pub(crate) const TAGS_MAX: usize = 128;
/// Most bytes of one tag: 256; longer ones are left out.
pub(crate) const TAG_BYTES_MAX: usize = 256;

/// Copies what may be kept, and adds the `Date` that a recipient with a clock must add (RFC 9110, section 6.6.1).
pub(crate) fn stored(
    response: &HeaderMap,
    directives: &Directives,
    responded_at: Timestamp,
) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(response.len());
    for (name, value) in response {
        if is_stored(name, response) && !directives.hidden.contains(name) {
            kept.append(name, value.clone());
        }
    }
    if !kept.contains_key(header::DATE)
        && let Ok(value) = HeaderValue::from_str(&http_semantics::date::write(responded_at))
    {
        kept.insert(header::DATE, value);
    }
    kept
}

/// Returns whether a field is about the answer, and not about how it came here.
pub(crate) fn is_stored(name: &HeaderName, response: &HeaderMap) -> bool {
    !NOT_STORED.contains(&name.as_str())
        && !name.as_str().starts_with("proxy-")
        && !is_nominated(name, response)
}

/// RFC 9110, section 7.6.1. `Connection` cannot take away what the cache's own decisions rest on by naming it: these
/// are read from the response as it came.
fn is_nominated(name: &HeaderName, response: &HeaderMap) -> bool {
    field::members(response, &header::CONNECTION)
        .any(|option| option.eq_ignore_ascii_case(name.as_str().as_bytes()))
}

/// Reads `Cache-Tag`: tags separated by commas or white space, in the order in which they came, each once.
pub(crate) fn tags(response: &HeaderMap) -> Vec<Box<str>> {
    let mut tags: Vec<Box<str>> = Vec::new();
    for line in response.get_all(CACHE_TAG) {
        let Ok(line) = line.to_str() else { continue };
        for tag in line.split([',', ' ', '\t']) {
            let is_new = !tag.is_empty()
                && tag.len() <= TAG_BYTES_MAX
                && !tags.iter().any(|known| **known == *tag);
            if is_new && tags.len() < TAGS_MAX {
                tags.push(tag.into());
            }
        }
    }
    tags
}

/// Returns whether a response names tags, so that those of an older one do not count any more.
pub(crate) fn has_tags(response: &HeaderMap) -> bool {
    response.contains_key(CACHE_TAG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rules;
    use crate::testing::{NOW, headers};

    fn check(response: &[(&str, &str)], expected: &[(&str, &str)]) {
        let response = headers(response);
        let directives = Directives::of(&response, &Rules::default());
        assert_eq!(stored(&response, &directives, NOW), headers(expected));
    }

    const DATE: (&str, &str) = ("date", "Sun, 22 Nov 2026 10:00:00 GMT");

    #[test]
    fn rfc9111_3_1_keeps_what_is_about_the_answer() {
        let kept = [
            ("content-type", "text/plain"),
            ("content-foo", "1"),
            ("set-cookie", "a=b"),
            ("set-cookie", "c=d"),
            ("content-range", "x"),
            ("content-encoding", "x"),
            ("cdn-cache-control", "max-age=1"),
            DATE,
        ];
        check(&kept, &kept);
    }

    #[test]
    fn rfc9111_3_1_leaves_out_fields_of_the_connection_and_of_caches() {
        check(
            &[
                DATE,
                ("connection", "A, b"),
                ("connection", "keep-alive"),
                ("a", "1"),
                ("b", "2"),
                ("c", "3"),
                ("keep-alive", "x"),
                ("proxy-authenticate", "x"),
                ("proxy-authentication-info", "x"),
                ("proxy-authorization", "x"),
                ("proxy-connection", "x"),
                ("te", "x"),
                ("trailer", "x"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "x"),
                ("age", "5"),
                ("cache-tag", "x"),
            ],
            &[DATE, ("c", "3")],
        );
    }

    #[test]
    fn rfc9111_5_2_2_leaves_out_fields_that_no_cache_or_private_names() {
        let cc = ("cache-control", "no-cache=\"a, B\", private=\"c\", max-age=3600");
        check(&[DATE, cc, ("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")], &[DATE, cc, ("d", "4")]);
    }

    #[test]
    fn rfc9110_6_6_1_adds_a_missing_date() {
        check(&[("a", "1")], &[("a", "1"), DATE]);
    }

    #[test]
    fn reads_tags_within_bounds() {
        let long = "x".repeat(TAG_BYTES_MAX + 1);
        let line = format!("a, b c,,a\t{long}");
        let read = tags(&headers(&[("cache-tag", &line), ("cache-tag", "d")]));
        assert_eq!(read.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["a", "b", "c", "d"]);
        let many: Vec<_> = (0..200).map(|number| number.to_string()).collect();
        assert_eq!(tags(&headers(&[("cache-tag", &many.join(" "))])).len(), TAGS_MAX);
    }
}

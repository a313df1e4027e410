//! What a client gets of a stored complete answer (RFC 9111, section 4.3.2; RFC 9110, sections 13 and 14).

use core::time::Duration;

use domain::Timestamp;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_semantics::conditional::{self, Outcome, Version};
use http_semantics::date;
use http_semantics::range::Part;

use crate::field;
use crate::freshness;
use crate::meta::Meta;
use crate::request::Asked;

/// Decides what is sent of a stored answer whose body has `length` bytes: all, parts, that it has not changed (304), or
/// that there are no such parts (416).
///
/// `If-Match` and `If-Unmodified-Since` are for origins and do not count here. Conditions only count for an answer of
/// success, ranges only for a 200 to `GET`.
#[must_use]
pub fn decide(
    asked: &Asked,
    request: &HeaderMap,
    meta: &Meta,
    stored: &HeaderMap,
    length: u64,
    now: Timestamp,
) -> Outcome {
    if (!asked.is_conditional && !asked.is_range) || !meta.status.is_success() {
        return Outcome::Send(Part::Whole);
    }
    if asked.is_conditional && !is_modified(request, meta, stored, now) {
        return Outcome::NotModified;
    }
    if !asked.is_range || asked.is_head || meta.status != StatusCode::OK {
        return Outcome::Send(Part::Whole);
    }
    parts(request, meta, length, now)
}

fn is_modified(request: &HeaderMap, meta: &Meta, stored: &HeaderMap, now: Timestamp) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        return !field::members(request, &header::IF_NONE_MATCH).any(|member| {
            member == b"*" || meta.etag.as_ref().is_some_and(|etag| etag.is_weakly(member))
        });
    }
    let Some(since) = freshness::moment(request, &header::IF_MODIFIED_SINCE, now) else {
        return true;
    };
    // Section 4.3.2: what has no moment of change cannot be older than its date.
    let modified =
        meta.last_modified.unwrap_or_else(|| freshness::date_of(stored, meta.responded_at));
    modified.unix_s() > since.unix_s()
}

/// Lets `conditional` decide over `Range` and `If-Range` alone, in forms that it knows.
fn parts(request: &HeaderMap, meta: &Meta, length: u64, now: Timestamp) -> Outcome {
    let mut asked = HeaderMap::with_capacity(2);
    for value in request.get_all(header::RANGE) {
        asked.append(header::RANGE, value.clone());
    }
    if let Some(value) = request.get(header::IF_RANGE) {
        let moment = freshness::moment(request, &header::IF_RANGE, now);
        let moment = moment.and_then(|moment| HeaderValue::from_str(&date::write(moment)).ok());
        asked.insert(header::IF_RANGE, moment.unwrap_or_else(|| value.clone()));
    }
    let etag = meta.etag.as_ref().and_then(|etag| etag.value().to_str().ok());
    let version = Version {
        etag: etag.map(str::to_owned),
        modified: meta.last_modified,
        is_modified_strong: meta.is_last_modified_strong,
        length,
    };
    conditional::decide(&asked, &version, false)
}

/// Returns the value of `Age` for an answer of this age (RFC 9111, section 5.1).
#[must_use]
pub fn age_value(age: Duration) -> HeaderValue {
    HeaderValue::from(age.as_secs())
}

/// Makes the fields of a 304 out of stored ones (RFC 9110, section 15.4.5).
///
/// Left out are those that describe a body which is not sent, and `Last-Modified` where an entity tag tells versions
/// apart. `Age` is not in it.
#[must_use]
pub fn not_modified_headers(stored: &HeaderMap) -> HeaderMap {
    let has_tag = stored.contains_key(header::ETAG);
    let mut kept = HeaderMap::with_capacity(stored.len());
    for (name, value) in stored {
        let is_of_body = matches!(
            name.as_str(),
            "accept-ranges"
                | "content-digest"
                | "content-disposition"
                | "content-encoding"
                | "content-language"
                | "content-length"
                | "content-md5"
                | "content-range"
                | "content-type"
                | "repr-digest"
        );
        let is_spare = has_tag && *name == header::LAST_MODIFIED;
        if !is_of_body && !is_spare {
            kept.append(name, value.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::meta::tests::plain;
    use crate::request::classify;
    use crate::rules::Rules;
    use crate::storage::{self, Exchange, Storage};
    use crate::testing::{NOW, at, date, headers};

    struct Case {
        method: Method,
        status: u16,
        stored: Vec<(&'static str, String)>,
    }

    impl Case {
        fn of(stored: &[(&'static str, &str)]) -> Self {
            let stored = stored.iter().map(|(name, value)| (*name, (*value).to_owned()));
            Self { method: Method::GET, status: 200, stored: stored.collect() }
        }

        fn check(&self, request: &[(&str, &str)], expected: Outcome) {
            let rules = Rules::default();
            let mut lines = vec![("cache-control", "max-age=1000")];
            lines.extend(self.stored.iter().map(|(name, value)| (*name, value.as_str())));
            let (response, request) = (headers(&lines), headers(request));
            let exchange = Exchange {
                method: &Method::GET,
                target: &crate::Key::of("http", "a", "/"),
                request: &HeaderMap::new(),
                status: StatusCode::from_u16(self.status).unwrap(),
                response: &response,
                requested_at: NOW,
                responded_at: NOW,
            };
            let Storage::Store(meta) = storage::decide(&exchange, &rules) else {
                panic!("not stored")
            };
            let stored = storage::stored_headers(&response, NOW, &rules);
            let asked = classify(&self.method, &request, &rules);
            let outcome = decide(&asked, &request, &meta, &stored, 10, at(5));
            assert_eq!(outcome, expected, "{lines:?} {request:?}");
        }
    }

    const WHOLE: Outcome = Outcome::Send(Part::Whole);
    const TWO: Outcome = Outcome::Send(Part::Bytes { start: 0, length: 2 });

    #[test]
    fn rfc9111_4_3_2_answers_304_where_a_tag_is_named() {
        let strong = Case::of(&[("etag", "\"abc\""), ("last-modified", &date(-5_000))]);
        let since = date(-1);
        strong.check(&[("if-none-match", "\"abc\"")], Outcome::NotModified);
        strong.check(&[("if-none-match", "\"1\", \"abc\", \"2\"")], Outcome::NotModified);
        strong.check(
            &[("if-none-match", "\"1\""), ("if-none-match", "\"abc\"")],
            Outcome::NotModified,
        );
        strong.check(&[("if-none-match", "W/\"abc\"")], Outcome::NotModified);
        strong.check(&[("if-none-match", "*")], Outcome::NotModified);
        strong.check(&[("if-none-match", "abc")], Outcome::NotModified);
        strong.check(&[("if-none-match", "\"x\"")], WHOLE);
        strong.check(&[("if-none-match", "\"x\""), ("if-modified-since", &since)], WHOLE);
        strong.check(&[("if-none-match", "\"x, abc\"")], WHOLE);
        for tag in ["W/\"abc\"", "w/\"abc\"", "W\\\"abc\"", "W\"abc\"", "abc", "\"abcü\""] {
            Case::of(&[("etag", tag)]).check(&[("if-none-match", tag)], Outcome::NotModified);
        }
        Case::of(&[]).check(&[("if-none-match", "\"x\"")], WHOLE);
        Case::of(&[]).check(&[("if-none-match", "*")], Outcome::NotModified);
    }

    #[test]
    fn rfc9111_4_3_2_answers_304_where_nothing_changed_since() {
        let case = Case::of(&[("last-modified", &date(-3_000)), ("date", &date(0))]);
        case.check(&[("if-modified-since", &date(-3_000))], Outcome::NotModified);
        case.check(&[("if-modified-since", &date(-2_000))], Outcome::NotModified);
        case.check(
            &[("if-modified-since", "Sunday, 22-Nov-26 09:10:00 GMT")],
            Outcome::NotModified,
        );
        case.check(&[("if-modified-since", "Sun Nov 22 09:10:00 2026")], Outcome::NotModified);
        case.check(&[("if-modified-since", &date(-3_001))], WHOLE);
        case.check(&[("if-modified-since", "yesterday")], WHOLE);
    }

    #[test]
    fn rfc9111_4_3_2_takes_the_date_where_no_moment_of_change_is_known() {
        let case = Case::of(&[("date", &date(-10))]);
        case.check(&[("if-modified-since", &date(-10))], Outcome::NotModified);
        case.check(&[("if-modified-since", &date(-11))], WHOLE);
    }

    #[test]
    fn rfc9110_13_2_1_ignores_conditions_of_answers_that_are_no_success() {
        let case = Case { status: 404, ..Case::of(&[("etag", "\"a\"")]) };
        case.check(&[("if-none-match", "\"a\""), ("range", "bytes=0-1")], WHOLE);
    }

    #[test]
    fn rfc9110_14_2_sends_parts_of_a_complete_answer() {
        let range = ("range", "bytes=0-1");
        let case = Case::of(&[("etag", "\"a\""), ("last-modified", &date(-100))]);
        case.check(&[range], TWO);
        case.check(&[("range", "bytes=8-")], Outcome::Send(Part::Bytes { start: 8, length: 2 }));
        case.check(&[("range", "bytes=10-")], Outcome::Send(Part::Unsatisfiable));
        case.check(&[range, ("if-none-match", "\"a\"")], Outcome::NotModified);
        case.check(&[range, ("if-none-match", "\"b\"")], TWO);
        Case::of(&[]).check(&[range], TWO);
        Case { method: Method::HEAD, ..Case::of(&[]) }.check(&[range], WHOLE);
        Case { status: 203, ..Case::of(&[]) }.check(&[range], WHOLE);
    }

    #[test]
    fn rfc9110_13_1_5_sends_parts_only_of_the_version_that_the_client_has() {
        let range = ("range", "bytes=0-1");
        let case = Case::of(&[("etag", "\"a\""), ("last-modified", &date(-100))]);
        case.check(&[range, ("if-range", "\"a\"")], TWO);
        case.check(&[range, ("if-range", "\"b\"")], WHOLE);
        case.check(&[range, ("if-range", &date(-100))], TWO);
        case.check(&[range, ("if-range", "Sunday, 22-Nov-26 09:58:20 GMT")], TWO);
        case.check(&[range, ("if-range", &date(-99))], WHOLE);
        Case::of(&[("etag", "W/\"a\"")]).check(&[range, ("if-range", "W/\"a\"")], WHOLE);
        Case::of(&[("etag", "W/\"a\"")]).check(&[range, ("if-range", "\"a\"")], WHOLE);
        Case::of(&[]).check(&[range, ("if-range", "W/\"\"")], WHOLE);
        Case::of(&[]).check(&[range, ("if-range", "\"\"")], WHOLE);
        let weak = Case::of(&[("last-modified", &date(0)), ("date", &date(0))]);
        weak.check(&[range, ("if-range", &date(0))], WHOLE);
    }

    #[test]
    fn rfc9110_15_4_5_a_304_keeps_what_is_not_about_the_body() {
        let kept = [
            ("etag", "\"a\""),
            ("date", "x"),
            ("vary", "x"),
            ("cache-control", "x"),
            ("expires", "x"),
            ("content-location", "x"),
            ("set-cookie", "x"),
            ("content-security-policy", "x"),
        ];
        let gone = [("content-type", "x"), ("content-length", "1"), ("last-modified", "x")];
        let stored = headers(&[&kept[..], &gone[..]].concat());
        assert_eq!(not_modified_headers(&stored), headers(&kept));
        let modified = headers(&[("last-modified", "x")]);
        assert_eq!(not_modified_headers(&modified), modified);
    }

    #[test]
    fn rfc9111_5_1_age_is_in_whole_seconds() {
        let age = plain().age(NOW.after(Duration::from_millis(3_999)));
        assert_eq!(age_value(age), "3");
        assert_eq!(age_value(Duration::ZERO), "0");
    }
}

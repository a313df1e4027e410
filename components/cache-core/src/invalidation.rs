//! What a change at the origin makes invalid (RFC 9111, section 4.4).

use http::{HeaderMap, Method, StatusCode, header};

use crate::key::Key;

/// Returns the keys of which all stored answers are to be dropped, at most three.
///
/// None after a safe method or an error, otherwise the target's, and those to which `Location` and `Content-Location`
/// lead on the same origin. A method that is not known to be safe counts as unsafe.
#[must_use]
pub fn targets(
    method: &Method,
    status: StatusCode,
    target: &Key,
    response: &HeaderMap,
) -> Vec<Key> {
    if is_safe(method) || !(status.is_success() || status.is_redirection()) {
        return Vec::new();
    }
    let mut keys = vec![target.clone()];
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let value = response.get(name).and_then(|value| value.to_str().ok());
        if let Some(key) = value.and_then(|value| target.resolve(value))
            && !keys.contains(&key)
        {
            keys.push(key);
        }
    }
    keys
}

/// Methods that IANA's registry calls safe.
fn is_safe(method: &Method) -> bool {
    matches!(
        method.as_str(),
        "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PRI" | "PROPFIND" | "QUERY" | "REPORT" | "SEARCH"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::headers;

    fn check(method: &str, status: u16, response: &[(&str, &str)], expected: &[&str]) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        let target = Key::of("http", "a", "/b/c");
        let keys = targets(&method, status, &target, &headers(response));
        assert_eq!(keys.iter().map(Key::as_str).collect::<Vec<_>>(), expected, "{method} {status}");
    }

    #[test]
    fn rfc9111_4_4_invalidates_the_target_after_an_unsafe_method_that_did_not_fail() {
        for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "post"] {
            for status in [200, 201, 204, 302] {
                check(method, status, &[], &["http://a/b/c"]);
            }
            for status in [400, 404, 500, 503] {
                check(method, status, &[], &[]);
            }
        }
    }

    #[test]
    fn rfc9111_4_4_invalidates_nothing_after_a_safe_method() {
        for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY"] {
            check(method, 200, &[("location", "/d")], &[]);
        }
    }

    #[test]
    fn rfc9111_4_4_invalidates_where_the_response_leads_on_the_same_origin() {
        let here = "http://a/b/c";
        check(
            "POST",
            201,
            &[("location", "d"), ("content-location", "/e?f")],
            &[here, "http://a/b/d", "http://a/e?f"],
        );
        check(
            "POST",
            201,
            &[("location", "http://A:80/d"), ("content-location", "/d")],
            &[here, "http://a/d"],
        );
        check("POST", 201, &[("location", "http://b/d"), ("content-location", "")], &[here]);
    }
}

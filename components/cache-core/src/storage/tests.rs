use super::*;
use crate::testing::{NOW, at, date, headers};

struct Case {
    method: Method,
    status: u16,
    request: Vec<(&'static str, &'static str)>,
    rules: Rules,
}

impl Default for Case {
    fn default() -> Self {
        Self { method: Method::GET, status: 200, request: vec![], rules: Rules::default() }
    }
}

impl Case {
    fn decide(&self, response: &[(&str, &str)]) -> Storage {
        let exchange = Exchange {
            method: &self.method,
            target: &Key::of("http", "a", "/b?c"),
            request: &headers(&self.request),
            status: StatusCode::from_u16(self.status).unwrap(),
            response: &headers(response),
            requested_at: NOW,
            responded_at: NOW,
        };
        decide(&exchange, &self.rules)
    }

    fn check(&self, response: &[(&str, &str)], expected: Option<Reason>) {
        let reason = match self.decide(response) {
            Storage::Store(_) => None,
            Storage::Not(reason) => Some(reason),
        };
        assert_eq!(reason, expected, "{} {} {response:?}", self.method, self.status);
    }

    fn meta(&self, response: &[(&str, &str)]) -> Meta {
        match self.decide(response) {
            Storage::Store(meta) => meta,
            Storage::Not(reason) => panic!("not stored: {reason:?}"),
        }
    }
}

fn check(response: &[(&str, &str)], expected: Option<Reason>) {
    Case::default().check(response, expected);
}

const FRESH: (&str, &str) = ("cache-control", "max-age=60");

#[test]
fn rfc9111_3_stores_what_can_be_used_again() {
    check(&[FRESH], None);
    check(&[("etag", "\"a\"")], None);
    check(&[("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")], None);
    check(&[("cache-control", "no-cache"), ("etag", "\"a\"")], None);
    check(&[("cache-control", "max-age=0, stale-if-error=60")], None);
    check(&[("cache-control", "max-age=0, stale-while-revalidate=60")], None);
    check(&[FRESH, ("age", "600")], None);
}

#[test]
fn rfc9111_3_stores_nothing_that_could_never_be_used() {
    let expected = Some(Reason::NotReusable);
    check(&[], expected);
    check(&[("etag", "")], expected);
    check(&[("last-modified", "long ago")], expected);
    check(&[("cache-control", "max-age=0")], expected);
    check(&[("cache-control", "max-age=60, no-cache")], expected);
    check(&[("cache-control", "max-age=0, must-revalidate, stale-if-error=60")], expected);
    check(&[("cache-control", "public")], expected);
    check(&[FRESH, ("age", "old")], expected);
    Case { status: 403, ..Case::default() }.check(&[("etag", "\"a\"")], expected);
}

#[test]
fn rfc9111_3_stores_any_final_status_with_explicit_lifetime() {
    for status in
        [200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599]
    {
        Case { status, ..Case::default() }.check(&[FRESH], None);
    }
}

#[test]
fn rfc9111_3_and_rfc6585_store_no_parts_no_answers_to_conditions_and_no_limits() {
    for status in [101, 206, 304, 407, 412, 416, 428, 429, 431, 511] {
        Case { status, ..Case::default() }.check(&[FRESH], Some(Reason::Status));
    }
}

#[test]
fn rfc9111_5_2_2_obeys_no_store_and_private() {
    check(&[("cache-control", "max-age=60, no-store")], Some(Reason::NoStore));
    check(&[("cache-control", "max-age=60, private")], Some(Reason::Private));
    check(&[("cache-control", "max-age=60, private=\"a\"")], None);
    check(&[("cache-control", "max-age=60, no-cache=\"a\"")], None);
}

#[test]
fn rfc9111_5_2_2_3_must_understand_wins_over_no_store_where_the_status_is_known() {
    let cc = [("cache-control", "max-age=60, must-understand, no-store")];
    check(&cc, None);
    Case { status: 599, ..Case::default() }.check(&cc, Some(Reason::NotUnderstood));
    let cc = [("cache-control", "max-age=60, must-understand")];
    Case { status: 599, ..Case::default() }.check(&cc, Some(Reason::NotUnderstood));
    Case { status: 206, ..Case::default() }.check(&cc, Some(Reason::Status));
}

#[test]
fn rfc9111_3_5_stores_answers_to_authorized_requests_only_where_they_say_so() {
    let case = Case { request: vec![("authorization", "x")], ..Case::default() };
    case.check(&[FRESH], Some(Reason::Authorization));
    case.check(&[("expires", &date(60))], Some(Reason::Authorization));
    for cc in ["max-age=60, public", "max-age=60, must-revalidate", "s-maxage=60"] {
        case.check(&[("cache-control", cc)], None);
    }
    case.check(&[("cache-control", "max-age=60, proxy-revalidate")], Some(Reason::Authorization));
    case.check(&[("cdn-cache-control", "max-age=60")], Some(Reason::Authorization));
}

#[test]
fn rfc9111_5_2_1_5_obeys_no_store_of_the_request_where_it_is_honoured() {
    let request = vec![("cache-control", "no-store")];
    let case = Case { request: request.clone(), ..Case::default() };
    case.check(&[FRESH], Some(Reason::RequestNoStore));
    let post = Case { method: Method::POST, request: request.clone(), ..Case::default() };
    post.check(&[FRESH, ("content-location", "/b?c")], Some(Reason::RequestNoStore));
    let rules = Rules { honours_request: false, ..Rules::default() };
    Case { request, rules, ..Case::default() }.check(&[FRESH], None);
}

#[test]
fn rfc9110_9_3_1_stores_no_answer_to_the_content_of_a_get() {
    let request = vec![("content-length", "5")];
    Case { request, ..Case::default() }.check(&[FRESH], Some(Reason::RequestContent));
}

#[test]
fn rfc9111_7_3_stores_cookies_by_the_operators_choice() {
    use SetCookie::{Never, WhenExplicit, WhenShared};
    let (modified, etag) = (("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"), ("etag", "\"a\""));
    for (cc, stored_by) in [
        ("max-age=60", vec![WhenExplicit]),
        ("max-age=60, public", vec![WhenExplicit, WhenShared]),
        ("s-maxage=60", vec![WhenExplicit, WhenShared]),
        ("max-age=60, no-cache=\"set-cookie\"", vec![WhenExplicit, WhenShared, Never]),
        ("x", vec![]),
    ] {
        for set_cookie in [Never, WhenShared, WhenExplicit] {
            let rules = Rules { set_cookie, ..Rules::default() };
            let response = [("set-cookie", "a=b"), modified, etag, ("cache-control", cc)];
            let expected = (!stored_by.contains(&set_cookie)).then_some(Reason::SetCookie);
            Case { rules, ..Case::default() }.check(&response, expected);
        }
    }
}

#[test]
fn rfc9111_4_1_stores_nothing_that_no_request_is_known_to_match() {
    check(&[FRESH, ("vary", "*")], Some(Reason::VaryAny));
    check(&[FRESH, ("vary", &"x".repeat(5_000))], Some(Reason::VaryTooLarge));
}

#[test]
fn rfc9110_9_3_3_stores_a_post_that_says_it_is_the_resource() {
    let post = Case { method: Method::POST, ..Case::default() };
    let later = date(60);
    post.check(&[("expires", &later), ("content-location", "/b?c")], None);
    post.check(&[FRESH, ("content-location", "http://A:80/b?c")], None);
    for response in [
        vec![FRESH],
        vec![FRESH, ("content-location", "/b")],
        vec![FRESH, ("content-location", "https://a/b?c")],
        vec![("etag", "\"a\""), ("content-location", "/b?c")],
    ] {
        post.check(&response, Some(Reason::Method));
    }
    let created = Case { method: Method::POST, status: 201, ..Case::default() };
    created.check(&[FRESH, ("content-location", "/b?c")], Some(Reason::Method));
    for method in [Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let case = Case { method, ..Case::default() };
        case.check(&[FRESH, ("content-location", "/b?c")], Some(Reason::Method));
    }
}

#[test]
fn remembers_what_later_decisions_need() {
    let cc = "max-age=60, stale-while-revalidate=5, stale-if-error=7, immutable";
    let meta = Case::default().meta(&[
        ("cache-control", cc),
        ("age", "10"),
        ("etag", "W/\"a\""),
        ("date", &date(0)),
        ("last-modified", &date(0)),
        ("cache-tag", "x,y"),
    ]);
    assert_eq!(meta.responded_at, NOW);
    assert_eq!(meta.initial_age, Duration::from_secs(10));
    assert_eq!(meta.lifetime, Duration::from_secs(60));
    assert_eq!(meta.stale_while_revalidate, Duration::from_secs(5));
    assert_eq!(meta.stale_if_error, Some(Duration::from_secs(7)));
    assert!(meta.is_immutable && !meta.must_revalidate && !meta.no_cache && !meta.is_heuristic);
    assert_eq!(meta.etag.unwrap().value(), "W/\"a\"");
    assert_eq!(meta.last_modified, Some(NOW));
    assert!(!meta.is_last_modified_strong);
    assert_eq!(meta.tags, ["x".into(), "y".into()]);
    let modified = Case::default().meta(&[("last-modified", &date(-100))]);
    assert_eq!(modified.last_modified, Some(at(-100)));
    assert!(modified.is_last_modified_strong && modified.is_heuristic);
}

#[test]
fn rfc9111_5_2_2_notes_what_forbids_staleness() {
    for cc in ["max-age=2, must-revalidate", "max-age=2, proxy-revalidate", "s-maxage=2"] {
        assert!(Case::default().meta(&[("cache-control", cc)]).must_revalidate, "{cc}");
    }
}

#[test]
fn rfc9213_2_1_the_targeted_field_decides_about_storing() {
    let no_store = ("cache-control", "no-store");
    check(&[no_store, ("cdn-cache-control", "max-age=60")], None);
    check(&[FRESH, ("cdn-cache-control", "no-store")], Some(Reason::NoStore));
    check(&[no_store, ("cdn-cache-control", "max-age 60")], Some(Reason::NoStore));
}

#[test]
fn rfc9111_4_2_1_a_response_of_unreadable_age_is_kept_only_for_validation() {
    let meta = Case::default().meta(&[FRESH, ("age", "abc"), ("etag", "\"a\"")]);
    assert_eq!(meta.lifetime, Duration::ZERO);
}

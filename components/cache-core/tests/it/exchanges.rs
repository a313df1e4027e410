//! Stories of a few requests each.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use http::Method;

use crate::node::{Node, Response, headers};

/// A node, and the answers that its origin will give, in order; `None` for none.
fn node(answers: Vec<Option<Response>>) -> Node {
    let answers = Rc::new(RefCell::new(VecDeque::from(answers)));
    Node::new(Box::new(move |_, _, _| {
        answers.borrow_mut().pop_front().expect("an origin left alone")
    }))
}

fn ok(lines: &[(&str, &str)], body: &str) -> Option<Response> {
    Some(Response::of(200, lines, body))
}

fn not_modified(lines: &[(&str, &str)]) -> Option<Response> {
    Some(Response::of(304, lines, ""))
}

const SHORT: (&str, &str) = ("cache-control", "max-age=2");
const TAG: (&str, &str) = ("etag", "\"a\"");

#[test]
fn rfc9111_4_uses_an_answer_until_it_is_stale_and_then_validates_it() {
    let changed = [TAG, ("cache-control", "max-age=5"), ("x", "2")];
    let mut node =
        node(vec![ok(&[SHORT, TAG, ("x", "1"), ("y", "1")], "body"), not_modified(&changed)]);
    let first = node.get("/", &[]);
    assert_eq!(
        (first.word(), first.field("cache-status")),
        ("MISS", "vitrine; fwd=uri-miss; stored")
    );
    node.wait(1);
    let hit = node.get("/", &[]);
    assert_eq!((hit.word(), hit.field("age")), ("HIT", "1"));
    assert_eq!(hit.field("cache-status"), "vitrine; hit; ttl=1");
    node.wait(1);
    let validated = node.get("/", &[]);
    assert_eq!((validated.word(), validated.body.as_str()), ("REVALIDATED", "body"));
    assert_eq!(
        (validated.field("x"), validated.field("y"), validated.field("age")),
        ("2", "1", "0")
    );
    assert_eq!(validated.field("cache-status"), "vitrine; fwd=stale; fwd-status=304; stored");
    assert_eq!(node.forwarded.last().unwrap()["if-none-match"], "\"a\"");
    node.wait(4);
    assert_eq!(node.get("/", &[]).field("x"), "2");
}

#[test]
fn rfc9111_4_3_3_takes_the_new_answer_where_the_old_one_is_no_longer_valid() {
    let mut node = node(vec![ok(&[SHORT, TAG], "old"), ok(&[SHORT, ("etag", "\"b\"")], "new")]);
    node.get("/", &[]);
    node.wait(3);
    let expired = node.get("/", &[("if-none-match", "\"a\"")]);
    assert_eq!((expired.word(), expired.body.as_str()), ("EXPIRED", "new"));
    assert_eq!(node.get("/", &[("if-none-match", "\"b\"")]).status, 304);
}

#[test]
fn rfc9111_4_3_2_answers_conditions_and_ranges_out_of_what_is_stored() {
    let mut node = node(vec![ok(&[SHORT, TAG], "0123456789"), not_modified(&[SHORT, TAG])]);
    node.get("/", &[]);
    let fresh = node.get("/", &[("if-none-match", "\"x\", \"a\"")]);
    assert_eq!((fresh.status.as_u16(), fresh.word(), fresh.field("etag")), (304, "HIT", "\"a\""));
    let part = node.get("/", &[("range", "bytes=2-4")]);
    assert_eq!((part.status.as_u16(), part.body.as_str()), (206, "234"));
    assert_eq!(node.get("/", &[("range", "bytes=20-")]).status, 416);
    node.wait(3);
    let part = node.get("/", &[("range", "bytes=-1"), ("if-range", "\"a\"")]);
    assert_eq!((part.status.as_u16(), part.word(), part.body.as_str()), (206, "REVALIDATED", "9"));
    assert!(!node.forwarded.last().unwrap().contains_key("range"));
}

#[test]
fn rfc9111_4_1_keeps_variants_apart_and_asks_about_all_of_them() {
    let vary = ("vary", "foo");
    let mut node = node(vec![
        ok(&[SHORT, vary, ("etag", "\"one\"")], "one"),
        ok(&[SHORT, vary, ("etag", "\"two\"")], "two"),
        not_modified(&[SHORT, vary, ("etag", "\"one\"")]),
    ]);
    node.get("/", &[("foo", "1")]);
    let second = node.get("/", &[("foo", "2")]);
    assert_eq!((second.word(), second.body.as_str()), ("MISS", "two"));
    assert!(second.field("cache-status").contains("fwd=vary-miss"));
    assert_eq!(node.get("/", &[("foo", "1")]).body, "one");
    let third = node.get("/", &[("foo", "3")]);
    assert_eq!((third.word(), third.body.as_str()), ("REVALIDATED", "one"));
    assert_eq!(node.forwarded.last().unwrap()["if-none-match"], "\"one\", \"two\"");
    for (foo, body) in [("1", "one"), ("2", "two"), ("3", "one")] {
        let hit = node.get("/", &[("foo", foo)]);
        assert_eq!((hit.word(), hit.body.as_str()), ("HIT", body), "{foo}");
    }
}

#[test]
fn rfc9111_4_3_4_asks_again_where_a_304_is_about_none_of_them() {
    let vary = ("vary", "foo");
    let mut node = node(vec![
        ok(&[SHORT, vary, ("etag", "\"one\"")], "one"),
        ok(&[SHORT, vary, ("etag", "\"two\"")], "two"),
        not_modified(&[("etag", "\"three\"")]),
        ok(&[SHORT, vary, ("etag", "\"three\"")], "three"),
    ]);
    for (foo, body) in [("1", "one"), ("2", "two"), ("3", "three")] {
        assert_eq!(node.get("/", &[("foo", foo)]).body, body);
    }
    assert!(!node.forwarded.last().unwrap().contains_key("if-none-match"));
}

#[test]
fn rfc5861_3_answers_at_once_and_validates_meanwhile() {
    let swr = ("cache-control", "max-age=2, stale-while-revalidate=10");
    let mut node = node(vec![ok(&[swr, TAG], "body"), not_modified(&[TAG])]);
    node.get("/", &[]);
    node.wait(3);
    let updating = node.get("/", &[]);
    assert_eq!((updating.word(), updating.field("age")), ("UPDATING", "3"));
    assert_eq!(updating.field("cache-status"), "vitrine; hit; ttl=-1");
    node.work();
    assert_eq!(node.get("/", &[]).word(), "HIT");
}

#[test]
fn rfc5861_4_answers_stale_while_the_origin_fails() {
    let sie = ("cache-control", "max-age=2, stale-if-error=10");
    let failed = Some(Response::of(503, &[], "sorry"));
    let mut node = node(vec![ok(&[sie, TAG], "body"), None, failed.clone(), failed]);
    node.get("/", &[]);
    node.wait(3);
    assert_eq!(node.get("/", &[]).word(), "STALE");
    assert_eq!(node.get("/", &[]).body, "body");
    node.wait(10);
    assert_eq!(node.get("/", &[]).status, 503);
}

#[test]
fn rfc9111_4_2_4_never_answers_stale_where_that_is_forbidden() {
    for cc in [
        "max-age=2, must-revalidate",
        "max-age=2, proxy-revalidate",
        "s-maxage=2",
        "max-age=2, no-cache",
    ] {
        let cc = [cc, ", stale-while-revalidate=60, stale-if-error=60"].concat();
        let mut node = node(vec![ok(&[("cache-control", &cc), TAG], "body"), None]);
        node.get("/", &[]);
        node.wait(3);
        assert_eq!(node.get("/", &[("cache-control", "max-stale")]).status, 502, "{cc}");
    }
}

#[test]
fn rfc9111_4_4_forgets_what_a_change_makes_invalid() {
    let long = ("cache-control", "max-age=100");
    let created =
        Some(Response::of(201, &[("location", "two"), ("content-location", "/three")], ""));
    let failed = Some(Response::of(500, &[], ""));
    let get = |body| ok(&[long], body);
    let mut node =
        node(vec![get("1"), get("2"), get("3"), failed, created, get("4"), get("5"), get("6")]);
    for path in ["/one", "/two", "/three"] {
        node.get(path, &[]);
    }
    node.ask(&Method::POST, "/one", &headers(&[]));
    assert_eq!(node.get("/one", &[]).word(), "HIT");
    assert_eq!(node.ask(&Method::POST, "/one", &headers(&[])).word(), "BYPASS");
    for (path, body) in [("/one", "4"), ("/two", "5"), ("/three", "6")] {
        assert_eq!(node.get(path, &[]).body, body);
    }
}

#[test]
fn rfc9110_9_3_3_answers_get_with_what_a_post_left() {
    let answer = [("cache-control", "max-age=100"), ("content-location", "/form")];
    let mut node = node(vec![ok(&answer, "body")]);
    node.ask(&Method::POST, "/form", &headers(&[("content-length", "3")]));
    assert_eq!(
        (node.get("/form", &[]).word(), node.get("/form", &[]).body),
        ("HIT", "body".into())
    );
}

#[test]
fn rfc9111_4_3_5_freshens_by_head_and_forgets_what_head_contradicts() {
    let head = [("cache-control", "max-age=100"), ("x", "2"), ("content-length", "4")];
    let mut node = node(vec![
        ok(&[SHORT, ("x", "1"), ("y", "1")], "body"),
        ok(&head, ""),
        ok(&[("content-length", "5")], ""),
        ok(&[SHORT], "other"),
    ]);
    node.get("/", &[]);
    node.wait(3);
    let seen = node.ask(&Method::HEAD, "/", &headers(&[]));
    assert_eq!((seen.field("x"), seen.field("y"), seen.body.as_str()), ("2", "1", ""));
    let hit = node.get("/", &[]);
    assert_eq!((hit.word(), hit.body.as_str(), hit.field("x")), ("HIT", "body", "2"));
    node.wait(101);
    node.ask(&Method::HEAD, "/", &headers(&[]));
    assert_eq!((node.get("/", &[]).word(), node.get("/", &[]).body), ("MISS", "other".into()));
}

#[test]
fn rfc9111_5_2_1_7_asks_nobody_where_only_stored_answers_are_wanted() {
    let mut node = node(vec![]);
    assert_eq!(node.get("/", &[("cache-control", "only-if-cached")]).status, 504);
}

#[test]
fn rfc9111_4_3_1_passes_on_conditions_where_nothing_is_stored() {
    let mut node = node(vec![not_modified(&[TAG])]);
    let seen = node.get("/", &[("if-none-match", "\"a\"")]);
    assert_eq!((seen.status.as_u16(), seen.word()), (304, "MISS"));
    assert_eq!(node.forwarded[0]["if-none-match"], "\"a\"");
}

#[test]
fn rfc9111_3_5_an_authorized_validation_changes_nothing_for_others() {
    let secret = [TAG, ("x", "secret")];
    let mut node = node(vec![
        ok(&[SHORT, TAG, ("x", "1")], "body"),
        not_modified(&secret),
        not_modified(&[TAG]),
    ]);
    node.get("/", &[]);
    node.wait(3);
    assert_eq!(node.get("/", &[("authorization", "me")]).field("x"), "secret");
    let other = node.get("/", &[]);
    assert_eq!((other.word(), other.field("x")), ("REVALIDATED", "1"));
}

#[test]
fn rfc9213_2_2_the_cdn_keeps_for_longer_than_browsers() {
    let lines = [("cache-control", "no-store"), ("cdn-cache-control", "max-age=100")];
    let mut node = node(vec![ok(&lines, "body")]);
    node.get("/", &[]);
    node.wait(99);
    let hit = node.get("/", &[]);
    assert_eq!((hit.word(), hit.field("cache-control")), ("HIT", "no-store"));
}

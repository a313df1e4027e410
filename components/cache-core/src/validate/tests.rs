use core::time::Duration;

use http::Method;
use proptest::prelude::*;

use super::*;
use crate::answer;
use crate::key::Key;
use crate::meta::tests::plain;
use crate::request::classify;
use crate::reuse;
use crate::storage::{self, Exchange, Reason};
use crate::testing::{NOW, any_headers, at, date, headers};

fn tagged(tag: &'static str) -> Meta {
    Meta { etag: EntityTag::of(&HeaderValue::from_static(tag)), ..plain() }
}

fn modified(seconds: i64) -> Meta {
    Meta { last_modified: Some(at(seconds)), ..plain() }
}

fn check_conditions(matching: Option<&Meta>, others: &[&Meta], expected: Option<(&str, &str)>) {
    let conditions = Conditions::of(matching, others.iter().copied());
    let text = |value: Option<HeaderValue>| {
        value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    };
    let sent = conditions.map(|sent| (text(sent.if_none_match), text(sent.if_modified_since)));
    assert_eq!(sent, expected.map(|(tags, since)| (tags.to_owned(), since.to_owned())));
}

#[test]
fn rfc9111_4_3_1_sends_the_validators_of_what_is_stored() {
    let (a, b, since) = (tagged("\"a\""), tagged("W/\"b\""), modified(-100));
    let both = Meta { last_modified: Some(at(-100)), ..tagged("\"a\"") };
    check_conditions(Some(&a), &[], Some(("\"a\"", "")));
    check_conditions(Some(&b), &[], Some(("W/\"b\"", "")));
    check_conditions(Some(&since), &[], Some(("", &date(-100))));
    check_conditions(Some(&both), &[], Some(("\"a\"", &date(-100))));
    check_conditions(Some(&a), &[&b, &a, &plain()], Some(("\"a\", W/\"b\"", "")));
    check_conditions(None, &[&b, &a, &both], Some(("W/\"b\", \"a\"", "")));
    check_conditions(Some(&plain()), &[&b], Some(("W/\"b\"", "")));
    check_conditions(Some(&since), &[&b], Some(("", &date(-100))));
    check_conditions(None, &[&since], None);
    check_conditions(Some(&plain()), &[], None);
}

#[test]
fn names_no_more_tags_than_servers_read() {
    let long = format!("\"{}\"", "x".repeat(3_000));
    let long = Meta { etag: EntityTag::of(&HeaderValue::from_str(&long).unwrap()), ..plain() };
    let longer = format!("\"{}\"", "y".repeat(3_000));
    let longer = Meta { etag: EntityTag::of(&HeaderValue::from_str(&longer).unwrap()), ..plain() };
    let conditions = Conditions::of(Some(&long), [&longer, &tagged("\"a\"")]).unwrap();
    let list = conditions.if_none_match.unwrap();
    assert!(list.len() <= TAGS_BYTES_MAX);
    assert!(list.to_str().unwrap().ends_with(", \"a\""));
}

#[test]
fn rfc9111_4_3_1_replaces_the_clients_conditions_and_range() {
    let mut request = headers(&[
        ("if-none-match", "\"x\""),
        ("if-none-match", "\"y\""),
        ("if-modified-since", "x"),
        ("if-range", "x"),
        ("if-match", "x"),
        ("if-unmodified-since", "x"),
        ("range", "bytes=0-1"),
        ("accept", "x"),
    ]);
    Conditions::of(Some(&tagged("\"a\"")), []).unwrap().apply(&mut request);
    assert_eq!(request, headers(&[("accept", "x"), ("if-none-match", "\"a\"")]));
}

fn check_select(candidates: &[&Meta], response: &[(&str, &str)], expected: Option<(usize, Match)>) {
    let selected = select(candidates, &headers(response));
    let selected = selected.map(|selected| (selected.index, selected.how));
    assert_eq!(selected, expected, "{response:?}");
}

#[test]
fn rfc9111_4_3_4_selects_by_strong_tag_then_by_weak_validator() {
    let (a, b, weak) = (tagged("\"a\""), tagged("\"b\""), tagged("W/\"b\""));
    check_select(&[&a, &b], &[("etag", "\"b\"")], Some((1, Match::Strong)));
    check_select(&[&a, &weak], &[("etag", "W/\"b\"")], Some((1, Match::Weak)));
    check_select(&[&a, &b], &[("etag", "W/\"b\"")], Some((1, Match::Weak)));
    check_select(&[&a, &weak], &[("etag", "\"b\"")], None);
    check_select(&[&a, &b], &[("etag", "\"c\"")], None);
    check_select(&[&a, &b], &[], None);
    check_select(&[], &[("etag", "\"c\"")], None);
    let (old, new) = (modified(-100), Meta { responded_at: at(5), ..modified(-100) });
    check_select(&[&old, &new, &old], &[("last-modified", &date(-100))], Some((1, Match::Weak)));
}

#[test]
fn a_304_about_a_single_answer_is_about_that_one() {
    let a = tagged("\"a\"");
    check_select(&[&a], &[], Some((0, Match::Unnamed)));
    check_select(&[&a], &[("etag", "\"c\"")], Some((0, Match::Conflict)));
    check_select(&[&plain()], &[("etag", "\"c\"")], Some((0, Match::Conflict)));
    check_select(&[&modified(-5)], &[("last-modified", &date(-6))], Some((0, Match::Conflict)));
}

const DATE: (&str, &str) = ("date", "Sun, 22 Nov 2026 10:01:40 GMT");

/// Validates, 100 seconds after it came, an answer of these fields.
fn freshened(
    stored: &[(&str, &str)],
    request: &[(&str, &str)],
    response: &[(&str, &str)],
    how: Match,
) -> (HeaderMap, Storage) {
    let exchange = Exchange {
        method: &Method::GET,
        target: &Key::of("http", "a", "/"),
        request: &HeaderMap::new(),
        status: StatusCode::OK,
        response: &headers(stored),
        requested_at: NOW,
        responded_at: NOW,
    };
    let rules = Rules::default();
    let Storage::Store(meta) = storage::decide(&exchange, &rules) else { panic!("not stored") };
    let mut fields = storage::stored_headers(exchange.response, NOW, &rules);
    let update = Update {
        request: &headers(request),
        response: &headers(response),
        requested_at: at(100),
        responded_at: at(100),
        how,
    };
    let storage = freshen(&meta, &mut fields, &update, &rules);
    (fields, storage)
}

fn check_fields(stored: &[(&str, &str)], update: &[(&str, &str)], expected: &[(&str, &str)]) {
    let fresh = [("cache-control", "max-age=2"), ("etag", "\"a\"")];
    let (fields, _) = freshened(&[&fresh, stored].concat(), &[], update, Match::Strong);
    assert_eq!(fields, headers(&[&fresh, expected, &[DATE]].concat()), "{update:?}");
}

#[test]
fn rfc9111_3_2_changes_the_fields_that_a_304_has_and_keeps_the_others() {
    check_fields(
        &[("x", "1"), ("y", "1")],
        &[("x", "2"), ("z", "3")],
        &[("x", "2"), ("y", "1"), ("z", "3")],
    );
    check_fields(
        &[("set-cookie2", "1")],
        &[("set-cookie2", "2"), ("set-cookie2", "3")],
        &[("set-cookie2", "2"), ("set-cookie2", "3")],
    );
    for name in ["content-type", "content-location", "content-security-policy", "expires"] {
        check_fields(&[(name, "1")], &[(name, "2")], &[(name, "2")]);
    }
}

#[test]
fn rfc9111_3_2_does_not_change_what_describes_the_stored_bytes() {
    for name in
        ["content-length", "content-encoding", "content-range", "content-md5", "content-digest"]
    {
        check_fields(&[(name, "1")], &[(name, "2")], &[(name, "1")]);
    }
    check_fields(&[], &[("etag", "W/\"a\"")], &[]);
}

#[test]
fn rfc9111_3_2_takes_no_fields_of_the_connection() {
    check_fields(
        &[],
        &[("connection", "a"), ("a", "1"), ("keep-alive", "1"), ("age", "0"), ("cache-tag", "x")],
        &[],
    );
}

#[test]
fn rfc9111_4_3_4_counts_the_age_from_the_validation_on() {
    let stored =
        [("cache-control", "max-age=60"), ("age", "50"), ("etag", "\"a\""), ("cache-tag", "old")];
    let (_, storage) = freshened(&stored, &[], &[("age", "3")], Match::Strong);
    let Storage::Store(meta) = storage else { panic!("not stored") };
    assert_eq!((meta.responded_at, meta.initial_age), (at(100), Duration::from_secs(3)));
    assert_eq!(meta.lifetime, Duration::from_secs(60));
    assert_eq!(meta.tags, ["old".into()]);
    let update = [("cache-control", "max-age=5"), ("cache-tag", "new")];
    let (_, storage) = freshened(&stored, &[], &update, Match::Strong);
    let Storage::Store(meta) = storage else { panic!("not stored") };
    assert_eq!(meta.lifetime, Duration::from_secs(5));
    assert_eq!(meta.tags, ["new".into()]);
}

#[test]
fn rfc9111_4_3_4_changes_no_field_by_a_304_that_names_another_answer() {
    let stored = [("cache-control", "max-age=60"), ("etag", "\"a\"")];
    let update = [("cache-control", "max-age=5"), ("etag", "\"b\""), ("x", "1")];
    let (fields, storage) = freshened(&stored, &[], &update, Match::Conflict);
    assert_eq!(fields, headers(&[stored[0], stored[1], DATE]));
    let Storage::Store(meta) = storage else { panic!("not stored") };
    assert_eq!(meta.lifetime, Duration::from_secs(60));
    assert_eq!(meta.responded_at, at(100));
}

#[test]
fn rfc9111_4_3_4_lets_go_of_an_answer_that_may_not_be_stored_any_more() {
    let stored = [("cache-control", "max-age=60"), ("etag", "\"a\"")];
    for (request, update, expected, is_of_exchange) in [
        (vec![], ("cache-control", "no-store"), Reason::NoStore, false),
        (vec![], ("vary", "*"), Reason::VaryAny, false),
        (vec![("authorization", "x")], ("x", "1"), Reason::Authorization, true),
        (vec![], ("set-cookie", "a=b"), Reason::SetCookie, true),
    ] {
        let (_, storage) = freshened(&stored, &request, &[update], Match::Strong);
        assert_eq!(storage, Storage::Not(expected));
        assert_eq!(expected.is_of_exchange(), is_of_exchange, "{expected:?}");
    }
}

#[test]
fn rfc9111_4_1_facts_after_a_validation_are_for_the_variant_that_was_asked_for() {
    let stored = [("cache-control", "max-age=60"), ("etag", "\"a\""), ("vary", "foo")];
    let request = [("foo", "2")];
    let (_, storage) = freshened(&stored, &request, &[], Match::Strong);
    let Storage::Store(meta) = storage else { panic!("not stored") };
    assert!(meta.vary.matches(&headers(&request)));
}

#[test]
fn rfc9111_4_3_5_head_freshens_what_it_describes_and_invalidates_the_rest() {
    let meta = Meta { last_modified: Some(at(-100)), ..tagged("\"a\"") };
    let (same, other) = (date(-100), date(-99));
    for (status, response, expected) in [
        (200, vec![], HeadEffect::Freshen),
        (
            200,
            vec![("etag", "\"a\""), ("last-modified", &*same), ("content-length", "7")],
            HeadEffect::Freshen,
        ),
        (200, vec![("etag", "\"b\"")], HeadEffect::Invalidate),
        (200, vec![("etag", "W/\"a\"")], HeadEffect::Invalidate),
        (200, vec![("last-modified", &*other)], HeadEffect::Invalidate),
        (200, vec![("last-modified", "x")], HeadEffect::Invalidate),
        (200, vec![("content-length", "8")], HeadEffect::Invalidate),
        (410, vec![("etag", "\"b\"")], HeadEffect::Nothing),
        (304, vec![], HeadEffect::Nothing),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let effect = effect_of_head(&meta, 7, status, &headers(&response));
        assert_eq!(effect, expected, "{status} {response:?}");
    }
    let gone = Meta { status: StatusCode::GONE, ..meta };
    let effect = effect_of_head(&gone, 7, StatusCode::OK, &HeaderMap::new());
    assert_eq!(effect, HeadEffect::Invalidate);
}

proptest! {
    /// A response is stored, used, answered with, and validated, whatever the fields of all four messages.
    #[test]
    fn no_fields_break_a_life_in_the_store(
        status in 100_u16..1_000,
        request in any_headers(),
        response in any_headers(),
        later in any_headers(),
        not_modified in any_headers(),
        seconds in 0_i64..1_000_000,
        honours_request in any::<bool>(),
    ) {
        let rules = Rules { honours_request, ..Rules::default() };
        let target = Key::of("http", "a", "/");
        let exchange = Exchange {
            method: &Method::GET,
            target: &target,
            request: &request,
            status: StatusCode::from_u16(status).unwrap(),
            response: &response,
            requested_at: NOW,
            responded_at: NOW,
        };
        let Storage::Store(meta) = storage::decide(&exchange, &rules) else { return Ok(()) };
        prop_assert_eq!(Meta::decode(&meta.encode()), Some(meta.clone()));
        let mut stored = storage::stored_headers(&response, NOW, &rules);
        prop_assert!(stored.contains_key(header::DATE) && !stored.contains_key(header::AGE));
        let asked = classify(&Method::GET, &later, &rules);
        let _ = reuse::decide(&asked, &later, &meta, at(seconds), &rules);
        let _ = answer::decide(&asked, &later, &meta, &stored, 10, at(seconds));
        let mut to_origin = later.clone();
        if let Some(conditions) = Conditions::of(Some(&meta), []) {
            conditions.apply(&mut to_origin);
            prop_assert!(!to_origin.contains_key(header::RANGE));
        }
        let Some(selected) = select(&[&meta], &not_modified) else { return Ok(()) };
        let update = Update {
            request: &later,
            response: &not_modified,
            requested_at: at(seconds),
            responded_at: at(seconds),
            how: selected.how,
        };
        let length = stored.get(header::CONTENT_LENGTH).cloned();
        let etag = stored.get(header::ETAG).cloned();
        if let Storage::Store(fresh) = freshen(&meta, &mut stored, &update, &rules) {
            prop_assert_eq!(fresh.responded_at, at(seconds));
            prop_assert!(fresh.vary.matches(&later));
            prop_assert_eq!(fresh.status, meta.status);
        }
        let hides = |name: &str| format!("{stored:?}").contains(name);
        prop_assert!(stored.get(header::CONTENT_LENGTH) == length.as_ref() || hides("content-length"));
        prop_assert!(etag.is_none() || stored.get(header::ETAG) == etag.as_ref() || hides("etag"));
    }
}

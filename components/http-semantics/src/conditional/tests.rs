use Outcome::{Failed, NotModified, Send};
use http::HeaderValue;
use proptest::prelude::*;

use super::*;

const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const NOW: &str = "Sun, 22 Nov 2026 12:00:00 GMT";
const NEW: &str = "Mon, 23 Nov 2026 12:00:00 GMT";

const WHOLE: Outcome = Send(Part::Whole);
const PART: Outcome = Send(Part::Bytes { start: 0, length: 2 });

fn version(etag: Option<&str>) -> Version {
    Version {
        etag: etag.map(str::to_owned),
        modified: date::read(NOW),
        is_modified_strong: true,
        length: 10,
    }
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        map.append(HeaderName::from_static(name), value);
    }
    map
}

fn check(version: &Version, cases: &[(&[(&'static str, &str)], Outcome)]) {
    for (lines, expected) in cases {
        assert_eq!(decide(&headers(lines), version, false), *expected, "{lines:?} {version:?}");
    }
}

#[test]
fn rfc9110_13_2_2_decides_in_the_order_of_the_rfc() {
    check(
        &version(Some("\"a\"")),
        &[
            (&[], WHOLE),
            (&[("if-none-match", "\"a\"")], NotModified),
            (&[("if-none-match", "W/\"a\"")], NotModified),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"b\"")], WHOLE),
            (&[("if-modified-since", NOW)], NotModified),
            (&[("if-modified-since", NEW)], NotModified),
            (&[("if-modified-since", OLD)], WHOLE),
            (&[("if-modified-since", "yesterday")], WHOLE),
            (&[("if-none-match", "\"b\""), ("if-modified-since", NEW)], WHOLE),
            (&[("if-match", "\"a\"")], WHOLE),
            (&[("if-match", "*")], WHOLE),
            (&[("if-match", "W/\"a\"")], Failed),
            (&[("if-match", "\"b\""), ("if-none-match", "\"a\"")], Failed),
            (&[("if-match", "\"a\""), ("if-none-match", "\"a\"")], NotModified),
            (&[("if-match", "\"a\""), ("if-unmodified-since", OLD)], WHOLE),
            (&[("if-match", "\"b\""), ("if-unmodified-since", NEW)], Failed),
            (&[("if-unmodified-since", OLD), ("if-none-match", "\"a\"")], Failed),
            (&[("if-unmodified-since", NEW), ("if-modified-since", NEW)], NotModified),
            (&[("range", "bytes=0-1")], PART),
            (&[("range", "bytes=0-1"), ("if-none-match", "\"a\"")], NotModified),
            (&[("range", "bytes=0-1"), ("if-match", "\"b\"")], Failed),
            (&[("range", "bytes=0-1"), ("if-unmodified-since", OLD)], Failed),
            (&[("range", "bytes=99-")], Send(Part::Unsatisfiable)),
            (&[("if-range", "\"b\"")], WHOLE),
        ],
    );
}

#[test]
fn rfc9110_13_1_1_if_match_compares_strongly() {
    check(
        &version(Some("\"a\"")),
        &[
            (&[("if-match", "\"x\", \"a\"")], WHOLE),
            (&[("if-match", "\"x\""), ("if-match", "\"a\"")], WHOLE),
            (&[("if-match", "\"x\",W/\"a\"")], Failed),
            (&[("if-match", "a")], Failed),
            (&[("if-match", "")], Failed),
        ],
    );
    check(
        &version(Some("W/\"a\"")),
        &[
            (&[("if-match", "W/\"a\"")], Failed),
            (&[("if-match", "\"a\"")], Failed),
            (&[("if-match", "*")], WHOLE),
        ],
    );
    check(&version(None), &[(&[("if-match", "\"a\"")], Failed), (&[("if-match", "*")], WHOLE)]);
}

#[test]
fn rfc9110_13_1_2_if_none_match_compares_weakly() {
    for etag in ["\"a\"", "W/\"a\""] {
        check(
            &version(Some(etag)),
            &[
                (&[("if-none-match", "\"x\", W/\"a\"")], NotModified),
                (&[("if-none-match", "\"x\""), ("if-none-match", "\"a\"")], NotModified),
                (&[("if-none-match", "\"x\", \"y\"")], WHOLE),
                (&[("if-none-match", "\"x,\"a\"")], WHOLE),
            ],
        );
    }
    check(
        &version(None),
        &[
            (&[("if-none-match", "\"a\"")], WHOLE),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"a\""), ("if-modified-since", NEW)], WHOLE),
        ],
    );
}

#[test]
fn rfc9110_8_8_3_a_tag_may_hold_a_comma() {
    check(
        &version(Some("\"a,b\"")),
        &[
            (&[("if-none-match", "\"a,b\"")], NotModified),
            (&[("if-none-match", "\"x\", \"a,b\"")], NotModified),
            (&[("if-none-match", "\"a\", \"b\"")], WHOLE),
            (&[("if-match", "\"a,b\", \"x\"")], WHOLE),
            (&[("if-match", "\"a\"")], Failed),
        ],
    );
    check(&version(Some("\"a\"")), &[(&[("if-none-match", "\"b,a\"")], WHOLE)]);
}

#[test]
fn rfc9110_13_1_3_if_modified_since_is_ignored_unless_it_is_one_date() {
    check(
        &version(Some("\"a\"")),
        &[
            (&[("if-modified-since", NEW), ("if-modified-since", NEW)], WHOLE),
            (&[("if-modified-since", &format!(" {NEW} "))], NotModified),
            (&[("if-modified-since", "")], WHOLE),
        ],
    );
    let unknown = Version { modified: None, ..version(None) };
    check(&unknown, &[(&[("if-modified-since", NEW)], WHOLE)]);
}

#[test]
fn rfc9110_13_1_4_if_unmodified_since_fails_after_a_change() {
    check(
        &version(Some("\"a\"")),
        &[
            (&[("if-unmodified-since", OLD)], Failed),
            (&[("if-unmodified-since", NOW)], WHOLE),
            (&[("if-unmodified-since", NEW)], WHOLE),
            (&[("if-unmodified-since", "yesterday")], WHOLE),
            (&[("if-unmodified-since", OLD), ("if-unmodified-since", OLD)], WHOLE),
        ],
    );
    let unknown = Version { modified: None, ..version(None) };
    check(&unknown, &[(&[("if-unmodified-since", OLD)], WHOLE)]);
    let mut within = version(None);
    within.modified = within.modified.map(|at| at.after(core::time::Duration::from_millis(999)));
    check(&within, &[(&[("if-unmodified-since", NOW)], WHOLE)]);
}

#[test]
fn rfc9110_13_1_5_if_range_takes_strong_validators_only() {
    let range = ("range", "bytes=0-1");
    check(
        &version(Some("\"a\"")),
        &[
            (&[range, ("if-range", "\"a\"")], PART),
            (&[range, ("if-range", "\"b\"")], WHOLE),
            (&[range, ("if-range", "W/\"a\"")], WHOLE),
            (&[range, ("if-range", "a")], WHOLE),
            (&[range, ("if-range", "*")], WHOLE),
            (&[range, ("if-range", "\"a\", \"b\"")], WHOLE),
            (&[range, ("if-range", "\"a\""), ("if-range", "\"a\"")], WHOLE),
            (&[range, ("if-range", NOW)], PART),
            (&[range, ("if-range", NEW)], WHOLE),
            (&[range, ("if-range", OLD)], WHOLE),
        ],
    );
    check(&version(Some("W/\"a\"")), &[(&[range, ("if-range", "W/\"a\"")], WHOLE)]);
    check(&version(None), &[(&[range, ("if-range", "\"a\"")], WHOLE)]);
    let weak = Version { is_modified_strong: false, ..version(Some("\"a\"")) };
    check(&weak, &[(&[range, ("if-range", NOW)], WHOLE), (&[range, ("if-range", "\"a\"")], PART)]);
}

#[test]
fn rfc9110_14_2_a_range_in_several_lines_is_none_and_head_knows_none() {
    let both = headers(&[("range", "bytes=0-1"), ("range", "bytes=3-4")]);
    assert_eq!(decide(&both, &version(None), false), WHOLE);
    let one = headers(&[("range", "bytes=0-1")]);
    assert_eq!(decide(&one, &version(None), true), WHOLE);
}

#[test]
fn several_ranges_come_through() {
    let version = Version { length: 1_000, ..version(None) };
    let outcome = decide(&headers(&[("range", "bytes=0-0,-1")]), &version, false);
    assert!(matches!(outcome, Send(Part::Several(spans)) if spans.len() == 2));
}

proptest! {
    #[test]
    fn whoever_has_the_version_is_told_so(opaque in "[!#-~]{1,12}", others in prop::collection::vec("[!#-~]{1,12}", 0..4)) {
        let etag = format!("\"{opaque}\"");
        let mut list: Vec<_> = others.iter().map(|other| format!("W/\"{other}\"")).collect();
        list.push(etag.clone());
        let asked = headers(&[("if-none-match", &list.join(", "))]);
        prop_assert_eq!(decide(&asked, &version(Some(&etag)), false), NotModified);
        list.pop();
        let asked = headers(&[("if-none-match", &list.join(", "))]);
        let expected = if others.contains(&opaque) { NotModified } else { WHOLE };
        prop_assert_eq!(decide(&asked, &version(Some(&etag)), false), expected);
    }

    #[test]
    fn decides_over_any_bytes(bytes in prop::collection::vec(32_u8..=255, 0..40)) {
        let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
        for name in ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range"] {
            let mut asked = headers(&[("range", "bytes=0-1")]);
            asked.insert(HeaderName::from_static(name), value.clone());
            let _ = decide(&asked, &version(Some("\"a\"")), false);
        }
    }
}

//! RFC 9113, section 8: fields that make a request, and fields that unmake it.

use super::Bench;
use crate::frames::{END_HEADERS, END_STREAM, HEADERS, PROTOCOL_ERROR, block, frame, request};

/// Asserts that requests with these fields are malformed: errors of their stream.
#[track_caller]
fn refuses(bench: &Bench, what: &str, fields: &[(&str, &str)]) {
    let bytes = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(fields));
    bench.refuses(what, &bytes, 1, &[PROTOCOL_ERROR]);
}

fn and<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = request("GET", "/refused");
    fields.extend(more);
    fields
}

#[test]
fn section_8_2_1_names_and_values_are_of_the_characters_that_they_may_have() {
    let bench = Bench::start();
    for (name, value) in [
        ("X-Upper", "1"),
        ("x upper", "1"),
        ("x\0", "1"),
        ("x:y", "1"),
        ("", "1"),
        ("x\u{e9}", "1"),
        ("x", "a\0b"),
        ("x", "a\rb"),
        ("x", "a\nb"),
    ] {
        refuses(&bench, &format!("{name:?}: {value:?}"), &and(&[(name, value)]));
    }
}

#[test]
fn section_8_2_1_blanks_around_a_value_are_borne() {
    // Deviates: a value must not begin or end with a blank, and such a request should be refused. It goes on without
    // them, as over HTTP/1.1.
    let bench = Bench::start();
    let mut fields = request("GET", "/blanks");
    fields.extend([("x-blank", " a "), ("x-tab", "a\t")]);
    let bytes = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields));
    bench.bears("blanks", &bytes, 3);
}

#[test]
fn section_8_2_2_fields_of_a_connection_are_none_of_a_request() {
    let bench = Bench::start();
    for field in [
        ("connection", "close"),
        ("connection", "keep-alive, x"),
        ("proxy-connection", "close"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("te", "trailers, deflate;q=0.5"),
    ] {
        refuses(&bench, &format!("{field:?}"), &and(&[field]));
    }
    let mut fields = request("GET", "/trailers");
    fields.push(("te", "trailers"));
    let bytes = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields));
    bench.bears("te: trailers", &bytes, 3);
}

#[test]
fn section_8_3_pseudo_fields_are_those_of_a_request_and_come_first() {
    let bench = Bench::start();
    refuses(&bench, "an unknown one", &and(&[(":test", "1")]));
    refuses(&bench, "an answer's", &and(&[(":status", "200")]));
    refuses(&bench, "a protocol that was not agreed on", &and(&[(":protocol", "websocket")]));
    let mut behind = request("GET", "/refused");
    behind.insert(2, ("x", "y"));
    refuses(&bench, "behind others", &behind);
    for again in request("GET", "/refused") {
        refuses(&bench, &format!("{again:?} again"), &and(&[again]));
    }
}

#[test]
fn section_8_3_1_a_request_says_its_method_scheme_and_path() {
    let bench = Bench::start();
    for missing in [":method", ":scheme", ":path"] {
        let mut fields = request("GET", "/refused");
        fields.retain(|(name, _)| *name != missing);
        refuses(&bench, missing, &fields);
        // An authority is not asked for.
        fields.retain(|(name, _)| *name != ":authority");
        fields.push(("host", "edge.test"));
        if missing == ":path" {
            // Deviates: it is malformed as well, and `h2` makes `/` of it.
            let bytes = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields));
            bench.bears(missing, &bytes, 3);
        } else {
            refuses(&bench, &format!("{missing}, with a host"), &fields);
        }
    }
    for path in ["", "refused", "/a b", "/\u{1}"] {
        refuses(&bench, &format!("path {path:?}"), &request("GET", path));
    }
    for method in ["", "G T", "G\0T"] {
        refuses(&bench, &format!("method {method:?}"), &request(method, "/refused"));
    }
    for authority in ["a b", "a/b", "\0"] {
        let mut fields = request("GET", "/refused");
        fields[3].1 = authority;
        refuses(&bench, &format!("authority {authority:?}"), &fields);
    }
}

#[test]
fn section_8_5_connect_says_where_to_and_nothing_else() {
    let bench = Bench::start();
    refuses(&bench, "with a path", &request("CONNECT", "/refused"));
    refuses(
        &bench,
        "with a scheme",
        &[(":method", "CONNECT"), (":scheme", "http"), (":authority", "a:1")],
    );
    // What says so is answered: 501.
    let connect = block(&[(":method", "CONNECT"), (":authority", "edge.test:1")]);
    let mut wire = bench.begin();
    wire.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &connect));
    let answer = wire.until(|frame| frame.kind == HEADERS).expect("is answered");
    assert!(!answer.is_ok(), "{answer:?}");
}

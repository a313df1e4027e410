//! RFC 9113, section 5: what may come on a stream, by where it is in its life.

use super::Bench;
use crate::{
    frames::{
        DATA, END_HEADERS, END_STREAM, Fate, HEADERS, PROTOCOL_ERROR, RST_STREAM, STREAM_CLOSED,
        Wire, block, frame, get, post, request,
    },
    proxied::{Origin, Proxied},
};

#[test]
fn section_5_1_a_stream_that_was_not_begun_carries_nothing() {
    let bench = Bench::start();
    bench.ends("DATA", &frame(DATA, END_STREAM, 1, b"word"), &[PROTOCOL_ERROR]);
    bench.ends("DATA of a later one", &frame(DATA, 0, 99, b"word"), &[PROTOCOL_ERROR]);
}

#[test]
fn section_5_1_a_request_that_has_ended_does_not_go_on() {
    let origin = Origin::start("", "hello");
    let node = Proxied::start(&origin, &[]);
    for (what, more) in [
        ("DATA", frame(DATA, END_STREAM, 1, b"word")),
        ("HEADERS", frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(&[("x", "y")]))),
    ] {
        // Held back, so that the answer does not close the stream before.
        let held = origin.hold();
        let mut wire = Wire::begin(node.address("listening"));
        wire.send(&[get(1, "/a"), more].concat());
        let fate = wire.fate(1);
        drop(held);
        // Deviates: it has to be STREAM_CLOSED.
        assert_eq!(fate, Fate::Goodbye(PROTOCOL_ERROR), "{what}");
    }
}

#[test]
fn section_5_1_a_stream_that_is_closed_stays_so() {
    let bench = Bench::start();
    for (what, more) in
        [("DATA", frame(DATA, END_STREAM, 1, b"word")), ("HEADERS", get(1, "/refused"))]
    {
        // Closed by both sides.
        let mut wire = bench.begin();
        wire.assert_serves(1, what);
        assert!(wire.until(|frame| frame.kind == DATA && frame.flags == END_STREAM).is_some());
        wire.send(&more);
        let fate = wire.fate(1);
        let codes = [STREAM_CLOSED, PROTOCOL_ERROR];
        let is_refused = match fate {
            Fate::Goodbye(code) | Fate::Reset(code) => codes.contains(&code),
            fate => fate == Fate::Closed,
        };
        assert!(is_refused, "{what}: {fate:?}");
        // Closed by the client's reset.
        let reset = frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
        let bytes = [post(1, "/cut"), reset, more].concat();
        bench.refuses(what, &bytes, 1, &codes);
    }
}

#[test]
fn section_5_1_1_streams_have_odd_numbers_that_grow() {
    let bench = Bench::start();
    bench.ends("an even one", &get(2, "/refused"), &[PROTOCOL_ERROR]);
    let bytes = [get(5, "/before"), get(3, "/refused")].concat();
    bench.ends("a smaller one", &bytes, &[PROTOCOL_ERROR, STREAM_CLOSED]);
    bench.bears("one that leaves others out", &get(101, "/before"), 103);
    let last = (1 << 31) - 1;
    let mut wire = bench.begin();
    wire.assert_serves(last, "the last there is");
}

#[test]
fn section_8_1_trailers_end_a_request() {
    let bench = Bench::start();
    let trailers = block(&[("x-sum", "1")]);
    let body = frame(DATA, 0, 1, b"word");
    let ended = frame(HEADERS, END_HEADERS | END_STREAM, 1, &trailers);
    bench.bears("trailers", &[post(1, "/whole"), body.clone(), ended].concat(), 3);
    let open = frame(HEADERS, END_HEADERS, 1, &trailers);
    let bytes = [post(1, "/cut"), body.clone(), open].concat();
    bench.refuses("HEADERS that end nothing", &bytes, 1, &[PROTOCOL_ERROR]);
    // Deviates: trailers with pseudo fields are malformed (section 8.1); `h2` leaves those out.
    let pseudo = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&request("GET", "/refused")));
    bench.bears("trailers with a path", &[post(1, "/whole"), body, pseudo].concat(), 3);
}

#[test]
fn section_8_1_1_a_body_is_as_long_as_its_head_says() {
    let bench = Bench::start();
    let post = |length: &str, flags: u8| {
        let mut head = request("POST", "/cut");
        head.push(("content-length", length));
        frame(HEADERS, END_HEADERS | flags, 1, &block(&head))
    };
    for (what, length, bodies) in [
        ("shorter", "5", &[&b"word"[..]][..]),
        ("longer", "3", &[b"word"]),
        ("longer in the end", "5", &[b"wo", b"rd", b"rd"]),
        ("no number", "4a", &[b"word"]),
        ("signed", "+4", &[b"word"]),
        ("two numbers", "4, 4", &[b"word"]),
        ("beyond all bounds", "99999999999999999999", &[b"word"]),
    ] {
        let mut bytes = post(length, 0);
        for (number, body) in bodies.iter().enumerate() {
            let flags = if number + 1 == bodies.len() { END_STREAM } else { 0 };
            bytes.extend(frame(DATA, flags, 1, body));
        }
        bench.refuses(what, &bytes, 1, &[PROTOCOL_ERROR]);
    }
    bench.refuses("no body at all", &post("4", END_STREAM), 1, &[PROTOCOL_ERROR]);
    bench.bears("as long", &[post("4", 0), frame(DATA, END_STREAM, 1, b"word")].concat(), 3);
    for second in ["4", "5"] {
        let mut head = request("POST", "/refused");
        head.extend([("content-length", "4"), ("content-length", second)]);
        let bytes =
            [frame(HEADERS, END_HEADERS, 1, &block(&head)), frame(DATA, END_STREAM, 1, b"word")];
        bench.refuses("two fields", &bytes.concat(), 1, &[PROTOCOL_ERROR]);
    }
}

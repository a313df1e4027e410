//! Clients that ask too much at once: each is bounded, and the others are served.

use std::{io::Write as _, net::TcpStream, time::Duration};

use super::Bench;
use crate::{
    frames::{
        CONTINUATION, DATA, END_STREAM, ENHANCE_YOUR_CALM, Fate, GOAWAY, HEADERS, PING, PREFACE,
        PRIORITY, REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, Wire, block, frame, get,
        post, request, setting,
    },
    origin::{Origin, said},
    proxied::{self, Proxied},
    support::Node,
};

/// Most memory of a node that is flooded: 200 MiB, of which a debug build takes a good part by itself.
const MEMORY_MAX_KIB: usize = 200 * 1024;

fn start(arguments: &[&str]) -> Bench {
    let origin = Origin::start(|_| said("HTTP/1.1 200 OK", "hello"));
    let node = Node::proxy(&[&origin.url()], arguments);
    Bench { origin, node }
}

#[test]
fn refuses_streams_beyond_the_limit_and_serves_the_others() {
    let origin = proxied::Origin::start("", "hello");
    let node = Proxied::start(&origin, &["--h2-streams-max", "2"]);
    let mut wire = Wire::connect(node.address("listening"));
    wire.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat());
    let settings = wire.next().expect("says its settings");
    // SETTINGS_MAX_CONCURRENT_STREAMS
    let is_told = settings.payload.chunks(6).any(|setting| setting == [0, 3, 0, 0, 0, 2]);
    assert!(is_told, "{settings:?}");
    wire.send(&frame(SETTINGS, 1, 0, &[]));
    let held = origin.hold();
    wire.send(&[get(1, "/a"), get(3, "/b"), get(5, "/c")].concat());
    let refused = wire.until(|frame| frame.kind == RST_STREAM).expect("is refused");
    // It may be asked again.
    assert_eq!((refused.stream, refused.number(0)), (5, REFUSED_STREAM));
    drop(held);
    let mut answered =
        [(); 2].map(|()| wire.until(|frame| frame.kind == HEADERS).expect("is answered").stream);
    answered.sort_unstable();
    assert_eq!(answered, [1, 3]);
}

#[test]
fn ends_a_connection_that_resets_what_it_asks() {
    let bench = start(&["--h2-resets-max", "10"]);
    let mut other = bench.begin();
    let mut asked = Vec::new();
    for number in 0..200 {
        asked.extend(get(number * 2 + 1, "/reset"));
        asked.extend(frame(RST_STREAM, 0, number * 2 + 1, &[0, 0, 0, 8]));
    }
    assert_calmed(&bench, &asked);
    other.assert_serves(1, "who is there already");
}

#[test]
fn ends_a_connection_that_makes_the_node_reset() {
    let bench = start(&["--h2-error-resets-max", "10"]);
    let mut asked = Vec::new();
    for number in 0..200 {
        asked.extend(post(number * 2 + 1, "/cut"));
        // More window than there can be is an error of this stream.
        asked.extend(frame(WINDOW_UPDATE, 0, number * 2 + 1, &[0x7f, 0xff, 0xff, 0xff]));
    }
    assert_calmed(&bench, &asked);
}

/// Asserts that `asked` ends its connection, with `ENHANCE_YOUR_CALM`.
#[track_caller]
fn assert_calmed(bench: &Bench, asked: &[u8]) {
    let mut wire = bench.begin();
    // The node may close before it has read all.
    wire.send(asked);
    let goodbye = wire.until(|frame| frame.kind == GOAWAY).expect("says goodbye");
    assert_eq!(goodbye.number(4), ENHANCE_YOUR_CALM);
}

#[test]
fn ends_a_connection_whose_head_goes_on_for_ever() {
    let bench = start(&[]);
    // `x: y`, by a literal that is not kept; and nothing at all.
    for piece in [&block(&[("x", "y")])[..], b""] {
        let mut wire = bench.begin();
        let mut asked = frame(HEADERS, END_STREAM, 1, &block(&request("GET", "/refused")));
        for _ in 0..400_000 {
            asked.extend(frame(CONTINUATION, 0, 1, piece));
        }
        let is_sent = wire.send(&asked);
        let goodbye = wire.until(|frame| frame.kind == GOAWAY);
        // Either it says why, or it is gone before all was sent.
        assert!(goodbye.is_some() || !is_sent, "it took {} bytes", asked.len());
    }
    assert_bounded(&bench);
}

#[test]
fn ten_thousand_small_frames_are_borne_or_end_the_connection() {
    let bench = start(&[]);
    let open = post(1, "/cut");
    for (what, begin, small) in [
        ("PING", &[][..], frame(PING, 0, 0, &[0; 8])),
        ("SETTINGS", &[], frame(SETTINGS, 0, 0, &[])),
        ("SETTINGS that move every window", &open, setting(4, 65_535)),
        ("room for the connection", &[], frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("room for a stream", &open, frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])),
        ("PRIORITY", &[], frame(PRIORITY, 0, 7, &[0, 0, 0, 0, 1])),
        ("an unknown kind", &[], frame(0xfa, 0, 0, &[])),
        ("empty DATA", &open, frame(DATA, 0, 1, &[])),
        ("DATA of a byte", &open, frame(DATA, 0, 1, b"x")),
        ("DATA of a byte and padding", &open, frame(DATA, 8, 1, &[2, b'x', 0, 0])),
    ] {
        let mut wire = bench.begin();
        let is_sent = wire.send(&[begin, &small.repeat(10_000)].concat());
        match wire.fate(u32::MAX) {
            Fate::Goodbye(code) => assert_eq!(code, ENHANCE_YOUR_CALM, "{what}"),
            Fate::Closed => assert!(!is_sent, "{what}: it ends without a word"),
            Fate::Unmoved => wire.assert_serves(3, what),
            fate => panic!("{what}: {fate:?}"),
        }
    }
    assert_bounded(&bench);
}

#[test]
fn answers_that_nobody_reads_hold_up_who_asks_for_them() {
    let bench = start(&[]);
    for small in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, 0, 0, &[])] {
        let mut stream = TcpStream::connect(bench.node.address()).expect("connects");
        stream.set_write_timeout(Some(Duration::from_secs(1))).expect("sets the limit");
        let begin = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        stream.write_all(&begin).expect("is sent");
        // 100 MB and more: either the node stops to read, or it ends the connection.
        let some = small.repeat(100_000);
        let sent = (0..100).try_for_each(|_| stream.write_all(&some));
        assert!(sent.is_err(), "it takes all, and answers nothing");
    }
    assert_bounded(&bench);
}

#[test]
fn a_client_that_gives_no_room_costs_what_waits_for_it_and_no_more() {
    let body = "x".repeat(8 * 1024 * 1024);
    let origin = Origin::start(move |asked| {
        let stored = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600";
        said(stored, if asked.target == "/large" { &body } else { "hello" })
    });
    let node = Node::proxy(&[&origin.url()], &[]);
    let bench = Bench { origin, node };
    assert_eq!(bench.node.get("/large", &[]).status, 200);
    let before = bench.node.peak_memory_kib();
    let mut wires = Vec::new();
    for _ in 0..4 {
        let mut wire = bench.begin();
        let mut asked = setting(4, 0);
        for number in 0..100 {
            asked.extend(get(number * 2 + 1, "/large"));
        }
        wire.send(&asked);
        for _ in 0..100 {
            assert!(wire.until(|frame| frame.kind == HEADERS).expect("is answered").is_ok());
        }
        wires.push(wire);
    }
    let more = bench.node.peak_memory_kib() - before;
    assert!(more < 64 * 1024, "{more} KiB more");
}

#[test]
fn a_client_that_answers_no_ping_is_given_up() {
    let origin = proxied::Origin::start("", "hello");
    let node = Proxied::start(&origin, &["--head-timeout-ms", "300"]);
    let held = origin.hold();
    let mut wire = Wire::begin(node.address("listening"));
    // A request in flight does not keep who has gone.
    wire.send(&get(1, "/a"));
    let ping = wire.until(|frame| frame.kind == PING).expect("is asked");
    assert_eq!(ping.flags, 0);
    let goodbye = wire.until(|frame| frame.kind == GOAWAY).expect("says goodbye");
    assert_eq!(goodbye.number(4), 0);
    while wire.next().is_some() {}
    node.until_metric("vitrine_edge_requests_in_flight 0");
    drop(held);
}

#[track_caller]
fn assert_bounded(bench: &Bench) {
    let peak = bench.node.peak_memory_kib();
    assert!(peak < MEMORY_MAX_KIB, "{peak} KiB");
    bench.begin().assert_serves(1, "another connection");
}

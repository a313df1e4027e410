//! RFC 9113, section 4, and each kind of frame of section 6 but SETTINGS: lengths, streams, padding.

use super::Bench;
use crate::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, Fate,
    GOAWAY, HEADERS, PADDED, PING, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM,
    WINDOW_UPDATE, WITH_PRIORITY, block, frame, get, post, request, setting,
};

#[test]
fn section_4_1_what_is_not_known_is_ignored() {
    let bench = Bench::start();
    bench.bears("an unknown kind", &frame(0xfa, 0xff, 0, b"what"), 1);
    bench.bears("an unknown kind on a stream", &frame(0xfa, 0, 1, b"what"), 1);
    bench.bears("unknown flags", &frame(PING, 0xfe, 0, &[0; 8]), 1);
    // The first bit of a stream's number says nothing.
    bench.bears("a reserved bit", &frame(PING, 0, 1 << 31, &[0; 8]), 1);
}

#[test]
fn section_4_2_a_frame_beyond_16_kib_is_an_error_of_size() {
    let bench = Bench::start();
    let large = [0; 16_385];
    let data = [post(1, "/cut"), frame(DATA, 0, 1, &large)].concat();
    bench.refuses("DATA", &data, 1, &[FRAME_SIZE_ERROR]);
    bench.ends("HEADERS", &frame(HEADERS, END_HEADERS, 1, &large), &[FRAME_SIZE_ERROR]);
    bench.ends("SETTINGS", &frame(4, 0, 0, &[0; 16_386]), &[FRAME_SIZE_ERROR]);
    bench.ends("an unknown kind", &frame(0xfa, 0, 0, &large), &[FRAME_SIZE_ERROR]);
    let whole = [post(1, "/whole"), frame(DATA, END_STREAM, 1, &large[..16_384])].concat();
    bench.bears("16 KiB", &whole, 3);
}

#[test]
fn section_5_5_nothing_comes_between_the_frames_of_a_head() {
    let bench = Bench::start();
    let head = block(&request("GET", "/refused"));
    let begun = frame(HEADERS, END_STREAM, 1, &head);
    for (what, between) in [
        ("an unknown kind", frame(0xfa, 0, 0, b"what")),
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])),
        ("DATA", frame(DATA, 0, 1, b"word")),
        ("HEADERS of another stream", get(3, "/refused")),
        ("CONTINUATION of another stream", frame(CONTINUATION, END_HEADERS, 3, &[])),
    ] {
        let end = frame(CONTINUATION, END_HEADERS, 1, &[]);
        bench.ends(what, &[begun.clone(), between, end].concat(), &[PROTOCOL_ERROR]);
    }
}

#[test]
fn section_6_1_data_belongs_to_a_stream_and_holds_its_padding() {
    let bench = Bench::start();
    bench.ends("DATA of stream 0", &frame(DATA, 0, 0, b"word"), &[PROTOCOL_ERROR]);
    for padding in [&[5, 1, 2, 3, 4][..], &[255, 0]] {
        let bytes = [post(1, "/cut"), frame(DATA, PADDED, 1, padding)].concat();
        bench.ends("more padding than there is", &bytes, &[PROTOCOL_ERROR]);
    }
    let padded = frame(DATA, PADDED | END_STREAM, 1, &[&[3], &b"word"[..], &[0; 3]].concat());
    bench.bears("padding", &[post(1, "/padded"), padded].concat(), 3);
}

#[test]
fn section_6_2_headers_belong_to_a_stream_and_hold_their_padding() {
    let bench = Bench::start();
    let head = block(&request("GET", "/refused"));
    let whole = END_HEADERS | END_STREAM;
    bench.ends("HEADERS of stream 0", &frame(HEADERS, whole, 0, &head), &[PROTOCOL_ERROR]);
    let padded = |padding: u8| [&[padding], &head[..]].concat();
    let bytes = frame(HEADERS, whole | PADDED, 1, &padded(200));
    bench.ends("more padding than there is", &bytes, &[PROTOCOL_ERROR]);
    // Section 6.2: with a priority there are five bytes more.
    bench.ends(
        "a priority cut short",
        &frame(HEADERS, whole | WITH_PRIORITY, 1, &[0; 3]),
        &[PROTOCOL_ERROR, FRAME_SIZE_ERROR],
    );
    let weighed = [&[0, 0, 0, 0, 15], &block(&request("GET", "/weighed"))[..]].concat();
    bench.bears("a priority", &frame(HEADERS, whole | WITH_PRIORITY, 1, &weighed), 3);
}

#[test]
fn section_6_3_priority_is_ignored_where_it_is_one() {
    let bench = Bench::start();
    bench.bears("PRIORITY of an idle stream", &frame(PRIORITY, 0, 5, &[0, 0, 0, 0, 1]), 7);
    bench.ends("PRIORITY of stream 0", &frame(PRIORITY, 0, 0, &[0; 5]), &[PROTOCOL_ERROR]);
    for length in [4, 6] {
        let bytes = [post(1, "/cut"), frame(PRIORITY, 0, 1, &vec![0; length])].concat();
        // Section 6.3: moreover, of the stream.
        bench.ends_vaguely("another length", &bytes, FRAME_SIZE_ERROR);
    }
}

#[test]
fn section_5_3_1_of_rfc_7540_a_stream_does_not_depend_on_itself() {
    let bench = Bench::start();
    let head = [&[0, 0, 0, 1, 15], &block(&request("GET", "/refused"))[..]].concat();
    let bytes = frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, &head);
    bench.refuses("HEADERS", &bytes, 1, &[PROTOCOL_ERROR]);
    let bytes = [post(1, "/cut"), frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 15])].concat();
    bench.refuses("PRIORITY", &bytes, 1, &[PROTOCOL_ERROR]);
}

#[test]
fn section_6_4_a_reset_belongs_to_a_stream_that_was_begun() {
    let bench = Bench::start();
    bench.ends("of stream 0", &frame(RST_STREAM, 0, 0, &[0; 4]), &[PROTOCOL_ERROR]);
    bench.ends("of an idle stream", &frame(RST_STREAM, 0, 1, &[0; 4]), &[PROTOCOL_ERROR]);
    for length in [3, 5] {
        let bytes = [post(1, "/cut"), frame(RST_STREAM, 0, 1, &vec![0; length])].concat();
        bench.ends_vaguely("another length", &bytes, FRAME_SIZE_ERROR);
    }
    // Section 7: a code that is not known is no error of its own.
    let bytes = [post(1, "/cut"), frame(RST_STREAM, 0, 1, &[0xff; 4])].concat();
    bench.bears("an unknown code", &bytes, 3);
}

#[test]
fn section_6_6_a_client_pushes_nothing() {
    let bench = Bench::start();
    let promise = [&[0, 0, 0, 2], &block(&request("GET", "/refused"))[..]].concat();
    let bytes = [post(1, "/cut"), frame(PUSH_PROMISE, END_HEADERS, 1, &promise)].concat();
    bench.ends("PUSH_PROMISE", &bytes, &[PROTOCOL_ERROR]);
}

#[test]
fn section_6_7_a_ping_is_answered_with_its_own_bytes() {
    let bench = Bench::start();
    let mut wire = bench.begin();
    wire.send(&frame(PING, 0, 0, b"8 bytes!"));
    let answer = wire.until(|frame| frame.kind == PING).expect("is answered");
    assert_eq!((answer.flags, answer.payload.as_slice()), (ACK, &b"8 bytes!"[..]));
    // An answer to what was not asked gets none.
    wire.send(&frame(PING, ACK, 0, b"unasked!"));
    assert_eq!(wire.fate(1), Fate::Unmoved);
    bench.ends("of a stream", &frame(PING, 0, 1, &[0; 8]), &[PROTOCOL_ERROR]);
    for length in [6, 9] {
        let bytes = frame(PING, 0, 0, &vec![0; length]);
        bench.ends_vaguely("another length", &bytes, FRAME_SIZE_ERROR);
    }
}

#[test]
fn section_6_8_a_goodbye_belongs_to_the_connection() {
    let bench = Bench::start();
    bench.ends("of a stream", &frame(GOAWAY, 0, 1, &[0; 8]), &[PROTOCOL_ERROR]);
    bench.ends("cut short", &frame(GOAWAY, 0, 0, &[0; 7]), &[FRAME_SIZE_ERROR, PROTOCOL_ERROR]);
    // What was asked before it is answered.
    let mut wire = bench.begin();
    wire.send(&[get(1, "/after"), frame(GOAWAY, 0, 0, &[0; 8])].concat());
    assert!(wire.until(|frame| frame.is_ok() && frame.stream == 1).is_some());
    while wire.next().is_some() {}
}

#[test]
fn section_6_9_room_is_more_than_none_and_less_than_2_gib() {
    let bench = Bench::start();
    let room = |stream, more: u32| frame(WINDOW_UPDATE, 0, stream, &more.to_be_bytes());
    let most = (1 << 31) - 1;
    bench.ends("none for the connection", &room(0, 0), &[PROTOCOL_ERROR]);
    bench.ends("too much for the connection", &room(0, most), &[FLOW_CONTROL_ERROR]);
    bench.ends("for an idle stream", &room(1, 1), &[PROTOCOL_ERROR]);
    let open = post(1, "/cut");
    let none = [open.clone(), room(1, 0)].concat();
    bench.refuses("none for a stream", &none, 1, &[PROTOCOL_ERROR]);
    let much = [open.clone(), room(1, most)].concat();
    bench.refuses("too much for a stream", &much, 1, &[FLOW_CONTROL_ERROR]);
    for length in [3, 5] {
        let bytes = frame(WINDOW_UPDATE, 0, 0, &vec![0; length]);
        bench.ends_vaguely("another length", &bytes, FRAME_SIZE_ERROR);
    }
    // Section 6.9.2: what streams have is moved with the setting, and must not go beyond the same bound.
    let moved = [open, room(1, most - 65_535), setting(4, 65_536)].concat();
    bench.ends("too much by a setting", &moved, &[FLOW_CONTROL_ERROR]);
}

#[test]
fn section_6_9_an_answer_comes_as_far_as_there_is_room() {
    let bench = Bench::start();
    let mut wire = bench.begin();
    wire.send(&[setting(4, 1), get(1, "/after")].concat());
    let first = wire.until(|frame| frame.kind == DATA).expect("has room");
    assert_eq!((first.payload.as_slice(), first.flags), (&b"h"[..], 0));
    assert_eq!(wire.fate(1), Fate::Unmoved);
    // From one to three: two more.
    wire.send(&setting(4, 3));
    let second = wire.until(|frame| frame.kind == DATA).expect("has room");
    assert_eq!((second.payload.as_slice(), second.flags), (&b"el"[..], 0));
    // Below what was sent already: first that has to be made up for.
    wire.send(&[setting(4, 0), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 4])].concat());
    let third = wire.until(|frame| frame.kind == DATA).expect("has room");
    assert_eq!((third.payload.as_slice(), third.flags), (&b"l"[..], 0));
    wire.send(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 9]));
    let last = wire.until(|frame| frame.kind == DATA).expect("has room");
    assert_eq!(last.payload, b"o");
}

#[test]
fn section_6_10_a_head_goes_on_behind_its_beginning_and_nowhere_else() {
    let bench = Bench::start();
    let head = block(&request("GET", "/pieces"));
    let mut pieces = frame(HEADERS, END_STREAM, 1, &head[..5]);
    for piece in head[5..].chunks(7) {
        pieces.extend(frame(CONTINUATION, 0, 1, piece));
    }
    pieces.extend(frame(CONTINUATION, END_HEADERS, 1, &[]));
    bench.bears("a head in pieces", &pieces, 3);
    for (what, before) in [
        ("before anything", Vec::new()),
        ("behind a whole head", get(1, "/whole")),
        ("behind DATA", [post(1, "/cut"), frame(DATA, 0, 1, b"word")].concat()),
    ] {
        let end = frame(CONTINUATION, END_HEADERS, 1, &block(&[("x", "y")]));
        bench.ends(what, &[before, end].concat(), &[PROTOCOL_ERROR]);
    }
    let begun = frame(HEADERS, END_STREAM, 1, &block(&request("GET", "/refused")));
    let zero = frame(CONTINUATION, END_HEADERS, 0, &[]);
    bench.ends("of stream 0", &[begun, zero].concat(), &[PROTOCOL_ERROR]);
}

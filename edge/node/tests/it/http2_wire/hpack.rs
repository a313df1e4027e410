//! RFC 7541: heads that cannot be read end the connection, for both sides' tables have gone apart (RFC 9113, section 4.3).

use super::Bench;
use crate::frames::{
    COMPRESSION_ERROR, END_HEADERS, END_STREAM, Fate, HEADERS, PROTOCOL_ERROR, block, frame,
    request,
};

/// Asserts that a head that goes on with `bytes` ends the connection.
#[track_caller]
fn refuses(bench: &Bench, what: &str, bytes: &[u8]) {
    let head = [&block(&request("GET", "/refused"))[..], bytes].concat();
    let bytes = frame(HEADERS, END_HEADERS | END_STREAM, 1, &head);
    bench.ends_vaguely(what, &bytes, COMPRESSION_ERROR);
}

#[test]
fn section_2_3_3_an_index_beyond_both_tables_is_an_error() {
    let bench = Bench::start();
    refuses(&bench, "a field", &[0x80 | 70]);
    refuses(&bench, "a field far beyond", &[0xff, 0xff, 0xff, 0x7f]);
    refuses(&bench, "a name", &[0x40 | 62, 1, b'x']);
}

#[test]
fn section_4_2_the_table_changes_its_size_at_the_beginning_of_a_head_only() {
    let bench = Bench::start();
    refuses(&bench, "behind a field", &[0x20]);
    let head = [&[0x20, 0x3f, 0xe1, 0x1f], &block(&request("GET", "/resized"))[..]].concat();
    bench.bears("none, then 4 KiB", &frame(HEADERS, END_HEADERS | END_STREAM, 1, &head), 3);
}

#[test]
fn section_5_1_numbers_have_an_end() {
    let bench = Bench::start();
    refuses(&bench, "a number that goes on and on", &[[0xff].as_slice(), &[0xff; 20]].concat());
    refuses(&bench, "a head that breaks off in a number", &[0xff]);
    refuses(&bench, "a head that breaks off in a value", &[0, 1, b'x', 5, b'y']);
}

#[test]
fn section_5_2_huffman_codes_end_as_they_must() {
    let bench = Bench::start();
    // `a` is 00011, and three bits are left.
    refuses(&bench, "padding of more than seven bits", &[0, 0x82, 0x1f, 0xff, 1, b'y']);
    refuses(&bench, "padding of zeros", &[0, 0x81, 0x18, 1, b'y']);
    refuses(&bench, "the code for the end", &[0, 1, b'x', 0x84, 0xff, 0xff, 0xff, 0xff]);
    let head = [&block(&request("GET", "/huffman"))[..], &[0, 0x81, 0x1f, 1, b'y']].concat();
    bench.bears("padding of ones", &frame(HEADERS, END_HEADERS | END_STREAM, 1, &head), 3);
}

#[test]
fn section_6_1_the_index_zero_is_an_error() {
    refuses(&Bench::start(), "zero", &[0x80]);
}

#[test]
fn section_6_3_the_table_is_no_larger_than_was_said() {
    let bench = Bench::start();
    // 4 097 bytes; the node says nothing of it, so 4 096 it is.
    let head = [&[0x3f, 0xe2, 0x1f], &block(&request("GET", "/refused"))[..]].concat();
    let bytes = frame(HEADERS, END_HEADERS | END_STREAM, 1, &head);
    bench.ends_vaguely("4 097 bytes", &bytes, COMPRESSION_ERROR);
}

#[test]
fn section_4_4_what_is_in_the_table_is_dropped_with_its_size() {
    let bench = Bench::start();
    let mut wire = bench.begin();
    // `x: y` is kept, and asked for again.
    let kept = [&block(&request("GET", "/kept"))[..], &[0x40, 1, b'x', 1, b'y']].concat();
    let again = [&block(&request("GET", "/again"))[..], &[0x80 | 62]].concat();
    let dropped = [&[0x20], &block(&request("GET", "/refused"))[..], &[0x80 | 62]].concat();
    let whole = END_HEADERS | END_STREAM;
    wire.send(&[frame(HEADERS, whole, 1, &kept), frame(HEADERS, whole, 3, &again)].concat());
    wire.assert_serves(5, "an entry of the table");
    wire.send(&frame(HEADERS, whole, 7, &dropped));
    // Deviates, as in `ends_vaguely`.
    assert_eq!(wire.fate(7), Fate::Goodbye(PROTOCOL_ERROR));
}

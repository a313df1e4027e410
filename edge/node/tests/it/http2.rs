//! HTTP/2 frames written by hand: clients that ask too much at once.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::support::{Node, manifest};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM_AND_HEADERS: u8 = 5;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("is short").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// `GET path`, by the static table of RFC 7541 and without its dynamic one.
fn get(stream: u32, path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).expect("is short");
    let mut block = vec![0x82, 0x86, 0x04, length];
    block.extend_from_slice(path.as_bytes());
    // `:authority: a`
    block.extend_from_slice(&[0x01, 1, b'a']);
    frame(HEADERS, END_STREAM_AND_HEADERS, stream, &block)
}

/// Reads a frame: its kind, its stream, its payload. `None` at the end.
fn read(stream: &mut TcpStream) -> Option<(u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let [a, b, c, kind, _, id @ ..] = head;
    let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?];
    stream.read_exact(&mut payload).ok()?;
    Some((kind, u32::from_be_bytes(id), payload))
}

fn open(node: &Node) -> TcpStream {
    let mut stream = node.connect();
    stream.write_all(PREFACE).expect("is sent");
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).expect("is sent");
    stream
}

#[test]
fn refuses_streams_beyond_the_limit_and_serves_the_others() {
    let arguments = ["--h2-streams-max", "2", "--request-timeout-ms", "1000"];
    let node = Node::start(&manifest(""), &arguments);
    let mut stream = open(&node);
    let (kind, _, settings) = read(&mut stream).expect("says its settings");
    assert_eq!(kind, SETTINGS);
    // SETTINGS_MAX_CONCURRENT_STREAMS
    assert!(settings.chunks(6).any(|setting| setting == [0, 3, 0, 0, 0, 2]), "{settings:?}");
    stream.write_all(&frame(SETTINGS, 1, 0, &[])).expect("is sent");
    let asked = [get(1, "/sleep"), get(3, "/sleep"), get(5, "/sleep")].concat();
    stream.write_all(&asked).expect("is sent");
    let mut refused = Vec::new();
    let mut answered = Vec::new();
    while answered.len() < 2 {
        match read(&mut stream).expect("goes on") {
            (RST_STREAM, id, code) => refused.push((id, code)),
            (HEADERS, id, _) => answered.push(id),
            _ => {}
        }
    }
    // REFUSED_STREAM: it may be asked again.
    assert_eq!(refused, [(5, vec![0, 0, 0, 7])]);
    answered.sort_unstable();
    assert_eq!(answered, [1, 3]);
}

#[test]
fn ends_a_connection_that_resets_what_it_asks() {
    let node = Node::start(&manifest(""), &["--h2-resets-max", "10"]);
    let stream = open(&node);
    let mut asked = Vec::new();
    for number in 0..200 {
        asked.extend(get(number * 2 + 1, "/hello"));
        asked.extend(frame(RST_STREAM, 0, number * 2 + 1, &[0, 0, 0, 8]));
    }
    assert_calmed(stream, &asked);
    assert_eq!(node.get("/hello", &[]).status, 200);
}

#[test]
fn ends_a_connection_that_makes_the_node_reset() {
    let node = Node::start(&manifest(""), &["--h2-error-resets-max", "10"]);
    let stream = open(&node);
    let mut asked = Vec::new();
    for number in 0..200 {
        asked.extend(get(number * 2 + 1, "/sleep"));
        // More window than there can be is an error of this stream.
        asked.extend(frame(WINDOW_UPDATE, 0, number * 2 + 1, &[0x7f, 0xff, 0xff, 0xff]));
    }
    assert_calmed(stream, &asked);
    assert_eq!(node.get("/hello", &[]).status, 200);
}

/// Sends `asked` and asserts that the node ends the connection for it, with `ENHANCE_YOUR_CALM`.
#[track_caller]
fn assert_calmed(mut stream: TcpStream, asked: &[u8]) {
    // The node may close before it has read all.
    let _ = stream.write_all(asked);
    let goodbye = std::iter::from_fn(|| read(&mut stream)).find(|(kind, ..)| *kind == GOAWAY);
    let (_, _, payload) = goodbye.expect("says goodbye");
    assert_eq!(payload.get(4..8), Some(&[0, 0, 0, 11][..]));
}

#[test]
fn ends_a_connection_whose_head_goes_on_for_ever() {
    const CONTINUATION: u8 = 9;
    let node = Node::start(&manifest(""), &[]);
    // `x: y`, by a literal that is not kept; and nothing at all.
    for piece in [&[0x00, 1, b'x', 1, b'y'][..], b""] {
        let mut stream = open(&node);
        let mut block = vec![0x82, 0x86, 0x84];
        block.extend_from_slice(&[0x01, 1, b'a']);
        // END_STREAM, and not END_HEADERS.
        let mut asked = frame(HEADERS, 1, 1, &block);
        for _ in 0..400_000 {
            asked.extend(frame(CONTINUATION, 0, 1, piece));
        }
        let sent = stream.write_all(&asked);
        let goodbye = std::iter::from_fn(|| read(&mut stream)).any(|(kind, ..)| kind == GOAWAY);
        // Either it says why, or it is gone before all was sent.
        assert!(goodbye || sent.is_err(), "it took {} bytes", asked.len());
    }
    assert_eq!(node.get("/hello", &[]).status, 200);
    assert!(node.peak_memory_kib() < 200 * 1024, "{} KiB", node.peak_memory_kib());
}

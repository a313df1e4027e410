//! HTTP/2 at the wire: what RFC 9113 and RFC 7541 forbid is answered as they say, and what they allow is borne.
//!
//! In the manner of h2spec: each test names its section, and takes what the RFC takes. An error of the connection may be
//! a `GOAWAY` with its code or just the end; an error of a stream may end the connection instead (section 5.4.2).
//!
//! Where `h2` does otherwise, the test asserts what it does, with the word "deviates": it says `PROTOCOL_ERROR` where
//! another code is named (sizes of frames, fields that cannot be decoded, too large a window by SETTINGS, frames behind
//! a request's end); it bears blanks around values, pseudo fields in trailers, a missing `:path` where there is no
//! `:authority` either, and a connection that does not begin with SETTINGS.

mod floods;
mod framing;
mod hpack;
mod messages;
mod settings;
mod streams;

use crate::{
    frames::{Fate, PREFACE, PROTOCOL_ERROR, Wire, get},
    origin::{Origin, said},
    support::Node,
};

/// A node before an origin that must not hear of what is refused.
struct Bench {
    origin: Origin,
    node: Node,
}

impl Bench {
    fn start() -> Self {
        let origin = Origin::start(|_| said("HTTP/1.1 200 OK", "hello"));
        let node = Node::proxy(&[&origin.url()], &[]);
        Self { origin, node }
    }

    fn begin(&self) -> Wire {
        Wire::begin(self.node.address())
    }

    /// Asserts that `bytes` end a connection on which nothing else was said, with one of `codes`.
    #[track_caller]
    fn ends(&self, what: &str, bytes: &[u8], codes: &[u32]) {
        let mut wire = self.begin();
        wire.send(bytes);
        match wire.fate(u32::MAX) {
            Fate::Goodbye(code) => {
                assert!(codes.contains(&code), "{what}: {code} is not in {codes:?}");
                // After the goodbye comes the end.
                while wire.next().is_some() {}
            }
            fate => assert_eq!(fate, Fate::Closed, "{what}"),
        }
    }

    /// Asserts that `bytes` end a connection. Deviates: the RFC names another code, `meant`, and `h2` says
    /// `PROTOCOL_ERROR` of whatever it cannot read.
    #[track_caller]
    fn ends_vaguely(&self, what: &str, bytes: &[u8], meant: u32) {
        assert_ne!(meant, PROTOCOL_ERROR);
        self.ends(what, bytes, &[PROTOCOL_ERROR]);
    }

    /// Asserts that `bytes` end `stream`, or the connection, with one of `codes`.
    #[track_caller]
    fn refuses(&self, what: &str, bytes: &[u8], stream: u32, codes: &[u32]) {
        let mut wire = self.begin();
        wire.send(bytes);
        match wire.fate(stream) {
            Fate::Goodbye(code) | Fate::Reset(code) => {
                assert!(codes.contains(&code), "{what}: {code} is not in {codes:?}");
            }
            fate => assert_eq!(fate, Fate::Closed, "{what}"),
        }
    }

    /// Asserts that a connection bears `bytes`, and goes on with `stream`.
    #[track_caller]
    fn bears(&self, what: &str, bytes: &[u8], stream: u32) {
        let mut wire = self.begin();
        wire.send(bytes);
        wire.assert_serves(stream, what);
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        // Others are served whatever one of them does, and nothing of what was refused went further.
        let mut wire = self.begin();
        wire.assert_serves(1, "another connection");
        let asked = self.origin.asked();
        assert!(asked.iter().all(|asked| asked.target != "/refused"), "{asked:?}");
    }
}

#[test]
fn section_3_4_what_does_not_begin_as_http_2_does_is_not_taken_for_it() {
    let bench = Bench::start();
    for begin in [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX"[..], b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"] {
        let mut wire = Wire::connect(bench.node.address());
        wire.send(&[begin, &get(1, "/refused")].concat());
        // It is an HTTP/1.1 request that is none: an answer of that protocol, and the end.
        let answer = wire.rest();
        assert!(answer.starts_with(b"HTTP/1.1 "), "{}", answer.escape_ascii());
        assert_ne!(answer.get(9), Some(&b'2'), "{}", answer.escape_ascii());
    }
}

#[test]
fn section_3_4_settings_need_not_come_first() {
    // Deviates: the first frame has to be SETTINGS, and anything else may be treated as an error of the connection.
    let bench = Bench::start();
    let mut wire = Wire::connect(bench.node.address());
    wire.send(PREFACE);
    wire.assert_serves(1, "a request at once");
}

//! HTTP/2 frames, written and read by hand (RFC 9113, section 4), and field blocks without compression (RFC 7541).

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const WITH_PRIORITY: u8 = 32;

pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const STREAM_CLOSED: u32 = 5;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const COMPRESSION_ERROR: u32 = 9;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// Writes a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("is short").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Writes one setting.
pub(crate) fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

/// Writes fields as literals that are not kept.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            // Below 127 a length is one byte.
            block.push(
                u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("is short"),
            );
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// What every request begins with.
pub(crate) fn request<'a>(method: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![(":method", method), (":scheme", "http"), (":path", path), (":authority", "edge.test")]
}

/// Writes `GET path`, which is the whole request.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(&request("GET", path)))
}

/// Writes the head of `POST path`; a body follows.
pub(crate) fn post(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &block(&request("POST", path)))
}

/// A frame that came.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The number at the beginning of the payload: a reset's code.
    pub(crate) fn number(&self, at: usize) -> u32 {
        let bytes = self.payload.get(at..at + 4).expect("is there");
        u32::from_be_bytes(bytes.try_into().expect("are four"))
    }

    /// Whether it is the head of an answer with 200.
    pub(crate) fn is_ok(&self) -> bool {
        // Before it, the table of fields may change its size.
        let mut bytes = self.payload.iter().skip_while(|byte| *byte & 0xe0 == 0x20);
        self.kind == HEADERS && bytes.next() == Some(&0x88)
    }
}

/// What became of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The connection ends, with this code.
    Goodbye(u32),
    /// The stream ends, with this code.
    Reset(u32),
    /// The stream is answered.
    Answered,
    /// The connection has ended without a word.
    Closed,
    /// The connection goes on, and nothing is said of the stream.
    Unmoved,
}

/// A connection.
pub(crate) struct Wire(TcpStream);

impl Wire {
    /// Connects, says what both sides say first, and waits for the node's words.
    pub(crate) fn begin(address: &str) -> Self {
        let mut wire = Self::connect(address);
        wire.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat());
        let settings = wire.next().expect("says its settings");
        assert_eq!((settings.kind, settings.flags), (SETTINGS, 0), "{settings:?}");
        wire.send(&frame(SETTINGS, ACK, 0, &[]));
        wire
    }

    /// Connects, and says nothing.
    pub(crate) fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("connects");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("sets the limit");
        stream.set_nodelay(true).expect("is set");
        Self(stream)
    }

    /// Sends bytes; returns whether they all were taken. The node may close before it has read all.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Reads a frame; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.read(&mut head)?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?];
        self.read(&mut payload)?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }

    /// Reads all that comes until the end.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A connection that is reset has an end as well.
        let _ = self.0.read_to_end(&mut rest);
        rest
    }

    fn read(&mut self, bytes: &mut [u8]) -> Option<()> {
        let read = self.0.read_exact(bytes);
        let is_late =
            read.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(!is_late, "nothing comes, and no end");
        read.ok()
    }

    /// Reads until such a frame comes; `None` when the connection ends before.
    pub(crate) fn until(&mut self, is_it: impl Fn(&Frame) -> bool) -> Option<Frame> {
        std::iter::from_fn(|| self.next()).find(is_it)
    }

    /// Finds out what became of `stream`, for what was sent so far. Two rounds, each with a question of its own: what is
    /// said of a stream may come behind the first answer.
    pub(crate) fn fate(&mut self, stream: u32) -> Fate {
        for round in 0..2 {
            let question = [round; 8];
            self.send(&frame(PING, 0, 0, &question));
            loop {
                let Some(frame) = self.next() else { return Fate::Closed };
                match frame.kind {
                    GOAWAY => return Fate::Goodbye(frame.number(4)),
                    RST_STREAM if frame.stream == stream => return Fate::Reset(frame.number(0)),
                    HEADERS if frame.stream == stream => return Fate::Answered,
                    PING if frame.flags == ACK && frame.payload == question => break,
                    _ => {}
                }
            }
        }
        Fate::Unmoved
    }

    /// Asserts that the connection goes on: a request is answered with 200.
    #[track_caller]
    pub(crate) fn assert_serves(&mut self, stream: u32, what: &str) {
        self.send(&get(stream, "/after"));
        let answer = self.until(|frame| frame.kind == HEADERS && frame.stream == stream);
        assert!(answer.is_some_and(|answer| answer.is_ok()), "{what}");
    }
}

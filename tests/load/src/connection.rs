//! One kept connection: a request out in one write, its answer in, framed and counted but not kept.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::net::{RecvFlags, recv};

/// A head, and the part of a body that comes with it.
const BUFFER_BYTES: usize = 64 * 1024;
/// Headers of one answer; ours have less than twenty.
const HEADERS_MAX: usize = 64;
/// Largest body in chunks, which is kept until it is whole: 16 MiB.
const CHUNKED_BYTES_MAX: usize = 16 * 1024 * 1024;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Bytes of an answer that an example of a failure shows.
const EXAMPLE_BYTES: usize = 300;

/// A connection with at most one request under way.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    /// Which question is under way.
    pub(crate) question: usize,
    /// When it was asked, or should have been.
    pub(crate) asked: Instant,
    buffer: Vec<u8>,
    filled: usize,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Head,
    Body { answer: Answer, remaining: usize },
    Chunks { answer: Answer, head_bytes: usize },
}

/// What is left of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body_bytes: usize,
    /// Whether the next request may use the connection.
    pub(crate) is_kept: bool,
}

/// What reading once gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Nothing,
    Answer(Answer),
    /// No whole answer, and why.
    Broken(String),
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_LIMIT)
            .with_context(|| format!("reach {address}"))?;
        stream.set_nodelay(true).context("set up a connection")?;
        stream.set_nonblocking(true).context("set up a connection")?;
        Ok(Self {
            stream,
            question: 0,
            asked: Instant::now(),
            buffer: vec![0; BUFFER_BYTES],
            filled: 0,
            state: State::Head,
        })
    }

    /// Sends a request. It is some hundred bytes and the socket's buffer is empty, so one write takes it.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<(), String> {
        self.filled = 0;
        self.state = State::Head;
        match self.stream.write(request) {
            Ok(written) if written == request.len() => Ok(()),
            Ok(_) => Err("a request was not taken at once".to_owned()),
            Err(error) => Err(format!("not sent: {}", error.kind())),
        }
    }

    /// Reads once what is there. Of a large body all but the end is thrown away unread, at most as many bytes at once as
    /// `discard` has: the generator is to cost less than the server.
    pub(crate) fn receive(&mut self, discard: &mut [u8]) -> Received {
        if let State::Body { answer, remaining } = self.state
            && remaining > BUFFER_BYTES
        {
            return self.throw_away(answer, remaining, discard);
        }
        if self.filled == self.buffer.len() {
            if self.buffer.len() >= CHUNKED_BYTES_MAX || matches!(self.state, State::Head) {
                return Received::Broken("more bytes than are looked at".to_owned());
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let Some(room) = self.buffer.get_mut(self.filled..) else { return Received::Nothing };
        let read = match self.stream.read(room) {
            Ok(0) if self.filled == 0 && matches!(self.state, State::Head) => {
                return Received::Broken("closed before an answer".to_owned());
            }
            Ok(0) => return Received::Broken("closed within an answer".to_owned()),
            Ok(read) => read,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                return Received::Nothing;
            }
            Err(error) => return Received::Broken(format!("not read: {}", error.kind())),
        };
        self.filled += read;
        match self.state {
            State::Head => self.head(),
            State::Body { answer, remaining } => {
                // Counted, not kept: the next bytes go over these.
                self.filled = 0;
                self.body(answer, remaining, read)
            }
            State::Chunks { answer, head_bytes } => self.chunks(answer, head_bytes),
        }
    }

    fn throw_away(&mut self, answer: Answer, remaining: usize, discard: &mut [u8]) -> Received {
        // The end is read as usual, so that bytes beyond it are noticed.
        let most = (remaining - BUFFER_BYTES).min(discard.len());
        let room = discard.get_mut(..most).unwrap_or_default();
        match recv(&self.stream, room, RecvFlags::TRUNC) {
            Ok((_, 0)) => Received::Broken("closed within an answer".to_owned()),
            Ok((_, thrown)) => {
                self.state = State::Body { answer, remaining: remaining.saturating_sub(thrown) };
                Received::Nothing
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Received::Nothing,
            Err(error) => Received::Broken(format!("not read: {error}")),
        }
    }

    /// The beginning of the last answer, as far as it is still there.
    pub(crate) fn example(&self) -> String {
        let bytes = self.buffer.get(..self.filled.min(EXAMPLE_BYTES)).unwrap_or_default();
        String::from_utf8_lossy(bytes).replace("\r\n", " | ")
    }

    fn head(&mut self) -> Received {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let bytes = self.buffer.get(..self.filled).unwrap_or_default();
        let head_bytes = match response.parse(bytes) {
            Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
            Ok(httparse::Status::Partial) => return Received::Nothing,
            Err(error) => return Received::Broken(format!("no HTTP: {error}")),
        };
        let status = response.code.unwrap_or(0);
        let (mut length, mut is_chunked, mut is_kept) = (None, false, true);
        for header in response.headers.iter() {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("content-length") {
                length = std::str::from_utf8(header.value).ok().and_then(|text| text.parse().ok());
            } else if is("transfer-encoding") {
                is_chunked = header.value.eq_ignore_ascii_case(b"chunked");
            } else if is("connection") {
                is_kept = !header.value.eq_ignore_ascii_case(b"close");
            }
        }
        let answer = Answer { status, body_bytes: 0, is_kept };
        let has_none = matches!(status, 204 | 304);
        match length {
            _ if is_chunked => {
                self.state = State::Chunks { answer, head_bytes };
                self.chunks(answer, head_bytes)
            }
            Some(length) => {
                let answer = Answer { body_bytes: length, ..answer };
                self.body(answer, length, self.filled - head_bytes)
            }
            None if has_none => Received::Answer(answer),
            None => Received::Broken("an answer of no known length".to_owned()),
        }
    }

    fn body(&mut self, answer: Answer, remaining: usize, read: usize) -> Received {
        match remaining.checked_sub(read) {
            Some(0) => Received::Answer(answer),
            Some(remaining) => {
                self.filled = 0;
                self.state = State::Body { answer, remaining };
                Received::Nothing
            }
            None => Received::Broken("more bytes than announced".to_owned()),
        }
    }

    fn chunks(&self, answer: Answer, head_bytes: usize) -> Received {
        match chunked(self.buffer.get(head_bytes..self.filled).unwrap_or_default()) {
            Chunked::Partial => Received::Nothing,
            Chunked::Whole(body_bytes) => Received::Answer(Answer { body_bytes, ..answer }),
            Chunked::Broken => Received::Broken("chunks that are none".to_owned()),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Chunked {
    Partial,
    Whole(usize),
    Broken,
}

/// Adds up chunks, which must end with the last byte.
fn chunked(mut rest: &[u8]) -> Chunked {
    let mut sum = 0;
    loop {
        let (size_bytes, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete((at, size))) => (at, usize::try_from(size)),
            Ok(httparse::Status::Partial) => return Chunked::Partial,
            Err(_) => return Chunked::Broken,
        };
        let Ok(size) = size else { return Chunked::Broken };
        let after = rest.get(size_bytes..).and_then(|rest| rest.get(size..));
        let Some((end, next)) = after.and_then(<[u8]>::split_first_chunk::<2>) else {
            return Chunked::Partial;
        };
        match (end, size) {
            (b"\r\n", 0) if next.is_empty() => return Chunked::Whole(sum),
            (b"\r\n", 1..) => sum += size,
            _ => return Chunked::Broken,
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Lets a server write `pieces` one by one, and returns what comes of them.
    fn received(pieces: &[&str]) -> Received {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connection = Connection::open(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        connection.stream.set_nonblocking(false).unwrap();
        let mut last = Received::Nothing;
        for piece in pieces {
            assert_eq!(last, Received::Nothing, "before {piece:?}");
            if piece.is_empty() {
                server.shutdown(std::net::Shutdown::Both).unwrap();
            }
            server.write_all(piece.as_bytes()).unwrap();
            last = connection.receive(&mut [0; 1000]);
        }
        last
    }

    fn answer(status: u16, body_bytes: usize, is_kept: bool) -> Received {
        Received::Answer(Answer { status, body_bytes, is_kept })
    }

    #[test]
    fn answers_are_framed_by_length_or_by_chunks() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(received(&[&format!("{head}hello")]), answer(200, 5, true));
        assert_eq!(received(&["HTTP/1.1 200 ", &head[13..], "he", "llo"]), answer(200, 5, true));
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(
            received(&[chunked, "5\r\nhel", "lo\r\n1\r\n!\r\n0\r\n", "\r\n"]),
            answer(200, 6, true)
        );
        let closing = "HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(received(&[closing]), answer(503, 0, false));
        assert_eq!(received(&["HTTP/1.1 304 Not Modified\r\n\r\n"]), answer(304, 0, true));
    }

    #[test]
    fn a_large_body_is_counted_though_most_of_it_is_thrown_away() {
        let bytes = BUFFER_BYTES + 1500;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connection = Connection::open(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        connection.stream.set_nonblocking(false).unwrap();
        let writing = std::thread::spawn(move || {
            server.write_all(head.as_bytes()).unwrap();
            server.write_all(&vec![b'x'; bytes]).unwrap();
        });
        let mut discard = [0; 1000];
        let mut last = Received::Nothing;
        while last == Received::Nothing {
            last = connection.receive(&mut discard);
        }
        assert_eq!(last, answer(200, bytes, true));
        writing.join().unwrap();
    }

    #[test]
    fn an_answer_that_is_not_whole_is_told_from_one_that_is() {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        for pieces in [
            vec![""],
            vec!["HTTP/1.1 2", ""],
            vec![head, "hel", ""],
            vec![head, "hello!"],
            vec!["nonsense\r\n\r\n"],
            vec!["HTTP/1.1 200 OK\r\n\r\n"],
            vec!["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nz\r\n"],
        ] {
            let last = received(&pieces);
            assert!(matches!(last, Received::Broken(_)), "{pieces:?}: {last:?}");
        }
    }
}

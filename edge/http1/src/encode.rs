//! Answers as they go over the wire (RFC 9112, sections 4 and 6).

use std::{
    cell::RefCell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, StatusCode, Version, header};

use crate::{client::RequestHead, reply::Written};

/// How an answer's content is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delimited {
    /// There is none, and nothing says so (1xx, 204, 304, or to HEAD).
    Nothing,
    /// By `Content-Length`.
    Length(u64),
    /// By chunks.
    Chunks,
    /// By the end of the connection, for HTTP/1.0.
    Close,
}

/// Writes the current second as `Date` wants it; each thread formats it once.
#[derive(Debug, Clone, Copy)]
pub struct DateClock(fn(u64) -> [u8; 29]);

impl DateClock {
    /// Takes the function that writes seconds since 1970 as an IMF-fixdate (RFC 9110, section 5.6.7).
    #[must_use]
    pub const fn new(format: fn(u64) -> [u8; 29]) -> Self {
        Self(format)
    }

    fn append(self, out: &mut Vec<u8>) {
        thread_local! {
            static WRITTEN: RefCell<(u64, [u8; 29])> = const { RefCell::new((0, [b' '; 29])) };
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        WRITTEN.with_borrow_mut(|(second, written)| {
            if *second != now {
                *second = now;
                *written = (self.0)(now);
            }
            out.extend_from_slice(written);
        });
    }
}

/// What the connection says in an answer's head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) written: &'a Written,
    pub(crate) delimited: Delimited,
    /// Whether the connection goes on.
    pub(crate) keeps_alive: bool,
    pub(crate) version: Version,
    pub(crate) date: DateClock,
}

/// Appends an answer's head.
pub(crate) fn head(out: &mut Vec<u8>, head: &Head<'_>) {
    status_line(out, head.status);
    let mut has_date = head.written.is_complete;
    let mut has_length = head.written.is_complete;
    for (name, value) in head.headers {
        if *name == header::CONNECTION
            || *name == header::TRANSFER_ENCODING
            || is_of_connection(name)
        {
            continue;
        }
        if *name == header::CONTENT_LENGTH {
            // What frames the message is decided here; a length beside chunks would be a lie.
            let is_told = matches!(head.delimited, Delimited::Length(_) | Delimited::Nothing);
            let may_have = !head.status.is_informational() && head.status != StatusCode::NO_CONTENT;
            if !is_told || !may_have || std::mem::replace(&mut has_length, true) {
                continue;
            }
        }
        has_date |= *name == header::DATE;
        field(out, name.as_str(), value.as_bytes());
    }
    out.extend_from_slice(&head.written.fields);
    match head.delimited {
        Delimited::Length(length) if !has_length => {
            out.extend_from_slice(b"content-length: ");
            number(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Delimited::Chunks => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Delimited::Length(_) | Delimited::Nothing | Delimited::Close => {}
    }
    if !has_date && !head.status.is_informational() {
        out.extend_from_slice(b"date: ");
        head.date.append(out);
        out.extend_from_slice(b"\r\n");
    }
    if !head.status.is_informational() {
        match (head.keeps_alive, head.version) {
            (false, _) => out.extend_from_slice(b"connection: close\r\n"),
            (true, Version::HTTP_10) => out.extend_from_slice(b"connection: keep-alive\r\n"),
            (true, _) => {}
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a request's head.
pub(crate) fn request_head(out: &mut Vec<u8>, head: &RequestHead<'_>, delimited: Delimited) {
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in head.headers {
        let is_framing = *name == header::CONTENT_LENGTH
            || *name == header::TRANSFER_ENCODING
            || *name == header::CONNECTION
            || is_of_connection(name);
        if !is_framing {
            field(out, name.as_str(), value.as_bytes());
        }
    }
    match delimited {
        Delimited::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            number(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Delimited::Chunks => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Delimited::Nothing | Delimited::Close => {}
    }
    out.extend_from_slice(b"\r\n");
}

fn is_of_connection(name: &http::HeaderName) -> bool {
    matches!(name.as_str(), "keep-alive" | "proxy-connection" | "upgrade")
}

/// Appends a status line.
pub fn status_line(out: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends a field, which is one already: neither is looked at.
pub fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends a number in decimal digits.
pub fn number(out: &mut Vec<u8>, number: u64) {
    // The longest has twenty.
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut left = number;
    loop {
        at -= 1;
        if let Some(digit) = digits.get_mut(at) {
            *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
        }
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// Appends what stands before a chunk's data.
pub(crate) fn chunk_head(out: &mut Vec<u8>, length: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let first = (usize::BITS - length.leading_zeros()).div_ceil(4).max(1);
    for place in (0..first).rev() {
        let digit = (length >> (place * 4)) & 15;
        out.push(DIGITS.get(digit).copied().unwrap_or(b'0'));
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of a chunked body.
pub(crate) fn last_chunk(out: &mut Vec<u8>, trailers: &HeaderMap) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        if crate::chunked::may_trail(name) {
            field(out, name.as_str(), value.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_numbers() {
        for value in [0, 7, 10, 255, 4096, u64::MAX] {
            let mut out = Vec::new();
            number(&mut out, value);
            assert_eq!(String::from_utf8_lossy(&out), value.to_string());
        }
        for value in [0, 1, 15, 16, 255, 4096, 0x1234_5678] {
            let mut out = Vec::new();
            chunk_head(&mut out, value);
            assert_eq!(String::from_utf8_lossy(&out), format!("{value:x}\r\n"));
        }
    }
}

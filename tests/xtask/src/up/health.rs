//! Asks a process over HTTP whether it serves.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer read: a page of products.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// Status and body of `GET path`, or nothing if nobody answers in time.
pub(crate) fn get(port: u16, path: &str) -> Option<(u16, String)> {
    get_within(ANSWER_TIMEOUT, port, path)
}

/// The same, with a limit of its own on each silence of the answer.
pub(crate) fn get_within(limit: Duration, port: u16, path: &str) -> Option<(u16, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT).ok()?;
    stream.set_read_timeout(Some(limit)).ok()?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT)).ok()?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\naccept: application/json\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    let mut stream = BufReader::new(stream.take(ANSWER_BYTES_MAX));
    // A whole answer is enough: wrangler keeps the connection open for seconds after it.
    while !is_whole(&bytes) {
        let part = stream.fill_buf().ok()?;
        let length = part.len();
        if length == 0 {
            break;
        }
        bytes.extend_from_slice(part);
        stream.consume(length);
    }
    parse(&String::from_utf8_lossy(&bytes))
}

/// Whether nothing can follow, as far as the answer itself tells.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|part| part == b"\r\n\r\n") else { return false };
    let (head, body) = answer.split_at(end);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    // The blank line is still before the body.
    let body = body.get(4..).unwrap_or_default();
    if head.contains("\r\ntransfer-encoding: chunked") {
        return body == b"0\r\n\r\n" || body.ends_with(b"\r\n0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length
        .and_then(|length| length.trim().parse().ok())
        .is_some_and(|whole: usize| body.len() >= whole)
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let is_chunked = head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked");
    Some((status, if is_chunked { joined(body) } else { body.to_owned() }))
}

/// The chunks of a body without their sizes, as far as they are there (RFC 9112, section 7.1).
fn joined(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16);
        let Ok(size @ 1..) = size else { break };
        body.push_str(rest.get(..size).unwrap_or(rest));
        chunks = rest.get(size..).unwrap_or_default().trim_start_matches("\r\n");
    }
    body
}

#[cfg(test)]
mod tests {
    use super::{is_whole, parse};

    #[test]
    fn an_answer_is_whole_when_its_length_or_its_last_chunk_says_so() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n", false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true),
            // Such a one ends with its connection.
            ("HTTP/1.1 200 OK\r\n\r\nwait", false),
        ] {
            assert_eq!(is_whole(answer.as_bytes()), expected, "{answer:?}");
        }
    }

    #[test]
    fn status_and_body_are_read_and_garbage_is_no_answer() {
        let answer = parse("HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\nwait");
        assert_eq!(answer, Some((503, "wait".to_owned())));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n1;x=y\r\n]\r\n0\r\n\r\n";
        assert_eq!(parse(chunked), Some((200, "[1]".to_owned())));
        assert_eq!(parse("hello"), None);
        assert_eq!(parse("HTTP/1.1 abc\r\n\r\n"), None);
    }
}

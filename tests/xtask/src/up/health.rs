//! Asks a process over HTTP whether it serves.

use std::io::{Read as _, Write as _};
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
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    parse(&String::from_utf8_lossy(&bytes))
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
    use super::parse;

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

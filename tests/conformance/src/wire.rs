//! A small HTTP/1.1 client that sends exactly what it is told, byte for byte, and hides nothing of the answer.
//!
//! Other clients correct paths, join headers that come twice and refuse odd methods: here those are the point.
//! One connection per request, and what comes after the answer is looked at, so that a body where none belongs is seen.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

/// Longest wait for the next bytes of an answer.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// Largest answer read: a model has at most 3 MB.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, as it stands in the request line.
    pub method: String,
    /// The target, as it stands in the request line.
    pub target: String,
    /// Name and value, in this order; names may repeat.
    pub headers: Vec<(String, String)>,
    /// The body; its length is sent when it is not empty or the headers do not speak of one.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The whole body, unchunked.
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the values of a header, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    /// Returns a header's values as one list; `None` when it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self.values(name).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// Returns the body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Request {
    /// Returns the first value of a header, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(one, _)| one.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        let has_length =
            self.header("content-length").is_some() || self.header("transfer-encoding").is_some();
        let wants_length = !self.body.is_empty() || !matches!(&*self.method, "GET" | "HEAD");
        if wants_length && !has_length {
            bytes.extend_from_slice(format!("content-length: {}\r\n", self.body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Sends a request to `address` and reads the answer.
///
/// # Errors
/// When no whole answer comes, or more than one.
pub fn send(address: SocketAddr, request: &Request) -> Result<Answer> {
    let what = || format!("{} {}", request.method, request.target);
    let mut stream = TcpStream::connect(address).with_context(|| format!("connect {address}"))?;
    stream.set_read_timeout(Some(SILENCE_MAX)).context("bound the wait")?;
    stream.set_nodelay(true).context("send at once")?;
    // A server may answer and close before it has read everything: then the answer counts.
    let sent = stream.write_all(&request.bytes());
    let is_head = request.method == "HEAD";
    let mut bytes = Vec::new();
    let read = read(&mut stream, &mut bytes, is_head);
    if bytes.is_empty() {
        sent.with_context(what)?;
        read.with_context(what)?;
    }
    parse(&bytes, is_head).with_context(what)
}

/// Reads until the answer is whole or the server closes. Not every server closes when it is asked to.
fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>, is_head: bool) -> std::io::Result<()> {
    let mut chunk = vec![0; 64 * 1024];
    let mut is_whole = false;
    while bytes.len() < ANSWER_BYTES_MAX {
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(length) => bytes.extend_from_slice(chunk.get(..length).unwrap_or_default()),
            Err(_) if is_whole => return Ok(()),
            Err(error) => return Err(error),
        }
        if !is_whole && is_complete(bytes, is_head) {
            is_whole = true;
            // Whatever has come beyond it is too much, and is found to be.
            stream.set_nonblocking(true)?;
        }
    }
    Ok(())
}

/// Returns whether the bytes hold a whole answer, by its own framing.
fn is_complete(bytes: &[u8], is_head: bool) -> bool {
    let Some((head, rest)) = split_head(bytes) else { return false };
    let Ok(head) = std::str::from_utf8(head) else { return false };
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status == "100" {
        return is_complete(rest, is_head);
    }
    if is_head || status == "204" || status == "304" {
        return true;
    }
    let head = head.to_ascii_lowercase();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    match (field("transfer-encoding:"), field("content-length:")) {
        (Some(_), _) => rest.ends_with(b"0\r\n\r\n") && unchunk(rest).is_ok(),
        (None, Some(length)) => length.parse().is_ok_and(|length: usize| rest.len() >= length),
        (None, None) => false,
    }
}

fn parse(bytes: &[u8], is_head: bool) -> Result<Answer> {
    let (head, rest) = split_head(bytes).context("find the end of the head")?;
    let head = std::str::from_utf8(head).context("read the head as text")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status: u16 = status.context("find the status")?.parse().context("read the status")?;
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').with_context(|| format!("header `{line}`"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if status == 100 {
        return parse(rest, is_head);
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    let has_no_body = is_head || status == 204 || status == 304;
    answer.body = if has_no_body {
        rest.to_vec()
    } else if answer.header("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        unchunk(rest)?
    } else {
        rest.to_vec()
    };
    if has_no_body {
        ensure!(rest.is_empty(), "{} bytes where no body belongs", rest.len());
    } else if let Some(length) = answer.header("content-length") {
        let length: usize = length.parse().context("read content-length")?;
        ensure!(answer.body.len() == length, "{} of {length} bytes", answer.body.len());
    }
    Ok(answer)
}

fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((bytes.get(..at)?, bytes.get(at + 4..)?))
}

pub(crate) fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let at = rest.windows(2).position(|window| window == b"\r\n").context("find a chunk")?;
        let (line, after) = rest.split_at(at);
        let line = std::str::from_utf8(line).context("read a chunk's size")?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).context("read a chunk's size")?;
        if size == 0 {
            return Ok(body);
        }
        let Some((chunk, next)) = after.get(2..).and_then(|after| after.split_at_checked(size))
        else {
            bail!("a chunk of {size} bytes broke off");
        };
        body.extend_from_slice(chunk);
        rest = next.strip_prefix(b"\r\n").context("find the end of a chunk")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whatever_their_framing() {
        for (bytes, is_head, status, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false, 200, "abc"),
            ("HTTP/1.1 200 OK\r\n\r\nabc", false, 200, "abc"),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
                false,
                200,
                "abc",
            ),
            ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", true, 200, ""),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", false, 204, ""),
        ] {
            let answer = parse(bytes.as_bytes(), is_head).unwrap();
            assert_eq!((answer.status, answer.text().as_str()), (status, body), "{bytes}");
        }
    }

    #[test]
    fn answers_that_break_off_or_say_too_much_are_refused() {
        for (bytes, is_head) in [
            ("", false),
            ("HTTP/1.1 200 OK\r\n", false),
            ("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabc", false),
            ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", true),
            ("HTTP/1.1 304 Not Modified\r\n\r\nabc", false),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nab\r\n", false),
        ] {
            assert!(parse(bytes.as_bytes(), is_head).is_err(), "{bytes}");
        }
    }

    #[test]
    fn requests_are_sent_as_they_are() {
        let request = Request {
            method: "get".to_owned(),
            target: "/a/../b?x=%00".to_owned(),
            headers: vec![("Host".to_owned(), "a".to_owned()), ("X".to_owned(), "1".to_owned())],
            body: Vec::new(),
        };
        let bytes = String::from_utf8(request.bytes()).unwrap();
        assert_eq!(
            bytes,
            "get /a/../b?x=%00 HTTP/1.1\r\nHost: a\r\nX: 1\r\ncontent-length: 0\r\n\r\n"
        );
    }
}

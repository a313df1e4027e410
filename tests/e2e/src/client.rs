//! A small HTTP client: one request a connection, so that nothing is retried behind a test's back.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Longest wait for any part of an answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer that is read: a 3D model.
const ANSWER_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Asks a server on this machine.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    port: u16,
}

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Names in lower case, in the order of the answer.
    pub headers: Vec<(String, String)>,
    /// Body without transfer encoding.
    pub body: Vec<u8>,
}

impl Client {
    /// A client of the server at `port`.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self { port }
    }

    /// `GET path`.
    ///
    /// # Errors
    /// When no complete answer comes.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, &[], None)
    }

    /// `POST path` with a JSON body and an idempotency key.
    ///
    /// # Errors
    /// When no complete answer comes.
    pub fn post(&self, path: &str, key: &str, body: &Value) -> Result<Answer> {
        self.send("POST", path, &[("idempotency-key", key)], Some(body))
    }

    /// Any request.
    ///
    /// # Errors
    /// When no complete answer comes.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\n",
            self.port
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!(
                "content-type: application/json\r\ncontent-length: {}\r\n",
                body.len()
            ));
        } else if method != "GET" {
            head.push_str("content-length: 0\r\n");
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).context("connect")?;
        stream.set_read_timeout(Some(TIMEOUT)).context("set a timeout")?;
        stream.set_write_timeout(Some(TIMEOUT)).context("set a timeout")?;
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).context("send a request")?;
        let mut bytes = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).context("read an answer")?;
        Answer::parse(&bytes)
    }
}

impl Answer {
    fn parse(bytes: &[u8]) -> Result<Self> {
        let split = bytes.windows(4).position(|part| part == b"\r\n\r\n").context("find a head")?;
        let (head, rest) = bytes.split_at(split);
        let body = rest.get(4..).unwrap_or_default();
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .and_then(|status| status.parse().ok())
            .context("read a status")?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Self { status, headers, body: body.to_vec() };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = join_chunks(body)?;
        } else if let Some(length) = answer.header("content-length") {
            let length: usize = length.parse().context("read a length")?;
            if answer.body.len() != length {
                bail!("the answer was cut: {} of {length} bytes", answer.body.len());
            }
        }
        Ok(answer)
    }

    /// The value of a header, the first where there are several.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(there, _)| there == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `null` where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Whether it is a problem (RFC 9457) that says what went wrong.
    #[must_use]
    pub fn is_problem(&self) -> bool {
        let problem = self.json();
        self.header("content-type").is_some_and(|kind| kind.starts_with("application/problem+json"))
            && problem["status"] == self.status
            && problem["title"].as_str().is_some_and(|title| !title.is_empty())
            && problem["type"].as_str().is_some_and(|kind| !kind.is_empty())
    }

    /// Returns it when it has the expected status.
    ///
    /// # Panics
    /// When it has another, with the body that says why.
    #[must_use]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}

fn join_chunks(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|part| part == b"\r\n").context("find a chunk")?;
        let (size, after) = rest.split_at(end);
        let size = std::str::from_utf8(size).context("read a chunk's size")?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)
            .context("read a chunk's size")?;
        if size == 0 {
            return Ok(body);
        }
        let chunk = after.get(2..size + 2).context("read a chunk: the answer was cut")?;
        body.extend_from_slice(chunk);
        rest = after.get(size + 4..).context("read a chunk: the answer was cut")?;
    }
}

#[cfg(test)]
mod tests {
    use super::Answer;

    #[test]
    fn bodies_are_read_with_either_framing_and_cut_ones_are_refused() {
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        assert_eq!(Answer::parse(chunked).unwrap().body, b"abcde");
        let sized = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";
        assert_eq!(Answer::parse(sized).unwrap().status, 404);
        for cut in [&chunked[..chunked.len() - 9], &sized[..sized.len() - 1], b"HTTP/1.1 200"] {
            assert!(Answer::parse(cut).is_err());
        }
    }
}

//! As much of a WebSocket client (RFC 6455) as a test needs: it says exactly what it is told to, also nonsense.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use harness::Process;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest wait for a frame.
const FRAME_WITHIN: Duration = Duration::from_secs(20);

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;

/// An open socket.
#[derive(Debug)]
pub(crate) struct Socket(TcpStream);

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// Text.
    Text(String),
    /// The end, and why.
    Close(u16),
}

impl Socket {
    /// Opens a socket, or returns the status that refused it.
    pub(crate) async fn open(
        process: &Process,
        path: &str,
        extra: &[(&str, &str)],
    ) -> Result<std::result::Result<Self, u16>> {
        let address = process.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
        let mut stream = TcpStream::connect(&address).await.context("connect")?;
        let mut head = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        for (name, value) in extra {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let byte = tokio::time::timeout(FRAME_WITHIN, stream.read_u8()).await??;
            answer.push(byte);
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|text| text.parse().ok());
        match status.with_context(|| format!("read {answer}"))? {
            101 => Ok(Ok(Self(stream))),
            status => Ok(Err(status)),
        }
    }

    /// Sends text.
    pub(crate) async fn say(&mut self, text: &str) -> Result<()> {
        self.send(TEXT, text.as_bytes()).await
    }

    /// Sends bytes.
    pub(crate) async fn say_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.send(BINARY, bytes).await
    }

    /// Sends a close frame.
    pub(crate) async fn close(&mut self) -> Result<()> {
        self.send(CLOSE, &1000_u16.to_be_bytes()).await
    }

    async fn send(&mut self, code: u8, payload: &[u8]) -> Result<()> {
        let mut frame = vec![0x80 | code];
        match u16::try_from(payload.len()) {
            Ok(short @ 0..=125) => frame.push(0x80 | short.to_be_bytes()[1]),
            Ok(length) => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend(u64::try_from(payload.len())?.to_be_bytes());
            }
        }
        // A mask of zeros changes nothing, and is one.
        frame.extend([0; 4]);
        frame.extend(payload);
        self.0.write_all(&frame).await.context("send a frame")
    }

    /// Reads the next frame.
    pub(crate) async fn next(&mut self) -> Result<Came> {
        tokio::time::timeout(FRAME_WITHIN, self.read()).await.context("wait for a frame")?
    }

    async fn read(&mut self) -> Result<Came> {
        loop {
            let code = self.0.read_u8().await.context("read a frame")? & 0x0f;
            let length = match self.0.read_u8().await? {
                126 => u64::from(self.0.read_u16().await?),
                127 => self.0.read_u64().await?,
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length)?];
            self.0.read_exact(&mut payload).await?;
            match code {
                TEXT => return Ok(Came::Text(String::from_utf8(payload)?)),
                CLOSE => {
                    let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                    return Ok(Came::Close(code));
                }
                _ => {}
            }
        }
    }

    /// Reads frames until one of that type, as JSON.
    pub(crate) async fn until(&mut self, kind: &str) -> Result<Value> {
        loop {
            match self.next().await? {
                Came::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).unwrap_or_default();
                    if frame["type"] == kind {
                        return Ok(frame);
                    }
                }
                Came::Close(code) => bail!("closed with {code} instead of `{kind}`"),
            }
        }
    }
}

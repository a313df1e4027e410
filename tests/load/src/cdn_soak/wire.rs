//! One connection to a node: opened, asked, and what may be concluded from its end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::catalogue::Wish;
use super::tls::{self, Clients, HOST};

/// Longest wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Largest body: 2 MiB.
const BODY_BYTES_MAX: usize = 2 << 20;

/// Which protocol a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1.
    One,
    /// HTTP/2.
    Two,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing of an answer came: another node may be asked.
    Nothing(String),
    /// An answer had begun.
    Begun(String),
}

/// An open connection.
#[derive(Debug)]
pub(crate) enum Wire {
    /// HTTP/1.1; counts the bytes that came.
    One(http1::SendRequest<Empty<Bytes>>, Arc<AtomicU64>),
    /// HTTP/2.
    Two(http2::SendRequest<Empty<Bytes>>),
}

impl Wire {
    /// Opens one; returns the name of the node's certificate too.
    pub(crate) async fn open(
        clients: &Clients,
        address: SocketAddr,
        protocol: Protocol,
    ) -> Result<(Self, &'static str)> {
        let opening = Self::open_at_leisure(clients, address, protocol);
        tokio::time::timeout(CONNECT_LIMIT, opening).await.context("wait for a connection")?
    }

    async fn open_at_leisure(
        clients: &Clients,
        address: SocketAddr,
        protocol: Protocol,
    ) -> Result<(Self, &'static str)> {
        let stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true).context("set up a connection")?;
        let connector = match protocol {
            Protocol::One => &clients.http1,
            Protocol::Two => &clients.http2,
        };
        let stream = connector.connect(tls::host()?, stream).await.context("shake hands")?;
        let shown = clients.name_of(stream.get_ref().1.peer_certificates());
        let came = Arc::new(AtomicU64::new(0));
        let stream = TokioIo::new(Counted { stream, came: Arc::clone(&came) });
        let wire = match protocol {
            Protocol::One => {
                let (sender, driving) = http1::handshake(stream).await.context("begin HTTP")?;
                tokio::spawn(driving);
                Self::One(sender, came)
            }
            Protocol::Two => {
                let (sender, driving) =
                    http2::handshake(TokioExecutor::new(), stream).await.context("begin HTTP")?;
                tokio::spawn(driving);
                Self::Two(sender)
            }
        };
        Ok((wire, shown))
    }

    /// Whether the other side has closed it already.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::One(sender, _) => sender.is_closed(),
            Self::Two(sender) => sender.is_closed(),
        }
    }

    /// Asks. After a failure the connection is of no more use.
    pub(crate) async fn ask(&mut self, wish: &Wish) -> Result<Answer, Failure> {
        let nothing = |error: &dyn std::fmt::Display| Failure::Nothing(error.to_string());
        let (head, body) = match self {
            Self::One(sender, came) => {
                let request = request(wish, false).map_err(|error| nothing(&error))?;
                sender.ready().await.map_err(|error| nothing(&error))?;
                let before = came.load(Ordering::Relaxed);
                match sender.send_request(request).await {
                    Ok(answer) => answer.into_parts(),
                    // hyper's word for it does not tell whether a part of a head came.
                    Err(error) if came.load(Ordering::Relaxed) == before => {
                        return Err(nothing(&chain(&error)));
                    }
                    Err(error) => return Err(Failure::Begun(chain(&error))),
                }
            }
            Self::Two(sender) => {
                let request = request(wish, true).map_err(|error| nothing(&error))?;
                sender.ready().await.map_err(|error| nothing(&error))?;
                let answer: Result<Response<Incoming>, _> = sender.send_request(request).await;
                answer.map_err(|error| nothing(&chain(&error)))?.into_parts()
            }
        };
        let whole = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let body =
            whole.map_err(|error| Failure::Begun(format!("{} and then: {error}", head.status)))?;
        let (status, headers) = (head.status.as_u16(), head.headers);
        Ok(Answer { status, headers, body: body.to_bytes() })
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

fn request(wish: &Wish, is_http2: bool) -> Result<Request<Empty<Bytes>>> {
    let uri: Uri = if is_http2 {
        format!("https://{HOST}{}", wish.path).parse().context("write an address")?
    } else {
        wish.path.parse().context("write an address")?
    };
    let mut request = Request::get(uri);
    if !is_http2 {
        request = request.header(http::header::HOST, HOST);
    }
    if let Some((start, length)) = wish.part {
        let range = format!("bytes={start}-{}", (start + length).saturating_sub(1));
        request = request.header(http::header::RANGE, range);
    }
    request.body(Empty::new()).context("write a request")
}

/// A stream that counts what is read.
struct Counted<S> {
    stream: S,
    came: Arc<AtomicU64>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        let came = buffer.filled().len().saturating_sub(before);
        self.came.fetch_add(came as u64, Ordering::Relaxed);
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

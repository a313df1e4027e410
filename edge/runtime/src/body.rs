//! Bodies on their way in, bounded, and on their way out, streamed.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::mpsc;

use crate::Body;

/// Why a body ended before its end.
pub type BodyError = wasmtime_wasi_http::Error;

/// Makes a body of bytes that are all there.
#[must_use]
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(Into::into).boxed_unsync()
}

/// Whether a bounded body was longer than allowed.
#[derive(Debug, Clone, Default)]
pub struct Overflow(Arc<AtomicBool>);

impl Overflow {
    /// Whether it has happened so far.
    #[must_use]
    pub fn happened(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Bounds `body` to `bytes_max` bytes: beyond them its reader gets an error, and the handle knows.
pub fn bounded<B>(body: B, bytes_max: u64) -> (Body, Overflow)
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    let overflow = Overflow::default();
    let bounded = Bounded { body, bytes_left: bytes_max, overflow: overflow.clone() };
    (bounded.boxed_unsync(), overflow)
}

struct Bounded<B> {
    body: B,
    bytes_left: u64,
    overflow: Overflow,
}

impl<B> http_body::Body for Bounded<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!("request body broke off: {error}");
                return Poll::Ready(Some(Err(BodyError::ConnectionTerminated)));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return Poll::Pending,
        };
        let length =
            frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
        match self.bytes_left.checked_sub(length) {
            Some(left) => {
                self.bytes_left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                self.overflow.0.store(true, Relaxed);
                Poll::Ready(Some(Err(BodyError::HttpRequestBodySize(None))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What travels from the worker.
pub(crate) enum Piece {
    Frame(Frame<Bytes>),
    /// The body is whole. Without it the receiver must not believe so.
    End,
}

/// Frames that may wait for a slow reader: with 64 KiB frames 1 MiB for each streaming answer.
pub(crate) const FRAMES_MAX: usize = 16;

/// The receiving half: yields frames, and an error if the worker is gone before the end.
pub(crate) struct PipedBody {
    pieces: mpsc::Receiver<Piece>,
    is_ended: bool,
    size: SizeHint,
}

impl PipedBody {
    pub(crate) fn new(pieces: mpsc::Receiver<Piece>, size: SizeHint, is_ended: bool) -> Self {
        Self { pieces, is_ended, size }
    }
}

impl http_body::Body for PipedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.is_ended {
            return Poll::Ready(None);
        }
        match self.pieces.poll_recv(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Piece::Frame(frame))) => Poll::Ready(Some(Ok(frame))),
            Poll::Ready(Some(Piece::End)) => {
                self.is_ended = true;
                Poll::Ready(None)
            }
            Poll::Ready(None) => {
                self.is_ended = true;
                Poll::Ready(Some(Err(BodyError::HttpResponseIncomplete)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

//! A body that comes in pieces, with pauses between them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// The body.
#[derive(Debug)]
pub(crate) struct Pieces {
    rest: Bytes,
    piece_bytes: usize,
    pause: Duration,
    /// Before the next piece.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Pieces {
    /// All at once.
    pub(crate) const fn whole(bytes: Bytes) -> Self {
        Self { piece_bytes: bytes.len(), rest: bytes, pause: Duration::ZERO, waiting: None }
    }

    /// In so many pieces.
    pub(crate) fn over(bytes: Bytes, pieces: usize, pause: Duration) -> Self {
        let piece_bytes = bytes.len().div_ceil(pieces.max(1)).max(1);
        Self { rest: bytes, piece_bytes, pause, waiting: None }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let bytes = self.piece_bytes.min(self.rest.len());
        let piece = self.rest.split_to(bytes);
        if !self.rest.is_empty() && !self.pause.is_zero() {
            // sleeps because this origin is to be slow
            self.waiting = Some(Box::pin(tokio::time::sleep(self.pause)));
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn pieces_are_the_whole() {
        for pieces in [1, 3, 10, 100] {
            let mut body = Pieces::over(Bytes::from_static(b"0123456789"), pieces, Duration::ZERO);
            let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(first.len(), 10_usize.div_ceil(pieces));
            let rest = body.collect().await.unwrap().to_bytes();
            assert_eq!([first, rest].concat(), b"0123456789");
        }
        assert!(Pieces::over(Bytes::new(), 3, Duration::ZERO).is_end_stream());
    }
}

//! A request's body as it comes over a stream.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Frame, SizeHint};

/// A body. The client gets room for more as it is read; that it is as long as its head says, `h2` sees to.
pub(super) struct ReceivedBody {
    stream: RecvStream,
    /// What is missing, where the head said how long it is.
    left: Option<u64>,
    has_all_data: bool,
}

impl ReceivedBody {
    pub(super) const fn new(stream: RecvStream, length: Option<u64>) -> Self {
        Self { stream, left: length, has_all_data: false }
    }
}

impl http_body::Body for ReceivedBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let this = &mut *self;
        if !this.has_all_data {
            match ready!(this.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    let length = data.len();
                    if let Some(left) = &mut this.left {
                        *left = left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
                    }
                    this.stream.flow_control().release_capacity(length)?;
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                // Whatever the client's reason: what came is not the whole.
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => this.has_all_data = true,
            }
        }
        let trailers = ready!(this.stream.poll_trailers(cx))?;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left),
            None if self.is_end_stream() => SizeHint::with_exact(0),
            None => SizeHint::default(),
        }
    }
}

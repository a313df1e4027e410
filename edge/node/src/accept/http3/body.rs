//! A request's body as it comes over a stream.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use h3::server::RequestStream;
use http_body::{Frame, SizeHint};

type Receiving = RequestStream<h3_quinn::RecvStream, Bytes>;

/// A body.
pub(super) struct ReceivedBody {
    receiving: Receiving,
    /// What came before anybody asked.
    first: Option<Bytes>,
    /// What is missing, where the head said how long it is.
    left: Option<u64>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Data,
    Trailers,
    Over,
}

impl ReceivedBody {
    /// Waits for the first bytes or the end where the head does not say how long the body is: most requests have none,
    /// and that is only known when the stream ends.
    pub(super) async fn begin(receiving: Receiving, length: Option<u64>) -> Self {
        let mut body = Self { receiving, first: None, left: length, state: State::Data };
        match length {
            Some(0) => body.state = State::Over,
            Some(_) => {}
            None => match poll_fn(|cx| body.poll_data(cx)).await {
                Some(Ok(data)) => body.first = Some(data),
                // What broke off will be told when it is read.
                Some(Err(_)) => {}
                // Trailers of what has no content mean nothing.
                None => body.state = State::Over,
            },
        }
        body
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        Poll::Ready(match ready!(self.receiving.poll_recv_data(cx)) {
            Ok(Some(mut data)) => {
                let length = data.remaining();
                Some(Ok(data.copy_to_bytes(length)))
            }
            Ok(None) => None,
            Err(error) => Some(Err(io::Error::other(error))),
        })
    }

    /// Counts what came; more or less than the head said is an error.
    fn count(&mut self, data: &Bytes) -> io::Result<()> {
        let Some(left) = &mut self.left else { return Ok(()) };
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        *left = left.checked_sub(length).ok_or_else(|| io::Error::other("it is too long"))?;
        Ok(())
    }
}

impl http_body::Body for ReceivedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if self.state == State::Data {
            match ready!(self.poll_data(cx)) {
                Some(Ok(data)) => {
                    let counted = self.count(&data);
                    return Poll::Ready(Some(counted.map(|()| Frame::data(data))));
                }
                Some(Err(error)) => {
                    self.state = State::Over;
                    return Poll::Ready(Some(Err(error)));
                }
                None if self.left.is_some_and(|left| left > 0) => {
                    self.state = State::Over;
                    return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                }
                None => self.state = State::Trailers,
            }
        }
        if self.state == State::Trailers {
            let trailers = ready!(self.receiving.poll_recv_trailers(cx));
            self.state = State::Over;
            return Poll::Ready(match trailers {
                Ok(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
                Err(error) => Some(Err(io::Error::other(error))),
            });
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Over && self.first.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (self.left, self.is_end_stream()) {
            (_, true) => SizeHint::with_exact(0),
            (Some(left), false) => SizeHint::with_exact(left),
            (None, false) => SizeHint::default(),
        }
    }
}

//! A request's body as it comes over a stream.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use h3::server::RequestStream;
use http::{HeaderMap, header};
use http_body::{Frame, SizeHint};

type Receiving = RequestStream<h3_quinn::RecvStream, Bytes>;

/// What a head says of its body: nothing, or how long it is. `None` when it says what it must not (RFC 9114, section
/// 4.1.2): whoever is asked next might read it otherwise than we do.
pub(super) fn declared_length(headers: &HeaderMap) -> Option<Option<u64>> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Some(None),
        (Some(length), None) => {
            let text = length.to_str().ok()?;
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse().ok()).flatten().map(Some)
        }
        (Some(_), Some(_)) => None,
    }
}

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

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn believes_a_head_only_where_it_is_clear() {
        let declared = |fields: &[(&'static str, &'static str)]| {
            let fields = fields.iter().map(|(name, value)| {
                (http::HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(name, value);
            }
            declared_length(&headers)
        };
        assert_eq!(declared(&[]), Some(None));
        assert_eq!(declared(&[("content-length", "0")]), Some(Some(0)));
        assert_eq!(declared(&[("content-length", "12")]), Some(Some(12)));
        for bad in ["", "+1", "-1", "1, 1", " 1", "99999999999999999999", "0x1"] {
            assert_eq!(declared(&[("content-length", bad)]), None, "{bad}");
        }
        assert_eq!(declared(&[("content-length", "1"), ("content-length", "1")]), None);
        assert_eq!(declared(&[("transfer-encoding", "chunked")]), None);
    }
}

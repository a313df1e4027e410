//! A request's body on its way to an origin.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use http_body::Body;
use tokio::time::{Sleep, sleep};

use super::RequestHead;
use crate::{
    encode::{self, Delimited},
    output::Output,
    transport::Transport,
};

/// How long an origin may be silent about an expectation before the body is sent anyway: 1 s (RFC 9110, section 10.1.1:
/// a client must not wait for ever, since origins that know no expectations exist).
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// What is left to be sent.
pub(super) struct Outgoing<B> {
    body: Option<B>,
    delimited: Delimited,
    left: Option<u64>,
    waits: Option<Pin<Box<Sleep>>>,
    has_taken: bool,
    is_broken: bool,
}

impl<B: Body<Data = Bytes> + Unpin> Outgoing<B> {
    /// Writes the head.
    pub(super) fn new(head: &RequestHead<'_>, body: B, output: &mut Output) -> Self {
        let delimited = if body.is_end_stream() {
            // RFC 9110, section 8.6: methods that usually have content say that there is none.
            let is_usual = matches!(*head.method, Method::POST | Method::PUT | Method::PATCH);
            if is_usual { Delimited::Length(0) } else { Delimited::Nothing }
        } else {
            body.size_hint().exact().map_or(Delimited::Chunks, Delimited::Length)
        };
        encode::request_head(output.buffer(), head, delimited);
        let left = match delimited {
            Delimited::Length(length) => Some(length),
            _ => None,
        };
        let is_empty = matches!(delimited, Delimited::Nothing | Delimited::Length(0));
        let waits = head.headers.contains_key(header::EXPECT) && !is_empty;
        Self {
            body: (!is_empty).then_some(body),
            delimited,
            left,
            waits: waits.then(|| Box::pin(sleep(CONTINUE_WAIT))),
            has_taken: false,
            is_broken: false,
        }
    }

    /// Of a request that has been written already, and has no content.
    pub(super) const fn nothing() -> Self {
        let delimited = Delimited::Nothing;
        Self { body: None, delimited, left: None, waits: None, has_taken: false, is_broken: false }
    }

    /// The origin wants the body.
    pub(super) fn go_on(&mut self) {
        self.waits = None;
    }

    /// Whether all of it has been handed over; not before then may the connection carry another request.
    pub(super) const fn is_done(&self) -> bool {
        self.body.is_none() && !self.is_broken
    }

    pub(super) const fn is_broken(&self) -> bool {
        self.is_broken
    }

    pub(super) const fn has_taken_body(&self) -> bool {
        self.has_taken
    }

    /// Sends on as far as it goes.
    pub(super) fn poll<T: Transport>(
        &mut self,
        cx: &mut Context<'_>,
        output: &mut Output,
        transport: &mut T,
    ) -> Poll<io::Result<()>> {
        loop {
            let is_moving = self.fill(cx, output);
            match output.poll_send(cx, transport) {
                Poll::Ready(Ok(())) if is_moving && self.body.is_some() => {}
                Poll::Ready(Ok(())) => return Pin::new(transport).poll_flush(cx),
                other => return other,
            }
        }
    }

    /// Puts ready to be sent what the body has; `false` when it has nothing now.
    fn fill(&mut self, cx: &mut Context<'_>, output: &mut Output) -> bool {
        if let Some(waits) = &mut self.waits {
            if waits.as_mut().poll(cx).is_pending() {
                return false;
            }
            self.waits = None;
        }
        while output.takes_more() {
            let Some(body) = &mut self.body else { return false };
            self.has_taken = true;
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => return false,
                Poll::Ready(None) => {
                    self.end(output, &HeaderMap::new());
                    return false;
                }
                Poll::Ready(Some(Err(_))) => {
                    self.body = None;
                    self.is_broken = true;
                    return false;
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.data(data, output),
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        self.end(output, &trailers);
                        return false;
                    }
                },
            }
        }
        true
    }

    fn data(&mut self, data: Bytes, output: &mut Output) {
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let Some(left) = &mut self.left else { return output.chunk(data) };
        match left.checked_sub(length) {
            Some(rest) => {
                *left = rest;
                output.data(data);
                if rest == 0 {
                    self.body = None;
                }
            }
            None => {
                self.body = None;
                self.is_broken = true;
            }
        }
    }

    fn end(&mut self, output: &mut Output, trailers: &HeaderMap) {
        self.body = None;
        if self.delimited == Delimited::Chunks {
            encode::last_chunk(output.buffer(), trailers);
        }
        self.is_broken = self.left.is_some_and(|left| left > 0);
    }
}

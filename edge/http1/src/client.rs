//! HTTP/1.1 as a client speaks it: one connection to an origin, one request at a time.
//!
//! Strict about what frames a message, lenient about how heads are written (RFC 9112, section 2.2 and 5.2 ask for both):
//! an origin is chosen by the operator, and many still end lines in LF or fold them.

mod outgoing;
mod pass_on;
mod response;

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Body;
use tokio::io::ReadBuf;

use self::{
    outgoing::Outgoing,
    response::{Parsed, parse},
};
pub use self::{
    pass_on::{PassedOn, PlainAnswer},
    response::ResponseBody,
};
use crate::{head::Limits, output::Output, patience::Patience, transport::Transport};

/// What is asked.
#[derive(Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The target as it goes over the wire: a path with its query, or `*`.
    pub target: &'a str,
    /// Fields, `Host` among them. What frames the message is the connection's to say and is left out.
    pub headers: &'a HeaderMap,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The connection ended before a byte of the answer came: an origin that closes idle connections does that to a
    /// request that is just on its way.
    #[error("the origin closed the connection without an answer")]
    Closed,
    /// The connection broke.
    #[error("the connection to the origin broke")]
    Broken(#[source] io::Error),
    /// The answer is none that HTTP/1.1 knows.
    #[error("the origin's answer cannot be read: {0}")]
    Malformed(&'static str),
    /// The client's own body broke off.
    #[error("the request's body broke off")]
    RequestBody,
}

/// An error of [`Client::send`], with what a decision to ask again needs.
#[derive(Debug)]
pub struct Failed {
    /// What went wrong.
    pub error: SendError,
    /// Whether some of the request's body was taken, so that it cannot be sent again.
    pub has_taken_body: bool,
}

/// Takes connections that can be used again.
pub trait Reuse<T>: Send + Sync {
    /// Takes one that is idle from now on.
    fn give_back(&self, connection: Client<T>);
}

/// A connection to an origin.
pub struct Client<T> {
    transport: T,
    limits: Limits,
    buffer: BytesMut,
    output: Output,
    /// Whether it has carried a request before.
    is_used: bool,
    patience: Patience,
}

/// Interim answers of one request beyond which the origin is not listened to any more: 32.
const INTERIM_MAX: usize = 32;
const READ_BYTES: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

impl<T: Transport> Client<T> {
    /// Takes a stream that has just been connected. `stall_max` is the longest time in which the origin takes nothing.
    pub fn new(transport: T, limits: Limits, stall_max: Duration) -> Self {
        let (buffer, output) = (BytesMut::new(), Output::new(stall_max));
        Self { transport, limits, buffer, output, is_used: false, patience: Patience::default() }
    }

    /// Whether it has carried a request before: then an end without an answer says nothing about the origin.
    pub const fn is_used(&self) -> bool {
        self.is_used
    }

    /// Whether it can carry another request, as far as can be seen: the origin has neither closed it nor said anything.
    pub fn is_open(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.buffer.is_empty() && self.poll_read(&mut cx).is_pending()
    }

    /// Sends a request and waits for the head of its answer. Interim answers go to `on_interim` (100 is kept: it is for
    /// this connection). The connection goes back to `reuse` when the answer's body has been read.
    ///
    /// With `Expect: 100-continue` among the headers the body is touched only when the origin asks for it, or is silent
    /// for a second.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send<B: Body<Data = Bytes> + Unpin>(
        mut self,
        head: RequestHead<'_>,
        body: B,
        reuse: &Arc<dyn Reuse<T>>,
        on_interim: &mut (dyn FnMut(StatusCode, HeaderMap) + Send),
    ) -> Result<Response<ResponseBody<T, B>>, Failed> {
        let is_head = *head.method == Method::HEAD;
        let outgoing = Outgoing::new(&head, body, &mut self.output);
        self.answer(outgoing, is_head, reuse, on_interim).await
    }

    async fn answer<B: Body<Data = Bytes> + Unpin>(
        mut self,
        mut outgoing: Outgoing<B>,
        is_head: bool,
        reuse: &Arc<dyn Reuse<T>>,
        on_interim: &mut (dyn FnMut(StatusCode, HeaderMap) + Send),
    ) -> Result<Response<ResponseBody<T, B>>, Failed> {
        let answered = poll_fn(|cx| self.poll_answer(cx, &mut outgoing, is_head, on_interim)).await;
        self.is_used = true;
        match answered {
            Ok(parsed) => Ok(ResponseBody::answer(self, parsed, outgoing, reuse)),
            Err(error) => Err(Failed { error, has_taken_body: outgoing.has_taken_body() }),
        }
    }

    fn poll_answer<B: Body<Data = Bytes> + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        outgoing: &mut Outgoing<B>,
        is_head: bool,
        on_interim: &mut (dyn FnMut(StatusCode, HeaderMap) + Send),
    ) -> Poll<Result<Parsed, SendError>> {
        let mut interims = 0;
        loop {
            // An origin may answer and close before it has read everything: what it said counts.
            let sent = outgoing.poll(cx, &mut self.output, &mut self.transport);
            if outgoing.is_broken() {
                return Poll::Ready(Err(SendError::RequestBody));
            }
            while let Some(parsed) = parse(&mut self.buffer, &self.limits, is_head)? {
                if !parsed.status.is_informational() {
                    return Poll::Ready(Ok(parsed));
                }
                interims += 1;
                if parsed.status == StatusCode::SWITCHING_PROTOCOLS || interims > INTERIM_MAX {
                    let unasked = "it switches protocols, or sends nothing but interim answers";
                    return Poll::Ready(Err(SendError::Malformed(unasked)));
                }
                if parsed.status == StatusCode::CONTINUE {
                    outgoing.go_on();
                    cx.waker().wake_by_ref();
                } else {
                    on_interim(parsed.status, parsed.headers);
                }
            }
            match ready!(self.poll_read(cx)) {
                Ok(0) => {
                    let error = match sent {
                        _ if !self.buffer.is_empty() => SendError::Malformed("its head breaks off"),
                        Poll::Ready(Err(error)) => SendError::Broken(error),
                        _ => SendError::Closed,
                    };
                    return Poll::Ready(Err(error));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Poll::Ready(Err(SendError::Closed));
                }
                Err(error) => return Poll::Ready(Err(SendError::Broken(error))),
            }
        }
    }

    /// Reads once behind what is in the buffer.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut read = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.transport).poll_read(cx, &mut read))?;
            self.buffer.extend_from_slice(read.filled());
            Poll::Ready(Ok(read.filled().len()))
        })
    }
}

impl<T> std::fmt::Debug for Client<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("is_used", &self.is_used).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

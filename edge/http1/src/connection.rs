//! One connection, from its first byte to its last.
//!
//! An idle connection holds no buffer: heads are read into memory of the thread, and only what has to be kept is copied.

mod content;
mod incoming;
mod next;

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{Method, Request, StatusCode, Version, header};
use http_body::Body;
use tokio::{
    io::ReadBuf,
    time::{Instant, Sleep, sleep, timeout},
};

use self::{incoming::Incoming, next::Next};
use crate::{
    body::RequestBody,
    encode::{self, DateClock, Delimited},
    error::Refusal,
    framing::Framing,
    head::{self, Head, Limits, Scanner},
    interim::Interim,
    output::Output,
    patience::Patience,
    quick::{Quick, QuickBody, QuickHead},
    reply::{Reply, ReplyBody},
    transport::Transport,
};

/// Who answers.
pub trait Service {
    /// Bodies of answers that come by and by.
    type Body: Body<Data = Bytes> + Unpin;
    /// A request that was passed on as it came; [`Infallible`](std::convert::Infallible) where none is.
    type Relay: Send;

    /// Answers a request. Ahead of the answer, `interim` takes `103 Early Hints` and their like.
    fn call(
        &self,
        request: Request<RequestBody>,
        interim: &Interim,
    ) -> impl Future<Output = Reply<Self::Body>> + Send;

    /// Answers a plain request at once, if its answer lies ready: appends its head to `out`, and returns the content.
    /// Or has it passed on as it came. `None`: it is answered by [`Service::call`], whatever was appended.
    fn quick(&self, _head: &QuickHead<'_>, _out: &mut Vec<u8>) -> Option<Quick<Self::Relay>> {
        None
    }

    /// Waits for the answer of a request that was passed on as it came, and appends it to `out`, head and content.
    /// `false`: it is answered by [`Service::call`], which is asked next, whatever was appended.
    fn relay(&self, relay: Self::Relay, out: &mut Vec<u8>) -> impl Future<Output = bool> + Send;

    /// Answers what is no request.
    fn refuse(&self, refusal: Refusal) -> Reply<Self::Body>;
}

/// How the end of serving is told.
#[derive(Debug)]
pub struct Stop<I, F> {
    /// Whether it has been told: cheap, asked with every answer.
    pub is_set: I,
    /// Ends when it is told: idle connections wait for it.
    pub wait: F,
}

/// How a connection ended.
#[derive(Debug)]
pub enum Ended<T> {
    /// It is closed.
    Closed,
    /// The client speaks HTTP/2: the stream, and what was read of it.
    Http2 {
        /// The stream.
        transport: T,
        /// Its first bytes.
        read: Bytes,
    },
}

/// A connection on which a client speaks HTTP/1.1.
#[derive(Debug)]
pub struct Connection<T> {
    transport: T,
    limits: Limits,
    date: DateClock,
    /// Longest wait for a whole head, idleness included.
    head_timeout: Duration,
    /// What was read and not used yet.
    buffer: BytesMut,
    scanner: Scanner,
    output: Output,
    /// Since when a head is waited for.
    since: Instant,
    patience: Patience,
    interim: Interim,
    has_served: bool,
    /// Whether an answer was sent since this was last found idle.
    has_just_served: bool,
    /// Who is woken when the connection was idle for too long, or is to end.
    waiting: Option<Waker>,
    /// The client will send no more.
    is_half_closed: bool,
}

/// Read at a time: 64 KiB, in memory of the thread.
const READ_BYTES: usize = 64 * 1024;
/// What is read of further requests while one is answered.
const AHEAD_BYTES_MAX: usize = 16 * 1024;
/// How much of a body that nobody wanted is read, so that the connection can go on.
const UNWANTED_BYTES_MAX: u64 = 64 * 1024;
/// A client that sends no more may only have said all that it wanted to, and wait for its answer; or it has gone. So
/// long it is waited for: 1 s.
const GONE_AFTER: Duration = Duration::from_secs(1);
/// After a refusal a client is listened to for so long, so that it reads the answer before its writes fail.
const LINGER_MAX: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 1024 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

impl<T: Transport> Connection<T> {
    /// Takes a stream on which nothing has been read.
    pub fn new(
        transport: T,
        limits: Limits,
        head_timeout: Duration,
        stall_max: Duration,
        date: DateClock,
    ) -> Self {
        Self {
            transport,
            limits,
            date,
            head_timeout,
            buffer: BytesMut::new(),
            scanner: Scanner::default(),
            output: Output::new(stall_max),
            since: Instant::now(),
            patience: Patience::default(),
            interim: Interim::default(),
            has_served: false,
            has_just_served: false,
            waiting: None,
            is_half_closed: false,
        }
    }

    /// Serves requests, one after the other, until client, time or `stop` end it.
    ///
    /// # Errors
    /// When the stream breaks, or the client takes nothing for too long.
    pub async fn serve<S: Service>(
        mut self,
        service: &S,
        stop: Stop<impl Fn() -> bool, impl Future<Output = ()>>,
    ) -> io::Result<Ended<T>> {
        let Stop { is_set, wait } = stop;
        let mut wait = pin!(wait);
        let quick = |output: &mut Output, head: &[u8]| {
            if is_set() { None } else { output.quick(head, service) }
        };
        loop {
            let head = match poll_fn(|cx| self.poll_next(cx, &quick, wait.as_mut())).await? {
                Next::Ready(body, arrived) => {
                    if !self.send_ready(body).await? {
                        return Ok(Ended::Closed);
                    }
                    self.served(arrived);
                    continue;
                }
                Next::Relay(relay, arrived, head) => {
                    if self.pass_on(service, relay).await? {
                        self.flush().await?;
                        self.served(arrived);
                        continue;
                    }
                    head::parse(&head, &self.limits)
                }
                Next::Head(head) => head::parse(&head, &self.limits),
                Next::Refused(refused) => Err(refused),
                Next::Http2 => {
                    let read = self.buffer.split().freeze();
                    return Ok(Ended::Http2 { transport: self.transport, read });
                }
                Next::End => return Ok(Ended::Closed),
            };
            let goes_on = match head {
                // Apart, so that it takes no memory of a connection that is idle.
                Ok(head) => Box::pin(self.exchange(service, head, &is_set)).await?,
                Err(refused) => self.refuse(service.refuse(refused)).await?,
            };
            if !goes_on {
                self.linger().await;
                return Ok(Ended::Closed);
            }
            self.served(Instant::now());
            if is_set() && self.buffer.is_empty() {
                return Ok(Ended::Closed);
            }
        }
    }

    /// Waits for the answer to what was passed on; returns whether it is written.
    async fn pass_on<S: Service>(&mut self, service: &S, relay: S::Relay) -> io::Result<bool> {
        let mut out = std::mem::take(self.output.buffer());
        let start = out.len();
        let is_written = {
            let mut waiting = pin!(service.relay(relay, &mut out));
            let mut gone: Option<Pin<Box<Sleep>>> = None;
            poll_fn(|cx| {
                if let Poll::Ready(is_written) = waiting.as_mut().poll(cx) {
                    return Poll::Ready(Ok(is_written));
                }
                self.read_ahead(cx)?;
                self.poll_gone(cx, &mut gone).map(Err)
            })
            .await?
        };
        if !is_written {
            out.truncate(start);
        }
        *self.output.buffer() = out;
        Ok(is_written)
    }

    /// Reads what the client sends while it waits for an answer. One that sends no more may still want it; one that is
    /// gone breaks the stream.
    fn read_ahead(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.is_half_closed && self.buffer.len() < AHEAD_BYTES_MAX {
            match self.poll_read(cx, AHEAD_BYTES_MAX) {
                Poll::Ready(read) => read?,
                Poll::Pending => break,
            };
        }
        Ok(())
    }

    /// Ends when a client has gone that says no more.
    fn poll_gone(
        &self,
        cx: &mut Context<'_>,
        gone: &mut Option<Pin<Box<Sleep>>>,
    ) -> Poll<io::Error> {
        if !self.is_half_closed {
            return Poll::Pending;
        }
        let gone = gone.get_or_insert_with(|| Box::pin(sleep(GONE_AFTER)));
        gone.as_mut().poll(cx).map(|()| io::ErrorKind::ConnectionAborted.into())
    }

    fn served(&mut self, at: Instant) {
        (self.has_served, self.has_just_served) = (true, true);
        self.since = at;
    }

    /// Sends content behind a head that is written already. Returns whether it was sent whole.
    async fn send_ready(&mut self, body: QuickBody) -> io::Result<bool> {
        match body {
            QuickBody::Whole(bytes) => {
                self.output.data(bytes);
                self.flush().await?;
                Ok(true)
            }
            QuickBody::File(part) => self.send_file(part).await,
        }
    }

    /// Reads once, at most `bytes_max`, behind what is in the buffer.
    fn poll_read(&mut self, cx: &mut Context<'_>, bytes_max: usize) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let window = scratch.len().min(bytes_max);
            let mut read = ReadBuf::new(scratch.get_mut(..window).unwrap_or_default());
            ready!(Pin::new(&mut self.transport).poll_read(cx, &mut read))?;
            let read = read.filled();
            if read.is_empty() {
                self.is_half_closed = true;
            } else {
                self.buffer.extend_from_slice(read);
            }
            Poll::Ready(Ok(read.len()))
        })
    }

    /// Has a request answered, and sends the answer. Returns whether the connection can go on.
    async fn exchange<S: Service>(
        &mut self,
        service: &S,
        head: Head,
        is_stopping: &impl Fn() -> bool,
    ) -> io::Result<bool> {
        let (method, version, keeps_alive) = (head.method.clone(), head.version, head.keeps_alive);
        let (request, mut incoming) = self.request(head);
        let interim = self.fresh_interim(version);
        let reply = {
            let mut answering = pin!(service.call(request, &interim));
            let mut gone: Option<Pin<Box<Sleep>>> = None;
            poll_fn(|cx| {
                if let Poll::Ready(reply) = answering.as_mut().poll(cx) {
                    return Poll::Ready(Ok(reply));
                }
                if let Err(error) = self.meanwhile(cx, &mut incoming, &interim) {
                    return Poll::Ready(Err(error));
                }
                self.poll_gone(cx, &mut gone).map(Err)
            })
            .await?
        };
        self.output.interim(interim.take());
        let says_close = reply
            .headers
            .get(header::CONNECTION)
            .is_some_and(|options| options.as_bytes().eq_ignore_ascii_case(b"close"));
        let keeps_alive = keeps_alive
            && !says_close
            && !is_stopping()
            && incoming.leaves_room(UNWANTED_BYTES_MAX);
        let is_head = method == Method::HEAD;
        let is_whole = self.send(reply, is_head, version, keeps_alive, &mut incoming).await?;
        // A client that says no more may have said more than this.
        let is_last = self.is_half_closed && self.buffer.is_empty();
        if !is_whole || !keeps_alive || is_last {
            return Ok(false);
        }
        self.discard(&mut incoming).await
    }

    /// Makes a request of a head, with as much of its body as is there.
    fn request(&mut self, head: Head) -> (Request<RequestBody>, Incoming) {
        let Head { method, uri, version, headers, framing, expects_continue, .. } = head;
        let (body, incoming) = match framing {
            Framing::Length(0) => (RequestBody::empty(), Incoming::ended()),
            Framing::Length(length) => {
                let here = usize::try_from(length).unwrap_or(usize::MAX);
                if self.buffer.len() >= here {
                    let body = self.buffer.split_to(here).freeze();
                    (RequestBody::whole(body), Incoming::ended())
                } else {
                    let (body, flow) = RequestBody::flow(Some(length));
                    (body, Incoming::length(length, flow, expects_continue))
                }
            }
            Framing::Chunked => {
                let (body, flow) = RequestBody::flow(None);
                (body, Incoming::chunked(flow, expects_continue))
            }
        };
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.version_mut() = version;
        *request.headers_mut() = headers;
        (request, incoming)
    }

    /// Whoever answered the last request may still hold its sender: then this one gets another.
    fn fresh_interim(&mut self, version: Version) -> Interim {
        if version == Version::HTTP_10 {
            return Interim::nowhere();
        }
        self.interim.renew();
        self.interim.clone()
    }

    /// What is done while an answer is in the making: the body is read as far as it is wanted, interim answers are sent.
    fn meanwhile(
        &mut self,
        cx: &mut Context<'_>,
        incoming: &mut Incoming,
        interim: &Interim,
    ) -> io::Result<()> {
        interim.listen(cx.waker());
        self.output.interim(interim.take());
        self.pump(cx, incoming)?;
        if let Poll::Ready(Err(error)) = self.output.poll_send(cx, &mut self.transport) {
            return Err(error);
        }
        Ok(())
    }

    /// Reads the body as far as it is wanted; behind it, notices a client that has gone.
    fn pump(&mut self, cx: &mut Context<'_>, incoming: &mut Incoming) -> io::Result<()> {
        loop {
            match incoming.step(cx, &mut self.buffer) {
                incoming::Step::Wait => return Ok(()),
                incoming::Step::Again => {}
                incoming::Step::Continue => self.output.push_continue(),
                incoming::Step::Read => {
                    if self.is_half_closed {
                        incoming.cut();
                        return Ok(());
                    }
                    match self.poll_read(cx, usize::MAX) {
                        Poll::Ready(Ok(0)) => incoming.cut(),
                        Poll::Ready(Ok(_)) => {}
                        Poll::Ready(Err(error)) => {
                            incoming.cut();
                            return Err(error);
                        }
                        Poll::Pending => return Ok(()),
                    }
                }
                incoming::Step::Ended => return self.read_ahead(cx),
            }
        }
    }

    /// Reads what is left of a body that nobody wanted. Returns whether the connection can go on.
    async fn discard(&mut self, incoming: &mut Incoming) -> io::Result<bool> {
        if incoming.is_ended() {
            return Ok(true);
        }
        let deadline = Instant::now() + self.head_timeout;
        while let Some(left) = incoming.left_of_length() {
            let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            drop(self.buffer.split_to(here));
            incoming.passed(u64::try_from(here).unwrap_or(u64::MAX));
            if incoming.is_ended() {
                return Ok(true);
            }
            let read =
                tokio::time::timeout_at(deadline, poll_fn(|cx| self.poll_read(cx, usize::MAX)));
            match read.await {
                Ok(Ok(1..)) => {}
                Ok(Err(error)) => return Err(error),
                _ => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Sends an answer to what was no request.
    async fn refuse<B: Body<Data = Bytes> + Unpin>(&mut self, reply: Reply<B>) -> io::Result<bool> {
        let mut nothing = Incoming::ended();
        self.send(reply, false, Version::HTTP_11, false, &mut nothing).await?;
        Ok(false)
    }

    /// Says that nothing more will come, and listens on for a moment: closing at once would have the kernel reset the
    /// connection, and the client might lose the answer over it (RFC 9112, section 9.6).
    async fn linger(&mut self) {
        let shut = poll_fn(|cx| Pin::new(&mut self.transport).poll_shutdown(cx));
        if !matches!(timeout(LINGER_MAX, shut).await, Ok(Ok(()))) || self.is_half_closed {
            return;
        }
        let mut taken = 0;
        let listen = poll_fn(|cx| {
            loop {
                self.buffer.clear();
                match ready!(self.poll_read(cx, usize::MAX)) {
                    Ok(read @ 1..) if taken < LINGER_BYTES_MAX => taken += read,
                    _ => return Poll::Ready(()),
                }
            }
        });
        // An error is the time being over: the client had its chance.
        let _ = timeout(LINGER_MAX, listen).await;
    }

    /// Sends an answer. Returns whether it was sent whole; if not, the connection has to end.
    async fn send<B: Body<Data = Bytes> + Unpin>(
        &mut self,
        reply: Reply<B>,
        is_head: bool,
        version: Version,
        keeps_alive: bool,
        incoming: &mut Incoming,
    ) -> io::Result<bool> {
        let Reply { status, headers, written, body } = reply;
        let has_content = !is_head && has_content(status);
        let delimited = delimited(&headers, &body, is_head, status, version);
        let keeps_alive = keeps_alive && delimited != Delimited::Close;
        self.output.head(&encode::Head {
            status,
            headers: &headers,
            written: &written,
            delimited,
            keeps_alive,
            version,
            date: self.date,
        });
        drop((headers, written));
        if !has_content {
            self.flush().await?;
            return Ok(true);
        }
        match body {
            ReplyBody::Whole(bytes) => {
                let is_right =
                    delimited == Delimited::Length(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                self.output.data(bytes);
                self.flush().await?;
                Ok(is_right)
            }
            ReplyBody::File(part) => self.send_file(part).await,
            ReplyBody::Stream(body) => self.stream(body, delimited, incoming).await,
        }
    }
}

/// RFC 9110, section 6.4.1: what has no content, whatever is said of it.
fn has_content(status: StatusCode) -> bool {
    !status.is_informational()
        && status != StatusCode::NO_CONTENT
        && status != StatusCode::NOT_MODIFIED
}

fn delimited<B: Body>(
    headers: &http::HeaderMap,
    body: &ReplyBody<B>,
    is_head: bool,
    status: StatusCode,
    version: Version,
) -> Delimited {
    if !has_content(status) {
        return Delimited::Nothing;
    }
    let length = match body {
        ReplyBody::Whole(bytes) => u64::try_from(bytes.len()).ok(),
        ReplyBody::File(part) => Some(part.length),
        ReplyBody::Stream(body) => {
            let told = headers.get(header::CONTENT_LENGTH).and_then(|told| told.to_str().ok());
            told.and_then(|told| told.parse().ok()).or_else(|| body.size_hint().exact())
        }
    };
    match length {
        // Nobody knows what GET would have had, unless it is said.
        Some(0) if is_head => Delimited::Nothing,
        None if is_head => Delimited::Nothing,
        Some(length) => Delimited::Length(length),
        None if version == Version::HTTP_10 => Delimited::Close,
        None => Delimited::Chunks,
    }
}

#[cfg(test)]
mod tests;

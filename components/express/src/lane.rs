//! The express lane: a request's future is polled once a call, and what it waits for goes out as a verdict.
//!
//! All state is of one exchange: a new one discards it. A host gives an instance one request at a time.

use core::cell::{Cell, RefCell};
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use bytes::Bytes;
use express_wire::{Body, Failure, Malformed, Question, Request, Results, Verdict, Writer};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri};

use crate::{Inbound, Unread, wire};

thread_local! {
    /// Whether a call of this lane is running.
    static IS_EXPRESS: Cell<bool> = const { Cell::new(false) };
    static EXCHANGE: RefCell<Option<Exchange>> = const { RefCell::new(None) };
    static MAIL: RefCell<Mail> = RefCell::default();
}

/// A request that is being answered: its future yields the last verdict.
type Exchange = Pin<Box<dyn Future<Output = Vec<u8>>>>;

/// What the future and the host have to say to each other.
#[derive(Default)]
struct Mail {
    /// Questions that the next verdict asks, written one after the other.
    asked: Writer,
    asked_count: usize,
    /// The number of the next question.
    ticket: u32,
    /// Results that nobody has taken yet, by their questions' numbers.
    results: Vec<(u32, Bytes)>,
    /// A verdict that lets the request go on, and then what came of it.
    forward: Option<Vec<u8>>,
    next: Option<Bytes>,
    waits_for_next: bool,
    is_standard: bool,
    /// Whether a verdict has been given already.
    has_begun: bool,
}

/// Whether the current request is served in the express lane.
#[must_use]
pub fn is_express() -> bool {
    IS_EXPRESS.get()
}

/// Goes on in the standard lane: returns there at once, and ends the exchange in the express lane.
///
/// Await it before anything has been asked or changed: the request starts anew.
pub async fn take_standard_lane() {
    poll_fn(|_| {
        if !is_express() {
            return Poll::Ready(());
        }
        MAIL.with_borrow_mut(|mail| mail.is_standard = true);
        Poll::Pending
    })
    .await;
}

/// Starts a request of a component that answers.
pub fn answer<H, F>(request: Vec<u8>, handler: H) -> Vec<u8>
where
    H: FnOnce(Inbound) -> F,
    F: Future<Output = Response<Bytes>> + 'static,
{
    start(request, |inbound| {
        let answering = handler(inbound);
        Box::pin(async move { whole(answering.await) })
    })
}

/// Starts a request of a middleware.
#[cfg(feature = "gate")]
pub fn gate<H, F>(request: Vec<u8>, handler: H) -> Vec<u8>
where
    H: FnOnce(Inbound) -> F,
    F: Future<Output = Result<crate::Outbound, crate::Failed>> + 'static,
{
    start(request, |inbound| {
        let deciding = handler(inbound);
        Box::pin(async move {
            match deciding.await {
                Ok(crate::Outbound::Whole(response)) => whole(response),
                Ok(crate::Outbound::Next(next)) => {
                    let status = next.status.as_u16();
                    Verdict::write_answer(status, fields(&next.headers), Body::Unread)
                }
                Ok(crate::Outbound::Pass(pass)) => pass.verdict(),
                Err(failed) => Verdict::write_failure(&failed.to_string()),
            }
        })
    })
}

/// Starts a request of a middleware that knows about some of them at once: `at_once` returns the verdict, or leaves the
/// request to `handler`.
#[cfg(feature = "gate")]
pub fn gate_at_once<H, F>(
    request: Vec<u8>,
    at_once: impl FnOnce(&Request<'_>) -> Option<Vec<u8>>,
    handler: H,
) -> Vec<u8>
where
    H: FnOnce(Inbound) -> F,
    F: Future<Output = Result<crate::Outbound, crate::Failed>> + 'static,
{
    let verdict = Request::read(&request).ok().and_then(|request| at_once(&request));
    match verdict {
        Some(verdict) => {
            // What is left of an exchange that the host gave up.
            EXCHANGE.set(None);
            verdict
        }
        None => gate(request, handler),
    }
}

fn start(request: Vec<u8>, begin: impl FnOnce(Inbound) -> Exchange) -> Vec<u8> {
    MAIL.set(Mail::default());
    // What is left of an exchange that the host gave up.
    EXCHANGE.set(None);
    match inbound(&Bytes::from(request)) {
        Ok(inbound) => go_on(begin(inbound)),
        Err(Malformed) => Verdict::write_failure("the request is malformed"),
    }
}

/// Goes on with the request that the last verdict belongs to.
#[must_use]
pub fn resume(results: Vec<u8>) -> Vec<u8> {
    let Some(exchange) = EXCHANGE.take() else {
        return Verdict::write_failure("nothing waits for results");
    };
    match MAIL.with_borrow_mut(|mail| mail.deliver(Bytes::from(results))) {
        Ok(()) => go_on(exchange),
        Err(Malformed) => Verdict::write_failure("the results are malformed"),
    }
}

impl Mail {
    fn deliver(&mut self, message: Bytes) -> Result<(), Malformed> {
        if core::mem::take(&mut self.waits_for_next) {
            self.next = Some(message);
            return Ok(());
        }
        let mut results = Results::read(&message)?;
        let asked = core::mem::take(&mut self.asked_count);
        let first = self.ticket.saturating_sub(u32::try_from(asked).unwrap_or(u32::MAX));
        for ticket in first..self.ticket {
            let result = results.next_result()?.ok_or(Malformed)?;
            self.results.push((ticket, message.slice_ref(result)));
        }
        Ok(())
    }

    /// What the host should do now that the future waits.
    fn verdict(&mut self) -> Vec<u8> {
        let has_begun = core::mem::replace(&mut self.has_begun, true);
        if let Some(forward) = self.forward.take() {
            self.waits_for_next = true;
            return forward;
        }
        if self.asked_count > 0 {
            let asked = core::mem::take(&mut self.asked).finish();
            let mut out = Verdict::start_ask(self.asked_count, asked.len());
            out.raw(&asked);
            return out.finish();
        }
        if self.is_standard && !has_begun {
            return Verdict::write_standard();
        }
        Verdict::write_failure("the handler waits for something that is no question")
    }
}

fn go_on(mut exchange: Exchange) -> Vec<u8> {
    IS_EXPRESS.set(true);
    let polled = exchange.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    IS_EXPRESS.set(false);
    match polled {
        Poll::Ready(verdict) => verdict,
        Poll::Pending => {
            EXCHANGE.set(Some(exchange));
            MAIL.with_borrow_mut(Mail::verdict)
        }
    }
}

/// Asks the host and waits for the result, which `read` takes apart.
pub(crate) async fn ask<T>(
    question: &Question<'_>,
    read: impl FnOnce(Result<&[u8], Failure<'_>>) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let ticket = MAIL.with_borrow_mut(|mail| {
        question.write(&mut mail.asked);
        mail.asked_count = mail.asked_count.saturating_add(1);
        let ticket = mail.ticket;
        mail.ticket = mail.ticket.saturating_add(1);
        ticket
    });
    let result = poll_fn(|_| {
        MAIL.with_borrow_mut(|mail| {
            let at = mail.results.iter().position(|(of, _)| *of == ticket);
            at.map_or(Poll::Pending, |at| Poll::Ready(mail.results.swap_remove(at).1))
        })
    })
    .await;
    read(Results::parse(&result)?)
}

/// Lets the request go on and waits for what comes of it.
#[cfg(feature = "gate")]
pub(crate) async fn forward(verdict: Vec<u8>) -> Bytes {
    MAIL.with_borrow_mut(|mail| mail.forward = Some(verdict));
    poll_fn(|_| MAIL.with_borrow_mut(|mail| mail.next.take().map_or(Poll::Pending, Poll::Ready)))
        .await
}

fn inbound(message: &Bytes) -> Result<Inbound, Malformed> {
    let request = Request::read(message)?;
    let uri = Uri::builder()
        .scheme(request.scheme)
        .authority(request.authority)
        .path_and_query(request.target)
        .build();
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.method = Method::from_bytes(request.method.as_bytes()).map_err(|_| Malformed)?;
    head.uri = uri.map_err(|_| Malformed)?;
    head.headers = headers(request.fields, message);
    Ok(Inbound { head, body: Unread::express(request.has_body) })
}

/// Reads header fields; their values stay where they are in `message`. What is none by RFC 9110 is left out.
pub(crate) fn headers(fields: express_wire::Fields<'_>, message: &Bytes) -> HeaderMap {
    let count = usize::try_from(fields.remaining()).unwrap_or(0);
    let mut headers = HeaderMap::with_capacity(count.saturating_add(count / 2));
    for (name, value) in fields {
        let value = HeaderValue::from_maybe_shared(message.slice_ref(value));
        if let (Some(name), Ok(value)) = (known(name), value) {
            headers.append(name, value);
        }
    }
    headers
}

/// Names that `http` does not know and every request has: known, they cost no memory.
const SPIN: [&str; 7] = [
    "spin-full-url",
    "spin-path-info",
    "spin-base-path",
    "spin-raw-component-route",
    "spin-component-route",
    "spin-matched-route",
    "spin-client-addr",
];

fn known(name: &[u8]) -> Option<HeaderName> {
    if name.starts_with(b"spin-")
        && let Some(spin) = SPIN.iter().find(|spin| spin.as_bytes() == name)
    {
        return Some(HeaderName::from_static(spin));
    }
    HeaderName::from_bytes(name).ok()
}

/// The fields that go on to the host: those of the connection are its own.
pub(crate) fn fields(headers: &HeaderMap) -> impl Iterator<Item = express_wire::Header<'_>> {
    let allowed = headers.iter().filter(|(name, _)| !wire::is_forbidden(name));
    allowed.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
}

fn whole(mut response: Response<Bytes>) -> Vec<u8> {
    let body = wire::frame(&mut response);
    Verdict::write_answer(
        response.status().as_u16(),
        fields(response.headers()),
        Body::Whole(&body),
    )
}

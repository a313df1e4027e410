//! Bodies on their way to an origin, and from it.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http1::{BodyError, ResponseBody};
use pool_core::{Outcome, Ticket};
use tokio::time::{Sleep, sleep};

use super::{OriginStream, Upstream};

/// Longest time in which an origin sends nothing of a body that it has begun: 60 s.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A request's body, as attempts see it: those that were made before it was touched leave it to the next.
#[derive(Debug, Clone)]
pub enum RequestContent {
    /// All of it; it can be sent as often as wanted.
    Whole(Bytes),
    /// It comes from the client, once.
    Flow(Arc<Flow>),
}

/// A body that comes from a client.
#[derive(Debug)]
pub struct Flow {
    body: Mutex<UnsyncBoxBody<Bytes, BodyError>>,
    /// Frames that have come.
    frames: AtomicU64,
}

impl Flow {
    fn body(&self) -> MutexGuard<'_, UnsyncBoxBody<Bytes, BodyError>> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RequestContent {
    /// Takes a body that comes from a client.
    #[must_use]
    pub fn flow(body: UnsyncBoxBody<Bytes, BodyError>) -> Self {
        Self::Flow(Arc::new(Flow { body: Mutex::new(body), frames: AtomicU64::new(0) }))
    }

    /// Returns a number that grows while the body comes.
    pub(super) fn progress(&self) -> u64 {
        match self {
            Self::Whole(_) => 0,
            Self::Flow(flow) => flow.frames.load(Relaxed),
        }
    }

    /// Whether it can be sent again after some of it was sent.
    #[must_use]
    pub const fn is_replayable(&self) -> bool {
        matches!(self, Self::Whole(_))
    }
}

impl Body for RequestContent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Flow(flow) => {
                let polled = Pin::new(&mut *flow.body()).poll_frame(cx);
                if polled.is_ready() {
                    flow.frames.fetch_add(1, Relaxed);
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Flow(flow) => flow.body().is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Self::Flow(flow) => flow.body().size_hint(),
        }
    }
}

/// An answer's body. Its place at the origin is taken until it ends.
pub struct UpstreamBody {
    body: ResponseBody<OriginStream, RequestContent>,
    place: Option<Place>,
    silence: Option<Pin<Box<Sleep>>>,
}

/// A request's place at an origin.
pub(super) struct Place {
    pub(super) upstream: Arc<Upstream>,
    pub(super) ticket: Ticket,
    pub(super) outcome: Outcome,
}

impl Place {
    fn end(mut self, outcome: Outcome) {
        self.upstream.end(&mut self.ticket, outcome);
    }
}

impl UpstreamBody {
    pub(super) fn new(body: ResponseBody<OriginStream, RequestContent>, place: Place) -> Self {
        if body.whole().is_some() {
            let outcome = place.outcome;
            place.end(outcome);
            return Self { body, place: None, silence: None };
        }
        Self { body, place: Some(place), silence: None }
    }

    /// For an answer whose place has been given up already.
    pub(super) const fn without_place(body: ResponseBody<OriginStream, RequestContent>) -> Self {
        Self { body, place: None, silence: None }
    }

    /// Returns all of it, if it is here already.
    #[must_use]
    pub const fn whole(&self) -> Option<&Bytes> {
        self.body.whole()
    }

    fn end(&mut self, is_whole: bool) {
        if let Some(place) = self.place.take() {
            let outcome = if is_whole { place.outcome } else { Outcome::Broken };
            place.end(outcome);
        }
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            place.end(Outcome::Cancelled);
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.silence = None;
            match &frame {
                None => this.end(true),
                Some(Err(_)) => this.end(false),
                Some(Ok(_)) if this.body.is_end_stream() => this.end(true),
                Some(Ok(_)) => {}
            }
            return Poll::Ready(frame);
        }
        let silence = this.silence.get_or_insert_with(|| Box::pin(sleep(SILENCE_MAX)));
        ready!(silence.as_mut().poll(cx));
        this.end(false);
        Poll::Ready(Some(Err(BodyError::Cut)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl std::fmt::Debug for UpstreamBody {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("UpstreamBody").field(&self.body).finish()
    }
}

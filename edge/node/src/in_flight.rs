//! Requests in flight on one connection, so that one that carries none for long can be told from a slow one.
//!
//! A request is in flight until its answer's body has gone to the connection or was dropped. Nothing is woken per request:
//! whoever waits for idleness looks when it could have come at the earliest.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use runtime::Body;
use tokio::time::{Instant, sleep};

/// Counts the requests of one connection.
pub(crate) struct InFlight {
    opened: Instant,
    begun: AtomicU64,
    open: AtomicUsize,
    /// When the last one ended, in milliseconds since the connection was opened.
    ended_ms: AtomicU64,
}

impl InFlight {
    /// Starts with a connection that is idle from now on.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            begun: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            ended_ms: AtomicU64::new(0),
        })
    }

    /// Counts a request until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Entered {
        self.begun.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
        Entered(Arc::clone(self))
    }

    /// Whether there ever was a request.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun() > 0
    }

    /// How many requests there were so far.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }

    /// Ends when there has been no request for `limit`.
    pub(crate) async fn idle(&self, limit: Duration) {
        let mut pause = limit;
        while !pause.is_zero() {
            sleep(pause).await;
            pause = self.left(limit);
        }
    }

    /// How long it takes at least until there has been no request for `limit`.
    fn left(&self, limit: Duration) -> Duration {
        // Read first: with it comes the end of the request that left the count at zero.
        if self.open.load(Acquire) > 0 {
            return limit;
        }
        let ended = Duration::from_millis(self.ended_ms.load(Relaxed));
        limit.saturating_sub(self.opened.elapsed().saturating_sub(ended))
    }
}

/// Is there while its request is in flight.
pub(crate) struct Entered(Arc<InFlight>);

impl Drop for Entered {
    fn drop(&mut self) {
        let now = u64::try_from(self.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.ended_ms.store(now, Relaxed);
        self.0.open.fetch_sub(1, Release);
    }
}

/// A body with what has to last until its end: the version that it comes from.
pub(crate) struct GuardedBody<G> {
    pub(crate) body: Body,
    pub(crate) _guard: G,
}

impl<G: Unpin> http_body::Body for GuardedBody<G> {
    type Data = Bytes;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_connection_is_idle_only_when_no_request_has_been_open_for_the_whole_limit() {
        let requests = InFlight::new();
        let entered = requests.enter();
        assert!(timeout(LIMIT * 4, requests.idle(LIMIT)).await.is_err());
        let ended = Instant::now();
        drop(entered);
        requests.idle(LIMIT).await;
        // The end is kept in whole milliseconds.
        assert!(ended.elapsed() + Duration::from_millis(1) >= LIMIT);
    }

    #[tokio::test]
    async fn a_connection_that_never_asked_is_idle_too() {
        let requests = InFlight::new();
        requests.idle(LIMIT).await;
        assert!(!requests.has_begun() && requests.opened.elapsed() >= LIMIT);
        drop(requests.enter());
        assert!(requests.has_begun() && !requests.left(LIMIT).is_zero());
    }
}

//! Request bodies that come too slowly: a client that sends a byte now and then would hold an instance for long.
//!
//! Only the time in which the component waits for the client counts; a component that reads slowly costs the client
//! nothing.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// How slowly a body may come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Longest wait for the next bytes, and how long the average is not looked at.
    pub(crate) stall_max: Duration,
    /// Bytes per second of waiting that are the least; 0 asks for none.
    pub(crate) rate_min: u64,
}

impl Pace {
    /// When the next bytes must be there, after `waited` in all for `bytes` so far.
    fn deadline(&self, now: Instant, waited: Duration, bytes: u64) -> Instant {
        let stalled = now + self.stall_max;
        let Some(owed) = bytes.saturating_mul(1000).checked_div(self.rate_min) else {
            return stalled;
        };
        // So much waiting in all is paid for by the bytes that came, or free at the beginning.
        let allowed = self.stall_max.max(Duration::from_millis(owed));
        stalled.min(now + allowed.saturating_sub(waited))
    }
}

/// Whether a body came too slowly.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slowness(Arc<AtomicBool>);

impl Slowness {
    pub(crate) fn happened(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PacedError<E> {
    /// It came too slowly.
    #[error("the body comes too slowly")]
    TooSlow,
    /// It broke off.
    #[error(transparent)]
    Broken(E),
}

/// A body that ends with an error when it comes too slowly.
pub(crate) struct PacedBody<B> {
    body: B,
    pace: Pace,
    slowness: Slowness,
    bytes: u64,
    waited: Duration,
    /// Since when, and until when, the next bytes are waited for.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<B> PacedBody<B> {
    /// Watches over `body`; the second value says later whether it was too slow.
    pub(crate) fn new(body: B, pace: Pace) -> (Self, Slowness) {
        let slowness = Slowness::default();
        let told = slowness.clone();
        (Self { body, pace, slowness, bytes: 0, waited: Duration::ZERO, waiting: None }, told)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for PacedBody<B> {
    type Data = Bytes;
    type Error = PacedError<B::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            if let Some((since, _)) = this.waiting.take() {
                this.waited += since.elapsed();
            }
            if let Some(Ok(frame)) = &frame {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                this.bytes = this.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(PacedError::Broken)));
        }
        let (pace, waited, bytes) = (this.pace, this.waited, this.bytes);
        let (_, deadline) = this.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(sleep_until(pace.deadline(now, waited, bytes))))
        });
        ready!(deadline.as_mut().poll(cx));
        this.slowness.0.store(true, Relaxed);
        Poll::Ready(Some(Err(PacedError::TooSlow)))
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
    use http_body_util::{BodyExt as _, StreamBody};
    use tokio::sync::mpsc;

    use super::*;

    const PACE: Pace = Pace { stall_max: Duration::from_secs(5), rate_min: 256 };

    #[test]
    fn a_body_must_come_on_and_on_average_quickly_enough() {
        let now = Instant::now();
        for (waited_s, bytes, left_s) in [
            // The beginning is free.
            (0, 0, 5),
            (4, 0, 1),
            (5, 0, 0),
            // 2 560 bytes pay for ten seconds.
            (4, 2560, 5),
            (7, 2560, 3),
            (10, 2560, 0),
            (11, 2560, 0),
            // Never longer than a stall, however much came.
            (1, 1_000_000, 5),
        ] {
            let waited = Duration::from_secs(waited_s);
            let left = PACE.deadline(now, waited, bytes) - now;
            assert_eq!(left, Duration::from_secs(left_s), "{waited_s} s, {bytes} bytes");
        }
        let any = Pace { rate_min: 0, ..PACE };
        assert_eq!(any.deadline(now, Duration::from_secs(99), 1) - now, PACE.stall_max);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_ended_and_a_stream_that_its_reader_holds_up_is_not() {
        let (trickle, frames) = mpsc::channel::<Result<Frame<Bytes>, std::io::Error>>(1);
        let (mut body, slowness) = PacedBody::new(stream(frames), PACE);
        tokio::spawn(async move {
            while trickle.send(Ok(Frame::data(Bytes::from_static(b"x")))).await.is_ok() {
                // sleeps because it plays a client that sends a byte each second; the clock is the test's
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let started = Instant::now();
        let ended = loop {
            match body.frame().await.expect("does not end well") {
                Ok(_) => assert!(!slowness.happened()),
                Err(error) => break error,
            }
        };
        assert!(matches!(ended, PacedError::TooSlow) && slowness.happened());
        assert_eq!(started.elapsed().as_secs(), 5);

        let (quick, frames) = mpsc::channel(1);
        let (mut body, slowness) = PacedBody::new(stream(frames), PACE);
        for _ in 0..4 {
            quick.send(Ok(Frame::data(Bytes::from_static(b"x")))).await.expect("is sent");
            // sleeps because it plays a slow component; the clock is the test's
            tokio::time::sleep(Duration::from_secs(4)).await;
            assert!(body.frame().await.expect("is there").is_ok());
        }
        drop(quick);
        assert!(body.frame().await.is_none() && !slowness.happened());
    }

    fn stream(
        mut frames: mpsc::Receiver<Result<Frame<Bytes>, std::io::Error>>,
    ) -> impl Body<Data = Bytes, Error = std::io::Error> + Unpin {
        StreamBody::new(futures::stream::poll_fn(move |cx| frames.poll_recv(cx)))
    }
}

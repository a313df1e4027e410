//! Bodies on their way in, bounded, and on their way out, streamed.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::Body;

/// Why a body ended before its end.
pub type BodyError = wasmtime_wasi_http::Error;

/// Makes a body of bytes that are all there.
#[must_use]
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(Into::into).boxed_unsync()
}

/// Whether a bounded body was longer than allowed.
#[derive(Debug, Clone, Default)]
pub struct Overflow(Arc<AtomicBool>);

impl Overflow {
    /// Whether it has happened so far.
    #[must_use]
    pub fn happened(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Bounds `body` to `bytes_max` bytes: beyond them its reader gets an error, and the handle knows.
pub fn bounded<B>(body: B, bytes_max: u64) -> (Body, Overflow)
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    let overflow = Overflow::default();
    let bounded = Bounded { body, bytes_left: bytes_max, overflow: overflow.clone() };
    (bounded.boxed_unsync(), overflow)
}

struct Bounded<B> {
    body: B,
    bytes_left: u64,
    overflow: Overflow,
}

impl<B> http_body::Body for Bounded<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!("request body broke off: {error}");
                return Poll::Ready(Some(Err(BodyError::ConnectionTerminated)));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return Poll::Pending,
        };
        let length =
            frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
        match self.bytes_left.checked_sub(length) {
            Some(left) => {
                self.bytes_left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                self.overflow.0.store(true, Relaxed);
                Poll::Ready(Some(Err(BodyError::HttpRequestBodySize(None))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What travels from the worker.
enum Piece {
    /// A frame, and the place that it takes while it waits.
    Frame(Frame<Bytes>, OwnedSemaphorePermit),
    /// The body is whole. Without it the receiver must not believe so.
    End,
}

/// Frames of each answer that may wait for its reader whatever others do: with 64 KiB frames 1 MiB.
const FRAMES_MAX: usize = 16;
/// What the shared room is counted in: 1 KiB, so that counts fit.
const UNIT_BYTES: usize = 1024;

/// Room in memory, shared by all answers, for what waits for slow readers.
///
/// While there is some, a component is done with its answer when it has written it; otherwise its instance is held
/// until the reader has taken enough.
#[derive(Clone)]
pub(crate) struct Parking(Arc<Semaphore>);

impl Parking {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes_max / UNIT_BYTES).min(Semaphore::MAX_PERMITS))))
    }

    fn try_take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        // Nothing waits for nothing: otherwise empty frames could be without number.
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES).max(1)).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(units).ok()
    }
}

/// The sending half of a [`PipedBody`].
pub(crate) struct Pipe {
    pieces: mpsc::UnboundedSender<Piece>,
    own: Arc<Semaphore>,
    parking: Parking,
}

/// Whoever read is gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReaderGone;

impl Pipe {
    /// Makes both halves for a body of `size`.
    #[expect(clippy::disallowed_methods, reason = "each piece has a place in a bounded room")]
    pub(crate) fn new(parking: Parking, size: SizeHint, is_ended: bool) -> (Self, PipedBody) {
        let (pieces, piped) = mpsc::unbounded_channel();
        let own = Arc::new(Semaphore::new(FRAMES_MAX));
        (Self { pieces, own, parking }, PipedBody { pieces: piped, is_ended, size })
    }

    /// Sends a frame as soon as there is a place for it.
    pub(crate) async fn send(&self, frame: Frame<Bytes>) -> Result<(), ReaderGone> {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        let place = match Arc::clone(&self.own).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => match self.parking.try_take(bytes) {
                Some(place) => place,
                // A reader that goes drops what waits, and with it places.
                None => Arc::clone(&self.own).acquire_owned().await.map_err(|_| ReaderGone)?,
            },
        };
        self.pieces.send(Piece::Frame(frame, place)).map_err(|_| ReaderGone)
    }

    /// Ends when whoever read is gone.
    pub(crate) async fn reader_gone(&self) {
        self.pieces.closed().await;
    }

    /// Says that the body is whole.
    pub(crate) fn end(self) {
        // Nobody may read any more.
        let _ = self.pieces.send(Piece::End);
    }
}

/// The receiving half: yields frames, and an error if the worker is gone before the end.
pub(crate) struct PipedBody {
    pieces: mpsc::UnboundedReceiver<Piece>,
    is_ended: bool,
    size: SizeHint,
}

impl http_body::Body for PipedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.is_ended {
            return Poll::Ready(None);
        }
        match self.pieces.poll_recv(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Piece::Frame(frame, _place))) => Poll::Ready(Some(Ok(frame))),
            Poll::Ready(Some(Piece::End)) => {
                self.is_ended = true;
                Poll::Ready(None)
            }
            Poll::Ready(None) => {
                self.is_ended = true;
                Poll::Ready(Some(Err(BodyError::HttpResponseIncomplete)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe(parking_bytes: usize) -> (Pipe, PipedBody) {
        Pipe::new(Parking::new(parking_bytes), SizeHint::default(), false)
    }

    /// Sends frames of 64 KiB until one must wait; returns how many went.
    fn fill(pipe: &Pipe) -> usize {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let frame = || Frame::data(Bytes::from(vec![0; 64 * 1024]));
        let went = |_: &usize| std::pin::pin!(pipe.send(frame())).poll(&mut cx).is_ready();
        (0..1000).take_while(went).count()
    }

    #[test]
    fn an_answer_waits_for_its_reader_in_its_own_room_and_then_in_the_shared_one() {
        assert_eq!(fill(&pipe(0).0), FRAMES_MAX);
        let (writer, reader) = pipe(10 * 64 * 1024 + 1);
        assert_eq!(fill(&writer), FRAMES_MAX + 10);
        // Another answer has its own room, whatever the first one holds.
        let (other, _unread) = Pipe::new(writer.parking.clone(), SizeHint::default(), false);
        assert_eq!(fill(&other), FRAMES_MAX);
        drop(reader);
        assert_eq!(writer.parking.0.available_permits(), 640);
    }

    #[tokio::test]
    async fn what_waited_comes_out_whole_and_in_order() {
        let (writer, reader) = pipe(1024 * 1024);
        for number in 0..30_u8 {
            assert!(writer.send(Frame::data(Bytes::from(vec![number; 1000]))).await.is_ok());
        }
        let parking = writer.parking.clone();
        writer.end();
        let whole = reader.collect().await.expect("is whole").to_bytes();
        assert_eq!(whole, (0..30_u8).flat_map(|number| vec![number; 1000]).collect::<Vec<u8>>());
        assert_eq!(parking.0.available_permits(), 1024);
    }

    #[tokio::test]
    async fn a_body_without_its_end_is_an_error() {
        let (writer, reader) = pipe(0);
        drop(writer);
        assert!(reader.collect().await.is_err());
    }
}

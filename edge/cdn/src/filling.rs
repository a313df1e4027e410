//! A body that comes from an origin once and is read by any number of clients, each at its own pace.
//!
//! While it may still be stored it is kept whole, within the bound of one stored body. Beyond that it only flows: what
//! all readers have read is dropped, and the slowest of them sets the pace.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http1::BodyError;

/// How far the fastest reader of a body that only flows may be ahead of the slowest: 1 MiB.
const AHEAD_BYTES_MAX: usize = 1 << 20;

/// Where the body is put.
#[derive(Debug)]
pub(crate) struct Filling(Mutex<State>);

#[derive(Debug)]
struct State {
    pieces: Vec<Bytes>,
    /// Pieces that were dropped in front of those.
    dropped: usize,
    bytes: usize,
    /// Of the whole body, where it is known.
    length: Option<u64>,
    end: Option<Result<HeaderMap, BodyError>>,
    flows: bool,
    readers: BTreeMap<u64, Reader>,
    next_reader: u64,
    writer: Option<Waker>,
}

#[derive(Debug, Default)]
struct Reader {
    /// Pieces it has read.
    read: usize,
    waker: Option<Waker>,
}

/// Whether more may be put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Yes.
    Yes,
    /// No reader is left, and nobody will store it.
    Unwanted,
}

impl Filling {
    pub(crate) fn new(length: Option<u64>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            pieces: Vec::new(),
            dropped: 0,
            bytes: 0,
            length,
            end: None,
            flows: false,
            readers: BTreeMap::new(),
            next_reader: 0,
            writer: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a piece.
    pub(crate) fn push(&self, piece: Bytes) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_add(piece.len());
        state.pieces.push(piece);
        wake(state);
    }

    /// Says that it is whole, or never will be.
    pub(crate) fn end(&self, end: Result<HeaderMap, BodyError>) {
        let mut state = self.state();
        state.end.get_or_insert(end);
        wake(state);
    }

    /// Says that it will not be stored: from now on it only flows.
    pub(crate) fn flow(&self) {
        let mut state = self.state();
        state.flows = true;
        state.trim();
    }

    /// Returns all pieces of a body that is whole and did not flow.
    pub(crate) fn pieces(&self) -> Vec<Bytes> {
        self.state().pieces.clone()
    }

    /// Waits until more may be put in.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<Room> {
        let mut state = self.state();
        if !state.flows {
            return Poll::Ready(Room::Yes);
        }
        if state.readers.is_empty() {
            return Poll::Ready(Room::Unwanted);
        }
        if state.bytes < AHEAD_BYTES_MAX {
            return Poll::Ready(Room::Yes);
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Reads from the first byte; `None` where that is gone.
    pub(crate) fn reader(self: &Arc<Self>) -> Option<FillingBody> {
        let mut state = self.state();
        if state.dropped > 0 {
            return None;
        }
        let id = state.next_reader;
        state.next_reader = id.wrapping_add(1);
        state.readers.insert(id, Reader::default());
        drop(state);
        let (skip, left) = (0, None);
        Some(FillingBody { filling: Arc::clone(self), id, is_over: false, skip, left })
    }
}

impl State {
    /// Drops what everybody has read, if nobody else wants it.
    fn trim(&mut self) {
        if !self.flows {
            return;
        }
        let read = self.readers.values().map(|reader| reader.read).min().unwrap_or(usize::MAX);
        let droppable = read.saturating_sub(self.dropped).min(self.pieces.len());
        for piece in self.pieces.drain(..droppable) {
            self.bytes = self.bytes.saturating_sub(piece.len());
        }
        self.dropped = self.dropped.saturating_add(droppable);
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let wakers: Vec<_> =
        state.readers.values_mut().filter_map(|reader| reader.waker.take()).collect();
    drop(state);
    for waker in wakers {
        waker.wake();
    }
}

/// One reader of a body that may still be coming.
#[derive(Debug)]
pub struct FillingBody {
    filling: Arc<Filling>,
    id: u64,
    is_over: bool,
    /// Bytes that are not wanted first.
    skip: u64,
    /// Bytes that are wanted, where not all are.
    left: Option<u64>,
}

impl FillingBody {
    /// Reads `length` bytes from `start` only. Before anything was read.
    pub(crate) fn part(mut self, start: u64, length: u64) -> Self {
        self.skip = start;
        self.left = Some(length);
        self
    }

    /// Cuts a piece to what is wanted of it.
    fn cut(&mut self, mut piece: Bytes) -> Bytes {
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(piece.len());
        drop(piece.split_to(skip));
        self.skip = self.skip.saturating_sub(u64::try_from(skip).unwrap_or(u64::MAX));
        if let Some(left) = &mut self.left {
            piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left = left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            self.is_over = *left == 0;
        }
        piece
    }
}

impl Drop for FillingBody {
    fn drop(&mut self) {
        let mut state = self.filling.state();
        state.readers.remove(&self.id);
        state.trim();
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
    }
}

impl Body for FillingBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            let frame = match this.poll_piece(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                other => return other,
            };
            match frame.into_data() {
                Ok(piece) => {
                    let piece = this.cut(piece);
                    if !piece.is_empty() || this.is_over {
                        return Poll::Ready(Some(Ok(Frame::data(piece))));
                    }
                }
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        if let Some(left) = self.left {
            return SizeHint::with_exact(left);
        }
        let state = self.filling.state();
        let read = state.readers.get(&self.id).map_or(0, |reader| reader.read);
        match state.length {
            Some(length) if read == 0 => SizeHint::with_exact(length),
            _ => SizeHint::default(),
        }
    }
}

impl FillingBody {
    fn poll_piece(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let this = self;
        let mut state = this.filling.state();
        let dropped = state.dropped;
        let Some(reader) = state.readers.get_mut(&this.id) else { return Poll::Ready(None) };
        let at = reader.read.saturating_sub(dropped);
        reader.waker = None;
        if let Some(piece) = state.pieces.get(at).cloned() {
            if let Some(reader) = state.readers.get_mut(&this.id) {
                reader.read = reader.read.saturating_add(1);
            }
            state.trim();
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match &state.end {
            Some(Ok(trailers)) => {
                let trailers = trailers.clone();
                drop(state);
                this.is_over = true;
                let frame = (!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers)));
                Poll::Ready(frame)
            }
            Some(Err(error)) => {
                let error = *error;
                drop(state);
                this.is_over = true;
                Poll::Ready(Some(Err(error)))
            }
            None => {
                if let Some(reader) = state.readers.get_mut(&this.id) {
                    reader.waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn everybody_reads_all_of_it_whenever_they_come() {
        let filling = Filling::new(Some(6));
        let early = filling.reader().expect("is there from the start");
        assert_eq!(early.size_hint().exact(), Some(6));
        let reading = tokio::spawn(early.collect());
        filling.push(Bytes::from_static(b"abc"));
        let middle = filling.reader().expect("is there from the start");
        filling.push(Bytes::from_static(b"def"));
        filling.end(Ok(HeaderMap::new()));
        let late = filling.reader().expect("is there from the start");
        for body in
            [reading.await.expect("does not panic"), middle.collect().await, late.collect().await]
        {
            assert_eq!(body.expect("is whole").to_bytes(), "abcdef");
        }
        assert_eq!(filling.pieces().len(), 2);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_breaks_off_for_everybody() {
        let filling = Filling::new(None);
        let reader = filling.reader().expect("is there from the start");
        filling.push(Bytes::from_static(b"abc"));
        filling.end(Err(BodyError::Cut));
        assert!(reader.collect().await.is_err());
    }

    #[tokio::test]
    async fn a_body_that_only_flows_waits_for_its_slowest_reader_and_ends_with_its_last() {
        let filling = Filling::new(None);
        let mut slow = filling.reader().expect("is there from the start");
        let mut quick = filling.reader().expect("is there from the start");
        filling.flow();
        let piece = Bytes::from(vec![0; AHEAD_BYTES_MAX]);
        filling.push(piece.clone());
        let cx = Context::from_waker(Waker::noop());
        assert!(filling.poll_room(&cx).is_pending());
        drop(quick.frame().await);
        assert!(filling.poll_room(&cx).is_pending());
        drop(slow.frame().await);
        assert_eq!(filling.poll_room(&cx), Poll::Ready(Room::Yes));
        assert!(filling.reader().is_none(), "the beginning is gone");
        filling.push(piece);
        drop(slow);
        assert!(filling.poll_room(&cx).is_pending());
        drop(quick);
        assert_eq!(filling.poll_room(&cx), Poll::Ready(Room::Unwanted));
    }
}

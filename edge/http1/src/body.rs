//! A request's body, as whoever answers it reads it.
//!
//! A body that came with its head is just bytes. Any other is a flow: the connection reads on only while somebody waits
//! for it, so a slow reader slows its client down and nothing piles up.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// Why a body ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The client's connection ended.
    #[error("the connection ended in the middle of the body")]
    Cut,
    /// The body is not framed as HTTP/1.1 wants it.
    #[error("the body is malformed: {0}")]
    Malformed(&'static str),
}

/// A request's body.
#[derive(Debug, Default)]
pub struct RequestBody(Kind);

#[derive(Debug, Default)]
enum Kind {
    #[default]
    Empty,
    Whole(Bytes),
    Flow(Arc<Flow>),
}

/// Where connection and reader meet.
#[derive(Debug)]
pub(crate) struct Flow(Mutex<State>);

#[derive(Debug)]
struct State {
    waiting: Option<Frame<Bytes>>,
    end: Option<Result<(), BodyError>>,
    /// Bytes still to be read by whoever reads; `None` where nobody knows.
    left: Option<u64>,
    is_wanted: bool,
    is_dropped: bool,
    reader: Option<Waker>,
    connection: Option<Waker>,
}

impl RequestBody {
    pub(crate) const fn whole(bytes: Bytes) -> Self {
        Self(Kind::Whole(bytes))
    }

    pub(crate) fn flow(length: Option<u64>) -> (Self, Arc<Flow>) {
        let flow = Arc::new(Flow(Mutex::new(State {
            waiting: None,
            end: None,
            left: length,
            is_wanted: false,
            is_dropped: false,
            reader: None,
            connection: None,
        })));
        (Self(Kind::Flow(Arc::clone(&flow))), flow)
    }

    /// Returns a body that has no bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Kind::Empty)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Kind::Flow(flow) = &self.0 {
            let mut state = flow.state();
            state.is_dropped = true;
            state.waiting = None;
            if let Some(connection) = state.connection.take() {
                connection.wake();
            }
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Flow(flow) => flow.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Flow(flow) => {
                let state = flow.state();
                state.waiting.is_none() && state.end == Some(Ok(()))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        let length = match &self.0 {
            Kind::Empty => Some(0),
            Kind::Whole(bytes) => u64::try_from(bytes.len()).ok(),
            Kind::Flow(flow) => flow.state().left,
        };
        length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Flow {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut state = self.state();
        if let Some(frame) = state.waiting.take() {
            if let Some(connection) = state.connection.take() {
                connection.wake();
            }
            return Poll::Ready(Some(Ok(frame)));
        }
        match state.end {
            Some(Ok(())) => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => {}
        }
        state.is_wanted = true;
        match &mut state.reader {
            Some(known) => known.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        if let Some(connection) = state.connection.take() {
            connection.wake();
        }
        Poll::Pending
    }

    /// Whether the next frame has somewhere to go. If not, `cx` is woken when it has, or when the body was dropped.
    pub(crate) fn wants(&self, cx: &Context<'_>) -> Wants {
        let mut state = self.state();
        if state.is_dropped {
            return Wants::Nothing;
        }
        if state.is_wanted && state.waiting.is_none() && state.end.is_none() {
            return Wants::More;
        }
        match &mut state.connection {
            Some(known) => known.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Wants::Later
    }

    pub(crate) fn push(&self, data: Bytes) {
        let mut state = self.state();
        if state.is_dropped {
            return;
        }
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        state.left = state.left.map(|left| left.saturating_sub(length));
        state.waiting = Some(Frame::data(data));
        state.is_wanted = false;
        Self::wake(state);
    }

    /// Says that the body is whole, or that it will never be.
    pub(crate) fn end(&self, end: Result<HeaderMap, BodyError>) {
        let mut state = self.state();
        if state.end.is_some() {
            return;
        }
        match end {
            Ok(trailers) if !trailers.is_empty() && !state.is_dropped => {
                state.waiting = Some(Frame::trailers(trailers));
                state.end = Some(Ok(()));
            }
            Ok(_) => state.end = Some(Ok(())),
            Err(error) => state.end = Some(Err(error)),
        }
        Self::wake(state);
    }

    fn wake(mut state: MutexGuard<'_, State>) {
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// Whether somebody waits for more of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Now.
    More,
    /// Perhaps later.
    Later,
    /// Never: it was dropped.
    Nothing,
}

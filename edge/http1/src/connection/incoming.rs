//! A request's body on its way from the connection to whoever reads it.

use std::{sync::Arc, task::Context};

use bytes::BytesMut;
use http::HeaderMap;

use crate::{
    body::{BodyError, Flow, Wants},
    chunked::{Decoded, Decoder},
};

/// Most bytes handed on at once: 64 KiB.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// The part of a body that has not been handed on.
#[derive(Debug)]
pub(super) struct Incoming {
    left: Left,
    flow: Option<Arc<Flow>>,
    /// The client waits to be told to go on.
    owes_continue: bool,
}

#[derive(Debug)]
enum Left {
    Length(u64),
    Chunks(Decoder),
    /// Nothing, or nothing that can be read.
    Nothing,
    /// It broke off or makes no sense.
    Broken,
}

/// What is to be done next.
pub(super) enum Step {
    /// Nothing, until somebody wants more.
    Wait,
    /// Ask again.
    Again,
    /// Send `100 Continue`, then ask again.
    Continue,
    /// Read, then ask again.
    Read,
    /// The body is over.
    Ended,
}

impl Incoming {
    pub(super) const fn ended() -> Self {
        Self { left: Left::Nothing, flow: None, owes_continue: false }
    }

    pub(super) const fn length(length: u64, flow: Arc<Flow>, owes_continue: bool) -> Self {
        Self { left: Left::Length(length), flow: Some(flow), owes_continue }
    }

    pub(super) const fn chunked(flow: Arc<Flow>, owes_continue: bool) -> Self {
        Self { left: Left::Chunks(Decoder::new()), flow: Some(flow), owes_continue }
    }

    pub(super) const fn is_ended(&self) -> bool {
        matches!(self.left, Left::Nothing)
    }

    /// Whether the connection may go on behind what is left: it is known to be little, or may yet be read.
    pub(super) const fn leaves_room(&self, bytes_max: u64) -> bool {
        match self.left {
            Left::Nothing => true,
            // Whoever was not told to go on may send the body or not: nobody knows where the next request begins.
            Left::Length(left) => left <= bytes_max && !self.owes_continue,
            Left::Chunks(_) => !self.owes_continue,
            Left::Broken => false,
        }
    }

    /// Returns what is left of a body of known length.
    pub(super) const fn left_of_length(&self) -> Option<u64> {
        match self.left {
            Left::Length(left) => Some(left),
            _ => None,
        }
    }

    /// Notes bytes that were passed over.
    pub(super) const fn passed(&mut self, bytes: u64) {
        if let Left::Length(left) = &mut self.left {
            *left = left.saturating_sub(bytes);
            if *left == 0 {
                self.left = Left::Nothing;
            }
        }
    }

    /// Notes that nothing more will come.
    pub(super) fn cut(&mut self) {
        self.fail(BodyError::Cut);
    }

    fn fail(&mut self, error: BodyError) {
        if matches!(self.left, Left::Nothing) {
            return;
        }
        self.left = Left::Broken;
        if let Some(flow) = self.flow.take() {
            flow.end(Err(error));
        }
    }

    /// Hands on what is wanted and there.
    pub(super) fn step(&mut self, cx: &Context<'_>, buffer: &mut BytesMut) -> Step {
        if matches!(self.left, Left::Nothing) {
            return Step::Ended;
        }
        let Some(flow) = &self.flow else { return Step::Wait };
        match flow.wants(cx) {
            Wants::More => {}
            Wants::Later => return Step::Wait,
            Wants::Nothing => {
                self.flow = None;
                return Step::Wait;
            }
        }
        if std::mem::take(&mut self.owes_continue) && buffer.is_empty() {
            return Step::Continue;
        }
        self.hand_on(buffer)
    }

    fn hand_on(&mut self, buffer: &mut BytesMut) -> Step {
        let Some(flow) = &self.flow else { return Step::Wait };
        match &mut self.left {
            Left::Length(_) if buffer.is_empty() => Step::Read,
            Left::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX);
                let data = buffer.split_to(take.min(buffer.len()).min(PIECE_BYTES_MAX)).freeze();
                *left = left.saturating_sub(u64::try_from(data.len()).unwrap_or(u64::MAX));
                let is_last = *left == 0;
                flow.push(data);
                if is_last {
                    self.finish(HeaderMap::new());
                }
                Step::Again
            }
            Left::Chunks(decoder) => match decoder.decode(buffer, PIECE_BYTES_MAX) {
                Ok(Decoded::More) => Step::Read,
                Ok(Decoded::Data(data)) => {
                    flow.push(data);
                    Step::Again
                }
                Ok(Decoded::End(trailers)) => {
                    self.finish(trailers);
                    Step::Again
                }
                Err(error) => {
                    self.fail(BodyError::Malformed(error.0));
                    Step::Wait
                }
            },
            Left::Nothing => Step::Ended,
            Left::Broken => Step::Wait,
        }
    }

    fn finish(&mut self, trailers: HeaderMap) {
        self.left = Left::Nothing;
        if let Some(flow) = self.flow.take() {
            flow.end(Ok(trailers));
        }
    }
}

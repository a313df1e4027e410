//! What comes next on a connection: a head, one that is answered already, or the end.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::{io::ReadBuf, time::Instant};

use super::{Connection, SCRATCH};
use crate::{
    error::{Refusal, RefusalKind, refusal},
    head::Scanner,
    output::Output,
    quick::{Quick, QuickBody},
    transport::Transport,
};

/// What every HTTP/2 connection begins with (RFC 9113, section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) enum Next<R> {
    Head(Bytes),
    /// Answered already, but for its content.
    Ready(QuickBody, Instant),
    /// Passed on already.
    Relay(R, Instant, Bytes),
    Refused(Refusal),
    Http2,
    End,
}

impl<R> Next<R> {
    /// `head` makes of the head what can be kept.
    fn of(quick: Option<(Quick<R>, Instant)>, head: impl FnOnce() -> Bytes) -> Self {
        match quick {
            None => Self::Head(head()),
            Some((Quick::Ready(body), arrived)) => Self::Ready(body, arrived),
            Some((Quick::Relay(relay), arrived)) => Self::Relay(relay, arrived, head()),
        }
    }
}

impl<T: Transport> Connection<T> {
    /// Reads until a head is whole.
    pub(super) fn poll_next<R>(
        &mut self,
        cx: &mut Context<'_>,
        quick: &impl Fn(&mut Output, &[u8]) -> Option<(Quick<R>, Instant)>,
        stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Poll<io::Result<Next<R>>> {
        loop {
            if !self.buffer.is_empty()
                && let Some(next) = self.next_in_buffer(quick)
            {
                return Poll::Ready(Ok(next));
            }
            if self.is_half_closed {
                return Poll::Ready(Ok(Next::End));
            }
            let read = if self.buffer.is_empty() {
                self.poll_first(cx, quick)
            } else {
                self.poll_read(cx, usize::MAX).map_ok(|_| None)
            };
            match read {
                Poll::Ready(Ok(Some(next))) => return Poll::Ready(Ok(next)),
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.poll_idle(cx, stop).map(Ok),
            }
        }
    }

    /// Waits for what ends a connection on which nothing comes.
    fn poll_idle<R>(
        &mut self,
        cx: &mut Context<'_>,
        stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Poll<Next<R>> {
        // Both wake this task already, and would do so again: what they told before the last answer was heeded with it.
        let is_waiting = self.waiting.as_ref().is_some_and(|one| one.will_wake(cx.waker()))
            && self.patience.is_running();
        if std::mem::take(&mut self.has_just_served) && is_waiting {
            return Poll::Pending;
        }
        let is_idle = self.buffer.is_empty() && self.has_served;
        if is_idle && stop.poll(cx).is_ready() {
            return Poll::Ready(Next::End);
        }
        self.waiting = is_idle.then(|| cx.waker().clone());
        ready!(self.patience.poll(cx, self.since + self.head_timeout));
        if self.buffer.is_empty() {
            return Poll::Ready(Next::End);
        }
        let too_slow = refusal(RefusalKind::TooSlow, "the head takes too long");
        Poll::Ready(Next::Refused(too_slow))
    }

    /// Looks at what has been read.
    fn next_in_buffer<R>(
        &mut self,
        quick: &impl Fn(&mut Output, &[u8]) -> Option<(Quick<R>, Instant)>,
    ) -> Option<Next<R>> {
        if !self.has_served && self.buffer.first() == Some(&b'P') {
            let known = PREFACE.len().min(self.buffer.len());
            if self.buffer.get(..known) == PREFACE.get(..known) {
                if known == PREFACE.len() {
                    return Some(Next::Http2);
                }
                // `P` alone may still become `POST`.
                if known > 4 {
                    return None;
                }
            }
        }
        match self.scanner.scan(&self.buffer, &self.limits) {
            Ok(Some(extent)) => {
                self.scanner = Scanner::default();
                let head = self.buffer.split_to(extent.end);
                let head = head.freeze().split_off(extent.start);
                Some(Next::of(quick(&mut self.output, &head), || head.clone()))
            }
            Ok(None) => None,
            Err(refused) => Some(Next::Refused(refused)),
        }
    }

    /// Reads what comes first of a request. A plain one, whose head comes at once, is looked at where it was read.
    fn poll_first<R>(
        &mut self,
        cx: &mut Context<'_>,
        quick: &impl Fn(&mut Output, &[u8]) -> Option<(Quick<R>, Instant)>,
    ) -> Poll<io::Result<Option<Next<R>>>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut read = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.transport).poll_read(cx, &mut read))?;
            let read = read.filled();
            if read.is_empty() {
                self.is_half_closed = true;
            }
            let mut next = None;
            let mut taken = 0;
            if read.starts_with(b"GET ")
                && let Ok(Some(extent)) = Scanner::default().scan(read, &self.limits)
                && let Some(head) = read.get(extent.start..extent.end)
            {
                taken = extent.end;
                let quick = quick(&mut self.output, head);
                next = Some(Next::of(quick, || Bytes::copy_from_slice(head)));
            }
            self.buffer.extend_from_slice(read.get(taken..).unwrap_or_default());
            Poll::Ready(Ok(next))
        })
    }
}

//! What waits to be sent on a connection.

use std::{
    cell::Cell,
    future::Future as _,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use tokio::time::{Instant, Sleep, sleep};

use crate::{
    connection::Service,
    encode::{self, Delimited},
    quick::{Quick, with_head},
    reply::Written,
    transport::Transport,
};

/// Data up to here are copied behind their head, so that one write takes both: 16 KiB.
const COPIED_BYTES_MAX: usize = 16 * 1024;
/// From here on nothing is added before some of it is sent.
const WAITING_BYTES_MAX: usize = 64 * 1024;
thread_local! {
    /// The memory that heads are written in: most are sent at once, so one for each thread is enough.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What waits to be sent.
#[derive(Debug)]
pub(crate) struct Output {
    waiting: Vec<u8>,
    sent: usize,
    /// Goes behind `waiting`, uncopied.
    tail: Bytes,
    /// Goes behind `tail`.
    close: &'static [u8],
    stall_max: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Output {
    pub(crate) const fn new(stall_max: Duration) -> Self {
        let waiting = Vec::new();
        Self { waiting, sent: 0, tail: Bytes::new(), close: b"", stall_max, stalled: None }
    }

    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.waiting.capacity() == 0 {
            self.waiting = SPARE.take();
        }
        &mut self.waiting
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.sent == self.waiting.len() && self.tail.is_empty() && self.close.is_empty()
    }

    /// Writes a head for what `service` has ready, and tells since when it was wanted; nothing stays written if it has
    /// nothing.
    pub(crate) fn quick<S: Service>(
        &mut self,
        head: &[u8],
        service: &S,
    ) -> Option<(Quick<S::Relay>, Instant)> {
        with_head(head, |head| {
            let out = self.buffer();
            let start = out.len();
            let quick = service.quick(head, out);
            if !matches!(quick, Some(Quick::Ready(_))) {
                out.truncate(start);
            }
            Some((quick?, head.arrived.into()))
        })
    }

    pub(crate) fn push_continue(&mut self) {
        self.buffer().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    pub(crate) fn interim(&mut self, heads: Vec<(StatusCode, HeaderMap)>) {
        for (status, headers) in heads {
            let head = encode::Head {
                status,
                headers: &headers,
                written: &Written::default(),
                delimited: Delimited::Nothing,
                keeps_alive: true,
                version: Version::HTTP_11,
                date: encode::DateClock::new(|_| [b' '; 29]),
            };
            encode::head(self.buffer(), &head);
        }
    }

    pub(crate) fn head(&mut self, head: &encode::Head<'_>) {
        encode::head(self.buffer(), head);
    }

    pub(crate) fn data(&mut self, data: Bytes) {
        if data.len() <= COPIED_BYTES_MAX {
            self.buffer().extend_from_slice(&data);
        } else {
            self.tail = data;
        }
    }

    pub(crate) fn chunk(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        encode::chunk_head(self.buffer(), data.len());
        if data.len() <= COPIED_BYTES_MAX {
            self.waiting.extend_from_slice(&data);
            self.waiting.extend_from_slice(b"\r\n");
        } else {
            self.tail = data;
            self.close = b"\r\n";
        }
    }

    /// Sends `data` uncopied.
    pub(crate) fn whole(&mut self, data: Bytes) {
        self.tail = data;
    }

    /// Notes that the reader took something by another way.
    pub(crate) fn got_on(&mut self) {
        self.stalled = None;
    }

    /// Whether more may be added before something is sent.
    pub(crate) fn takes_more(&self) -> bool {
        self.tail.is_empty() && self.waiting.len().saturating_sub(self.sent) < WAITING_BYTES_MAX
    }

    /// Sends all of it.
    pub(crate) fn poll_send<T: Transport>(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut T,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let head = self.waiting.get(self.sent..).unwrap_or_default();
            let parts = [head, &self.tail, self.close];
            let stream = Pin::new(&mut *transport);
            let written = if self.tail.is_empty() && self.close.is_empty() {
                stream.poll_write(cx, head)
            } else if stream.is_write_vectored() {
                stream.poll_write_vectored(cx, &parts.map(IoSlice::new))
            } else {
                let first = parts.into_iter().find(|part| !part.is_empty());
                stream.poll_write(cx, first.unwrap_or_default())
            };
            match written {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.stalled = None;
                    self.advance(written);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.poll_stalled(cx),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Waits for a reader, but not for ever.
    pub(crate) fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let limit = self.stall_max;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn advance(&mut self, written: usize) {
        let head = written.min(self.waiting.len().saturating_sub(self.sent));
        self.sent += head;
        let rest = written - head;
        let tail = rest.min(self.tail.len());
        if tail > 0 {
            drop(self.tail.split_to(tail));
        }
        self.close = self.close.get(rest - tail..).unwrap_or_default();
        if self.sent == self.waiting.len() {
            self.sent = 0;
            let mut spare = std::mem::take(&mut self.waiting);
            if spare.capacity() <= 2 * WAITING_BYTES_MAX {
                spare.clear();
                SPARE.set(spare);
            }
        }
    }
}

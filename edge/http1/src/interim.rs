//! Interim answers (RFC 9110, section 15.2): `103 Early Hints` (RFC 8297) and whatever an origin sends ahead.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
    task::Waker,
};

use http::{HeaderMap, StatusCode};

/// Interim answers that may wait for the connection: 8. Further ones are dropped, as they may be.
const WAITING_MAX: usize = 8;

/// Sends interim answers of the request that is being answered. To HTTP/1.0 nothing is sent.
#[derive(Debug, Clone, Default)]
pub struct Interim(Option<Arc<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    has_some: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    heads: Vec<(StatusCode, HeaderMap)>,
    connection: Option<Waker>,
}

impl Interim {
    /// Returns one that leads nowhere, for where nothing can be sent ahead.
    #[must_use]
    pub const fn nowhere() -> Self {
        Self(None)
    }

    /// Returns one whose heads wait until they are [taken](Self::take), for who sends them by other means.
    #[must_use]
    pub fn waiting() -> Self {
        Self(Some(Arc::default()))
    }

    /// Sends a head before the answer; anything but a 1xx, and 101, is dropped.
    pub fn send(&self, status: StatusCode, headers: HeaderMap) {
        let Some(inner) = &self.0 else { return };
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        let mut waiting = inner.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.heads.len() < WAITING_MAX {
            waiting.heads.push((status, headers));
            inner.has_some.store(true, Release);
        }
        let connection = waiting.connection.take();
        drop(waiting);
        if let Some(connection) = connection {
            connection.wake();
        }
    }

    /// Makes it ready for another request: whoever kept it from the last one has one that leads nowhere now.
    pub(crate) fn renew(&mut self) {
        match &mut self.0 {
            Some(inner) if Arc::strong_count(inner) == 1 => drop(self.take()),
            other => *other = Some(Arc::default()),
        }
    }

    /// Says who is to be woken when something waits.
    pub fn listen(&self, connection: &Waker) {
        let Some(inner) = &self.0 else { return };
        let mut waiting = inner.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut waiting.connection {
            Some(known) => known.clone_from(connection),
            none => *none = Some(connection.clone()),
        }
    }

    /// Takes what waits.
    #[must_use]
    pub fn take(&self) -> Vec<(StatusCode, HeaderMap)> {
        let Some(inner) = &self.0 else { return Vec::new() };
        if !inner.has_some.swap(false, Acquire) {
            return Vec::new();
        }
        let mut waiting = inner.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut waiting.heads)
    }
}

//! A gate asked ahead: by whoever has a request's answer at hand and lacks only the gate's word.
//!
//! Nothing is made of the request but the message that the gate reads; its verdict's edits go over the answer as it is
//! written. A verdict that asks for more is kept, and the request's usual way goes on from it.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{
    Express,
    instance::Instance,
    known::{Draft, Known},
};
use crate::{InvokeError, Limits};

/// What stands before the cache on a route.
#[derive(Debug, Clone, Copy)]
pub enum Ahead<'a> {
    /// Nothing: the cache is in front of a component.
    Nothing,
    /// One middleware, with the cache and a component behind it.
    Gate(Gate<'a>),
    /// One middleware, with no component behind it.
    GateOfEnd(Gate<'a>),
}

/// A middleware that can be asked ahead of its request.
#[derive(Clone, Copy)]
pub struct Gate<'a> {
    express: &'a Express,
    limits: &'a Limits,
}

/// What a gate said, and the instance that said it.
pub(super) struct Said {
    pub(super) verdict: Result<Bytes, InvokeError>,
    pub(super) instance: Instance,
    pub(super) permit: OwnedSemaphorePermit,
    /// Which gate: where it stands in memory while its version is loaded, which the request holds.
    of: usize,
}

/// What a gate said about a request that goes its usual way: among the request's extensions, the gate is not asked twice.
#[derive(Clone)]
pub struct Decided(Arc<Mutex<Option<Said>>>);

impl std::fmt::Debug for Decided {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Decided").finish_non_exhaustive()
    }
}

/// What a gate said, as whoever has the answer takes it.
pub struct Passing<'a> {
    verdict: &'a [u8],
    known: &'a mut Known,
}

impl std::fmt::Debug for Passing<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Passing").finish_non_exhaustive()
    }
}

impl<'a> Gate<'a> {
    pub(crate) const fn new(express: &'a Express, limits: &'a Limits) -> Self {
        Self { express, limits }
    }

    /// Asks the gate about a request, in one call that must not wait. `None`: no instance is free, or the component
    /// waits for something in the middle of its call, and the instance is given up; the request goes its usual way,
    /// as if nobody had been asked.
    ///
    /// `judge` looks at what the gate said. Where it returns something, that is the outcome. Otherwise what was said is
    /// kept for the usual way. The request has been here since `arrived`.
    pub fn ask<R>(
        &self,
        message: Vec<u8>,
        arrived: std::time::Instant,
        judge: impl FnOnce(Passing<'_>) -> Option<R>,
    ) -> Option<Result<R, Decided>> {
        let express = self.express;
        let permit = express.pool.try_permit()?;
        let mut instance = express.idle().pop()?.instance;
        let arrived = Instant::from_std(arrived);
        let verdict = {
            // A clock less to look at: what is asked here does not wait for the deadline.
            let deadline = arrived + self.limits.request_timeout;
            let mut calling = pin!(instance.first(express, message, deadline));
            match calling.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(verdict) => verdict,
                Poll::Pending => return None,
            }
        };
        let known = &mut instance.known;
        let said = verdict.as_deref().ok().map(|verdict| Passing { verdict, known });
        let outcome = said.and_then(judge);
        let Some(outcome) = outcome else {
            let said = Said { verdict, instance, permit, of: place(express) };
            return Some(Err(Decided(Arc::new(Mutex::new(Some(said))))));
        };
        express.give_back(instance, arrived);
        express.pool.counters.express.fetch_add(1, Relaxed);
        Some(Ok(outcome))
    }
}

impl std::fmt::Debug for Gate<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Gate").field("name", &self.express.pool.blueprint.name).finish()
    }
}

impl Decided {
    /// Returns what `express` said, once.
    pub(super) fn of(&self, express: &Express) -> Option<Said> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.take_if(|said| said.of == place(express))
    }
}

impl Passing<'_> {
    /// Writes an answer's fields as they are after the gate's changes, if it lets the request pass. `None`, with anything
    /// written, where that cannot be done so, or where `concerns` a field that the request gets or loses: it is done the
    /// usual way then.
    pub fn write(
        self,
        draft: &Draft<'_>,
        concerns: impl Fn(&str) -> bool,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let meaning = self.known.meaning(self.verdict, draft)?;
        if meaning.changed.iter().any(|name| concerns(name)) {
            return None;
        }
        meaning.answer.write(draft.fields, out)
    }
}

fn place(express: &Express) -> usize {
    std::ptr::from_ref(express).addr()
}

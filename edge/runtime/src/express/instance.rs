//! An instance for this lane, and its two calls.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use bytes::Bytes;
use tokio::time::{Instant, error::Elapsed, timeout_at};
use wasmtime::{Store, UpdateDeadline, component::TypedFunc};

use super::{Express, clock::CallClock, known::Known};
use crate::{
    InvokeError, engine,
    host::{Host, Passage},
    meter::Meter,
    worker,
};

type Call = TypedFunc<(Vec<u8>,), (Vec<u8>,)>;

/// A running copy of a component.
pub(super) struct Instance {
    store: Store<Host>,
    first: Call,
    resume: Call,
    clock: Arc<CallClock>,
    meter: Arc<Meter>,
    /// Requests so far.
    pub(super) served: u64,
    /// What it said, for whoever asks it ahead of its requests.
    pub(super) known: Known,
}

impl Instance {
    /// Makes an instance within the time that the request for it has.
    pub(super) async fn make(express: &Express, passage: &Passage) -> Result<Self, InvokeError> {
        let blueprint = &express.pool.blueprint;
        let started = std::time::Instant::now();
        let refused = |error: wasmtime::Error| InvokeError::Instantiate {
            component: express.pool.component(),
            reason: format!("{error:#}"),
        };
        let meter = Arc::new(Meter::new(blueprint.limits.cpu_budget));
        let mut store = worker::store(blueprint, passage, &meter).map_err(refused)?;
        let clock = Arc::new(CallClock::new(blueprint.limits.express_budget));
        let ticked = Arc::clone(&clock);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| {
            if ticked.tick() {
                return Err(wasmtime::Error::msg("the processor time is used up"));
            }
            // It holds its thread: the next look comes sooner.
            engine::hurry();
            Ok(UpdateDeadline::Continue(1))
        });
        let exports = &express.exports;
        let made = timeout_at(passage.deadline, exports.instance.instantiate_async(&mut store));
        let instance = match made.await {
            Ok(made) => made.map_err(refused)?,
            Err(_) => return Err(InvokeError::Timeout { component: express.pool.component() }),
        };
        let first = instance.get_typed_func(&mut store, exports.first).map_err(refused)?;
        let resume = instance.get_typed_func(&mut store, exports.resume).map_err(refused)?;
        worker::made_in(blueprint, started);
        Ok(Self { store, first, resume, clock, meter, served: 0, known: Known::default() })
    }

    /// Starts a request.
    pub(super) async fn first(
        &mut self,
        express: &Express,
        message: Vec<u8>,
        deadline: Instant,
    ) -> Result<Bytes, InvokeError> {
        let call = self.first;
        self.call(express, call, message, deadline).await
    }

    /// Goes on with the request.
    pub(super) async fn resume(
        &mut self,
        express: &Express,
        message: Vec<u8>,
        deadline: Instant,
    ) -> Result<Bytes, InvokeError> {
        let call = self.resume;
        self.call(express, call, message, deadline).await
    }

    async fn call(
        &mut self,
        express: &Express,
        call: Call,
        message: Vec<u8>,
        deadline: Instant,
    ) -> Result<Bytes, InvokeError> {
        self.clock.reset();
        self.store.set_epoch_deadline(1);
        match self.finish(call, message, deadline).await {
            Ok(Ok((verdict,))) => Ok(Bytes::from(verdict)),
            Ok(Err(fault)) => Err(self.classify(express.pool.component(), &fault)),
            Err(_) => Err(InvokeError::Timeout { component: express.pool.component() }),
        }
    }

    /// Calls, until the deadline if the component waits for something in the middle, as for its log to be written.
    ///
    /// What its thread does meanwhile is not on this call's clock.
    async fn finish(
        &mut self,
        call: Call,
        message: Vec<u8>,
        deadline: Instant,
    ) -> Result<wasmtime::Result<(Vec<u8>,)>, Elapsed> {
        let clock = &self.clock;
        let mut calling = pin!(call.call_async(&mut self.store, (message,)));
        let first = poll_fn(|cx| Poll::Ready(calling.as_mut().poll(cx))).await;
        if let Poll::Ready(ended) = first {
            return Ok(ended);
        }
        clock.pause();
        let rest = poll_fn(|cx| {
            clock.go_on();
            let polled = calling.as_mut().poll(cx);
            clock.pause();
            polled
        });
        timeout_at(deadline, rest).await
    }

    fn classify(&self, component: String, fault: &wasmtime::Error) -> InvokeError {
        if self.clock.was_over() {
            return InvokeError::CpuBudget { component };
        }
        if self.meter.was_memory_refused() {
            return InvokeError::Memory { component };
        }
        InvokeError::Trap { component, reason: format!("{fault:#}").replace('\n', " ") }
    }
}

//! What one request has used so far: processor time and refused memory.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// Measures one instance, one request at a time. The worker enters and leaves around each poll; the engine's tick asks
/// in between. All on one thread at a time, so relaxed atomics are enough.
#[derive(Debug)]
pub(crate) struct Meter {
    base: Instant,
    budget_ns: u64,
    used_ns: AtomicU64,
    entered_ns: AtomicU64,
    over_budget: AtomicBool,
    memory_refused: AtomicBool,
}

impl Meter {
    pub(crate) fn new(budget: Duration) -> Self {
        Self {
            base: Instant::now(),
            budget_ns: nanos(budget),
            used_ns: AtomicU64::new(0),
            entered_ns: AtomicU64::new(0),
            over_budget: AtomicBool::new(false),
            memory_refused: AtomicBool::new(false),
        }
    }

    /// Starts a new request.
    pub(crate) fn reset(&self) {
        self.used_ns.store(0, Relaxed);
        self.entered_ns.store(nanos(self.base.elapsed()), Relaxed);
        self.over_budget.store(false, Relaxed);
        self.memory_refused.store(false, Relaxed);
    }

    /// The instance starts to run on this thread.
    pub(crate) fn enter(&self) {
        self.entered_ns.store(nanos(self.base.elapsed()), Relaxed);
    }

    /// The instance has stopped running for now.
    pub(crate) fn leave(&self) {
        self.used_ns.store(self.used_now_ns(), Relaxed);
    }

    /// Asked at each tick, between enter and leave: whether the budget is used up.
    pub(crate) fn is_over_budget(&self) -> bool {
        let over = self.used_now_ns() > self.budget_ns;
        if over {
            self.over_budget.store(true, Relaxed);
        }
        over
    }

    /// Asked at each tick too: whether the request has used more than `tick`, as common ones never do.
    pub(crate) fn is_long(&self, tick: Duration) -> bool {
        self.used_now_ns() > nanos(tick)
    }

    pub(crate) fn refuse_memory(&self) {
        self.memory_refused.store(true, Relaxed);
    }

    pub(crate) fn was_over_budget(&self) -> bool {
        self.over_budget.load(Relaxed)
    }

    pub(crate) fn was_memory_refused(&self) -> bool {
        self.memory_refused.load(Relaxed)
    }

    fn used_now_ns(&self) -> u64 {
        let now = nanos(self.base.elapsed());
        self.used_ns.load(Relaxed).saturating_add(now.saturating_sub(self.entered_ns.load(Relaxed)))
    }
}

/// Saturates after 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_long_once_it_has_run_for_more_than_a_tick_and_the_next_one_is_not() {
        const TICK: Duration = Duration::from_millis(5);
        let meter = Meter::new(Duration::from_secs(60));
        meter.reset();
        let started = Instant::now();
        while !meter.is_long(TICK) {
            assert!(started.elapsed() < Duration::from_secs(10), "is never long");
        }
        assert!(started.elapsed() >= TICK && !meter.is_over_budget());
        meter.reset();
        assert!(!meter.is_long(Duration::from_secs(1)));
    }
}

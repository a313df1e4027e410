//! What one request has used so far: processor time and refused memory.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// Measures one instance, one request at a time. The worker enters and leaves around each poll; the engine's tick asks
/// in between. All on one thread at a time, so relaxed atomics are enough.
///
/// A machine with more to do than cores takes its time slices away in the middle of a poll, and a wall clock counts them.
/// The thread's own clock does not, but each look at it is a system call. So it is asked only about requests that a
/// tick has found running; what is shorter is counted by the wall clock, up to [`UNSEEN_MAX`] for each poll.
#[derive(Debug)]
pub(crate) struct Meter {
    base: Instant,
    budget_ns: u64,
    used_ns: AtomicU64,
    entered_ns: AtomicU64,
    /// The thread's clock when it entered, for requests that a tick has seen; 0 for others.
    entered_cpu_ns: AtomicU64,
    was_seen: AtomicBool,
    over_budget: AtomicBool,
    memory_refused: AtomicBool,
}

/// Longest run between two looks that is believed of the wall clock: 10 ms, two ticks. Whoever runs longer meets one.
const UNSEEN_MAX: Duration = Duration::from_millis(10);

impl Meter {
    pub(crate) fn new(budget: Duration) -> Self {
        Self {
            base: Instant::now(),
            budget_ns: nanos(budget),
            used_ns: AtomicU64::new(0),
            entered_ns: AtomicU64::new(0),
            entered_cpu_ns: AtomicU64::new(0),
            was_seen: AtomicBool::new(false),
            over_budget: AtomicBool::new(false),
            memory_refused: AtomicBool::new(false),
        }
    }

    /// Starts a new request.
    pub(crate) fn reset(&self) {
        self.used_ns.store(0, Relaxed);
        self.was_seen.store(false, Relaxed);
        self.over_budget.store(false, Relaxed);
        self.memory_refused.store(false, Relaxed);
        self.enter();
    }

    /// The instance starts to run on this thread.
    pub(crate) fn enter(&self) {
        self.entered_ns.store(nanos(self.base.elapsed()), Relaxed);
        let cpu_ns = if self.was_seen.load(Relaxed) { thread_cpu_ns().max(1) } else { 0 };
        self.entered_cpu_ns.store(cpu_ns, Relaxed);
    }

    /// The instance has stopped running for now.
    pub(crate) fn leave(&self) {
        self.used_ns.store(self.used_now_ns(), Relaxed);
    }

    /// Asked at each tick, between enter and leave: whether the budget is used up.
    pub(crate) fn is_over_budget(&self) -> bool {
        self.was_seen.store(true, Relaxed);
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
        let ran_ns = match self.entered_cpu_ns.load(Relaxed) {
            0 => {
                let ns = nanos(self.base.elapsed()).saturating_sub(self.entered_ns.load(Relaxed));
                ns.min(nanos(UNSEEN_MAX))
            }
            entered => thread_cpu_ns().saturating_sub(entered),
        };
        self.used_ns.load(Relaxed).saturating_add(ran_ns)
    }
}

/// What the kernel has counted for this thread.
pub(crate) fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
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
        // Before the request, for this thread may lose its core in between.
        let started = Instant::now();
        meter.reset();
        while !meter.is_long(TICK) {
            assert!(started.elapsed() < Duration::from_secs(10), "is never long");
        }
        assert!(started.elapsed() >= TICK && !meter.is_over_budget());
        meter.reset();
        assert!(!meter.is_long(Duration::from_secs(1)));
    }

    /// Lets the wall clock go on while this thread is off its core.
    fn be_off_core(time: Duration) {
        let (_sender, silent) = std::sync::mpsc::sync_channel::<()>(0);
        assert!(silent.recv_timeout(time).is_err());
    }

    #[test]
    fn counts_what_runs_and_not_what_waits_for_a_core() {
        let meter = Meter::new(Duration::from_millis(40));
        meter.reset();
        be_off_core(Duration::from_millis(100));
        assert!(!meter.is_over_budget(), "the first look counts two ticks at most");
        meter.leave();
        for _ in 0..3 {
            meter.enter();
            be_off_core(Duration::from_millis(50));
            assert!(!meter.is_over_budget());
            meter.leave();
        }
        meter.enter();
        let mut turns = 0_u64;
        while !meter.is_over_budget() {
            turns = std::hint::black_box(turns + 1);
        }
        assert!(meter.was_over_budget());
        let used = meter.used_now_ns();
        assert!(used > 40_000_000, "{used}");
        meter.reset();
        assert!(!meter.was_over_budget() && !meter.is_over_budget());
    }
}

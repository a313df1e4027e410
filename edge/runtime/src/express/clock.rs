//! Processor time of one call, at no cost for calls that end before the first tick.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

/// Looked at by the engine's ticks while a call runs. Time is the serving thread's own processor time: on a busy machine
/// a call is not blamed for the time that others take.
#[derive(Debug)]
pub(super) struct CallClock {
    budget_ns: u64,
    /// The thread's processor time at the call's first tick; 0 before it.
    first_tick_ns: AtomicU64,
    is_over: AtomicU64,
}

impl CallClock {
    pub(super) fn new(budget: Duration) -> Self {
        let budget_ns = u64::try_from(budget.as_nanos()).unwrap_or(u64::MAX);
        Self { budget_ns, first_tick_ns: AtomicU64::new(0), is_over: AtomicU64::new(0) }
    }

    /// A new call begins.
    pub(super) fn reset(&self) {
        self.first_tick_ns.store(0, Relaxed);
    }

    /// Called at each tick; whether the call has run for too long.
    pub(super) fn tick(&self) -> bool {
        let now = thread_cpu_ns();
        let first = self.first_tick_ns.load(Relaxed);
        if first == 0 {
            self.first_tick_ns.store(now.max(1), Relaxed);
            return false;
        }
        let is_over = now.saturating_sub(first) > self.budget_ns;
        if is_over {
            self.is_over.store(1, Relaxed);
        }
        is_over
    }

    /// Whether a call was ended for its time.
    pub(super) fn was_over(&self) -> bool {
        self.is_over.load(Relaxed) != 0
    }
}

fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let ns = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_over_when_its_thread_has_worked_for_longer_than_the_budget() {
        let clock = CallClock::new(Duration::from_millis(5));
        assert!(!clock.tick(), "the first tick only starts the clock");
        let started = std::time::Instant::now();
        while !clock.tick() {
            assert!(started.elapsed() < Duration::from_secs(10), "never over");
        }
        assert!(started.elapsed() >= Duration::from_millis(5) && clock.was_over());
        clock.reset();
        assert!(!clock.tick(), "a new call starts anew");
    }

    #[test]
    fn a_thread_that_waits_uses_no_time_of_its_calls() {
        let clock = CallClock::new(Duration::from_millis(20));
        assert!(!clock.tick());
        // sleeps because it plays a thread that others keep from running
        std::thread::sleep(Duration::from_millis(60));
        assert!(!clock.tick());
    }
}

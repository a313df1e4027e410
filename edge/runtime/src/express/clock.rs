//! Processor time of one call, at no cost for calls that end before the first tick.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::meter::thread_cpu_ns;

/// Looked at by the engine's ticks while a call runs. Time is the serving thread's own processor time: on a busy machine
/// a call is not blamed for the time that others take, nor for what its thread does while it waits.
#[derive(Debug)]
pub(super) struct CallClock {
    budget_ns: u64,
    /// What the call used before it last waited.
    used_ns: AtomicU64,
    /// The thread's processor time since when it is counted: at the call's first tick, or when it went on; 0 before.
    since_ns: AtomicU64,
    is_over: AtomicBool,
}

impl CallClock {
    pub(super) fn new(budget: Duration) -> Self {
        let budget_ns = u64::try_from(budget.as_nanos()).unwrap_or(u64::MAX);
        let zero = || AtomicU64::new(0);
        Self { budget_ns, used_ns: zero(), since_ns: zero(), is_over: AtomicBool::new(false) }
    }

    /// A new call begins.
    pub(super) fn reset(&self) {
        self.used_ns.store(0, Relaxed);
        self.since_ns.store(0, Relaxed);
    }

    /// The call waits, and its thread may turn to others.
    pub(super) fn pause(&self) {
        let since = self.since_ns.swap(0, Relaxed);
        if since != 0 {
            let ran_ns = thread_cpu_ns().saturating_sub(since);
            self.used_ns.fetch_add(ran_ns, Relaxed);
        }
    }

    /// The call goes on after it waited.
    pub(super) fn go_on(&self) {
        self.since_ns.store(thread_cpu_ns().max(1), Relaxed);
    }

    /// Called at each tick; whether the call has run for too long.
    pub(super) fn tick(&self) -> bool {
        let now = thread_cpu_ns();
        let since = self.since_ns.load(Relaxed);
        if since == 0 {
            self.since_ns.store(now.max(1), Relaxed);
            return false;
        }
        let used_ns = now.saturating_sub(since).saturating_add(self.used_ns.load(Relaxed));
        let is_over = used_ns > self.budget_ns;
        if is_over {
            self.is_over.store(true, Relaxed);
        }
        is_over
    }

    /// Whether a call was ended for its time.
    pub(super) fn was_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn work(time: Duration) {
        let started = Instant::now();
        while started.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn a_call_is_over_when_its_thread_has_worked_for_longer_than_the_budget() {
        let clock = CallClock::new(Duration::from_millis(5));
        let started = Instant::now();
        assert!(!clock.tick(), "the first tick only starts the clock");
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

    #[test]
    fn what_the_thread_does_while_a_call_waits_is_not_the_calls() {
        let clock = CallClock::new(Duration::from_millis(20));
        assert!(!clock.tick());
        clock.pause();
        work(Duration::from_millis(60));
        clock.go_on();
        assert!(!clock.tick());
    }

    #[test]
    fn a_call_that_waits_often_is_over_all_the_same() {
        let clock = CallClock::new(Duration::from_millis(5));
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < Duration::from_secs(10), "never over");
            clock.go_on();
            work(Duration::from_millis(1));
            if clock.tick() {
                break;
            }
            clock.pause();
        }
        assert!(clock.was_over());
    }
}

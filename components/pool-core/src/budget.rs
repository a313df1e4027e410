//! How many further attempts a pool may make: a bucket that requests and time fill.

use core::time::Duration;

use crate::settings::Retries;
use crate::time::{Instant, micros};

/// One attempt, in parts of a thousandth.
const ATTEMPT: u64 = 1_000;

/// A bucket of attempts.
///
/// Over any time `t` with `n` requests it grants at most `n × percent / 100 + t × per_second + budget_max` attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    thousandths: u64,
    filled_at: Instant,
}

impl Budget {
    /// Starts with what one second grants.
    #[must_use]
    pub fn new(settings: &Retries, now: Instant) -> Self {
        let first = u64::from(settings.budget_per_second).saturating_mul(ATTEMPT);
        Self { thousandths: first.min(full(settings)), filled_at: now }
    }

    /// Adds what one request grants.
    pub fn deposit(&mut self, settings: &Retries, now: Instant) {
        self.fill(settings, now);
        // A hundredth of an attempt is ten thousandths.
        let granted = u64::from(settings.budget_percent).saturating_mul(ATTEMPT / 100);
        self.thousandths = self.thousandths.saturating_add(granted).min(full(settings));
    }

    /// Returns whether an attempt is left.
    pub fn is_open(&mut self, settings: &Retries, now: Instant) -> bool {
        self.fill(settings, now);
        self.thousandths >= ATTEMPT
    }

    /// Takes an attempt out; refuses when none is left.
    pub fn try_withdraw(&mut self, settings: &Retries, now: Instant) -> bool {
        let is_open = self.is_open(settings, now);
        if is_open {
            self.thousandths = self.thousandths.saturating_sub(ATTEMPT);
        }
        is_open
    }

    /// Returns the whole attempts that are left, as of the last call.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.thousandths / ATTEMPT
    }

    fn fill(&mut self, settings: &Retries, now: Instant) {
        // Thousandths per second are millionths of them per microsecond … so many microseconds make one of them.
        let rate = u64::from(settings.budget_per_second);
        let passed = micros(now.since(self.filled_at));
        let granted = passed.saturating_mul(rate) / 1_000;
        if granted == 0 {
            // Too short a time for a thousandth: it goes on counting.
            if rate == 0 {
                self.filled_at = self.filled_at.max(now);
            }
            return;
        }
        self.thousandths = self.thousandths.saturating_add(granted).min(full(settings));
        // Only the time that was paid for, so that nothing is lost to rounding.
        let paid = granted.saturating_mul(1_000).checked_div(rate).unwrap_or(passed).min(passed);
        self.filled_at = self.filled_at.after(Duration::from_micros(paid));
    }
}

fn full(settings: &Retries) -> u64 {
    u64::from(settings.budget_max).saturating_mul(ATTEMPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::new(Duration::from_millis(ms))
    }

    #[test]
    fn a_fifth_of_the_requests_and_ten_per_second() {
        let settings = Retries::default();
        let mut budget = Budget::new(&settings, at(0));
        assert_eq!(budget.left(), 10);
        while budget.try_withdraw(&settings, at(0)) {}
        for _ in 0..5 {
            assert!(!budget.is_open(&settings, at(0)));
            budget.deposit(&settings, at(0));
        }
        assert!(budget.try_withdraw(&settings, at(0)));
        assert!(!budget.try_withdraw(&settings, at(99)));
        assert!(budget.try_withdraw(&settings, at(100)));
        assert!(!budget.try_withdraw(&settings, at(100)));
    }

    #[test]
    fn saves_up_to_its_limit_and_loses_nothing_to_rounding() {
        let settings = Retries { budget_per_second: 3, ..Retries::default() };
        let mut budget = Budget::new(&settings, at(0));
        while budget.try_withdraw(&settings, at(0)) {}
        let mut granted = 0;
        for ms in 0..=100_000 {
            granted += u32::from(budget.try_withdraw(&settings, at(ms)));
        }
        assert!((299..=300).contains(&granted), "{granted}");
        assert!(budget.is_open(&settings, at(100_000_000)));
        assert_eq!(budget.left(), 100);
    }

    #[test]
    fn zero_grants_nothing() {
        let settings = Retries { budget_per_second: 0, budget_percent: 0, ..Retries::default() };
        let mut budget = Budget::new(&settings, at(0));
        budget.deposit(&settings, at(1));
        assert!(!budget.try_withdraw(&settings, at(1_000_000)));
    }
}

//! Requests and failures of the last seconds.

use core::time::Duration;

use crate::time::{Instant, micros};

const STEPS: usize = 10;

/// Counts over a sliding window of ten steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Window {
    steps: [Step; STEPS],
    /// The number of the newest step since the clock's start.
    newest: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Step {
    requests: u32,
    failures: u32,
}

impl Window {
    /// Counts a request.
    pub(crate) fn note(&mut self, is_failure: bool, length: Duration, now: Instant) {
        let at = self.advance(length, now);
        if let Some(step) = self.steps.get_mut(at) {
            step.requests = step.requests.saturating_add(1);
            step.failures = step.failures.saturating_add(u32::from(is_failure));
        }
    }

    /// Returns requests and failures of the window that ends now.
    pub(crate) fn sums(&mut self, length: Duration, now: Instant) -> (u32, u32) {
        self.advance(length, now);
        self.steps.iter().fold((0, 0), |(requests, failures), step| {
            (requests.saturating_add(step.requests), failures.saturating_add(step.failures))
        })
    }

    /// Clears the steps that time has passed over, and returns the place of the present one.
    fn advance(&mut self, length: Duration, now: Instant) -> usize {
        let step = (micros(length) / 10).max(1);
        let present = micros(now.since_start()).checked_div(step).unwrap_or(0);
        let passed = present.saturating_sub(self.newest).min(10);
        for back in 0..passed {
            if let Some(step) = self.steps.get_mut(place(present.saturating_sub(back))) {
                *step = Step::default();
            }
        }
        self.newest = self.newest.max(present);
        place(self.newest)
    }
}

fn place(step: u64) -> usize {
    usize::try_from(step % 10).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_what_is_older_than_the_window() {
        let length = Duration::from_secs(10);
        let at = |ms| Instant::new(Duration::from_millis(ms));
        let mut window = Window::default();
        window.note(true, length, at(500));
        window.note(false, length, at(1_500));
        window.note(true, length, at(9_900));
        assert_eq!(window.sums(length, at(9_999)), (3, 2));
        assert_eq!(window.sums(length, at(10_000)), (2, 1));
        assert_eq!(window.sums(length, at(11_000)), (1, 1));
        assert_eq!(window.sums(length, at(19_000)), (0, 0));
        window.note(true, length, at(1_000_000));
        assert_eq!(window.sums(length, at(1_000_000)), (1, 1));
        assert_eq!(window.sums(Duration::ZERO, at(2_000_000)), (0, 0));
    }
}

//! Moments of a clock that only runs forward.

use core::time::Duration;

/// A moment, as the time since a start that the caller chose. It never runs backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(Duration);

impl Instant {
    /// The caller's start.
    pub const START: Self = Self(Duration::ZERO);

    /// Returns the moment that lies `since_start` after the caller's start.
    #[must_use]
    pub const fn new(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// Returns how long after the caller's start this is.
    #[must_use]
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// Returns how long after `earlier` this is; zero where it is before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the moment `length` later; the last one there is where that is too far.
    #[must_use]
    pub const fn after(self, length: Duration) -> Self {
        Self(self.0.saturating_add(length))
    }
}

/// Returns a length in whole microseconds.
pub(crate) fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

/// Returns `length × share / whole`; nothing where `whole` is 0.
pub(crate) fn part_of(length: Duration, share: u64, whole: u64) -> Duration {
    let micros = u128::from(micros(length)).saturating_mul(u128::from(share));
    let micros = micros.checked_div(u128::from(whole)).unwrap_or(0);
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_before_another_is_no_time_after_it() {
        let (early, late) = (Instant::START, Instant::new(Duration::from_secs(3)));
        assert_eq!(late.since(early), Duration::from_secs(3));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early.after(Duration::from_secs(3)), late);
        assert_eq!(late.after(Duration::MAX).since_start(), Duration::MAX);
    }

    #[test]
    fn takes_parts_of_a_length() {
        let second = Duration::from_secs(1);
        assert_eq!(part_of(second, 1, 4), Duration::from_millis(250));
        assert_eq!(part_of(second, 1, 0), Duration::ZERO);
    }
}

//! The one place where the shop reads the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use domain::Timestamp;

/// The system's clock, or one that a test moves.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// Milliseconds added to where the clock starts from.
    ahead_ms: Arc<AtomicI64>,
    /// Whether it starts from 1970 and stands still, instead of going with the system's time.
    is_standing: bool,
}

impl Clock {
    /// Makes a clock that stands still and is moved by hand alone: what reads it can be repeated exactly.
    #[must_use]
    pub fn standing_at(at: Timestamp) -> Self {
        Self { ahead_ms: Arc::new(AtomicI64::new(at.unix_ms())), is_standing: true }
    }

    /// Reads the time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let ahead_ms = self.ahead_ms.load(Ordering::Relaxed);
        Timestamp::from_unix_ms(self.start_ms().saturating_add(ahead_ms))
    }

    /// Moves this clock forward, for tests of things that end.
    pub fn advance(&self, by: Duration) {
        self.ahead_ms
            .fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Sets this clock, forward or back, for tests of clocks that are put right.
    pub fn set(&self, now: Timestamp) {
        self.ahead_ms.store(now.unix_ms().saturating_sub(self.start_ms()), Ordering::Relaxed);
    }

    fn start_ms(&self) -> i64 {
        if self.is_standing {
            return 0;
        }
        let since_epoch =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_clock_moves_by_hand_alone_forward_and_back() {
        let clock = Clock::standing_at(Timestamp::from_unix_ms(1_000));
        let same = clock.clone();
        assert_eq!(clock.now().unix_ms(), 1_000);
        clock.advance(Duration::from_millis(500));
        assert_eq!(same.now().unix_ms(), 1_500);
        clock.set(Timestamp::from_unix_ms(700));
        assert_eq!((same.now().unix_ms(), same.now().unix_ms()), (700, 700));
    }

    #[test]
    fn a_clock_that_is_set_goes_on_from_there() {
        let clock = Clock::default();
        clock.set(Timestamp::from_unix_ms(5_000));
        let first = clock.now();
        assert!((5_000..65_000).contains(&first.unix_ms()), "{first:?}");
    }
}

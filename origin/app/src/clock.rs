//! The one place where the shop reads the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use domain::Timestamp;

/// The system's clock, or one that a test moves.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// Milliseconds added to the system's time.
    ahead_ms: Arc<AtomicI64>,
}

impl Clock {
    /// Reads the time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let since_epoch =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_unix_ms(ms.saturating_add(self.ahead_ms.load(Ordering::Relaxed)))
    }

    /// Moves this clock forward, for tests of things that end.
    pub fn advance(&self, by: Duration) {
        self.ahead_ms
            .fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

//! The one place that reads clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Returns milliseconds since 1970; 0 on a machine that believes to live before.
pub(crate) fn unix_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

/// Returns a point in time that never runs backwards.
pub(crate) fn now() -> Instant {
    Instant::now()
}

//! Counts of durations in fixed buckets.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Upper bounds in seconds: half a millisecond for warm components up to the deadline.
pub(crate) const BOUNDS_S: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// One histogram in the sense of Prometheus.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BOUNDS_S.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Histogram {
    pub(crate) fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        if let Some(at) = BOUNDS_S.iter().position(|bound| seconds <= *bound)
            && let Some(bucket) = self.buckets.get(at)
        {
            bucket.fetch_add(1, Relaxed);
        }
        self.count.fetch_add(1, Relaxed);
        self.sum_us.fetch_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Returns for each bound how many were at most that long.
    pub(crate) fn cumulative(&self) -> Vec<(f64, u64)> {
        let mut below = 0;
        let buckets = BOUNDS_S.iter().zip(&self.buckets);
        buckets
            .map(|(bound, bucket)| {
                below += bucket.load(Relaxed);
                (*bound, below)
            })
            .collect()
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    pub(crate) fn sum_s(&self) -> f64 {
        Duration::from_micros(self.sum_us.load(Relaxed)).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_duration_in_every_wider_bucket() {
        let histogram = Histogram::default();
        for ms in [0, 2, 60_000] {
            histogram.observe(Duration::from_millis(ms));
        }
        let counts = histogram.cumulative();
        assert_eq!(counts.first().map(|(_, count)| *count), Some(1));
        assert_eq!(counts.last().map(|(_, count)| *count), Some(2));
        assert_eq!(histogram.count(), 3);
        assert!((histogram.sum_s() - 60.002).abs() < 1e-6);
    }
}

//! Counts of durations in fixed buckets.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Upper bounds in microseconds: half a millisecond for warm components up to the deadline.
const BOUNDS_US: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// One histogram in the sense of Prometheus.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BOUNDS_US.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Histogram {
    pub(crate) fn observe(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(at) = BOUNDS_US.iter().position(|bound| us <= *bound)
            && let Some(bucket) = self.buckets.get(at)
        {
            bucket.fetch_add(1, Relaxed);
        }
        self.count.fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }
}

/// What several histograms have counted together.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    buckets: [u64; BOUNDS_US.len()],
    pub(crate) count: u64,
    sum_us: u64,
}

impl<'a> FromIterator<&'a Histogram> for Sum {
    fn from_iter<T: IntoIterator<Item = &'a Histogram>>(histograms: T) -> Self {
        let mut sum = Self::default();
        for histogram in histograms {
            for (bucket, more) in sum.buckets.iter_mut().zip(&histogram.buckets) {
                *bucket += more.load(Relaxed);
            }
            sum.count += histogram.count.load(Relaxed);
            sum.sum_us = sum.sum_us.saturating_add(histogram.sum_us.load(Relaxed));
        }
        sum
    }
}

impl Sum {
    /// Returns for each bound in seconds how many were at most that long.
    pub(crate) fn cumulative(&self) -> Vec<(f64, u64)> {
        let mut below = 0;
        let buckets = BOUNDS_US.iter().zip(&self.buckets);
        buckets
            .map(|(bound_us, bucket)| {
                below += bucket;
                (Duration::from_micros(*bound_us).as_secs_f64(), below)
            })
            .collect()
    }

    pub(crate) fn sum_s(&self) -> f64 {
        Duration::from_micros(self.sum_us).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_duration_in_every_wider_bucket_of_all_threads_together() {
        let histograms = [Histogram::default(), Histogram::default()];
        for (histogram, ms) in [(0, 0), (1, 2), (1, 60_000)] {
            histograms[histogram].observe(Duration::from_millis(ms));
        }
        let sum: Sum = histograms.iter().collect();
        let counts = sum.cumulative();
        assert_eq!(counts.first(), Some(&(0.0005, 1)));
        assert_eq!(counts.last(), Some(&(10.0, 2)));
        assert_eq!(sum.count, 3);
        assert!((sum.sum_s() - 60.002).abs() < 1e-6);
    }
}

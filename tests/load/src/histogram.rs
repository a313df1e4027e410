//! Latencies, counted in classes of 0.8 % width: their memory does not grow with a run.

use std::time::Duration;

/// Each octave has 2^7 classes: a value is known to 1/128.
const CLASS_BITS: u32 = 7;
const CLASSES_PER_OCTAVE: usize = 1 << CLASS_BITS;
/// Values below 128 ns have a class each; above come 57 octaves of a `u64`.
const CLASSES: usize = CLASSES_PER_OCTAVE * 58;

/// How often each latency came.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; CLASSES], total: 0 }
    }
}

impl Histogram {
    /// Counts one latency.
    pub(crate) fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(class(nanos)) {
            *count += 1;
            self.total += 1;
        }
    }

    /// Adds what another one counted.
    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
    }

    /// How many were counted.
    #[cfg(test)]
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// The latency in microseconds that `permille` of all did not exceed; 0 where none was counted.
    pub(crate) fn quantile_us(&self, permille: u64) -> f64 {
        let rank = (self.total.saturating_mul(permille)).div_ceil(1000).max(1);
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_bound(class) as f64 / 1000.0;
            }
        }
        0.0
    }
}

fn class(nanos: u64) -> usize {
    let octave = nanos.checked_ilog2().unwrap_or(0).saturating_sub(CLASS_BITS);
    let within = usize::try_from(nanos >> octave).unwrap_or(usize::MAX);
    octave as usize * CLASSES_PER_OCTAVE + within
}

/// The largest value of a class.
fn upper_bound(class: usize) -> u64 {
    if class < 2 * CLASSES_PER_OCTAVE {
        return class as u64;
    }
    let octave = class / CLASSES_PER_OCTAVE - 1;
    let within = (class % CLASSES_PER_OCTAVE + CLASSES_PER_OCTAVE) as u64;
    ((within + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_known_to_less_than_a_hundredth() {
        for nanos in (0..63).flat_map(|bit| [1_u64 << bit, (1 << bit) + (1 << bit) / 3]) {
            let bound = upper_bound(class(nanos));
            assert!(bound >= nanos, "{nanos} is beyond its class, which ends at {bound}");
            assert!(bound - nanos <= nanos / 100, "{nanos} became {bound}");
        }
        assert!(class(u64::MAX) < CLASSES);
    }

    #[test]
    fn quantiles_are_those_of_the_values_counted() {
        let mut histogram = Histogram::default();
        let mut other = Histogram::default();
        for micros in 1..=500 {
            histogram.record(Duration::from_micros(micros));
            other.record(Duration::from_micros(500 + micros));
        }
        histogram.add(&other);
        assert_eq!(histogram.total(), 1000);
        for (permille, micros) in [(500, 500.0), (990, 990.0), (1000, 1000.0)] {
            let found = histogram.quantile_us(permille);
            assert!((found - micros).abs() <= micros / 100.0, "p{permille}: {found}");
        }
        assert_eq!(Histogram::default().quantile_us(990), 0.0);
    }
}

//! How long origins take: an estimate per origin, and the distribution of a pool. Integers, in microseconds.

use core::time::Duration;

use crate::time::{Instant, micros};

/// Fixed-point one: 2^32.
const ONE: u64 = 1 << 32;

/// An estimate of latency that takes a peak at once and forgets it by halves (peak EWMA).
///
/// It sinks while nothing is measured, so an origin that was slow is asked again some time. What is measured after a whole
/// half-life of silence replaces it: one answer of now says more than any number of then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// In nanoseconds: whole microseconds would lose what many measurements in a short time change.
    nanos: u64,
    at: Instant,
}

impl Estimate {
    /// Supposes `initial` at `now`.
    #[must_use]
    pub fn new(initial: Duration, now: Instant) -> Self {
        Self { nanos: nanos(initial), at: now }
    }

    /// Takes a measurement.
    pub fn note(&mut self, latency: Duration, half_life: Duration, now: Instant) {
        let kept = kept(now.since(self.at), half_life);
        let measured = nanos(latency);
        let is_old = now.since(self.at) >= half_life;
        self.nanos = if is_old || measured >= part(self.nanos, kept) {
            measured
        } else {
            // Between the two, the nearer to the old one the less time has passed. Not from the sunken estimate: that
            // would count the time twice.
            measured.saturating_add(part(self.nanos.saturating_sub(measured), kept))
        };
        self.at = now;
    }

    /// Returns the estimate at a moment, in microseconds.
    #[must_use]
    pub fn at(&self, now: Instant, half_life: Duration) -> u64 {
        part(self.nanos, kept(now.since(self.at), half_life)) / 1_000
    }
}

fn nanos(latency: Duration) -> u64 {
    clamp(latency).saturating_mul(1_000)
}

/// Returns so many parts of 2^32 of a number.
fn part(number: u64, parts: u64) -> u64 {
    let product = u128::from(number).saturating_mul(u128::from(parts));
    u64::try_from(product >> 32).unwrap_or(u64::MAX)
}

/// In microseconds, up to 71 minutes.
fn clamp(latency: Duration) -> u64 {
    micros(latency).min(ONE.saturating_sub(1))
}

/// Returns what is left of one after some time, in parts of 2^32: exact at whole half-lives. Between them 2^-f is
/// 1 - f × 11/16 + f² × 3/16, at most 0.6 % away, and so steep at 0 that many short times are as much as a long one.
fn kept(passed: Duration, half_life: Duration) -> u64 {
    let (passed, half_life) = (micros(passed), micros(half_life).max(1));
    let halvings = passed.checked_div(half_life).unwrap_or(0);
    let rest = u128::from(passed.checked_rem(half_life).unwrap_or(0)) << 32;
    let rest = rest.checked_div(u128::from(half_life)).unwrap_or(0);
    let fraction = u64::try_from(rest).unwrap_or(0);
    let lost = (fraction / 16).saturating_mul(11);
    let lost = lost.saturating_sub((part(fraction, fraction) / 16).saturating_mul(3));
    let whole = u32::try_from(halvings).ok().and_then(|by| ONE.checked_shr(by)).unwrap_or(0);
    whole.saturating_sub(part(whole, lost))
}

/// Steps of the histogram: four per doubling, up to 2^32 µs (71 minutes).
const STEPS: usize = 124;

/// Answers after which the older ones count half: 2,048. At 100 requests per second the last half minute decides.
const ANSWERS_MAX: u32 = 2_048;

/// A distribution of latencies in steps of at most a quarter. It never grows; new answers push older ones out by halves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    steps: [u32; STEPS],
    answers: u32,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { steps: [0; STEPS], answers: 0 }
    }
}

impl Histogram {
    /// Takes a measurement.
    pub fn note(&mut self, latency: Duration) {
        if self.answers >= ANSWERS_MAX {
            self.steps.iter_mut().for_each(|step| *step /= 2);
            self.answers = self.steps.iter().fold(0, |sum, step| sum.saturating_add(*step));
        }
        if let Some(step) = self.steps.get_mut(step_of(clamp(latency))) {
            *step = step.saturating_add(1);
            self.answers = self.answers.saturating_add(1);
        }
    }

    /// Returns how many answers count, at most 2,048.
    #[must_use]
    pub const fn answers(&self) -> u32 {
        self.answers
    }

    /// Returns a latency that `percent` of the answers did not exceed, up to a quarter too long; `None` without any.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> Option<Duration> {
        let wanted = u64::from(self.answers).saturating_mul(u64::from(percent.min(100)));
        let mut seen = 0_u64;
        for (at, step) in self.steps.iter().enumerate() {
            seen = seen.saturating_add(u64::from(*step));
            if *step > 0 && seen.saturating_mul(100) >= wanted {
                return Some(Duration::from_micros(upper(at)));
            }
        }
        None
    }
}

/// Values below 4 have a step each; above, the two bits after the highest one choose among four.
fn step_of(micros: u64) -> usize {
    let step = match micros.checked_ilog2() {
        None | Some(0 | 1) => micros,
        Some(power) => {
            let shift = power.saturating_sub(2);
            let quarter = micros.checked_shr(shift).unwrap_or(0) & 3;
            u64::from(power.saturating_sub(1)).saturating_mul(4).saturating_add(quarter)
        }
    };
    usize::try_from(step).unwrap_or(STEPS)
}

/// Returns the largest value of a step.
fn upper(step: usize) -> u64 {
    let step = u64::try_from(step).unwrap_or(0);
    if step < 4 {
        return step;
    }
    let shift = u32::try_from(step / 4).unwrap_or(0).saturating_sub(1);
    let end = (step % 4).saturating_add(5).checked_shl(shift).unwrap_or(u64::MAX);
    end.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HALF: Duration = Duration::from_secs(5);

    fn at(seconds: u64) -> Instant {
        Instant::new(Duration::from_secs(seconds))
    }

    #[test]
    fn what_is_left_halves_with_every_half_life() {
        for (passed_ms, expected) in [
            (0, ONE),
            (5_000, ONE / 2),
            (10_000, ONE / 4),
            (2_500, ONE / 64 * 45),
            (7_500, ONE / 128 * 45),
            (160_000, 1),
            (165_000, 0),
            (u64::MAX, 0),
        ] {
            assert_eq!(kept(Duration::from_millis(passed_ms), HALF), expected, "{passed_ms}");
        }
        assert_eq!(kept(Duration::from_secs(1), Duration::ZERO), 0);
    }

    #[test]
    fn a_peak_counts_at_once_and_is_forgotten_by_halves() {
        let mut estimate = Estimate::new(Duration::from_micros(100), at(0));
        estimate.note(Duration::from_micros(900), HALF, at(0));
        assert_eq!(estimate.at(at(0), HALF), 900);
        assert_eq!(estimate.at(at(5), HALF), 450);
        let soon = Instant::new(Duration::from_millis(2_500));
        estimate.note(Duration::from_micros(100), HALF, soon);
        assert_eq!(estimate.at(soon, HALF), 662, "800 times 45 of 64, and the measurement");
        estimate.note(Duration::from_secs(9_999_999), HALF, at(5));
        assert_eq!(estimate.at(at(5), HALF), ONE - 1);
    }

    #[test]
    fn a_measurement_after_a_half_life_of_silence_replaces_what_was_known() {
        let mut estimate = Estimate::new(Duration::from_secs(3), at(0));
        estimate.note(Duration::from_millis(10), HALF, at(5));
        assert_eq!(estimate.at(at(5), HALF), 10_000);
    }

    #[test]
    fn many_measurements_in_a_short_time_move_the_estimate_too() {
        let mut estimate = Estimate::new(Duration::from_millis(900), at(0));
        for step in 0..1_000_000_u64 {
            let now = Instant::new(Duration::from_micros(step * 10));
            estimate.note(Duration::from_millis(10), HALF, now);
        }
        let micros = estimate.at(at(10), HALF);
        assert!((220_000..245_000).contains(&micros), "two half-lives: {micros}");
    }

    #[test]
    fn every_value_lies_in_its_step() {
        let mut last = 0;
        for value in (0..4_096).chain([65_535, 65_536, 1_000_000, ONE - 1]) {
            let step = step_of(value);
            assert!(step < STEPS && step >= last, "{value}");
            assert!(value <= upper(step), "{value} {}", upper(step));
            assert!(upper(step) <= value + value / 4 + 1, "{value} {}", upper(step));
            last = step;
        }
    }

    #[test]
    fn percentiles_follow_the_newer_answers() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(95), None);
        for ms in 1..=100 {
            histogram.note(Duration::from_millis(ms));
        }
        let p95 = histogram.percentile(95).unwrap();
        assert!((95..=119).contains(&p95.as_millis()), "{p95:?}");
        assert!(histogram.percentile(0).unwrap() <= Duration::from_micros(1_250));
        for _ in 0..20_000 {
            histogram.note(Duration::from_millis(2));
        }
        assert!(histogram.percentile(99).unwrap() < Duration::from_millis(3));
        assert!(histogram.answers() <= ANSWERS_MAX);
    }

    proptest! {
        #[test]
        fn an_estimate_lies_between_nothing_and_the_worst_measurement(
            measured in prop::collection::vec((0_u64..10_000_000, 0_u64..20_000_000), 1..50),
        ) {
            let (mut now, mut worst) = (at(0), 30_000);
            let mut estimate = Estimate::new(Duration::from_micros(worst), now);
            for (latency, wait) in measured {
                now = now.after(Duration::from_micros(wait));
                worst = worst.max(latency);
                estimate.note(Duration::from_micros(latency), HALF, now);
                prop_assert!((latency..=worst).contains(&estimate.at(now, HALF)));
                prop_assert!(estimate.at(now.after(HALF), HALF) <= estimate.at(now, HALF) / 2 + 1);
            }
        }
    }
}

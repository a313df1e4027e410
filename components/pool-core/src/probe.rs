//! Active health of one origin: when to probe it, and what the probes say.

use crate::dice::Dice;
use crate::settings::Probes;
use crate::time::{Instant, part_of};

/// What a change of active health was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing changed.
    None,
    /// Probes took the origin down.
    Down,
    /// Probes brought it up again.
    Up,
    /// It was up, and so many probes succeeded in a row as would have brought it up.
    Steady,
}

/// What probes say of one origin. It is up until they say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Active {
    is_up: bool,
    successes: u32,
    failures: u32,
    next_at: Instant,
    /// When a probe that is under way has failed.
    fails_at: Option<Instant>,
}

impl Active {
    /// Starts up; the first probe is due at once.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { is_up: true, successes: 0, failures: 0, next_at: now, fails_at: None }
    }

    /// Returns whether the probes let it have requests.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.is_up
    }

    /// Returns when [`Self::poll`] or [`Self::expire`] has something to do.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        match self.fails_at {
            Some(at) => at,
            None => self.next_at,
        }
    }

    /// Returns whether to probe now; if so, the probe is under way.
    pub fn poll(&mut self, settings: &Probes, now: Instant, random: u64) -> bool {
        if self.fails_at.is_some() || now < self.next_at {
            return false;
        }
        self.fails_at = Some(now.after(settings.timeout));
        let jitter = u64::from(settings.jitter_percent.min(100));
        let percent = Dice::new(random).below(jitter.saturating_mul(2).saturating_add(1));
        let percent = percent.saturating_add(100).saturating_sub(jitter).max(1);
        self.next_at = now.after(part_of(settings.interval, percent, 100));
        true
    }

    /// Lets a probe fail that was not answered in time.
    pub fn expire(&mut self, settings: &Probes, now: Instant) -> Change {
        if self.fails_at.is_some_and(|at| at <= now) {
            self.handle(false, settings)
        } else {
            Change::None
        }
    }

    /// Takes the outcome of the probe under way; one that nobody waits for any more is ignored.
    pub fn handle(&mut self, is_ok: bool, settings: &Probes) -> Change {
        if self.fails_at.take().is_none() {
            return Change::None;
        }
        if is_ok {
            self.failures = 0;
            self.successes = self.successes.saturating_add(1);
        } else {
            self.successes = 0;
            self.failures = self.failures.saturating_add(1);
        }
        if self.is_up && self.failures >= settings.failures_down.max(1) {
            self.is_up = false;
            return Change::Down;
        }
        if self.successes < settings.successes_up.max(1) {
            return Change::None;
        }
        if self.is_up {
            return Change::Steady;
        }
        self.is_up = true;
        Change::Up
    }

    /// Starts the row of successes again: an ejection counts from its beginning.
    pub const fn forget_successes(&mut self) {
        self.successes = 0;
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::new(Duration::from_millis(ms))
    }

    #[test]
    fn two_failures_take_down_and_three_successes_bring_up() {
        use Change::{Down, None, Steady, Up};
        let settings = Probes::default();
        for (script, expected) in [
            (&[true, true, true, true][..], &[None, None, Steady, Steady][..]),
            (&[false, true, false, true], &[None, None, None, None]),
            (&[false, false, false], &[None, Down, None]),
            (&[false, false, true, true, true], &[None, Down, None, None, Up]),
            (
                &[false, false, true, true, false, true, true, true],
                &[None, Down, None, None, None, None, None, Up],
            ),
        ] {
            let mut active = Active::new(at(0));
            let mut now = at(0);
            let seen: Vec<_> = script
                .iter()
                .map(|is_ok| {
                    now = active.deadline();
                    assert!(active.poll(&settings, now, 1));
                    active.handle(*is_ok, &settings)
                })
                .collect();
            assert_eq!(seen, expected, "{script:?}");
        }
    }

    #[test]
    fn a_probe_is_due_once_per_interval_give_or_take_a_fifth() {
        let settings = Probes::default();
        for random in 0..500 {
            let mut active = Active::new(at(7));
            assert!(!active.poll(&settings, at(6), random));
            assert!(active.poll(&settings, at(7), random));
            assert!(!active.poll(&settings, at(8), random), "one at a time");
            active.handle(true, &settings);
            let wait = active.deadline().since(at(7)).as_millis();
            assert!((4_000..=6_000).contains(&wait), "{wait}");
        }
    }

    #[test]
    fn an_unanswered_probe_fails_and_its_late_answer_is_ignored() {
        let settings = Probes { failures_down: 1, ..Probes::default() };
        let mut active = Active::new(at(0));
        active.poll(&settings, at(0), 0);
        assert_eq!(active.deadline(), at(2_000));
        assert_eq!(active.expire(&settings, at(1_999)), Change::None);
        assert_eq!(active.expire(&settings, at(2_000)), Change::Down);
        assert_eq!(active.handle(true, &settings), Change::None);
        assert!(!active.is_up());
    }
}

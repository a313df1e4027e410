//! The circuit breaker of one origin: failures eject it, time and trial requests bring it back.
//!
//! ```text
//!             failures in a row, a share of the window, Retry-After
//!   Closed ───────────────────────────────────────────────────────▶ Open
//!     ▲                                                              │ time over, or probes succeed
//!     │ enough trials succeed                    a trial fails       ▼
//!     └───────────────────────────── HalfOpen ◀──────────────────────┘
//!                                        └──────────────────────────▶ Open, for twice as long
//! ```

use core::time::Duration;

use crate::settings::{self, Passive};
use crate::time::Instant;
use crate::window::Window;

/// Whether an origin gets requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does.
    Closed,
    /// It was ejected and gets none.
    Open {
        /// When trial requests begin.
        until: Instant,
        /// Whether the origin itself named the time (`Retry-After`): probes do not shorten it.
        is_told: bool,
        /// Requests that succeeded meanwhile, because everybody was used.
        successes: u32,
    },
    /// It gets trial requests.
    HalfOpen {
        /// How many are in flight.
        trials: u32,
        /// How many succeeded.
        successes: u32,
    },
}

/// How a failure may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failure {
    /// How long the origin asked to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether one more of the tier may be ejected.
    pub may_eject: bool,
}

/// The circuit breaker of one origin.
#[derive(Debug, Clone)]
pub struct Breaker {
    state: State,
    /// Counts changes of state: what a request says about an earlier state does not count in a later one.
    epoch: u32,
    failures_in_row: u32,
    /// Ejections in a row, for the length of the next one.
    ejections: u32,
    /// When the present state began.
    entered_at: Instant,
    window: Window,
}

impl Breaker {
    /// Starts closed.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            state: State::Closed,
            epoch: 0,
            failures_in_row: 0,
            ejections: 0,
            entered_at: now,
            window: Window::default(),
        }
    }

    /// Returns the state as of the last call of [`Self::handle_time`].
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Returns the number of the present state, to be handed in with outcomes.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Returns ejections without a long enough time of health between them.
    #[must_use]
    pub const fn ejections(&self) -> u32 {
        self.ejections
    }

    /// Returns failures since the last success.
    #[must_use]
    pub const fn failures_in_row(&self) -> u32 {
        self.failures_in_row
    }

    /// Returns whether requests go there as usual.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Returns whether one more trial request may start.
    #[must_use]
    pub const fn may_try(&self, settings: &settings::Breaker) -> bool {
        // With none at all an ejected origin would never come back.
        let max = if settings.trials_max == 0 { 1 } else { settings.trials_max };
        matches!(self.state, State::HalfOpen { trials, .. } if trials < max)
    }

    /// Returns whether the origin has waited so long for harmless trials that any request will do.
    #[must_use]
    pub fn is_impatient(&self, settings: &settings::Breaker, now: Instant) -> bool {
        now.since(self.entered_at) >= settings.patience
    }

    /// Lets an ejection end.
    pub fn handle_time(&mut self, now: Instant) {
        if matches!(self.state, State::Open { until, .. } if until <= now) {
            self.enter(State::HalfOpen { trials: 0, successes: 0 }, now);
        }
    }

    /// Takes note that probes succeed: trial requests begin before the ejection's time is over.
    pub fn handle_probes_succeeded(&mut self, now: Instant) {
        if matches!(self.state, State::Open { is_told: false, .. }) {
            self.enter(State::HalfOpen { trials: 0, successes: 0 }, now);
        }
    }

    /// Counts a trial request in flight.
    pub const fn begin_trial(&mut self) {
        if let State::HalfOpen { trials, .. } = &mut self.state {
            *trials = trials.saturating_add(1);
        }
    }

    /// Counts it out; a trial of an earlier state is not counted any more.
    pub const fn end_trial(&mut self, epoch: u32) {
        if let State::HalfOpen { trials, .. } = &mut self.state
            && epoch == self.epoch
        {
            *trials = trials.saturating_sub(1);
        }
    }

    /// Takes the success of a request that began in the state `epoch`. Returns whether it closed the breaker.
    pub fn handle_success(
        &mut self,
        epoch: u32,
        settings: &settings::Breaker,
        passive: &Passive,
        now: Instant,
    ) -> bool {
        if epoch != self.epoch {
            return false;
        }
        match &mut self.state {
            State::Closed => {
                self.failures_in_row = 0;
                self.window.note(false, passive.window, now);
                false
            }
            State::Open { successes, .. } | State::HalfOpen { successes, .. } => {
                *successes = successes.saturating_add(1);
                let is_enough = *successes >= settings.successes;
                if is_enough {
                    self.enter(State::Closed, now);
                }
                is_enough
            }
        }
    }

    /// Takes the failure of a request that began in the state `epoch`. Returns whether it ejected the origin.
    pub fn handle_failure(
        &mut self,
        epoch: u32,
        failure: Failure,
        passive: &Passive,
        now: Instant,
    ) -> bool {
        if epoch != self.epoch {
            return false;
        }
        let told = failure.retry_after.map(|told| told.min(passive.retry_after_max));
        let told = told.filter(|told| !told.is_zero());
        match &mut self.state {
            State::Closed => {
                self.failures_in_row = self.failures_in_row.saturating_add(1);
                self.window.note(true, passive.window, now);
                let is_due = told.is_some() || self.is_failing(passive, now);
                let ejects = is_due && failure.may_eject;
                if ejects {
                    self.open(told, passive, now);
                }
                ejects
            }
            State::Open { successes, .. } => {
                *successes = 0;
                false
            }
            State::HalfOpen { .. } => {
                self.open(told, passive, now);
                true
            }
        }
    }

    fn is_failing(&mut self, passive: &Passive, now: Instant) -> bool {
        if self.failures_in_row >= passive.failures_in_row.max(1) {
            return true;
        }
        let (requests, failures) = self.window.sums(passive.window, now);
        let share = u64::from(failures).saturating_mul(100);
        requests >= passive.requests_min.max(1)
            && share >= u64::from(requests).saturating_mul(u64::from(passive.failures_percent))
    }

    fn open(&mut self, told: Option<Duration>, passive: &Passive, now: Instant) {
        let was_well = self.is_closed() && now.since(self.entered_at) >= passive.forgotten_after;
        if was_well {
            self.ejections = 0;
        }
        let factor = 1_u32.checked_shl(self.ejections).unwrap_or(u32::MAX);
        let length = passive.ejection.saturating_mul(factor).min(passive.ejection_max);
        // An origin that names a time plans its absence: that is no reason to eject it for longer the next time.
        if told.is_none() {
            self.ejections = self.ejections.saturating_add(1);
        }
        let until = now.after(told.unwrap_or(length));
        self.enter(State::Open { until, is_told: told.is_some(), successes: 0 }, now);
    }

    fn enter(&mut self, state: State, now: Instant) {
        self.state = state;
        self.entered_at = now;
        self.epoch = self.epoch.wrapping_add(1);
        self.failures_in_row = 0;
        self.window = Window::default();
    }
}

#[cfg(test)]
mod tests;

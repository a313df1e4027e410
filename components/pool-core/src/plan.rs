//! Which origin is asked next, and when to stop: one request's attempts as a pure state machine.
//!
//! The order of calls is [`Plan::next`] → request → [`Plan::report`] → [`Plan::next`] … until it gives [`Step::Stop`].
//! An answer that was a failure is to be kept until then: it is what the client gets when there is no further attempt.
//! While an attempt is under way, [`Plan::hedge_at`] says when [`Plan::hedge`] may start a second one.

use core::time::Duration;

use crate::dice::Dice;
use crate::origin::OriginId;
use crate::pool::{Pick, PickKind, Pool, Refused, Ticket};
use crate::queue::WaitId;
use crate::request::{Outcome, RequestFacts, Tried};
use crate::time::{Instant, micros};

/// One attempt to make.
#[derive(Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Whom to ask.
    pub origin: OriginId,
    /// Why this one.
    pub kind: PickKind,
    /// Whether it runs beside an earlier one.
    pub is_hedge: bool,
    /// How long connecting may take; beyond it the outcome is [`Outcome::NotSent`].
    pub connect_timeout: Duration,
    /// How long the head of the answer may take, from now; beyond it the outcome is [`Outcome::TimedOut`].
    pub head_timeout: Duration,
    /// Its place at the origin. After an answer that settled the plan, the caller ends it with the body's outcome.
    pub ticket: Ticket,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask this origin.
    Try(Attempt),
    /// Ask again for the next step at this moment: the same origin is asked once more, and not at once.
    WaitUntil(Instant),
    /// Ask again when [`Pool::poll_waiting`] gives this place in the queue.
    WaitInQueue(WaitId),
    /// An attempt is under way; report it first.
    Await,
    /// The last outcome stands.
    Stop(Stop),
}

/// Why there is no further attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// An answer came that is to be passed on.
    Settled,
    /// An origin may have acted on the request, and it must not be repeated.
    NotRepeatable,
    /// Our side refused or the client went away.
    GivenUp,
    /// All attempts were made.
    Attempts,
    /// The time is over.
    Deadline,
    /// The pool's budget of further attempts is spent.
    Budget,
    /// There is no origin to ask.
    Refused(Refused),
}

/// The attempts of one request.
#[derive(Debug, Clone)]
pub struct Plan {
    facts: RequestFacts,
    started_at: Instant,
    deadline: Instant,
    tried: Tried,
    under_way: u8,
    /// The last failure, and who had it.
    failed: Option<(Outcome, OriginId)>,
    stop: Option<Stop>,
    waiting: Option<WaitId>,
    /// Until when the same origin is not asked again; after it, it may be.
    backoff_until: Option<Instant>,
    backoffs: u32,
    has_hedged: bool,
    last_begun_at: Instant,
}

impl Plan {
    /// Starts the clock and counts the request.
    #[must_use]
    pub fn new(facts: RequestFacts, pool: &mut Pool, now: Instant) -> Self {
        pool.handle_request(now);
        Self {
            facts,
            started_at: now,
            deadline: now.after(pool.settings().deadlines.overall),
            tried: Tried::default(),
            under_way: 0,
            failed: None,
            stop: None,
            waiting: None,
            backoff_until: None,
            backoffs: 0,
            has_hedged: false,
            last_begun_at: now,
        }
    }

    /// Ends the plan earlier than the settings say, because the client's time is over then.
    #[must_use]
    pub fn until(mut self, deadline: Instant) -> Self {
        self.deadline = self.deadline.min(deadline);
        self
    }

    /// Returns when the plan's time is over.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns when it began.
    #[must_use]
    pub const fn started_at(&self) -> Instant {
        self.started_at
    }

    /// Returns the origins that were asked, in order.
    #[must_use]
    pub const fn tried(&self) -> &Tried {
        &self.tried
    }

    /// Returns whether an answer came that is to be passed on: attempts that are still under way are to be cancelled
    /// and reported as [`Outcome::Cancelled`].
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.stop == Some(Stop::Settled)
    }

    /// Returns the next step.
    pub fn next(&mut self, pool: &mut Pool, now: Instant, random: u64) -> Step {
        if let Some(stop) = self.stop {
            return Step::Stop(stop);
        }
        if self.under_way > 0 {
            return Step::Await;
        }
        let left = self.deadline.since(now);
        if left.is_zero() || left < pool.settings().deadlines.attempt_min {
            return self.stop(Stop::Deadline, pool);
        }
        match self.failed {
            None => self.first(pool, now, random),
            Some((outcome, origin)) => self.further(outcome, origin, pool, now, random),
        }
    }

    /// Notes how an attempt ended. An answer that settles the plan keeps its place at the origin until the caller ends
    /// the ticket; every other attempt is ended here.
    pub fn report(
        &mut self,
        attempt: &mut Attempt,
        outcome: Outcome,
        pool: &mut Pool,
        now: Instant,
    ) {
        self.under_way = self.under_way.saturating_sub(1);
        let is_failure = pool.is_failure(outcome);
        let is_answer = matches!(outcome, Outcome::Answered { .. });
        if is_answer && !is_failure && self.stop.is_none() {
            pool.note(&mut attempt.ticket, outcome, now);
            self.stop = Some(Stop::Settled);
            return;
        }
        pool.end(&mut attempt.ticket, outcome, now);
        if is_failure {
            self.failed = Some((outcome, attempt.origin));
        } else if self.stop.is_none() {
            self.stop = Some(Stop::GivenUp);
        }
    }

    /// Gives up, for instance because the client went away. Attempts under way are still to be reported.
    pub fn cancel(&mut self, pool: &mut Pool) {
        self.stop(Stop::GivenUp, pool);
    }

    /// Returns when a second attempt may start beside the one that is under way; `None` where it may not.
    #[must_use]
    pub fn hedge_at(&self, pool: &Pool) -> Option<Instant> {
        let hedge = pool.settings().hedge?;
        let is_open = self.facts.is_read
            && self.facts.is_repeatable()
            && self.under_way == 1
            && !self.has_hedged
            && self.stop.is_none()
            && self.attempts() < attempts_max(pool);
        let delay = match hedge.delay {
            Some(delay) => Some(delay),
            None => pool
                .latency_p95()
                .filter(|(_, answers)| *answers >= hedge.answers_min)
                .map(|(latency, _)| latency),
        };
        let delay = delay.filter(|_| is_open)?.max(hedge.delay_min);
        Some(self.last_begun_at.after(delay))
    }

    /// Starts a second attempt at another usable origin, if it is time and within the budget.
    pub fn hedge(&mut self, pool: &mut Pool, now: Instant, random: u64) -> Option<Attempt> {
        let is_due = self.hedge_at(pool).is_some_and(|at| at <= now);
        let is_worth_it = self.deadline.since(now) >= pool.settings().deadlines.attempt_min;
        if !is_due || !is_worth_it || pool.waiting() > 0 {
            return None;
        }
        // Once, whatever comes of it: the caller need not be told again and again.
        self.has_hedged = true;
        let pick = pool.pick(&self.facts, &self.tried, now, random).ok()?;
        if pick.kind != PickKind::Usual || !pool.try_withdraw(now) {
            return None;
        }
        pool.count_hedge();
        Some(self.begin(pick, true, pool, now))
    }

    fn first(&mut self, pool: &mut Pool, now: Instant, random: u64) -> Step {
        let picked = match self.waiting {
            Some(id) => pool.pick_waiting(id, &self.facts, now, random),
            None => pool.pick(&self.facts, &self.tried, now, random),
        };
        match (picked, self.waiting) {
            (Ok(pick), _) => {
                self.waiting = None;
                Step::Try(self.begin(pick, false, pool, now))
            }
            (Err(Refused::Busy), Some(id)) => Step::WaitInQueue(id),
            (Err(Refused::Busy), None) => match pool.wait(now) {
                Ok(id) => {
                    self.waiting = Some(id);
                    Step::WaitInQueue(id)
                }
                Err(refused) => self.stop(Stop::Refused(refused), pool),
            },
            (Err(refused), _) => self.stop(Stop::Refused(refused), pool),
        }
    }

    fn further(
        &mut self,
        outcome: Outcome,
        origin: OriginId,
        pool: &mut Pool,
        now: Instant,
        random: u64,
    ) -> Step {
        if outcome != Outcome::NotSent && !self.facts.is_repeatable() {
            return self.stop(Stop::NotRepeatable, pool);
        }
        if self.attempts() >= attempts_max(pool) {
            return self.stop(Stop::Attempts, pool);
        }
        let mut dice = Dice::new(random);
        let picked = pool.pick(&self.facts, &self.tried, now, dice.next());
        let pick = match (picked, self.backoff_until) {
            (Ok(pick), _) => pick,
            (Err(Refused::NoOther), None) if may_ask_same(outcome) => {
                let until = self.back_off(pool, now, &mut dice);
                if self.deadline.since(until) < pool.settings().deadlines.attempt_min {
                    return self.stop(Stop::Deadline, pool);
                }
                return Step::WaitUntil(until);
            }
            (Err(Refused::NoOther), Some(until)) if now < until => return Step::WaitUntil(until),
            (Err(Refused::NoOther), Some(_)) => match pool.again(origin) {
                Ok(pick) => pick,
                Err(refused) => return self.stop(Stop::Refused(refused), pool),
            },
            (Err(refused), _) => return self.stop(Stop::Refused(refused), pool),
        };
        if !pool.try_withdraw(now) {
            return self.stop(Stop::Budget, pool);
        }
        pool.count_retry();
        self.backoff_until = None;
        Step::Try(self.begin(pick, false, pool, now))
    }

    fn back_off(&mut self, pool: &Pool, now: Instant, dice: &mut Dice) -> Instant {
        let retries = &pool.settings().retries;
        let factor = 1_u32.checked_shl(self.backoffs).unwrap_or(u32::MAX);
        self.backoffs = self.backoffs.saturating_add(1);
        let longest = micros(retries.backoff.saturating_mul(factor).min(retries.backoff_max));
        let half = longest / 2;
        let wait = half.saturating_add(dice.below(longest.saturating_sub(half).saturating_add(1)));
        let until = now.after(Duration::from_micros(wait));
        self.backoff_until = Some(until);
        until
    }

    fn begin(&mut self, pick: Pick, is_hedge: bool, pool: &mut Pool, now: Instant) -> Attempt {
        self.tried.insert(pick.origin);
        self.under_way = self.under_way.saturating_add(1);
        self.last_begun_at = now;
        let deadlines = pool.settings().deadlines;
        let head_timeout = deadlines.head.min(self.deadline.since(now));
        Attempt {
            origin: pick.origin,
            kind: pick.kind,
            is_hedge,
            connect_timeout: deadlines.connect.min(head_timeout),
            head_timeout,
            ticket: pool.begin(pick, now),
        }
    }

    fn stop(&mut self, stop: Stop, pool: &mut Pool) -> Step {
        if let Some(id) = self.waiting.take() {
            pool.cancel_wait(id);
        }
        Step::Stop(*self.stop.get_or_insert(stop))
    }

    fn attempts(&self) -> usize {
        self.tried.count()
    }
}

fn attempts_max(pool: &Pool) -> usize {
    usize::from(pool.settings().retries.attempts_max).clamp(1, Tried::MAX)
}

/// A connection that broke may be a restart: once more is cheap. An origin that answered, were it with an error, or was
/// silent is not asked again by the same request: its answer is better than a late one.
const fn may_ask_same(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::NotSent | Outcome::Broken)
}

#[cfg(test)]
mod tests;

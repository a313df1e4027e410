//! What is counted of an attempt: its place in flight, and what its outcome says about the origin.

use core::time::Duration;

use crate::breaker::Failure;
use crate::origin::{OriginId, Tier};
use crate::request::Outcome;
use crate::time::Instant;

use super::{Pick, PickKind, Pool};

/// An attempt in flight. It holds a place at its origin until [`Pool::end`], a trial the only one there may be.
///
/// Where a task may be dropped before it ends, for instance because a client went away, it is to be kept in a guard that
/// ends it with [`Outcome::Cancelled`]: the pool cannot know otherwise.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "it holds a place at its origin until it is ended"]
pub struct Ticket {
    origin: OriginId,
    epoch: u32,
    is_trial: bool,
    begun_at: Instant,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is known yet.
    Begun,
    /// The head of a good answer came.
    Answered,
    /// All that it says about the origin is known.
    Noted,
    /// The place is free again.
    Ended,
}

/// What an outcome says about its origin.
enum Verdict {
    Well(Duration),
    Failed(Option<Duration>),
    Nothing,
}

impl Ticket {
    /// Returns the origin.
    #[must_use]
    pub const fn origin(&self) -> OriginId {
        self.origin
    }

    /// Returns when the attempt began.
    #[must_use]
    pub const fn begun_at(&self) -> Instant {
        self.begun_at
    }
}

impl Pool {
    /// Counts a request once, whatever attempts it takes: requests fill the budget of further attempts.
    pub fn handle_request(&mut self, now: Instant) {
        self.counts.requests = self.counts.requests.saturating_add(1);
        self.budget.deposit(&self.settings.retries, now);
    }

    /// Returns whether the budget has a further attempt.
    pub fn is_within_budget(&mut self, now: Instant) -> bool {
        self.budget.is_open(&self.settings.retries, now)
    }

    /// Takes a further attempt out of the budget; refuses when none is left.
    pub fn try_withdraw(&mut self, now: Instant) -> bool {
        let is_open = self.budget.try_withdraw(&self.settings.retries, now);
        if !is_open {
            self.counts.over_budget = self.counts.over_budget.saturating_add(1);
        }
        is_open
    }

    /// Begins an attempt at the origin that was picked.
    pub fn begin(&mut self, pick: Pick, now: Instant) -> Ticket {
        let is_trial = pick.kind == PickKind::Trial;
        let count = match pick.kind {
            PickKind::Usual => None,
            PickKind::Trial => Some(&mut self.counts.trials),
            PickKind::Panic => Some(&mut self.counts.panics),
        };
        if let Some(count) = count {
            *count = count.saturating_add(1);
        }
        let mut epoch = 0;
        let requests = self.counts.requests;
        if let Some(member) = self.member_mut(pick.origin) {
            (member.asked_at, member.asked_after) = (now, requests);
            member.in_flight = member.in_flight.saturating_add(1);
            member.requests = member.requests.saturating_add(1);
            epoch = member.breaker.epoch();
            if is_trial {
                member.breaker.begin_trial();
            }
        }
        Ticket { origin: pick.origin, epoch, is_trial, begun_at: now, stage: Stage::Begun }
    }

    /// Takes note of an outcome, for instance of an answer's head while its body still comes. What was noted is not
    /// counted again, except that a good answer may still break.
    pub fn note(&mut self, ticket: &mut Ticket, outcome: Outcome, now: Instant) {
        self.handle_time(now);
        let verdict = self.verdict(outcome);
        if ticket.is_trial {
            ticket.is_trial = false;
            if let Some(member) = self.member_mut(ticket.origin) {
                member.breaker.end_trial(ticket.epoch);
            }
        }
        match (ticket.stage, verdict) {
            (Stage::Begun, Verdict::Well(latency)) => {
                ticket.stage = Stage::Answered;
                self.succeed(ticket, latency, now);
            }
            (Stage::Begun | Stage::Answered, Verdict::Failed(retry_after)) => {
                ticket.stage = Stage::Noted;
                self.fail(ticket, retry_after, now);
            }
            (Stage::Begun, Verdict::Nothing) => ticket.stage = Stage::Noted,
            (Stage::Answered | Stage::Noted | Stage::Ended, _) => {}
        }
    }

    /// Ends an attempt: takes note of its outcome unless it was noted, and frees its place. A second call does nothing.
    pub fn end(&mut self, ticket: &mut Ticket, outcome: Outcome, now: Instant) {
        if ticket.stage == Stage::Ended {
            return;
        }
        self.note(ticket, outcome, now);
        ticket.stage = Stage::Ended;
        if let Some(member) = self.member_mut(ticket.origin) {
            member.in_flight = member.in_flight.saturating_sub(1);
        }
    }

    /// Returns whether an outcome is a failure of the origin.
    #[must_use]
    pub fn is_failure(&self, outcome: Outcome) -> bool {
        matches!(self.verdict(outcome), Verdict::Failed(_))
    }

    /// Returns the 95th percentile of the pool's good answers, and how many of them it rests on.
    #[must_use]
    pub fn latency_p95(&self) -> Option<(Duration, u32)> {
        self.answers.percentile(95).map(|latency| (latency, self.answers.answers()))
    }

    pub(crate) const fn count_retry(&mut self) {
        self.counts.retries = self.counts.retries.saturating_add(1);
    }

    pub(crate) const fn count_hedge(&mut self) {
        self.counts.hedges = self.counts.hedges.saturating_add(1);
    }

    fn verdict(&self, outcome: Outcome) -> Verdict {
        match outcome {
            Outcome::Answered { status, latency, retry_after } => {
                if !self.settings.passive.failure_statuses.contains(&status) {
                    return Verdict::Well(latency);
                }
                // RFC 9110, section 10.2.3: with 503 it says how long the service is expected to be away.
                let is_away = status == http::StatusCode::SERVICE_UNAVAILABLE;
                Verdict::Failed(retry_after.filter(|_| is_away))
            }
            Outcome::NotSent | Outcome::Broken | Outcome::TimedOut => Verdict::Failed(None),
            Outcome::Cancelled | Outcome::Refused => Verdict::Nothing,
        }
    }

    fn succeed(&mut self, ticket: &Ticket, latency: Duration, now: Instant) {
        self.answers.note(latency);
        let settings = &self.settings;
        let place = self.members.get_mut(usize::from(ticket.origin.slot));
        let Some(Some(member)) = place else { return };
        if member.id != ticket.origin {
            return;
        }
        member.latency.note(latency, settings.balance.latency_half_life, now);
        let (breaker, passive) = (&settings.breaker, &settings.passive);
        if member.breaker.handle_success(ticket.epoch, breaker, passive, now) {
            self.welcome(ticket.origin, now);
        }
    }

    fn fail(&mut self, ticket: &Ticket, retry_after: Option<Duration>, now: Instant) {
        let failure = Failure { retry_after, may_eject: self.may_eject(ticket.origin) };
        let settings = &self.settings;
        let place = self.members.get_mut(usize::from(ticket.origin.slot));
        let Some(Some(member)) = place else { return };
        if member.id != ticket.origin {
            return;
        }
        member.failures = member.failures.saturating_add(1);
        let (balance, half_life) = (&settings.balance, settings.balance.latency_half_life);
        let doubled = Duration::from_micros(member.latency.at(now, half_life).saturating_mul(2));
        let latency = now.since(ticket.begun_at).max(doubled).max(balance.failure_latency);
        member.latency.note(latency, half_life, now);
        if member.breaker.handle_failure(ticket.epoch, failure, &settings.passive, now) {
            member.ejections = member.ejections.saturating_add(1);
            member.active.forget_successes();
        }
    }

    /// Whether one more of the origin's tier may be ejected: always where a later tier could take over.
    fn may_eject(&self, id: OriginId) -> bool {
        let Some(tier) = self.member(id).map(|member| member.origin.tier) else { return false };
        let mut later = Tier::ALL.into_iter().filter(|later| *later > tier);
        let can_take_over = later.any(|later| {
            !self.slots(|member| member.origin.tier == later && member.is_usable()).is_empty()
        });
        let of_tier = |is_in: fn(&crate::member::Member) -> bool| {
            let is_in =
                |member: &crate::member::Member| member.origin.tier == tier && is_in(member);
            u64::from(self.slots(is_in).count())
        };
        let all = of_tier(crate::member::Member::is_enlisted);
        let ejected = of_tier(|member| member.is_enlisted() && !member.breaker.is_closed());
        let percent = u64::from(self.settings.tiers.ejected_percent_max);
        let most = all.saturating_mul(percent).div_ceil(100).max(1);
        can_take_over || ejected < most
    }
}

//! A list of origins and what is known of them.

mod account;
mod choose;

use core::time::Duration;

use crate::breaker::State;
use crate::budget::Budget;
use crate::latency::{Estimate, Histogram};
use crate::member::Member;
use crate::origin::{Origin, OriginId, OriginsError};
use crate::probe::Change;
use crate::queue::{Queue, WaitId};
use crate::settings::Settings;
use crate::slots::Slots;
use crate::time::Instant;

pub use account::Ticket;
pub use choose::{Pick, PickKind, Refused};

/// What a pool has counted since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests, each once.
    pub requests: u64,
    /// Further attempts after a failure.
    pub retries: u64,
    /// Second attempts beside a slow first one.
    pub hedges: u64,
    /// Further attempts that the budget did not allow.
    pub over_budget: u64,
    /// Trial requests.
    pub trials: u64,
    /// Choices among all of a tier, because too much of it was down.
    pub panics: u64,
    /// Requests that were refused since too many waited, or one had waited too long.
    pub overloaded: u64,
}

/// Whether an origin gets requests, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// As many as its weight says.
    Usable,
    /// Fewer, since it has just come back.
    Starting {
        /// How many of its share, in thousandths.
        share_permille: u16,
    },
    /// None: its requests failed.
    Ejected {
        /// When trial requests begin.
        until: Instant,
    },
    /// Trial requests only.
    OnTrial,
    /// None: its probes failed.
    Down,
    /// None: its owner gave it the weight 0.
    Drained,
}

/// What a pool knows of an origin, for metrics and administrators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginState<'a> {
    /// Which one it is.
    pub id: OriginId,
    /// As its owner describes it.
    pub origin: &'a Origin,
    /// Whether it gets requests.
    pub condition: Condition,
    /// Requests in flight.
    pub in_flight: u32,
    /// Estimate of its latency.
    pub latency: Duration,
    /// Attempts that were begun.
    pub requests: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Failures since the last success.
    pub failures_in_row: u32,
    /// How often it was ejected.
    pub ejections: u64,
}

/// A list of origins and what is known of them. Time never runs backwards over its calls.
///
/// Per attempt: [`Self::pick`] → [`Self::begin`] → request → [`Self::note`] at the head → [`Self::end`] after the body.
/// [`crate::Plan`] does that for all attempts of a request. Beside them: [`Self::poll_probe`] and [`Self::poll_waiting`]
/// until they give `None`, whenever an attempt ended or [`Self::poll_deadline`] has come.
#[derive(Debug, Clone)]
pub struct Pool {
    settings: Settings,
    members: Vec<Option<Member>>,
    serial: u32,
    budget: Budget,
    answers: Histogram,
    queue: Queue,
    counts: Counts,
}

impl Pool {
    /// Most origins: 64.
    pub const ORIGINS_MAX: usize = Slots::MAX;

    /// Makes a pool of origins that are all supposed to be well.
    ///
    /// # Errors
    /// See [`OriginsError`].
    pub fn new(
        settings: Settings,
        origins: Vec<Origin>,
        now: Instant,
    ) -> Result<Self, OriginsError> {
        let mut pool = Self {
            members: Vec::new(),
            serial: 0,
            budget: Budget::new(&settings.retries, now),
            answers: Histogram::default(),
            queue: Queue::new(settings.balance.pending_max),
            counts: Counts::default(),
            settings,
        };
        pool.set_origins(origins, now)?;
        pool.members.iter_mut().flatten().for_each(|member| member.returned_at = None);
        Ok(pool)
    }

    /// Replaces the list. Origins that stay, by name, keep their state; new ones start slowly; requests in flight at
    /// those that left are not counted any more.
    ///
    /// # Errors
    /// See [`OriginsError`]; the list is then as it was.
    pub fn set_origins(&mut self, origins: Vec<Origin>, now: Instant) -> Result<(), OriginsError> {
        check(&origins)?;
        for place in &mut self.members {
            let stays = |member: &Member| origins.iter().any(|new| new.name == member.origin.name);
            if !place.as_ref().is_some_and(stays) {
                *place = None;
            }
        }
        for origin in origins {
            let known = self.members.iter_mut().flatten();
            match known.into_iter().find(|member| member.origin.name == origin.name) {
                Some(member) => member.origin = origin,
                None => self.join(origin, now),
            }
        }
        Ok(())
    }

    fn join(&mut self, origin: Origin, now: Instant) {
        let free = self.members.iter().position(Option::is_none).unwrap_or(self.members.len());
        let Ok(slot) = u8::try_from(free) else { return };
        let id = OriginId { slot, serial: self.serial };
        self.serial = self.serial.wrapping_add(1);
        let mut member = Member::new(origin, id, &self.settings.balance, now);
        member.returned_at = Some(now);
        if let Some(place) = self.members.get_mut(free) {
            *place = Some(member);
        } else {
            self.members.push(Some(member));
        }
        self.welcome(id, now);
    }

    /// Returns how the pool behaves.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns what was counted.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns an origin of the list, or `None` after it left.
    #[must_use]
    pub fn origin(&self, id: OriginId) -> Option<&Origin> {
        self.member(id).map(|member| &member.origin)
    }

    /// Returns how many requests wait for a place.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Returns what is known of every origin, as of `now`.
    pub fn states(&self, now: Instant) -> impl Iterator<Item = OriginState<'_>> {
        let balance = &self.settings.balance;
        self.members.iter().flatten().map(move |member| OriginState {
            id: member.id,
            origin: &member.origin,
            condition: self.condition(member, now),
            in_flight: member.in_flight,
            latency: Duration::from_micros(member.latency.at(now, balance.latency_half_life)),
            requests: member.requests,
            failures: member.failures,
            failures_in_row: member.breaker.failures_in_row(),
            ejections: member.ejections,
        })
    }

    fn condition(&self, member: &Member, now: Instant) -> Condition {
        if !member.is_enlisted() {
            return Condition::Drained;
        }
        if !member.active.is_up() {
            return Condition::Down;
        }
        match member.breaker.state() {
            State::Open { until, .. } if now < until => Condition::Ejected { until },
            State::Open { .. } | State::HalfOpen { .. } => Condition::OnTrial,
            State::Closed => match u16::try_from(member.ramp(&self.settings.balance, now)) {
                Ok(share_permille @ ..1_000) => Condition::Starting { share_permille },
                _ => Condition::Usable,
            },
        }
    }

    /// Lets time pass: ejections end, unanswered probes fail. [`Self::pick`] does it too.
    pub fn handle_time(&mut self, now: Instant) {
        for slot in 0..self.members.len() {
            let Some(Some(member)) = self.members.get_mut(slot) else { continue };
            member.breaker.handle_time(now);
            let id = member.id;
            if let Some(probes) = &self.settings.probes {
                let change = member.active.expire(probes, now);
                self.apply(change, id, now);
            }
        }
    }

    /// Returns an origin to probe now; the caller probes it and hands in the outcome. To be called until it gives
    /// `None`. Drained origins are probed too: they may come back.
    pub fn poll_probe(&mut self, now: Instant, random: u64) -> Option<OriginId> {
        self.handle_time(now);
        let probes = self.settings.probes.as_ref()?;
        self.members.iter_mut().flatten().find_map(|member| {
            // The same number for all would let them be probed in step.
            let random = random ^ u64::from(member.id.serial);
            member.active.poll(probes, now, random).then_some(member.id)
        })
    }

    /// Takes the outcome of a probe. What counts as a good answer is the caller's matter.
    pub fn handle_probe(&mut self, id: OriginId, is_ok: bool, now: Instant) {
        self.handle_time(now);
        let Some(probes) = self.settings.probes else { return };
        if let Some(member) = self.member_mut(id) {
            let change = member.active.handle(is_ok, &probes);
            self.apply(change, id, now);
        }
    }

    fn apply(&mut self, change: Change, id: OriginId, now: Instant) {
        match change {
            Change::None | Change::Down => {}
            Change::Steady | Change::Up => {
                if let Some(member) = self.member_mut(id) {
                    member.breaker.handle_probes_succeeded(now);
                }
                if change == Change::Up {
                    self.welcome(id, now);
                }
            }
        }
    }

    /// Lets an origin that came back start slowly, with the others' latency: its own is that of its bad time.
    fn welcome(&mut self, id: OriginId, now: Instant) {
        let half_life = self.settings.balance.latency_half_life;
        let Some(tier) = self.member(id).map(|member| member.origin.tier) else { return };
        let others =
            self.members.iter().flatten().filter(|member| {
                member.id != id && member.is_usable() && member.origin.tier == tier
            });
        let (sum, count) = others.fold((0_u64, 0_u64), |(sum, count), member| {
            (sum.saturating_add(member.latency.at(now, half_life)), count.saturating_add(1))
        });
        let mean = sum.checked_div(count).map(Duration::from_micros);
        let latency = mean.unwrap_or(self.settings.balance.latency_initial);
        if let Some(member) = self.member_mut(id) {
            member.returned_at = Some(now);
            member.latency = Estimate::new(latency, now);
        }
    }

    /// Returns when something changes by itself: an ejection ends, a probe is due, a wait is over. Call
    /// [`Self::poll_probe`] and [`Self::poll_waiting`] then.
    #[must_use]
    pub fn poll_deadline(&self, now: Instant) -> Option<Instant> {
        let ejections =
            self.members.iter().flatten().filter_map(|member| match member.breaker.state() {
                State::Open { until, .. } => Some(until),
                State::Closed | State::HalfOpen { .. } => None,
            });
        let has_probes = self.settings.probes.is_some();
        let probes = self.members.iter().flatten().map(|member| member.active.deadline());
        let probes = probes.filter(|_| has_probes);
        ejections.chain(probes).chain(self.queue.deadline()).min().map(|at| at.max(now))
    }

    /// Puts a request that was refused with [`Refused::Busy`] into the queue.
    ///
    /// # Errors
    /// [`Refused::Overloaded`] when too many wait.
    pub fn wait(&mut self, now: Instant) -> Result<WaitId, Refused> {
        let until = now.after(self.settings.balance.pending_wait_max);
        self.queue.push(until).ok_or_else(|| {
            self.counts.overloaded = self.counts.overloaded.saturating_add(1);
            Refused::Overloaded
        })
    }

    /// Returns one who waits and should now call [`Self::pick_waiting`], because there is a place or its time is over. To
    /// be called until it gives `None`.
    pub fn poll_waiting(&mut self, now: Instant) -> Option<WaitId> {
        if self.queue.len() == 0 {
            return None;
        }
        self.handle_time(now);
        let room = self.room();
        self.queue.call(room, now)
    }

    /// Takes a request out of the queue whose client went away.
    pub fn cancel_wait(&mut self, id: WaitId) {
        self.queue.remove(id);
    }

    fn member(&self, id: OriginId) -> Option<&Member> {
        let member = self.members.get(usize::from(id.slot))?.as_ref()?;
        (member.id == id).then_some(member)
    }

    fn member_mut(&mut self, id: OriginId) -> Option<&mut Member> {
        let member = self.members.get_mut(usize::from(id.slot))?.as_mut()?;
        (member.id == id).then_some(member)
    }
}

fn check(origins: &[Origin]) -> Result<(), OriginsError> {
    if origins.is_empty() {
        return Err(OriginsError::Empty);
    }
    if origins.len() > Pool::ORIGINS_MAX {
        return Err(OriginsError::TooMany);
    }
    for (at, origin) in origins.iter().enumerate() {
        if origins.iter().take(at).any(|earlier| earlier.name == origin.name) {
            return Err(OriginsError::Repeated(at));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

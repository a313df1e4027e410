//! Who gets a request: the tier, then two of it by weight, then the cheaper of the two.

use core::fmt;

use crate::dice::Dice;
use crate::member::{Member, WHOLE};
use crate::origin::{OriginId, Tier};
use crate::queue::WaitId;
use crate::request::{RequestFacts, Tried};
use crate::slots::Slots;
use crate::time::Instant;

use super::Pool;

/// Why an origin was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PickKind {
    /// It is well.
    Usual,
    /// To see whether it is well again.
    Trial,
    /// Too much of the tier is down, so that all of it is used.
    Panic,
}

/// An origin that was chosen for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// Which one.
    pub origin: OriginId,
    /// Why.
    pub kind: PickKind,
}

/// Why no origin was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The pool has none, or all are drained.
    NoOrigin,
    /// All that could be asked were tried by this request.
    NoOther,
    /// All that could be asked have as many requests in flight as they may, or others wait already.
    Busy,
    /// Too many wait for a place, or this one has waited too long.
    Overloaded,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoOrigin => "the pool has no origin",
            Self::NoOther => "every origin was tried",
            Self::Busy => "every origin has as many requests in flight as it may",
            Self::Overloaded => "too many requests wait for an origin",
        })
    }
}

impl core::error::Error for Refused {}

/// Who may be chosen.
struct Field {
    tier: Tier,
    origins: Slots,
    /// Whether doubtful ones are among them.
    is_panic: bool,
    /// Whether one of them is well.
    has_usable: bool,
}

impl Pool {
    /// Chooses the origin of an attempt. `tried` are the origins that this request has asked already, `random` is any
    /// random number. Nothing is counted before [`Pool::begin`].
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn pick(
        &mut self,
        request: &RequestFacts,
        tried: &Tried,
        now: Instant,
        random: u64,
    ) -> Result<Pick, Refused> {
        self.queue.purge(now);
        let is_first = tried.count() == 0;
        if is_first && self.queue.len() > 0 {
            return Err(Refused::Busy);
        }
        self.choose(request, tried, now, random)
    }

    /// Chooses for a request that waited, and takes it out of the queue.
    ///
    /// # Errors
    /// See [`Refused`]. After [`Refused::Busy`] it waits on, in its old place.
    pub fn pick_waiting(
        &mut self,
        id: WaitId,
        request: &RequestFacts,
        now: Instant,
        random: u64,
    ) -> Result<Pick, Refused> {
        let chosen = self.choose(request, &Tried::default(), now, random);
        if chosen == Err(Refused::Busy) {
            if self.queue.recall(id, now) {
                return chosen;
            }
            self.counts.overloaded = self.counts.overloaded.saturating_add(1);
            return Err(Refused::Overloaded);
        }
        self.queue.remove(id);
        chosen
    }

    /// Chooses an origin once more, for a request that has nobody else to ask.
    pub(crate) fn again(&self, id: OriginId) -> Result<Pick, Refused> {
        let member = self.member(id).ok_or(Refused::NoOther)?;
        if !member.is_enlisted() {
            return Err(Refused::NoOther);
        }
        if member.room(&self.settings.balance) == 0 {
            return Err(Refused::Busy);
        }
        let kind = if member.is_usable() { PickKind::Usual } else { PickKind::Panic };
        Ok(Pick { origin: id, kind })
    }

    fn choose(
        &mut self,
        request: &RequestFacts,
        tried: &Tried,
        now: Instant,
        random: u64,
    ) -> Result<Pick, Refused> {
        self.handle_time(now);
        let field = self.field().ok_or(Refused::NoOrigin)?;
        if let Some(origin) = self.trial(&field, request, tried, now) {
            return Ok(Pick { origin, kind: PickKind::Trial });
        }
        if let Some(origin) = self.forgotten(&field, request, tried, now) {
            return Ok(Pick { origin, kind: PickKind::Usual });
        }
        let untried = self.untried(&field, tried);
        if untried.is_empty() {
            let is_first = tried.count() == 0;
            return Err(if is_first { Refused::NoOrigin } else { Refused::NoOther });
        }
        let free = self.slots(|member| member.room(&self.settings.balance) > 0);
        let free: Slots = untried.iter().filter(|slot| free.contains(*slot)).collect();
        let slot = self.two_choices(free, now, Dice::new(random)).ok_or(Refused::Busy)?;
        let member = self.at(slot).ok_or(Refused::Busy)?;
        let kind =
            if member.is_usable() && !field.is_panic { PickKind::Usual } else { PickKind::Panic };
        Ok(Pick { origin: member.id, kind })
    }

    /// The first tier with somebody usable; all of it where too much is down and nobody later could take over.
    fn field(&self) -> Option<Field> {
        let usable = |tier| self.slots(|member| member.origin.tier == tier && member.is_usable());
        let all = |tier| self.slots(|member| member.origin.tier == tier && member.is_enlisted());
        for (at, tier) in Tier::ALL.into_iter().enumerate() {
            let (up, enlisted) = (usable(tier), all(tier));
            if up.is_empty() {
                continue;
            }
            let mut later = Tier::ALL.into_iter().skip(at.saturating_add(1));
            let down = enlisted.count().saturating_sub(up.count());
            let limit = u32::from(self.settings.tiers.panic_down_percent);
            let is_much = down.saturating_mul(100) > enlisted.count().saturating_mul(limit);
            let is_panic = is_much && !later.any(|tier| !usable(tier).is_empty());
            let origins = if is_panic { enlisted } else { up };
            return Some(Field { tier, origins, is_panic, has_usable: true });
        }
        let tier = Tier::ALL.into_iter().find(|tier| !all(*tier).is_empty())?;
        Some(Field { tier, origins: all(tier), is_panic: true, has_usable: false })
    }

    /// An origin that is to prove itself. Requests are risked that may be repeated elsewhere; others only when nobody is
    /// usable, or when it has waited for long.
    fn trial(
        &mut self,
        field: &Field,
        request: &RequestFacts,
        tried: &Tried,
        now: Instant,
    ) -> Option<OriginId> {
        if field.has_usable && tried.count() > 0 {
            return None;
        }
        let is_harmless =
            request.is_repeatable() && self.budget.is_open(&self.settings.retries, now);
        let (breaker, balance) = (&self.settings.breaker, &self.settings.balance);
        let is_due = |member: &&Member| {
            !field.has_usable
                || (member.origin.tier <= field.tier
                    && (is_harmless || member.breaker.is_impatient(breaker, now)))
        };
        let members = self.members.iter().flatten();
        members
            .filter(|member| member.is_enlisted() && member.active.is_up())
            .filter(|member| member.breaker.may_try(breaker))
            .filter(|member| member.room(balance) > 0 && !tried.contains(member.id))
            .find(is_due)
            .map(|member| member.id)
    }

    /// An origin that gets no requests because it was slow, and should be looked at once: what is remembered of it is old.
    /// A request that may be repeated is risked, which is slow at worst.
    fn forgotten(
        &self,
        field: &Field,
        request: &RequestFacts,
        tried: &Tried,
        now: Instant,
    ) -> Option<OriginId> {
        if field.is_panic || tried.count() > 0 || !request.is_repeatable() {
            return None;
        }
        let balance = &self.settings.balance;
        let members = || field.origins.iter().filter_map(|slot| self.at(slot));
        // As a rule nobody is, and all that follows would be in vain.
        if !members().any(|member| member.is_forgotten(balance, now)) {
            return None;
        }
        let mean = self.mean_weight(field.origins, now);
        let quickest = members().map(|member| member.latency(balance, now)).min()?;
        members()
            .filter(|member| member.is_forgotten(balance, now) && member.room(balance) > 0)
            .filter(|member| member.is_worth_a_look(self.counts.requests, mean, balance, now))
            .find(|member| member.latency(balance, now) / 2 > quickest)
            .map(|member| member.id)
    }

    /// Those of the field who were not tried; if there are none, the usable ones of other tiers; if there are none,
    /// everybody else: a request that has met failures only is better sent to a doubtful origin than to none. One that
    /// is dead may be the only one that counts as usable, since no more than a share of a tier is ejected.
    fn untried(&self, field: &Field, tried: &Tried) -> Slots {
        let untried = |slots: Slots| -> Slots {
            let is_new = |slot: &u8| self.at(*slot).is_some_and(|m| !tried.contains(m.id));
            slots.iter().filter(is_new).collect()
        };
        let first = untried(field.origins);
        if !first.is_empty() {
            return first;
        }
        let usable = untried(self.slots(Member::is_usable));
        if !usable.is_empty() {
            return usable;
        }
        untried(self.slots(Member::is_enlisted))
    }

    /// Draws two by weight and takes the cheaper; where they cost about the same, the first, so that weights decide.
    fn two_choices(&self, slots: Slots, now: Instant, mut dice: Dice) -> Option<u8> {
        let balance = &self.settings.balance;
        let first = self.draw(slots, now, &mut dice)?;
        let mut others = slots;
        others.remove(first);
        let Some(second) = self.draw(others, now, &mut dice) else { return Some(first) };
        // One that starts slowly is drawn seldom as the first. As the second it would always be among few.
        if dice.below(WHOLE) >= self.at(second)?.ramp(balance, now) {
            return Some(first);
        }
        let mean = self.mean_weight(slots, now);
        let cost = |slot| Some(self.at(slot)?.cost(mean, balance, now));
        let (one, two) = (cost(first)?, cost(second)?);
        // Less than a quarter apart is noise.
        Some(if one.saturating_sub(one / 5) > two { second } else { first })
    }

    fn draw(&self, slots: Slots, now: Instant, dice: &mut Dice) -> Option<u8> {
        let mut at = dice.below(self.weights(slots, now));
        for slot in slots.iter() {
            let weight = self.at(slot)?.weight(&self.settings.balance, now);
            if at < weight {
                return Some(slot);
            }
            at = at.saturating_sub(weight);
        }
        // Only doubtful origins of weight 0 are left, or none.
        slots.iter().next()
    }

    fn weights(&self, slots: Slots, now: Instant) -> u64 {
        let weight = |slot| self.at(slot).map_or(0, |m| m.weight(&self.settings.balance, now));
        slots.iter().map(weight).fold(0, u64::saturating_add)
    }

    fn mean_weight(&self, slots: Slots, now: Instant) -> u64 {
        self.weights(slots, now).checked_div(u64::from(slots.count())).unwrap_or(0)
    }

    /// Returns how many requests may begin at once.
    pub(super) fn room(&self) -> u32 {
        let slots = self.field().map(|field| field.origins).unwrap_or_default();
        let room = |slot| self.at(slot).map_or(0, |m| m.room(&self.settings.balance));
        slots.iter().map(room).fold(0, u32::saturating_add)
    }

    pub(super) fn slots(&self, is_in: impl Fn(&Member) -> bool) -> Slots {
        let members = self.members.iter().flatten();
        members.filter(|member| is_in(member)).map(|member| member.id.slot).collect()
    }

    fn at(&self, slot: u8) -> Option<&Member> {
        self.members.get(usize::from(slot))?.as_ref()
    }
}

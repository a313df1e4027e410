//! What a pool knows of one origin.

use crate::breaker::Breaker;
use crate::latency::Estimate;
use crate::origin::{Origin, OriginId};
use crate::probe::Active;
use crate::settings::Balance;
use crate::time::{Instant, micros};

/// A whole share, in parts of a thousandth.
pub(crate) const WHOLE: u64 = 1_000;

/// What a pool knows of one origin.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) origin: Origin,
    pub(crate) id: OriginId,
    pub(crate) breaker: Breaker,
    pub(crate) active: Active,
    pub(crate) latency: Estimate,
    pub(crate) in_flight: u32,
    /// When it was asked last, and how many requests the pool had had by then.
    pub(crate) asked_at: Instant,
    pub(crate) asked_after: u64,
    /// When it came back or joined, for the slow start.
    pub(crate) returned_at: Option<Instant>,
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) ejections: u64,
}

impl Member {
    /// Starts well, with all of its share.
    pub(crate) fn new(origin: Origin, id: OriginId, balance: &Balance, now: Instant) -> Self {
        Self {
            origin,
            id,
            breaker: Breaker::new(now),
            active: Active::new(now),
            latency: Estimate::new(balance.latency_initial, now),
            in_flight: 0,
            asked_at: now,
            asked_after: 0,
            returned_at: None,
            requests: 0,
            failures: 0,
            ejections: 0,
        }
    }

    /// Returns whether its owner lets it have requests.
    pub(crate) const fn is_enlisted(&self) -> bool {
        self.origin.weight > 0
    }

    /// Returns whether it gets requests as usual.
    pub(crate) const fn is_usable(&self) -> bool {
        self.is_enlisted() && self.active.is_up() && self.breaker.is_closed()
    }

    /// Returns how many more requests it may have in flight.
    pub(crate) fn room(&self, balance: &Balance) -> u32 {
        self.origin.in_flight_max.unwrap_or(balance.in_flight_max).saturating_sub(self.in_flight)
    }

    /// Returns the share that the slow start lets it have, in thousandths, from 1 to [`WHOLE`].
    pub(crate) fn ramp(&self, balance: &Balance, now: Instant) -> u64 {
        let Some(returned_at) = self.returned_at else { return WHOLE };
        let first = u64::from(balance.slow_start_percent.clamp(1, 100)).saturating_mul(10);
        let passed = micros(now.since(returned_at));
        let grown = passed
            .saturating_mul(WHOLE.saturating_sub(first))
            .checked_div(micros(balance.slow_start))
            .unwrap_or(WHOLE);
        first.saturating_add(grown).min(WHOLE)
    }

    /// Returns its weight as of now, in thousandths.
    pub(crate) fn weight(&self, balance: &Balance, now: Instant) -> u64 {
        u64::from(self.origin.weight).saturating_mul(self.ramp(balance, now))
    }

    /// Returns whether nobody has asked it for a half-life, so that its estimate is old.
    pub(crate) fn is_forgotten(&self, balance: &Balance, now: Instant) -> bool {
        self.in_flight == 0 && now.since(self.asked_at) >= balance.latency_half_life
    }

    /// Returns whether the pool has had so many requests without it that one to look at it costs little.
    pub(crate) fn is_worth_a_look(
        &self,
        requests: u64,
        mean_weight: u64,
        balance: &Balance,
        now: Instant,
    ) -> bool {
        let passed = requests.saturating_sub(self.asked_after);
        let least = u64::from(balance.revisit_requests).max(1).saturating_mul(mean_weight);
        passed.saturating_mul(self.weight(balance, now)) >= least
    }

    /// Returns its estimated latency as of now, in microseconds; differences below the floor are none.
    pub(crate) fn latency(&self, balance: &Balance, now: Instant) -> u64 {
        let latency = self.latency.at(now, balance.latency_half_life);
        latency.max(micros(balance.latency_floor)).max(1)
    }

    /// Returns what one more request would cost here: latency × (1 + requests in flight per share of the mean weight).
    /// In microseconds, 256 times.
    pub(crate) fn cost(&self, mean_weight: u64, balance: &Balance, now: Instant) -> u64 {
        let load = u64::from(self.in_flight).saturating_mul(256).saturating_mul(mean_weight);
        let load = load.checked_div(self.weight(balance, now)).unwrap_or(u64::MAX);
        self.latency(balance, now).saturating_mul(load.saturating_add(256))
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::new(Duration::from_millis(ms))
    }

    fn member() -> Member {
        let id = OriginId { slot: 0, serial: 0 };
        Member::new(Origin::new("a"), id, &Balance::default(), at(0))
    }

    #[test]
    fn a_returned_origin_gets_a_tenth_and_all_after_ten_seconds() {
        let balance = Balance::default();
        let mut member = member();
        assert_eq!(member.ramp(&balance, at(0)), WHOLE);
        member.returned_at = Some(at(1_000));
        for (ms, expected) in
            [(0, 100), (1_000, 100), (6_000, 550), (11_000, 1_000), (99_000, 1_000)]
        {
            assert_eq!(member.ramp(&balance, at(ms)), expected, "{ms}");
        }
        let at_once = Balance { slow_start: Duration::ZERO, ..balance };
        assert_eq!(member.ramp(&at_once, at(1_000)), WHOLE);
    }

    #[test]
    fn an_origin_is_looked_at_after_a_half_life_and_fifty_requests_of_others() {
        let balance = Balance::default();
        let mut member = member();
        for (ms, requests, weight, in_flight, expected) in [
            (5_000, 50, 1, 0, true),
            (4_999, 50, 1, 0, false),
            (5_000, 49, 1, 0, false),
            (5_000, 50, 1, 1, false),
            (5_000, 25, 2, 0, true),
            (5_000, 24, 2, 0, false),
        ] {
            member.in_flight = in_flight;
            member.origin.weight = weight;
            let is_due = member.is_forgotten(&balance, at(ms))
                && member.is_worth_a_look(requests, WHOLE, &balance, at(ms));
            assert_eq!(is_due, expected, "{ms} {requests} {weight} {in_flight}");
        }
    }

    #[test]
    fn requests_in_flight_cost_the_less_the_more_weight() {
        let balance = Balance { latency_initial: Duration::from_millis(10), ..Balance::default() };
        let mut member = member();
        member.latency = Estimate::new(balance.latency_initial, at(0));
        for (in_flight, weight, mean, expected) in [
            (0, 1, 1_000, 10_000),
            (1, 1, 1_000, 20_000),
            (3, 3, 1_000, 20_000),
            (1, 1, 2_000, 30_000),
            (0, 9, 1_000, 10_000),
        ] {
            member.in_flight = in_flight;
            member.origin.weight = weight;
            assert_eq!(member.cost(mean, &balance, at(0)) / 256, expected, "{in_flight} {weight}");
        }
        assert_eq!(member.cost(1, &balance, at(1_000_000)) / 256, 1_000, "the floor");
    }
}

//! What one instance remembers of its origins: a pool, and the clock that it goes by.

use core::time::Duration;

use domain::Timestamp;
use pool_core::{Instant, Origin, Pool, Tier};

use crate::origins::{Balance, Origins};
use crate::rules;

/// What one instance remembers of its origins. Losing it costs a slower first request, nothing else.
#[derive(Debug, Clone, Default)]
pub struct Health {
    known: Option<Known>,
    clock: Clock,
    /// How many random numbers were asked for.
    drawn: u64,
}

#[derive(Debug, Clone)]
struct Known {
    origins: Origins,
    pool: Pool,
}

/// The pool as of a moment.
#[derive(Debug)]
pub(crate) struct AsOf<'a> {
    pub(crate) pool: &'a mut Pool,
    pub(crate) now: Instant,
    /// For the length of waits and the choice among those who stand by: no secret, so it needs no host.
    pub(crate) random: u64,
}

impl Health {
    /// Returns the pool of these origins as of `at`; `None` for a list that no pool takes.
    pub(crate) fn as_of(&mut self, origins: &Origins, at: Timestamp) -> Option<AsOf<'_>> {
        let now = self.clock.read(at);
        self.drawn = self.drawn.wrapping_add(1);
        let random = at.unix_ms().cast_unsigned() ^ self.drawn.rotate_left(32);
        // A new list is a new value of a variable: rare, and what was known is then of others.
        if self.known.as_ref().is_none_or(|known| known.origins != *origins) {
            let pool = Pool::new(rules::settings(), listed(origins), now).ok()?;
            self.known = Some(Known { origins: origins.clone(), pool });
        }
        self.known.as_mut().map(|known| AsOf { pool: &mut known.pool, now, random })
    }

    /// Returns the pool as of the last moment that is known, for what has to be told when nobody says the time.
    pub(crate) fn as_of_last(&mut self) -> Option<(&mut Pool, Instant)> {
        let now = self.clock.now;
        self.known.as_mut().map(|known| (&mut known.pool, now))
    }
}

/// The first one serves, the others stand by, unless all share; their places in the pool are those of the list.
fn listed(origins: &Origins) -> Vec<Origin> {
    let others = match origins.balance() {
        Balance::Standby => Tier::Secondary,
        Balance::Share => Tier::Primary,
    };
    let tiers = core::iter::once(Tier::Primary).chain(core::iter::repeat(others));
    let named = |(origin, tier): (&crate::origins::Origin, Tier)| Origin {
        tier,
        ..Origin::new(origin.to_string())
    };
    origins.iter().zip(tiers).map(named).collect()
}

/// Returns how long to wait for a moment: in whole milliseconds, upwards. The clocks of hosts count no smaller ones, and
/// after a shorter wait it would still be too early.
pub(crate) fn wait(now: Instant, until: Instant) -> Duration {
    let ms = until.since(now).as_micros().div_ceil(1_000);
    Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
}

/// Makes a clock that only runs forward of one that may be set.
#[derive(Debug, Clone, Copy, Default)]
struct Clock {
    now: Instant,
    read_at: Option<Timestamp>,
}

impl Clock {
    /// Takes the time of day. Set back, it stands still for this once, rather than until the old time comes again.
    fn read(&mut self, at: Timestamp) -> Instant {
        if let Some(before) = self.read_at.replace(at) {
            self.now = self.now.after(at.since(before));
        }
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nothing_up() {
        let mut clock = Clock::default();
        let mut read = |ms| clock.read(at(ms)).since_start();
        assert_eq!(read(1_000_000), Duration::ZERO);
        assert_eq!(read(1_000_250), Duration::from_millis(250));
        assert_eq!(read(400_000), Duration::from_millis(250));
        assert_eq!(read(400_050), Duration::from_millis(300));
    }

    #[test]
    fn waits_are_whole_milliseconds_and_never_too_short() {
        let after = |micros| Instant::new(Duration::from_micros(micros));
        for (until, expected_ms) in [(0, 0), (1, 1), (1_000, 1), (12_001, 13)] {
            assert_eq!(wait(after(0), after(until)), Duration::from_millis(expected_ms));
        }
    }

    #[test]
    fn places_in_the_pool_are_those_of_the_list_and_another_list_is_another_pool() {
        let mut health = Health::default();
        for list in ["http://a,https://b:1,http://c", "http://b"] {
            let origins = Origins::parse(list).unwrap();
            let as_of = health.as_of(&origins, at(0)).unwrap();
            let states: Vec<_> = as_of.pool.states(as_of.now).collect();
            let names: Vec<_> = states.iter().map(|state| state.origin.name.clone()).collect();
            assert_eq!(names.join(","), list);
            for (place, state) in states.iter().enumerate() {
                assert_eq!(usize::from(state.id.slot()), place);
                assert_eq!(state.origin.tier == Tier::Primary, place == 0, "{list}");
            }
        }
    }
}

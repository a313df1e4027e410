//! Where every decision of a run comes from: one seed, one sequence.

/// `SplitMix64`: small, quick, good enough to choose with, and the same on every machine.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Takes a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Makes independent dice of a name: what one part of the world draws does not move what another one draws.
    #[must_use]
    pub fn fork(&mut self, name: u64) -> Self {
        Self(self.next() ^ name.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    /// Returns a number below `limit`; 0 when `limit` is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        // The bias of the remainder is some 2^-50 here: nothing that a run could notice.
        self.next().checked_rem(limit).unwrap_or(0)
    }

    /// Returns a number from `from` to `to`, both included.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        let span = u64::try_from(to.saturating_sub(from)).unwrap_or(0).saturating_add(1);
        from.saturating_add(i64::try_from(self.below(span)).unwrap_or(0))
    }

    /// Says yes in so many of 1 000 cases.
    pub fn in_thousand(&mut self, cases: u64) -> bool {
        self.below(1_000) < cases
    }

    /// Chooses one of several; `None` when there are none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let place = usize::try_from(self.below(u64::try_from(from.len()).ok()?)).ok()?;
        from.get(place)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_and_another_one_something_else() {
        let throws = |seed| {
            let mut dice = Dice::new(seed);
            (0..20).map(|_| dice.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(throws(7), throws(7));
        assert_ne!(throws(7), throws(8));
    }

    #[test]
    fn keeps_within_its_limits() {
        let mut dice = Dice::new(1);
        for _ in 0..1_000 {
            assert!((-3..=3).contains(&dice.between(-3, 3)));
            assert!(dice.below(5) < 5);
            assert!(dice.in_thousand(1_000) && !dice.in_thousand(0));
        }
        assert_eq!((dice.below(0), dice.between(4, 4)), (0, 4));
        assert_eq!(dice.pick::<u8>(&[]), None);
    }
}

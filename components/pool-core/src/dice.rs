//! Several random numbers out of one.

/// A row of numbers that one random number starts (`SplitMix64`, Steele, Lea and Flood 2014). Not for secrets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Starts the row.
    pub(crate) const fn new(random: u64) -> Self {
        Self(random)
    }

    /// Returns the next number of the row.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `bound`, evenly spread; 0 where `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The upper half of a 128-bit product: its unevenness is `bound` in 2^64, far below what load can show.
        let wide = u128::from(self.next()).wrapping_mul(u128::from(bound));
        u64::try_from(wide >> 64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_below_their_bound_and_are_spread_evenly() {
        let mut dice = Dice::new(7);
        let mut seen = [0_u32; 10];
        for _ in 0..10_000 {
            seen[usize::try_from(dice.below(10)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| (850..1_150).contains(count)), "{seen:?}");
        assert_eq!((dice.below(0), dice.below(1)), (0, 0));
    }

    #[test]
    fn begins_as_the_published_row_does() {
        assert_eq!(Dice::new(0).next(), 0xE220_A839_7B1D_CDAF);
    }
}

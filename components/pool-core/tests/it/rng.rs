//! Repeatable randomness: the seed is printed, and `SEED=<number>` runs it again.

/// `SplitMix64`.
pub(crate) struct Rng(u64);

impl Rng {
    /// A stream for one test: of `SEED`, or of `fallback`.
    #[expect(clippy::disallowed_methods, reason = "a failing case is run again by its seed")]
    pub(crate) fn seeded(fallback: u64) -> Self {
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(fallback);
        println!("run again with SEED={seed}");
        Self(seed)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

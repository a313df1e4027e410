//! Numbers that are hard to meet twice, made quickly: each thread has its own generator, seeded by the system once.
//!
//! Not for secrets.

use std::{
    cell::Cell,
    time::{SystemTime, UNIX_EPOCH},
};

/// Returns the next number of this thread (`SplitMix64`).
pub(crate) fn next() -> u64 {
    thread_local! {
        static STATE: Cell<Option<u64>> = const { Cell::new(None) };
    }
    let state = STATE.get().unwrap_or_else(seed).wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(Some(state));
    let bits = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn seed() -> u64 {
    let mut bytes = [0_u8; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u64::from_le_bytes(bytes),
        // A system without random numbers still has a clock, and where a thread's variables lie is no one's choice.
        Err(_) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap_or(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn gives_no_number_twice() {
        let here: BTreeSet<u64> = (0..1000).map(|_| next()).collect();
        let there = std::thread::spawn(|| (0..1000).map(|_| next()).collect::<BTreeSet<u64>>());
        let there = there.join().expect("ends");
        assert_eq!((here.len(), here.intersection(&there).count()), (1000, 0));
    }
}

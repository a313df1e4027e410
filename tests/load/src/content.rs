//! What a body must be: it follows from its address and its version alone, so that every client can check every byte.

use crate::random::Random;

/// Bytes of one step.
const WORD: usize = 8;

/// The bytes from `start` on, `length` of them, of what `path` is in `version`.
pub(crate) fn part(path: &str, version: u64, start: usize, length: usize) -> Vec<u8> {
    let first = start / WORD;
    let words = (start + length).div_ceil(WORD) - first;
    let mut bytes = Vec::with_capacity(words * WORD);
    let seed = seed(path, version);
    for at in first..first + words {
        bytes.extend_from_slice(&word(seed, at));
    }
    bytes.drain(..start % WORD);
    bytes.truncate(length);
    bytes
}

/// The whole body of `length` bytes.
pub(crate) fn whole(path: &str, version: u64, length: usize) -> Vec<u8> {
    part(path, version, 0, length)
}

fn word(seed: u64, at: usize) -> [u8; WORD] {
    Random::seeded(seed.wrapping_add((at as u64).wrapping_mul(0x2545_f491_4f6c_dd1d)))
        .next()
        .to_le_bytes()
}

/// FNV-1a over the path and the version.
fn seed(path: &str, version: u64) -> u64 {
    let bytes = path.bytes().chain(version.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_the_same_bytes_as_in_the_whole() {
        let all = whole("/a", 3, 1000);
        assert_eq!(all.len(), 1000);
        for (start, length) in [(0, 0), (0, 1000), (1, 7), (8, 8), (13, 800), (999, 1)] {
            assert_eq!(part("/a", 3, start, length), all[start..start + length]);
        }
    }

    #[test]
    fn another_path_or_version_is_another_body() {
        let one = whole("/a", 3, 64);
        assert_ne!(one, whole("/a", 4, 64));
        assert_ne!(one, whole("/b", 3, 64));
        assert_ne!(one[..32], one[32..]);
    }
}

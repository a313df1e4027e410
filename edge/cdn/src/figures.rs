//! How many requests the cache handled how.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cache_core::cache_status::Word;

/// Every word, in the order in which they are counted.
const WORDS: [Word; 8] = [
    Word::Hit,
    Word::Miss,
    Word::Stale,
    Word::Updating,
    Word::Revalidated,
    Word::Expired,
    Word::Bypass,
    Word::Collapsed,
];

/// Counters; threads that count at once do so in different places.
#[derive(Debug)]
pub struct Figures(Vec<Lane>);

/// 128 bytes, as processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lane([AtomicU64; WORDS.len()]);

const LANES: usize = 16;

impl Figures {
    pub(crate) fn new() -> Self {
        Self((0..LANES).map(|_| Lane::default()).collect())
    }

    pub(crate) fn count(&self, word: Word) {
        let at = WORDS.iter().position(|one| *one == word).unwrap_or(0);
        if let Some(count) = self.0.get(lane()).and_then(|lane| lane.0.get(at)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Returns each word with how often it was said.
    pub fn all(&self) -> impl Iterator<Item = (Word, u64)> {
        WORDS.into_iter().enumerate().map(|(at, word)| {
            let counts = self.0.iter().filter_map(|lane| lane.0.get(at));
            (word, counts.map(|count| count.load(Relaxed)).sum())
        })
    }
}

/// This thread's place.
fn lane() -> usize {
    use std::sync::atomic::AtomicUsize;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static LANE: usize = NEXT.fetch_add(1, Relaxed) % LANES;
    }
    LANE.with(|lane| *lane)
}

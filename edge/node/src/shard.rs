//! One of each for every serving thread: counters and buffers that all requests touch are written by one core only, for
//! cores that write to the same line of memory wait for each other.

use std::{cell::Cell, sync::OnceLock};

static COUNT: OnceLock<usize> = OnceLock::new();

thread_local! {
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

/// Says how many threads will serve. Before the first counter is made; only the first call counts.
pub(crate) fn set_count(threads: usize) {
    COUNT.get_or_init(|| threads.max(1));
}

/// Says that this thread is serving thread number `index`, from 0.
pub(crate) fn enter(index: usize) {
    CURRENT.set(index);
}

/// One `T` for each serving thread. Threads that serve nothing share the first one.
#[derive(Debug, Default)]
pub(crate) struct PerThread<T> {
    first: Lone<T>,
    others: Box<[Lone<T>]>,
}

/// Keeps what one thread writes away from what another writes: 128 bytes, as processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lone<T>(T);

impl<T: Default> PerThread<T> {
    pub(crate) fn new() -> Self {
        Self::for_threads(*COUNT.get_or_init(|| 1))
    }

    fn for_threads(count: usize) -> Self {
        let others = (1..count).map(|_| Lone::default()).collect();
        Self { first: Lone::default(), others }
    }
}

impl<T> PerThread<T> {
    /// Returns this thread's own.
    pub(crate) fn mine(&self) -> &T {
        let other = CURRENT.get().checked_sub(1).and_then(|at| self.others.get(at));
        &other.unwrap_or(&self.first).0
    }

    /// Returns every thread's.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.first).chain(&self.others).map(|lone| &lone.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_has_its_own_and_strangers_share_the_first() {
        let counts: PerThread<Cell<u32>> = PerThread::for_threads(2);
        for thread in [0, 1, 1, 7] {
            enter(thread);
            counts.mine().set(counts.mine().get() + 1);
        }
        enter(0);
        assert_eq!(counts.iter().map(Cell::get).collect::<Vec<_>>(), [2, 2]);
    }
}

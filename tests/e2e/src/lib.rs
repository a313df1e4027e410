//! The whole shop for tests that visit it as strangers do: over HTTP, knowing no type of ours.
//!
//! Layer: dev (L5). No crate of ours is imported: what these tests hold on to is the contract.
//! Not here: the journeys themselves (`tests/it`, `browser/`), tests of single crates.
//! Start at [`Shop::start`]; [`Client`] asks, [`eventually`] waits.

mod client;
mod programs;
mod shop;

use std::time::{Duration, Instant};

pub use client::{Answer, Client};
pub use programs::{Programs, is_alive, signal};
pub use shop::{Role, Shop};

/// Pause between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits until `look` finds something, and returns it.
///
/// # Panics
/// When `limit` passes without: `what` says in words what was waited for.
pub fn eventually<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "not within {limit:?}: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

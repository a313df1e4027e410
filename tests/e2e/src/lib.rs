//! The whole shop for tests that visit it as strangers do: over HTTP, knowing no type of ours.
//!
//! Layer: dev (L5). Of our crates only `harness` is imported: what these tests hold on to is the
//! contract (but `tests/it/spin_seed.rs` is about a file, and runs the components' cores over it).
//! They are threads that block, as two hundred guests are; the harness is asynchronous.
//! Not here: the journeys themselves (`tests/it`, `browser/`), tests of single crates.
//! Start at [`Shop::start`]; [`Client`] asks, [`eventually`] waits.

mod client;
mod process;
mod shop;

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

pub use client::{Answer, Client};
pub use harness::Role;
pub use process::{is_alive, kill, terminate};
pub use shop::Shop;

/// Pause between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Where the harness runs, while the tests themselves block.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Runtime::new().expect("a test machine has threads for a runtime"));

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

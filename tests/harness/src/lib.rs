//! Runs the whole shop from built programs, for tests and measurements that need all of it.
//!
//! Layer: dev (L5). Payments, origin and any number of edge nodes are real processes on free ports
//! over a temporary data folder; each can be killed and started again on the same data and port.
//! Beside it what tests of one crate need as a real process: [`Redis`].
//! Not here: what is checked (`e2e`, `load`), how programs are built (`xtask`).
//! Start at [`Stack::start`]; [`Client`] asks, [`eventually`] waits.

mod client;
mod environment;
mod process;
mod redis;
mod stack;

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

pub use client::{Answer, Client};
pub use environment::{Environment, root};
pub use process::Process;
pub use redis::Redis;
pub use stack::{EdgeOptions, Program, Role, Stack, StackOptions, free_ports, on_core};

/// Pause between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until `look` finds something, and returns it. After `limit` the error says `what` was missing.
pub async fn eventually<T, F>(limit: Duration, what: &str, mut look: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Option<T>>,
{
    let until = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        if Instant::now() >= until {
            bail!("not within {limit:?}: {what}");
        }
        // sleeps because this is the wait on a condition, and it has a limit
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

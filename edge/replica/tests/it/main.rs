//! The follower against a feed that misbehaves on demand.
//!
//! `source` is the truth: tables, transactions, and a digest for every position. `origin` serves it
//! over HTTP, with faults. `reader` opens what the follower wrote, as the edge does, and compares.
//! Random choices print their seed; `SEED=` repeats them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests are tests, which clippy sees only in functions marked so"
)]

mod crash;
mod faults;
mod in_place;
mod kept;
mod lag;
mod origin;
mod reader;
mod rng;
mod search;
mod source;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use replica::{Limits, Replica, Secret, Settings, Status};

use crate::origin::TOKEN;

/// Longest wait for anything. The machine may be busy; an idle one needs milliseconds.
const LIMIT: Duration = Duration::from_secs(30);

fn settings(dir: &Path, urls: &[String]) -> Settings {
    Settings {
        dir: dir.to_owned(),
        feed_urls: urls.to_vec(),
        token: Secret::new(TOKEN),
        node_id: "test".to_owned(),
        limits: Limits {
            poll_wait: Duration::from_millis(500),
            batch_transactions: 20,
            first_byte_timeout: Duration::from_secs(2),
            frame_timeout: Duration::from_secs(2),
            backoff_min: Duration::from_millis(5),
            backoff_max: Duration::from_millis(50),
            wal_bytes_max: 256 * 1024,
            retired_kept: Duration::ZERO,
            ..Limits::default()
        },
    }
}

/// Waits until `condition` holds of the status.
async fn until(replica: &Arc<Replica>, what: &str, condition: impl Fn(&Status) -> bool) -> Status {
    let started = std::time::Instant::now();
    loop {
        let status = replica.status();
        if condition(&status) {
            return status;
        }
        assert!(started.elapsed() < LIMIT, "never {what}: {status:?}");
        // sleeps because this is the wait on a condition, and it has a limit
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

//! Visits of the whole shop over HTTP, in good times and bad.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod contract;
mod crowd;
mod guest;
mod journey;
mod outage;
mod promises;
mod spin_seed;
mod up;
mod up_postgres;
mod worker_dev;

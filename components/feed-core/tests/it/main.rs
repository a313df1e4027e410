//! The statements, run by a real SQLite as a host would run them: a batch is one transaction.
//!
//! `database` is that host, `source` an origin's tables and history. Random choices print their seed; `SEED=` repeats
//! them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests are tests, which clippy sees only in functions marked so"
)]

mod database;
mod following;
mod rng;
mod source;
mod values;

//! A pool among simulated origins and clients, in simulated time. Seeds are printed; `SEED=` repeats one.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests are tests, which clippy sees only in functions marked so"
)]

mod properties;
mod rng;
mod sim;

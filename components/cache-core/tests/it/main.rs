//! A whole node over these decisions, with a scripted origin and a clock that only the tests move.
//!
//! `node` is what a caller does with the crate, in the order in which it is meant: read it as the example. `exchanges`
//! tells stories of a few requests each; `any_traffic` checks what must hold of all. Random choices print their seed;
//! `SEED=` repeats them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests are tests, which clippy sees only in functions marked so"
)]

mod any_traffic;
mod exchanges;
mod node;
mod rng;

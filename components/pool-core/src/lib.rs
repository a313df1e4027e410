//! Decides which origin of a pool answers a request: health, balance, retries, hedges.
//!
//! Layer: core (L2). No sockets, no clock, no randomness: callers pass `now` and random numbers, and report outcomes.
//! Not here: connections and probes (`edge/cdn`), the shop's own origins and their signatures (`origin-client`).
#![warn(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::expect_used,
    clippy::panic
)]

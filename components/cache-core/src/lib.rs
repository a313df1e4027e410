//! Decides what a shared HTTP cache may store, when it may use it again, and what it then says (RFC 9111).
//!
//! Layer: core (L2). No store, no sockets, no clock: callers pass `now`.
//! Not here: where answers are kept and how they are fetched (`edge/cdn`).
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

//! How the edge talks to origins: which one, how often, and signed.
//!
//! Layer: core (L2). No sockets, no clock of its own: time, randomness and HTTP come through ports.
//! Not here: what is asked (`shop-api`), who may ask (`gateway-core`), connections (the host).
//! Start at [`forward::handle`] for a request's way; `pool-core` decides by [`rules`] and what [`health`] remembers,
//! [`call`] does, [`identity`] signs and checks.
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

pub mod call;
pub mod forward;
pub mod health;
pub mod identity;
pub mod origins;
pub mod rules;

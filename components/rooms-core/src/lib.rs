//! Decides who waits and who may pass, what a chat room takes, and how often a client may ask.
//!
//! Layer: core (L2). No I/O, no clock, no randomness: callers pass `now` and random bytes, and store what they get.
//! Not here: storage, sockets and alarms (the Worker's Durable Objects), the JSON types (`api_types::rooms`).
//! Start at [`queue::Queue`] for the waiting room, [`chat`] for chat rooms, [`limiter`] for counters.
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
// Numbers of tests are small, their texts ASCII.
#![cfg_attr(
    test,
    allow(clippy::arithmetic_side_effects, clippy::string_slice, reason = "see above")
)]

pub mod chat;
pub mod limiter;
pub mod queue;
pub mod rules;
pub mod seal;
pub mod waiting;

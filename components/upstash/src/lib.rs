//! Redis over HTTP, as Upstash serves it: a codec of its REST interface, and the shop's counters on top of it.
//!
//! Layer: core (L2). No sockets, no clock: requests are made here and carried by the `HttpClient` port, so the same
//! code serves every host. Why not a crate of others: docs/adr/0015-upstash-codec.md.
//! Not here: commands that nobody in the shop needs. The codec takes any command; [`counters`] has ours.
//! Start at [`Endpoint`]; [`answer`] reads what comes back.
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

pub mod answer;
pub mod counters;
mod endpoint;

pub use answer::Value;
pub use counters::UpstashCounters;
pub use endpoint::{Command, Endpoint};

/// Most commands in one pipeline or transaction: 1 000.
pub const COMMANDS_MAX: usize = 1_000;
/// Largest request: 1 MiB, the smallest limit of Upstash's plans.
pub const REQUEST_BYTES_MAX: usize = 1_024 * 1_024;
/// Largest answer: 1 MiB. Whoever carries a request must read no more.
pub const ANSWER_BYTES_MAX: usize = 1_024 * 1_024;

/// Why a command did not do what was asked. No text holds the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address is not `http(s)://host[:port]`, or the token is not fit for a header.
    #[error("the endpoint is unusable: {0}")]
    Endpoint(&'static str),
    /// More commands than [`COMMANDS_MAX`], none at all, or more bytes than [`REQUEST_BYTES_MAX`].
    #[error("the request is beyond the limits")]
    TooLarge,
    /// The token is wrong, or may only read.
    #[error("the token is refused")]
    Unauthorized,
    /// Redis refuses the command; with its words, for instance `ERR value is not an integer`.
    #[error("the command is refused: {0}")]
    Command(String),
    /// The service refuses the request: too many of them, or it is not well. With the HTTP status.
    #[error("the service answers {0}")]
    Service(u16),
    /// The answer is not what the protocol says.
    #[error("the answer is unreadable: {0}")]
    Unreadable(&'static str),
}

//! Decides what a shared HTTP cache may store, when it may use it again, and what it then says (RFC 9111).
//!
//! Layer: core (L2). No store, no sockets, no clock: callers pass `now`.
//! Not here: where answers are kept and how they are fetched (`edge/cdn`); parts of answers are not stored (206).
//! Start at [`request::classify`]; the order of calls is `classify` → [`key::Key::of`] → [`reuse::choose`] of what is
//! stored, then [`answer::decide`], or [`validate::Conditions::of`] → request → [`validate::select`] and
//! [`validate::freshen`], or [`storage::decide`]; [`invalidation::targets`] after other methods.
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
pub mod cache_status;
mod directives;
mod field;
mod freshness;
mod headers;
pub mod invalidation;
pub mod key;
pub mod meta;
pub mod request;
pub mod reuse;
pub mod rules;
pub mod stale;
pub mod storage;
mod structured;
#[cfg(test)]
mod testing;
pub mod validate;
pub mod vary;

pub use key::Key;
pub use meta::Meta;
pub use request::Asked;
pub use reuse::Reuse;
pub use rules::Rules;
pub use storage::{Exchange, Storage};

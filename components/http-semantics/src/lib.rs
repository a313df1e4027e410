//! What RFC 9110 says about every answer, whoever gives it: dates, entity tags, preconditions, ranges.
//!
//! Layer: words (L0). No I/O and no clock: a moment is an argument.
//! Not here: which file or stored answer is meant (`files-core`, `cache-core`), when an answer is fresh (`cache-core`).
//! Start at [`conditional::decide`].
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

pub mod conditional;
pub mod date;
pub mod entity_tag;
pub mod range;

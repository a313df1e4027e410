//! What RFC 9110 says about every answer, whoever gives it: dates, entity tags, preconditions, ranges, codings, types.
//!
//! Layer: words (L0). No I/O and no clock: a moment is an argument.
//! Not here: which file or stored answer is meant (`files-core`, `cache-core`), when an answer is fresh (`cache-core`).
//! Start at [`conditional::decide`]; [`multipart`] writes several ranges, [`negotiation`] chooses a coding.
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
// Numbers of tests are small.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "see above"))]

pub mod conditional;
pub mod date;
pub mod entity_tag;
pub mod media_type;
pub mod multipart;
pub mod negotiation;
pub mod range;
pub mod tag_list;

//! Answers static files: which file an address means, what a conditional or partial request gets of it.
//!
//! Layer: core (L2). No file system: the shell lends one as [`Disk`], and sends what was not read here.
//! Not here: caching on the node (`edge/cdn`), what the storefront shows (`assets/storefront`).
//! Start at [`fn@handle`]; [`route`] maps addresses. Preconditions, ranges, codings and media types are
//! `http-semantics`'.
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
#![expect(async_fn_in_trait, reason = "static dispatch; Worker futures are not Send")]

mod handle;
pub mod route;

pub use handle::{Content, Disk, FILE_BYTES_MAX, Facts, handle, load};

//! Answers catalogue reads from the edge's own copy: lists, products, categories, search.
//!
//! Layer: core (L2). Pure but for the `Sql` port; no clock, no host.
//! Not here: AR manifests (`ar-core`), exact stock and anything personal (`shop-api` → origin).
//! Start at [`fn@handle`]; a request becomes a [`route::Route`], a statement of [`sql`], and rows become an answer.
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

pub mod cursor;
mod handle;
pub mod query;
pub mod route;
mod row;
pub mod search;
pub mod sql;

pub use handle::handle;

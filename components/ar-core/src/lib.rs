//! Decides how a device shows a model in a room, and writes the links that launch it.
//!
//! Layer: core (L2). Pure but for the `Sql` and `Variables` ports; a decision reads headers and nothing else.
//! Not here: the model's bytes (`files-core`); they are never negotiated, as the native viewers fetch them with
//! other headers than the browser's.
//! Start at [`fn@handle`]; [`device::decide`] chooses, [`links`] writes.
#![warn(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::expect_used,
    clippy::panic
)]

pub mod device;
mod handle;
pub mod hints;
pub mod links;
pub mod sql;

pub use handle::handle;

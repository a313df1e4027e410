//! Checkers of what clients saw of the shop.
//!
//! Layer: dev (L5). Start at [`history`].

pub mod dice;
pub mod history;

//! The real node with the guests that misbehave.
//!
//! The guests' wasm comes from `VITRINE_GUESTS_WASM`; `cargo xtask test` builds it and sets that.

mod boot;
mod capability;
mod inside;
mod isolation;
mod routing;
mod stores;
mod support;

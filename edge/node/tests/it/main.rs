//! The real node with the guests that misbehave.
//!
//! The guests' wasm comes from `VITRINE_GUESTS_WASM` and `VITRINE_GUESTS_P2_WASM`; `cargo xtask test` builds both and
//! sets that.

mod boot;
mod capability;
mod crowd;
mod documented;
mod express;
mod faults;
mod isolation;
mod load;
mod routing;
mod spin_up;
mod support;
mod wasi02;
mod wasm;

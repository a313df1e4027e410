//! The real node with the guests that misbehave.
//!
//! The guests' wasm comes from `VITRINE_GUESTS_WASM`, `VITRINE_GUESTS_MIDDLEWARE_WASM` and `VITRINE_GUESTS_P2_WASM`;
//! `cargo xtask test` builds all and sets that.

mod access_log;
mod boot;
mod cache_disk;
mod canary;
mod capability;
mod client;
mod collector;
mod config;
mod connections;
mod crowd;
mod deploy;
mod documented;
mod express;
mod faults;
mod frames;
mod full_disk;
mod h2_client;
mod http2;
mod http2_wire;
mod http3;
mod inside;
mod isolation;
mod load;
mod managed;
mod operation;
mod origin;
mod proxied;
mod proxy;
mod quick;
mod redirect;
mod routing;
mod sign;
mod spin_up;
mod stores;
mod support;
mod threads;
mod tls;
mod tracing;
mod version_files;
mod wasi02;
mod wasm;
mod wire;

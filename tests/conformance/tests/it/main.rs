//! One table of cases on every host; the manifest and the built components, held against what real Spin accepts.
//!
//! Needs what `cargo xtask build` builds; says so when it is not there.

mod components;
mod coverage;
mod hosts;
mod spin_build;
mod spin_manifest;
mod worker;
mod worker_limits;
mod worker_panic;
mod worker_replication;
mod worker_rooms;

use std::path::PathBuf;

/// The repository's root.
fn root() -> PathBuf {
    harness::root()
}

/// The repository's `spin.toml`.
fn manifest_text() -> String {
    std::fs::read_to_string(root().join("spin.toml")).expect("spin.toml stands at the root")
}

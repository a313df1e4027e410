//! AR manifests: the device table, and whole answers over the real tables.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod answers;
mod devices;

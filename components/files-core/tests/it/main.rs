//! Whole answers over a disk in memory.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod answers;

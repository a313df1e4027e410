//! The catalogue against its real tables, in the engine that runs on the edge.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod answers;
mod paging;
mod plans;
mod shop;

//! Runs of the simulated shop: good ones, the same one twice, and ones with a bug to be found.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

mod planted;
mod runs;

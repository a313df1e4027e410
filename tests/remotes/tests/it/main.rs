//! The clients of remote stores, ours and the official ones, over the stand-ins with real engines behind them.
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

mod http_client;
mod official;
mod upstash_counters;

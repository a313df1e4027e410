//! The clients of remote stores, ours and the official ones, over the stand-ins with real engines behind them.
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]
#![expect(clippy::print_stdout, reason = "what was measured belongs to the result")]

mod http_client;
mod libsql;
mod merchant_webhooks;
mod official;
mod upstash_counters;
mod worker;

//! Our adapter against the stand-in, and the stand-in's webhooks against Stripe's own library.
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

mod browser;
mod faults;
mod official;
mod payments;
mod shop;
mod webhooks;

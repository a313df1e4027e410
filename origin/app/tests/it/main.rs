//! Use cases over a real store, a provider that does as it is told, and a clock that is moved by hand.
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

mod accounts;
mod captures;
mod holds;
mod jobs;
mod methods;
mod orders;
mod payments;
mod products;
mod staff;
mod storm;
mod webhooks;
mod world;

//! Real processes: the shop and its payment provider, started, asked and killed.
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

mod buying;
mod crash;
mod development;
mod events;
mod feed;
mod inside;
mod limits;
mod media;
mod orders;
mod pricing;
mod provider;
mod shop;
mod staff;
mod stock;
mod stripe;
mod trust;

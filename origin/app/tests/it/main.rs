//! Use cases over a real store, a provider that does as it is told, and a clock that is moved by hand.
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

mod accounts;
mod captures;
mod crowd;
mod edges;
mod files;
mod gift_cards;
mod holds;
mod imports;
mod invoices;
mod jobs;
mod methods;
mod orders;
mod payments;
mod pricing;
mod products;
mod promises;
mod promotions;
mod shop;
mod staff;
mod stock;
mod storm;
mod webhooks;
mod world;

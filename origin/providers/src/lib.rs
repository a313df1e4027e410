//! The world outside: payment providers, later mail, SMS, push and object storage. One trait each, real adapters, and a
//! local one that behaves like the real ones.
//!
//! Layer: adapter (L3). No decision about orders or stock; no database (the local provider's records are in
//! `store::payments_db`).
//! Start at [`payment::PaymentProvider`]; [`stripe::Stripe`] and [`http_payment::HttpPaymentProvider`] are the two that
//! exist. The local provider's rules are in [`local`].

pub mod card;
mod client;
pub mod destination;
pub mod http_payment;
pub mod local;
pub mod outbound;
pub mod payment;
pub mod secret;
pub mod stripe;
mod tls;
pub mod webhook;

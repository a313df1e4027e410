//! The contract of edge and origin: what goes over the wire, the tables that every edge holds a copy of, and what every
//! side must read alike.
//!
//! Layer: words (L0). Types and their JSON; no I/O, no decisions about prices or stock.
//! Not here: rules of the trade (`domain`), how a request is routed (`gateway-core`, `origin/http`).
//! Start at [`problem::Problem`] for failures and [`reply`] for answers.
#![warn(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::expect_used,
    clippy::panic
)]

pub mod admin;
pub mod admin_order;
pub mod ar;
pub mod auth;
pub mod cart;
pub mod catalogue;
pub mod client_address;
pub mod events;
pub mod feed;
pub mod import;
pub mod inventory;
pub mod order;
pub mod payment;
pub mod pricing;
pub mod problem;
pub mod product;
pub mod read_model;
pub mod reply;
pub mod rooms;
pub mod shop;
pub mod stock;
pub mod token;
pub mod validator;

/// Largest body of a request under `/v1`: 64 KiB, for the edge and the origin alike. The largest that the shop needs,
/// a checkout, has under 1 KiB; some routes have a lower limit of their own.
pub const REQUEST_BYTES_MAX: usize = 64 * 1_024;

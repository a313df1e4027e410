//! Decides about every request before a component sees it, and about every answer before a client does.
//!
//! Layer: core (L2). No host, no clock of its own: everything comes through ports. One table says what each route
//! asks of its callers; every refusal is a problem to programs and a page to people.
//! Not here: where requests go (`spin.toml`), how an identity is signed (`origin-client`), the firewall's rules.
//! Start at [`admit::admit`] and [`edits::finish`]; the table is [`policy::TABLE`].
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

pub mod admit;
pub mod client;
pub mod config;
pub mod cors;
pub mod edits;
pub mod hygiene;
pub mod limit;
pub mod path;
pub mod policy;
pub mod quick;
pub mod refusal;
pub mod session;
pub mod token;

//! The shop in a world that goes wrong on purpose: a deterministic simulation of the checkout, and checkers of histories.
//!
//! Layer: dev (L5). The real [`app::App`] over a real [`store::Store`], with a simulated clock, network, payment
//! provider and shoppers. After each run the books are compared: no piece sold twice, no money lost, one answer a key.
//! Not here: real kills, real networks, full disks (they have their own tests and use [`history`]), and HTTP.
//! Start at [`run`]; `cargo xtask sim` runs many. The world is in `world`, who lets it go on in `executor`, what must
//! be true at the end in `checks`.
//!
//! # What is deterministic
//!
//! One [`Options`] gives one run: the same decisions, the same lines of the trace, the same digest. Every decision is
//! drawn from the seed; time is simulated; one task runs at a time; at most one command is with the store, and the
//! run waits for it. What differs between two runs of a seed is what the shop draws from the system's randomness (ids,
//! tokens, keys) and how long things really take. Neither decides anything: lines show names instead of ids, and
//! what the checks read is sorted by order number and time. Two orders are never made in one millisecond, so an id's
//! random part does not decide an order either.
//!
//! On PostgreSQL this holds for [`StoreKind::PostgresInTurn`], where a use case goes on until it waits for the payment
//! provider and is killed there alone. With [`StoreKind::Postgres`] commands of both processes are with the server at
//! the same time and a use case is killed anywhere; all decisions are still drawn from the seed, but the server decides
//! who is answered first, so two runs of a seed differ.
//!
//! # What is not simulated
//!
//! On SQLite, commands that are combined into one transaction, for there is never more than one, and a second process,
//! which its design excludes. Power cuts (a kill keeps what the system has of the file), standbys and their promotion.

mod books;
mod chaos;
pub mod checks;
mod client;
pub mod dice;
mod executor;
pub mod history;
mod keeper;
mod provider;
mod runner;
mod sim;
mod staff;
mod store_kind;
mod trace;
mod world;

pub use checks::{Check, Finding};
pub use executor::Interleaving;
pub use provider::ProviderBug;
pub use runner::{Options, Plant, Report, STEPS_DEFAULT, run};
pub use store_kind::{Prepared, StoreKind};

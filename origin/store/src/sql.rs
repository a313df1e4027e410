//! The statements, a file per noun. All SQL of commands and queries is below here.

pub(crate) mod account;
pub(crate) mod cart;
pub(crate) mod catalogue;
pub(crate) mod delivery;
pub(crate) mod events;
pub(crate) mod feed;
pub(crate) mod idempotency;
pub(crate) mod keys;
pub(crate) mod lease;
pub(crate) mod numbers;
pub(crate) mod operation;
pub(crate) mod order;
pub(crate) mod order_life;
pub(crate) mod order_list;
pub(crate) mod order_state;
pub(crate) mod outbox;
pub(crate) mod payment;
pub(crate) mod product;
pub(crate) mod staff;
pub(crate) mod stock;
pub(crate) mod upkeep;
pub(crate) mod webhook;

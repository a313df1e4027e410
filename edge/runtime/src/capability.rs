//! What a component may ask of this node beyond WASI: stores, databases, variables.

pub(crate) mod config;
pub(crate) mod database;
pub(crate) mod key_value;
pub(crate) mod memory_store;
pub(crate) mod sqlite;
pub(crate) mod variables;

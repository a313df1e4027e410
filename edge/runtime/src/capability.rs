//! What a component may ask of this node beyond WASI: stores, databases, variables.

pub(crate) mod config;
pub(crate) mod database;
pub(crate) mod databases;
pub(crate) mod file_store;
pub(crate) mod key_value;
pub(crate) mod memory_store;
pub(crate) mod redis;
pub(crate) mod redis_interface;
pub(crate) mod redis_store;
pub(crate) mod sqlite;
pub(crate) mod store;
pub(crate) mod stores;
pub(crate) mod variables;

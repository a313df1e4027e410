//! The PostgreSQL dialect: a cluster with one primary at a time, asked by any number of equal origin instances.
//!
//! Nothing is true in this process's memory: instances share the database alone. A command runs in one serializable
//! transaction and is run again when the engine says that it met another; checkouts have a way of their own, which
//! settles many in one transaction ([`lanes`]). A commit that nobody answered is an unknown outcome, never a
//! failure, and never tried again here: its caller has a key for that.

pub(crate) mod cluster;
pub(crate) mod connect;
pub(crate) mod lanes;
pub(crate) mod levels;
pub(crate) mod listener;
pub(crate) mod migrations;
pub(crate) mod place;
pub(crate) mod pool;
pub(crate) mod session;
pub(crate) mod settle;

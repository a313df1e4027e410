//! Turns an origin's replication feed into SQL for an edge that reaches its database only by statements.
//!
//! Layer: core (L2). Bytes of the feed go in, statements and decisions come out; sockets, clocks, randomness and
//! databases are the caller's. Generic: knows tables, rows and positions, no shopping word. Not here: the follower that
//! owns a database file (`edge/replica`), which keeps the same rules.
//!
//! Three parts. [`Follower`] says what to do next. [`SnapshotReader`] turns a whole copy into batches that lay it down
//! beside the tables in use, and one that puts it in their place. [`changes`] turns an answer of the feed into one batch.
//! A batch is one transaction; the last one of a snapshot and every one of changes begins with a guard that fails where
//! the copy is not at the place that the caller read before ([`Replica`]), so a batch that is run twice, or that another
//! run was faster with, changes nothing.
//!
//! Values travel as JSON inside text parameters and are taken apart by SQLite itself: a 64-bit integer survives a host
//! whose numbers are doubles, and a thousand rows are one statement. A double goes through SQLite's own reading of decimal
//! numbers, which may miss the last bit.
//!
//! Start at [`Follower::step`]; what is stored is in `replica.rs`.
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

pub mod changes;
mod ddl;
mod fault;
mod follow;
mod limits;
mod names;
mod replica;
mod rows;
mod snapshot;
mod statement;
mod table;

pub use fault::Fault;
pub use follow::{Failure, Follower, Mode, Schedule, Step};
pub use limits::Limits;
pub use replica::{Replica, contact, exists, forget, read, upkeep};
pub use snapshot::{SnapshotReader, Swap};
pub use statement::Statement;

//! PostgreSQL on this machine: servers, standbys that follow them, and a change of primary by hand.
//!
//! Layer: dev (L5). For `cargo xtask up --postgres`, for tests, and for what kills and promotes. Needs the programs of
//! PostgreSQL 15 or newer, in the PATH or where Debian puts them; never touches a server that it did not make.
//! Not here: databases and tables (`store`), and who is started when (`xtask`, the tests).
//! Start at [`Programs::find`], then [`Server`] and [`Cluster`], or [`Patroni`] for one that chooses its primary itself.

mod cluster;
mod database;
mod patroni;
mod programs;
mod server;

pub use cluster::Cluster;
pub use database::{TEST_URL, TestDatabase};
pub use patroni::{Patroni, PatroniPrograms};
pub use programs::Programs;
pub use server::{Durability, Place, Server};

/// The user that owns everything in a server made here. It needs no password: servers listen on loopback alone.
pub const USER: &str = "vitrine";
/// The database that a new server has.
pub const DATABASE: &str = "postgres";

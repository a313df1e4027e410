//! Stand-ins for stores that others operate, over the real engines: Upstash's REST interface before a Redis, and Hrana
//! before a libSQL file. For tests; the protocols' own clients prove that they speak as the originals do.
//!
//! Layer: dev (L5). Written from the protocols' descriptions without the types of our clients, so that no mistake is
//! made twice.
//! Not here: TLS, accounts, limits of the services, replication.
//! Start at [`upstash::serve`] and [`hrana::serve`].

pub mod hrana;
pub mod redis;
mod server;
pub mod upstash;

pub use server::Server;

/// Largest request that the stand-ins read: 10 MiB, as Upstash's largest plan.
const REQUEST_BYTES_MAX: usize = 10 * 1_024 * 1_024;

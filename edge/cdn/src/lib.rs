//! The node as a CDN: an HTTP cache in front of origins and components.
//!
//! Layer: adapter (L3). Does what `cache-core` and `pool-core` decide: keeps answers, asks origins.
//! Not here: listeners and routes (`edge/node`), what may be kept (`cache-core`), whom to ask (`pool-core`).
//! Start at [`Proxy::answer`], then [`Cache::answer`].

mod answer;
mod backend;
mod cache;
mod disk;
mod figures;
pub mod files;
mod filling;
mod flight;
mod pieces;
mod proxy;
pub mod store;
pub mod upstream;

pub use self::{
    answer::{Answer, Content},
    backend::{Backend, BackendBody, BackendError, BackendRequest},
    cache::{Cache, Fresh, SharedError},
    figures::Figures,
    filling::FillingBody,
    pieces::{Piece, Pieces},
    proxy::{Begun, Client, Proxy},
};

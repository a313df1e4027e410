//! The origin's HTTP interface: routes, who may use them, and how every failure is answered.
//!
//! Layer: adapter (L3). A handler unpacks a request, calls one method of `app`, and wraps the answer.
//! Not here: decisions (`app`, `domain`), SQL (`store`), sockets and signals (`server`).
//! Start at [`router`](router::router): the routes in one list, the middleware in one place.

pub mod admin;
mod context;
mod edge_secrets;
mod extract;
mod handlers;
mod identity;
mod metrics;
mod middleware;
mod openapi;
mod problem;
pub mod router;

pub use context::{Context, Limits};
pub use edge_secrets::EdgeSecrets;

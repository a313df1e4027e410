//! The edge application as a Cloudflare Worker: the same cores as the components', over the Worker's bindings.
//!
//! Layer: binary (L4). Moves requests, rows and bytes between workerd and the cores; no rule of the shop is here.
//! Futures are not `Send`, and what one request began no other may await.
//! Not here: every decision (`*-core`, `origin-client`), what is bound to which name (`wrangler.toml`).
//! Start at `fetch`; a request's way is in `serve.rs`.

use worker::{Context, Env, event, web_sys};

mod cache;
mod durable;
mod events;
mod files;
mod health;
mod isolate;
mod log;
mod media;
mod memory;
mod ports;
pub mod remote;
mod replicate;
mod rooms;
mod routes;
mod serve;
#[cfg(feature = "test-faults")]
mod test_faults;
mod wire;

pub use durable::{ChatRoom, Limiter, WaitingRoom};

/// Answers one request.
///
/// # Errors
/// When workerd refuses the answer.
#[event(fetch)]
pub async fn fetch(
    request: web_sys::Request,
    env: Env,
    context: Context,
) -> worker::Result<web_sys::Response> {
    serve::serve(request, env, context).await
}

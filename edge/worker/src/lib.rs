//! The edge application as a Cloudflare Worker: the same cores as the components', over the Worker's bindings.
//!
//! Layer: binary (L4). Moves requests, rows and bytes between workerd and the cores; no rule of the shop is here.
//! Not here: every decision (`*-core`, `origin-client`), what is bound to which name (`wrangler.toml`).
//! Start at [`fetch`].

use worker::{Body, Context, Env, HttpRequest, event};

/// Answers one request.
///
/// # Errors
/// When workerd refuses the answer.
#[event(fetch)]
pub async fn fetch(
    request: HttpRequest,
    _env: Env,
    _context: Context,
) -> worker::Result<http::Response<Body>> {
    let status = if request.uri().path() == "/healthz" { 204 } else { 404 };
    let mut response = http::Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::from_u16(status)?;
    Ok(response)
}

//! The node's own endpoints.

use http::{HeaderValue, Response, header};
use runtime::Body;
use serde_json::json;

use crate::serve::Node;

/// Says that the node lives, whether it has data to serve, and how far they lag.
pub(crate) fn healthz(node: &Node) -> Response<Body> {
    let status = node.replica.as_ref().map(|replica| replica.status());
    let is_ready = node.replica.as_ref().is_none_or(|replica| replica.current().is_some());
    let body = json!({
        "status": "ok",
        "ready": is_ready,
        "node": node.id,
        "application": { "name": node.app.name(), "version": node.app.version() },
        "uptime_s": node.started.elapsed().as_secs(),
        "replica": status,
    });
    respond(body.to_string(), "application/json")
}

/// Answers in the text format of Prometheus.
pub(crate) fn metrics(node: &Node) -> Response<Body> {
    let text = node.metrics.render(&node.runtime.stats(), node.replica.as_deref());
    respond(text, "text/plain; version=0.0.4")
}

fn respond(body: String, media_type: &'static str) -> Response<Body> {
    let mut response = Response::new(runtime::full(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

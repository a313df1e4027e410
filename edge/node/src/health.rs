//! The node's own endpoints.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use manifest::App;
use replica::Status;
use serde_json::{Value, json};

use crate::{metrics::Gathered, serve::Node};

/// Says that the node lives, whether it has data to serve, and how old they may be.
///
/// Everybody may read this: where the data come from and why they do not is for the log alone.
pub(crate) fn healthz(node: &Node) -> Response<Bytes> {
    let status = node.replica.as_ref().map(|replica| replica.status());
    let body = json!({
        "status": "ok",
        "ready": has_data(node),
        "node": node.id,
        "replica": status.as_ref().map(public),
    });
    respond(body.to_string(), "application/json")
}

/// Whether there is a copy to serve from, where one is needed.
pub(crate) fn has_data(node: &Node) -> bool {
    node.replica.as_ref().is_none_or(|replica| replica.current().is_some())
}

/// What of the replica's status is nobody's secret.
fn public(status: &Status) -> Value {
    json!({
        "state": status.state,
        "epoch": status.epoch,
        "position": status.position,
        "last_contact_age_ms": status.last_contact_age_ms,
    })
}

/// Answers in the text format of Prometheus.
pub(crate) fn metrics(node: &Node) -> Response<Bytes> {
    let loaded = node.loaded.list();
    let text = node.metrics.render(&Gathered {
        loaded: &loaded,
        instances: node.runtime.instances(),
        replica: node.replica.as_deref(),
        lines_dropped: node.access_log.dropped(),
        operation: &node.operation,
    });
    respond(text, "text/plain; version=0.0.4")
}

/// Where Spin's own endpoints are; no route may begin with it.
pub(crate) const WELL_KNOWN: &str = "/.well-known/spin/";

/// Answers what Spin answers below [`WELL_KNOWN`], for what watches an application there.
pub(crate) fn well_known(node: &Node, path: &str) -> Option<Response<Bytes>> {
    match path.strip_prefix(WELL_KNOWN)? {
        "health" => Some(respond("OK".to_owned(), "text/plain")),
        "info" => Some(respond(
            info(&node.traffic.versions().current.app).to_string(),
            "application/json",
        )),
        _ => None,
    }
}

fn info(app: &App) -> Value {
    let mut info = json!({ "name": app.name() });
    if !app.version().is_empty() {
        info["version"] = app.version().into();
    }
    info
}

fn respond(body: String, media_type: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_everybody_how_old_the_data_are_but_neither_their_source_nor_its_faults() {
        let status = Status {
            state: replica::State::Disconnected,
            epoch: Some("e1".to_owned()),
            schema_version: Some(1),
            position: 7,
            head: 9,
            lag_transactions: 2,
            lag_ms: 5,
            apply_delay_ms: 1,
            last_contact_age_ms: Some(1200),
            feed_url: "http://10.0.0.7:4000".to_owned(),
            generation: 1,
            snapshots: 1,
            rebuilds: 0,
            applied_transactions: 7,
            applied_changes: 7,
            checkpoints: 0,
            failures: 3,
            last_error: Some("connect to 10.0.0.7:4000".to_owned()),
        };
        let told = public(&status);
        assert_eq!((&told["epoch"], &told["position"]), (&json!("e1"), &json!(7)));
        assert_eq!(told["last_contact_age_ms"], 1200);
        assert_eq!(told["state"], json!(status.state));
        assert_eq!(told.as_object().map(serde_json::Map::len), Some(4));
        assert!(!told.to_string().contains("10.0.0.7"), "{told}");
    }
}

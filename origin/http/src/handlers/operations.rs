//! For those who run it.

use std::sync::Arc;

use api_types::reply::Public;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use super::{Reply, private};
use crate::{Context, openapi};

/// How long the contract may be kept: 1 minute.
const CONTRACT_AGE_MAX: std::time::Duration = std::time::Duration::from_mins(1);

pub(crate) async fn health(State(context): State<Arc<Context>>) -> Reply {
    let feed = context.app.feed_state().await?;
    private(
        StatusCode::OK,
        serde_json::json!({ "status": "ok", "epoch": feed.epoch, "position": feed.position }),
    )
}

pub(crate) async fn metrics(State(context): State<Arc<Context>>) -> Reply {
    let in_flight =
        context.limits.in_flight_max.saturating_sub(context.in_flight.available_permits());
    let position = context.app.feed_position();
    let text = context.metrics.write(in_flight, position, context.app.writer_report());
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

pub(crate) async fn contract() -> Reply {
    let value = openapi::document()?;
    let answer =
        Public { value, max_age: CONTRACT_AGE_MAX, shared_max_age: CONTRACT_AGE_MAX, etag: None };
    Ok(answer.into_response()?.map(Body::from))
}

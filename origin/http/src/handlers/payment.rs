//! What the payment provider sends.

use std::sync::Arc;

use app::WebhookHeaders;
use axum::extract::State;
use http::StatusCode;

use super::{Reply, private};
use crate::Context;
use crate::extract::Raw;

pub(crate) async fn webhook(State(context): State<Arc<Context>>, raw: Raw) -> Reply {
    let text =
        |name: &str| raw.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let headers = WebhookHeaders {
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp"),
        signature: text("webhook-signature"),
    };
    context.app.take_webhook(headers, &raw.body).await?;
    private(StatusCode::OK, serde_json::json!({ "received": true }))
}

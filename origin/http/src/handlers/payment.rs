//! How the shop can be paid, and what the payment provider sends.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;

use super::{Reply, private};
use crate::Context;
use crate::extract::{Raw, Who};

pub(crate) async fn methods(State(context): State<Arc<Context>>, _who: Who) -> Reply {
    private(StatusCode::OK, context.app.payment_methods())
}

pub(crate) async fn webhook(State(context): State<Arc<Context>>, raw: Raw) -> Reply {
    context.app.take_webhook(&raw.headers, &raw.body).await?;
    private(StatusCode::OK, serde_json::json!({ "received": true }))
}

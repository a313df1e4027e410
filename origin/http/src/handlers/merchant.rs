//! Merchants' webhooks.

use std::sync::Arc;

use api_types::admin::{NewWebhook, ReplayRange, SecretRotation, WebhookChange};
use api_types::problem::Problem;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use domain::{ErrorKind, WebhookDeliveryId};
use http::StatusCode;
use serde::Deserialize;

use super::{Reply, answered, private};
use crate::Context;
use crate::admin::Asker;
use crate::extract::{Command, id};
use crate::handlers::cart::Nothing;
use crate::problem::Failure;

pub(crate) async fn list(State(context): State<Arc<Context>>, _asker: Asker) -> Reply {
    private(StatusCode::OK, context.app.webhooks().await?)
}

pub(crate) async fn create(
    State(context): State<Arc<Context>>,
    _asker: Asker,
    command: Command<NewWebhook>,
) -> Reply {
    answered(StatusCode::CREATED, context.app.create_webhook(command.value, command.claim).await?)
}

pub(crate) async fn show(
    State(context): State<Arc<Context>>,
    Path(webhook): Path<String>,
    _asker: Asker,
) -> Reply {
    private(StatusCode::OK, context.app.webhook(id(&webhook)?).await?)
}

pub(crate) async fn change(
    State(context): State<Arc<Context>>,
    Path(webhook): Path<String>,
    _asker: Asker,
    command: Command<WebhookChange>,
) -> Reply {
    private(StatusCode::OK, context.app.change_webhook(id(&webhook)?, command.value).await?)
}

pub(crate) async fn delete(
    State(context): State<Arc<Context>>,
    Path(webhook): Path<String>,
    _asker: Asker,
) -> Reply {
    context.app.delete_webhook(id(&webhook)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn rotate(
    State(context): State<Arc<Context>>,
    Path(webhook): Path<String>,
    _asker: Asker,
    command: Command<SecretRotation>,
) -> Reply {
    let Command { value, claim, .. } = command;
    let webhook = context.app.rotate_webhook_secret(id(&webhook)?, value, claim).await?;
    answered(StatusCode::OK, webhook)
}

pub(crate) async fn test(
    State(context): State<Arc<Context>>,
    Path(webhook): Path<String>,
    _asker: Asker,
    command: Command<Nothing>,
) -> Reply {
    let sent = context.app.send_test_event(id(&webhook)?, command.claim).await?;
    answered(StatusCode::ACCEPTED, sent)
}

/// Query of the list of deliveries.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    status: Option<String>,
    before: Option<WebhookDeliveryId>,
    limit: Option<u32>,
}

pub(crate) async fn deliveries(
    State(context): State<Arc<Context>>,
    Path(webhook): Path<String>,
    _asker: Asker,
    page: Result<Query<Page>, QueryRejection>,
) -> Reply {
    let Query(Page { status, before, limit }) = page.map_err(|error| {
        Failure::from(Problem::of(ErrorKind::InvalidInput).detail(error.body_text()))
    })?;
    let webhook = id(&webhook)?;
    let page = context.app.webhook_deliveries(webhook, status.as_deref(), before, limit).await?;
    private(StatusCode::OK, page)
}

pub(crate) async fn delivery(
    State(context): State<Arc<Context>>,
    Path((webhook, delivery)): Path<(String, String)>,
    _asker: Asker,
) -> Reply {
    private(StatusCode::OK, context.app.webhook_delivery(id(&webhook)?, id(&delivery)?).await?)
}

pub(crate) async fn replay(
    State(context): State<Arc<Context>>,
    Path((webhook, delivery)): Path<(String, String)>,
    _asker: Asker,
    _command: Command<Nothing>,
) -> Reply {
    let (webhook, delivery) = (id(&webhook)?, id(&delivery)?);
    private(StatusCode::ACCEPTED, context.app.replay_webhook_delivery(webhook, delivery).await?)
}

pub(crate) async fn replay_range(
    State(context): State<Arc<Context>>,
    Path(webhook): Path<String>,
    _asker: Asker,
    command: Command<ReplayRange>,
) -> Reply {
    let webhook = id(&webhook)?;
    let replayed = context.app.replay_webhook_deliveries(webhook, &command.value).await?;
    private(StatusCode::ACCEPTED, replayed)
}

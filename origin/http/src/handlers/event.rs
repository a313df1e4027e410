//! Analytics events.

use std::sync::Arc;

use api_types::events::{self, BATCH_BYTES_MAX, Day, EventBatch};
use api_types::problem::Problem;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use domain::ErrorKind;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use super::feed::authorize;
use super::{Reply, private};
use crate::Context;
use crate::extract::Who;
use crate::identity::read_body;
use crate::problem::Failure;

/// Takes what a browser sends, through an edge that keeps no queue.
pub(crate) async fn collect(
    State(context): State<Arc<Context>>,
    _who: Who,
    headers: HeaderMap,
    body: Bytes,
) -> Reply {
    let events = events::read(content_type(&headers), &body).map_err(|problem| *problem)?;
    private(StatusCode::ACCEPTED, context.app.count_events(&events).await?)
}

/// Takes what an edge has collected.
pub(crate) async fn take_batch(State(context): State<Arc<Context>>, request: Request) -> Reply {
    let (parts, body) = request.into_parts();
    authorize(&context, &parts.headers)?;
    let body = tokio::time::timeout(context.limits.deadline, read_body(body, BATCH_BYTES_MAX))
        .await
        .map_err(|_elapsed| Failure::from(ErrorKind::DeadlineExceeded))??;
    let today = Day::of(context.app.clock().now());
    let batch = EventBatch::read(content_type(&parts.headers), &body, today);
    private(StatusCode::OK, context.app.take_events(batch.map_err(|problem| *problem)?).await?)
}

/// Query of `GET /internal/events`.
#[derive(Debug, Deserialize)]
pub(crate) struct DayParameter {
    day: Option<Day>,
}

/// Tells operators what happened on a day.
pub(crate) async fn show_day(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    parameters: Result<Query<DayParameter>, QueryRejection>,
) -> Reply {
    authorize(&context, &headers)?;
    let Query(DayParameter { day }) = parameters.map_err(|_unreadable| {
        let problem = Problem::of(ErrorKind::InvalidInput);
        Failure::from(problem.field("day", "invalid", "must be a day, YYYY-MM-DD"))
    })?;
    private(StatusCode::OK, context.app.events_of(day).await?)
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()
}

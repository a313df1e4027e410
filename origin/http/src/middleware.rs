//! What happens around every handler, outermost first: request id, panic, metrics and failures; under `/v1` also the
//! in-flight limit, the deadline, and the edge's signature.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::ErrorKind;
use http::{HeaderName, HeaderValue};

use api_types::problem::Problem;

use crate::Context;
use crate::identity::{identify, read_body};
use crate::problem::Failure;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id taken over from the edge.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// Gives the request an id, measures it, writes its failure, logs one line.
pub(crate) async fn observe(
    State(context): State<Arc<Context>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let id = request_id(&request);
    let mut response = next.run(request).await;
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        response = failure.write(&id);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let (route, took) = (route.as_deref().unwrap_or("none"), started.elapsed());
    context.metrics.count(method.as_str(), route, response.status().as_u16(), took);
    let (status, duration_ms) = (response.status().as_u16(), took.as_millis());
    tracing::info!(request.id = id, %method, route, status, duration_ms, "answered");
    response
}

fn request_id(request: &Request) -> String {
    let sent = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let is_plain = |text: &&str| {
        (1..=REQUEST_ID_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    sent.filter(is_plain).map_or_else(fresh_id, str::to_owned)
}

fn fresh_id() -> String {
    let mut bytes = [0; 16];
    // Without randomness the id is all zeros: worse logs, no worse answer.
    let _ = getrandom::fill(&mut bytes);
    domain::RequestId::v4(bytes).to_string()
}

/// Answers 503 at once when too much is under way.
pub(crate) async fn limit_in_flight(
    State(context): State<Arc<Context>>,
    request: Request,
    next: Next,
) -> Response {
    let Ok(_place) = context.in_flight.try_acquire() else {
        return Failure::from(Problem::of(ErrorKind::Unavailable).retry_after(1)).into_response();
    };
    next.run(request).await
}

/// Answers 504 when the deadline passes. What was begun is finished or taken up by the jobs.
pub(crate) async fn keep_deadline(
    State(context): State<Arc<Context>>,
    request: Request,
    next: Next,
) -> Response {
    match tokio::time::timeout(context.limits.deadline, next.run(request)).await {
        Ok(response) => response,
        Err(_elapsed) => Failure::from(ErrorKind::DeadlineExceeded).into_response(),
    }
}

/// Reads the body and checks the edge's signature over it; the handler finds the caller in the extensions.
pub(crate) async fn verify_identity(
    State(context): State<Arc<Context>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = match read_body(body, context.limits.body_bytes_max).await {
        Ok(body) => body,
        Err(failure) => return failure.into_response(),
    };
    match identify(&context, &parts, &body) {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, Body::from(body))).await
        }
        Err(failure) => failure.into_response(),
    }
}

/// Answers 500 for a panic of a handler; the panic hook has logged it.
pub(crate) fn answer_panic(_panic: Box<dyn std::any::Any + Send>) -> Response {
    Failure::from(ErrorKind::Internal).into_response()
}

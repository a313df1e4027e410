//! The one place where a failure becomes an answer.

use api_types::problem::Problem;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use domain::ErrorKind;
use http::HeaderValue;

/// Header that tells that an answer was given before.
pub(crate) const REPLAYED: &str = "idempotent-replayed";

/// A failure on its way out. The outermost middleware writes it with the request's id.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) problem: Box<Problem>,
    pub(crate) is_replay: bool,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), is_replay: false }
    }
}

impl From<ErrorKind> for Failure {
    fn from(kind: ErrorKind) -> Self {
        Problem::of(kind).into()
    }
}

impl From<app::Error> for Failure {
    fn from(error: app::Error) -> Self {
        match error {
            app::Error::Refused(refusal) => {
                let mut problem = Problem::new(refusal.kind, refusal.code, refusal.title);
                problem.detail = refusal.detail;
                problem.errors = refusal.fields;
                problem.retry_after_s = refusal.retry_after.map(whole_seconds);
                Self { problem: Box::new(problem), is_replay: refusal.is_replay }
            }
            error => {
                let kind = error.kind();
                log(&error);
                let problem = Problem::of(kind);
                Self::from(if kind == ErrorKind::Unavailable {
                    problem.retry_after(1)
                } else {
                    problem
                })
            }
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        log(&error);
        ErrorKind::Internal.into()
    }
}

/// Rounds up: asking earlier than allowed would be refused again.
fn whole_seconds(wait: std::time::Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX)
}

/// Logs a fault once, with its causes.
fn log(error: &dyn std::error::Error) {
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        chain.push_str(": ");
        chain.push_str(&error.to_string());
        cause = error.source();
    }
    tracing::error!(error = chain, "could not answer a request");
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(self);
        response
    }
}

impl Failure {
    /// Writes the answer.
    pub(crate) fn write(self, request_id: &str) -> Response {
        let mut response = self.problem.request_id(request_id).into_response().map(Body::from);
        if self.is_replay {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

//! Failures on the wire: RFC 9457 problem details, and the one table from [`ErrorKind`] to status.

use bytes::Bytes;
use domain::ErrorKind;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::{Deserialize, Serialize};

/// Media type of a problem body (RFC 9457, section 3).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Prefix of every `type`; the rest is the code, documented in `docs/API.md`.
pub const TYPE_PREFIX: &str = "https://vitrine.dev/problems/";

/// One wrong field of a request that could be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// Where: a JSON pointer into the body (RFC 6901), or the name of a query parameter.
    pub pointer: String,
    /// Stable code, for instance `required`.
    pub code: String,
    /// One sentence for people.
    pub detail: String,
}

/// A failure as its asker sees it. 5xx problems never carry a detail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// URI of the kind of failure: [`TYPE_PREFIX`] and a code such as `out-of-stock`.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// Short text, the same for every occurrence of the type.
    pub title: String,
    /// HTTP status, repeated in the body.
    pub status: u16,
    /// One sentence about this occurrence. Absent from 5xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The request's id, to quote to support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Wrong fields, where the kind is invalid input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Seconds after which asking again makes sense; also sent as `Retry-After`.
    #[serde(skip)]
    pub retry_after_s: Option<u32>,
}

impl Problem {
    /// Makes a problem of a kind. `code` is the last segment of its type, `title` its constant text.
    #[must_use]
    pub fn new(kind: ErrorKind, code: &str, title: &str) -> Self {
        Self {
            type_uri: format!("{TYPE_PREFIX}{code}"),
            title: title.to_owned(),
            status: status(kind).as_u16(),
            detail: None,
            request_id: None,
            errors: Vec::new(),
            retry_after_s: None,
        }
    }

    /// Makes the plain problem of a kind, with the kind's own code and title.
    #[must_use]
    pub fn of(kind: ErrorKind) -> Self {
        let (code, title) = words(kind);
        Self::new(kind, code, title)
    }

    /// Adds a sentence about this occurrence. Ignored for 5xx, which must not leak.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        if self.status < 500 {
            self.detail = Some(detail.into());
        }
        self
    }

    /// Names a wrong field.
    #[must_use]
    pub fn field(
        mut self,
        pointer: impl Into<String>,
        code: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        self.errors.push(FieldError {
            pointer: pointer.into(),
            code: code.into(),
            detail: detail.into(),
        });
        self
    }

    /// Says after how many seconds to ask again.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Adds the request's id.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// Returns the code: the type without its prefix.
    #[must_use]
    pub fn code(&self) -> &str {
        self.type_uri.strip_prefix(TYPE_PREFIX).unwrap_or(&self.type_uri)
    }

    /// Adds the request's id as the gateway has put it into the request's headers.
    #[must_use]
    pub fn asked_in(self, headers: &HeaderMap) -> Self {
        match headers.get("x-request-id").and_then(|value| value.to_str().ok()) {
            Some(id) => self.request_id(id),
            None => self,
        }
    }

    /// Writes the answer: status, `application/problem+json`, `no-store`, `Retry-After` where known.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let length = u64::try_from(body.len()).unwrap_or(0);
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Why an answer is a 500, for the log of whoever runs the handler. Rides in the response's extensions; never sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(pub String);

/// Why a handler has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The asker is told.
    Problem(Box<Problem>),
    /// It is a fault of ours: the asker is told no more than that.
    Fault(Fault),
}

impl Failure {
    /// Makes a fault of whatever says what went wrong.
    #[must_use]
    pub fn fault(why: impl ToString) -> Self {
        Self::Fault(Fault(why.to_string()))
    }

    /// Writes the answer. A fault is `internal`, with its reason beside it for the log.
    #[must_use]
    pub fn into_response(self) -> Response<Bytes> {
        self.into_answer(&HeaderMap::new())
    }

    /// Writes the answer to a request with these headers, which hold its id.
    #[must_use]
    pub fn into_answer(self, asked: &HeaderMap) -> Response<Bytes> {
        match self {
            Self::Problem(problem) => problem.asked_in(asked).into_response(),
            Self::Fault(fault) => {
                let problem = Problem::of(ErrorKind::Internal).asked_in(asked);
                let mut response = problem.into_response();
                response.extensions_mut().insert(fault);
                response
            }
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

impl From<Box<Problem>> for Failure {
    fn from(problem: Box<Problem>) -> Self {
        Self::Problem(problem)
    }
}

/// Maps a kind to its status. The only such table; edge and origin both use it.
#[must_use]
pub const fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Unreadable => StatusCode::BAD_REQUEST,
        ErrorKind::InvalidInput => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::PaymentRefused => StatusCode::PAYMENT_REQUIRED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Gone => StatusCode::GONE,
        ErrorKind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::BadUpstream => StatusCode::BAD_GATEWAY,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
    }
}

const fn words(kind: ErrorKind) -> (&'static str, &'static str) {
    match kind {
        ErrorKind::Unreadable => ("unreadable", "The request could not be read"),
        ErrorKind::InvalidInput => ("invalid-input", "The request is not valid"),
        ErrorKind::Unauthenticated => ("unauthenticated", "Sign in to do this"),
        ErrorKind::PaymentRefused => ("payment-refused", "The payment was refused"),
        ErrorKind::Forbidden => ("forbidden", "This is not allowed"),
        ErrorKind::NotFound => ("not-found", "There is no such thing here"),
        ErrorKind::MethodNotAllowed => {
            ("method-not-allowed", "This address does not answer that method")
        }
        ErrorKind::Conflict => ("conflict", "The present state does not allow this"),
        ErrorKind::Gone => ("gone", "This is no longer here"),
        ErrorKind::PreconditionFailed => ("precondition-failed", "The version is stale"),
        ErrorKind::TooLarge => ("too-large", "The body is too large"),
        ErrorKind::UnsupportedMediaType => {
            ("unsupported-media-type", "The body's media type is not understood")
        }
        ErrorKind::RateLimited => ("rate-limited", "Too many requests"),
        ErrorKind::HeadTooLarge => ("head-too-large", "The request's headers are too large"),
        ErrorKind::Internal => ("internal", "Something went wrong on our side"),
        ErrorKind::BadUpstream => ("bad-upstream", "An upstream gave an unusable answer"),
        ErrorKind::Unavailable => ("unavailable", "Not available right now"),
        ErrorKind::DeadlineExceeded => ("deadline-exceeded", "The answer took too long"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_its_own_code_and_an_error_status() {
        let codes: BTreeSet<String> =
            ErrorKind::ALL.into_iter().map(|kind| Problem::of(kind).type_uri).collect();
        assert_eq!(codes.len(), ErrorKind::ALL.len());
        for kind in ErrorKind::ALL {
            assert!(status(kind).is_client_error() || status(kind).is_server_error(), "{kind:?}");
        }
    }

    #[test]
    fn faults_of_ours_never_carry_a_detail() {
        let response = Problem::of(ErrorKind::Internal)
            .detail("db error on host 10.0.0.7")
            .request_id("r1")
            .into_response();
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(
            body,
            serde_json::json!({"type": "https://vitrine.dev/problems/internal",
                "title": "Something went wrong on our side", "status": 500, "request_id": "r1"})
        );
    }

    #[test]
    fn a_faults_reason_goes_to_the_log_alone() {
        let response = Failure::fault("disk /dev/sda1 is full").into_response();
        assert_eq!(response.extensions().get(), Some(&Fault("disk /dev/sda1 is full".to_owned())));
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!String::from_utf8_lossy(response.body()).contains("sda1"));
        let response = Failure::from(Problem::of(ErrorKind::NotFound)).into_response();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert!(response.extensions().get::<Fault>().is_none());
    }

    #[test]
    fn an_answer_says_which_request_it_is_to() {
        let asked = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-request-id"),
            HeaderValue::from_static("r-1"),
        )]);
        for failure in [Failure::from(Problem::of(ErrorKind::NotFound)), Failure::fault("disk")] {
            let body = failure.into_answer(&asked).into_body();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["request_id"], "r-1");
        }
    }

    #[test]
    fn says_when_to_ask_again_and_how_long_it_is() {
        let response = Problem::of(ErrorKind::RateLimited).retry_after(7).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
        assert_eq!(response.headers()[header::CONTENT_LENGTH], response.body().len().to_string());
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    }
}

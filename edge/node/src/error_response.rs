//! Every failure of this node becomes an answer here, and nowhere else.

use api_types::problem::Problem;
use cdn::{BackendError, SharedError, upstream::FetchError};
use domain::ErrorKind;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http1::RefusalKind;
use runtime::{Body, InvokeError};

use crate::{cdn_loop::LoopError, request_head::HeadError};

/// What went wrong before or instead of a component's answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No route matches.
    NoRoute,
    /// The client does not speak HTTP as it should.
    Wire(RefusalKind),
    /// The head cannot be used.
    Head(HeadError),
    /// The request has been here before, or does not say readably where it has been.
    Loop(LoopError),
    /// The body is longer than allowed.
    BodyTooLarge,
    /// The body came too slowly.
    BodyTooSlow,
    /// A file is not sent; the headers go with the refusal.
    File(StatusCode, HeaderMap),
    /// No origin gave an answer.
    Origin(BackendError),
    /// The component gave no answer.
    Invoke(InvokeError),
}

/// Answers with a problem that tells the client no more than it needs.
pub(crate) fn respond(failure: &Failure, request_id: &HeaderValue) -> Response<Body> {
    let problem = problem(failure).request_id(request_id.to_str().unwrap_or_default());
    let mut response = problem.into_response().map(runtime::full);
    if let Failure::File(_, headers) = failure {
        response.headers_mut().extend(headers.clone());
    }
    response
}

fn problem(failure: &Failure) -> Problem {
    match failure {
        Failure::NoRoute => Problem::of(ErrorKind::NotFound),
        Failure::Wire(kind) => wire_problem(*kind),
        Failure::Head(HeadError::Unreadable) => Problem::of(ErrorKind::Unreadable),
        Failure::Head(HeadError::TooLarge) => Problem::of(ErrorKind::HeadTooLarge),
        Failure::Loop(LoopError::Malformed) => Problem::of(ErrorKind::Unreadable),
        Failure::Loop(LoopError::Loop) => {
            of_status(StatusCode::LOOP_DETECTED, "loop", "The request goes round in circles")
        }
        Failure::BodyTooLarge => Problem::of(ErrorKind::TooLarge),
        Failure::BodyTooSlow => {
            of_status(StatusCode::REQUEST_TIMEOUT, "body-too-slow", "The body came too slowly")
        }
        Failure::File(status, _) => file_problem(*status),
        Failure::Origin(error) => origin_problem(error),
        Failure::Invoke(error) => invoke_problem(error),
    }
}

/// For what only happens to whoever talks HTTP with the world: the shop's own words have no such kind.
fn of_status(status: StatusCode, code: &str, title: &str) -> Problem {
    Problem { status: status.as_u16(), ..Problem::new(ErrorKind::Internal, code, title) }
}

fn wire_problem(kind: RefusalKind) -> Problem {
    let (code, title) = match kind {
        RefusalKind::Malformed => return Problem::of(ErrorKind::Unreadable),
        RefusalKind::HeadTooLarge => return Problem::of(ErrorKind::HeadTooLarge),
        RefusalKind::TargetTooLong => ("target-too-long", "The address is too long"),
        RefusalKind::TooSlow => ("request-too-slow", "The request came too slowly"),
        RefusalKind::Expectation => ("expectation-failed", "That cannot be expected here"),
        RefusalKind::NotImplemented => ("not-implemented", "That is not done here"),
        RefusalKind::Version => ("http-version", "Only HTTP/1.1, HTTP/1.0 and HTTP/2 are spoken"),
    };
    of_status(kind.status(), code, title)
}

fn file_problem(status: StatusCode) -> Problem {
    match status {
        StatusCode::METHOD_NOT_ALLOWED => Problem::of(ErrorKind::MethodNotAllowed),
        StatusCode::PRECONDITION_FAILED => Problem::of(ErrorKind::PreconditionFailed),
        StatusCode::FORBIDDEN => of_status(status, "not-signed", "This address is not signed"),
        StatusCode::GONE => of_status(status, "expired", "This address has expired"),
        _ => Problem::of(ErrorKind::NotFound),
    }
}

fn origin_problem(error: &BackendError) -> Problem {
    let error = match error {
        BackendError::Fetch(error) => error,
        BackendError::Other(other) => match other.downcast_ref::<SharedError>() {
            Some(SharedError(shared)) => return origin_problem(shared),
            None => return bad_gateway(),
        },
    };
    match error {
        FetchError::Broken(_) => bad_gateway(),
        FetchError::TimedOut => {
            Problem::new(ErrorKind::DeadlineExceeded, "origin-timeout", "The answer took too long")
        }
        FetchError::Overloaded => {
            let title = "Too much is going on right now";
            Problem::new(ErrorKind::Unavailable, "overloaded", title).retry_after(1)
        }
        FetchError::Unavailable(_) => {
            Problem::new(ErrorKind::Unavailable, "origin-unavailable", "Not available right now")
                .retry_after(1)
        }
        FetchError::RequestBody => Problem::of(ErrorKind::Unreadable),
    }
}

fn bad_gateway() -> Problem {
    of_status(StatusCode::BAD_GATEWAY, "bad-gateway", "Something went wrong on our side")
}

fn invoke_problem(error: &InvokeError) -> Problem {
    match error {
        InvokeError::Busy { .. } => {
            let title = "Too much is going on right now";
            Problem::new(ErrorKind::Unavailable, "overloaded", title).retry_after(1)
        }
        InvokeError::Timeout { .. } => {
            Problem::new(ErrorKind::DeadlineExceeded, "guest-timeout", "The answer took too long")
        }
        InvokeError::CpuBudget { .. } => {
            Problem::new(ErrorKind::DeadlineExceeded, "guest-cpu", "The answer took too much work")
        }
        InvokeError::Memory { .. } => {
            Problem::new(ErrorKind::Internal, "guest-limit", "The answer took too much memory")
        }
        InvokeError::Trap { .. } => {
            Problem::new(ErrorKind::Internal, "guest-trap", "Something went wrong on our side")
        }
        InvokeError::Instantiate { .. } => {
            Problem::new(ErrorKind::Unavailable, "guest-start", "Not available right now")
                .retry_after(1)
        }
        InvokeError::Missing { .. } => Problem::of(ErrorKind::NotFound),
        InvokeError::Outside { error, .. } => match error.0.downcast_ref::<BackendError>() {
            Some(error) => origin_problem(error),
            None => bad_gateway(),
        },
        _ => Problem::new(ErrorKind::Internal, "guest-error", "Something went wrong on our side"),
    }
}

//! One request to the origins: attempts, a probe for silent origins, and the failure as an answer.

use core::cell::RefCell;
use core::pin::pin;
use core::time::Duration;

use api_types::problem::Problem;
use bytes::Bytes;
use domain::ErrorKind;
use futures::future::{Either, select};
use http::{Method, Request, Response};
use ports::{Clock, HttpClient, HttpError, Timer};

use crate::origins::{Health, Origins};
use crate::plan::{self, ANSWER_TIMEOUT, Attempt, Outcome, Plan};

#[cfg(test)]
mod tests;

/// Where origins say that they live.
const PROBE_PATH: &str = "/healthz";

/// Largest answer to a probe: 4 KiB.
const PROBE_BYTES_MAX: usize = 4_096;

/// Seconds after which a client that met no origin may come again.
pub const RETRY_AFTER_S: u32 = 2;

/// Why no answer can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No origin could be reached, or it broke off.
    #[error("no origin answers")]
    Unavailable,
    /// An origin lives, and did not answer in time. It may have acted.
    #[error("the origin did not answer in time")]
    Slow,
    /// The answer is over the limit.
    #[error("the origin's answer is too large")]
    TooLarge,
    /// The manifest does not grant the origin's address.
    #[error("the origin's address is not granted")]
    Denied,
}

impl CallError {
    /// Returns the failure as its asker may see it.
    #[must_use]
    pub fn problem(self) -> Problem {
        match self {
            Self::Unavailable => Problem::new(
                ErrorKind::Unavailable,
                "origin-unavailable",
                "The shop cannot take changes right now",
            )
            .retry_after(RETRY_AFTER_S),
            Self::Slow => Problem::of(ErrorKind::DeadlineExceeded),
            Self::TooLarge => Problem::of(ErrorKind::BadUpstream),
            Self::Denied => Problem::of(ErrorKind::Internal),
        }
    }
}

/// Sends `request` (its address needs only path and query) to the best origin, and again where that is safe.
///
/// Answers within 2 s when no origin shows life; one that lives has [`ANSWER_TIMEOUT`].
///
/// # Errors
/// See [`CallError`]. An origin's own 5xx is an answer.
pub async fn call<P: HttpClient + Clock + Timer>(
    ports: &P,
    origins: &Origins,
    health: &RefCell<Health>,
    request: &Request<Bytes>,
    answer_bytes_max: usize,
) -> Result<Response<Bytes>, CallError> {
    let is_repeatable = plan::is_repeatable(request.method(), request.headers());
    let mut plan = Plan::new(is_repeatable, origins.count(), ports.now());
    let mut last = Err(CallError::Unavailable);
    loop {
        let next = plan.next(&health.borrow(), ports.now());
        let Some(attempt) = next else { return last };
        let (outcome, answer) = try_once(ports, origins, attempt, request, answer_bytes_max).await;
        plan.report(attempt, outcome, &mut health.borrow_mut(), ports.now());
        // A later silence does not hide an earlier answer: 503 with its reason says more than nothing.
        if answer.is_ok() || last.is_err() {
            last = answer;
        }
    }
}

async fn try_once<P: HttpClient + Timer>(
    ports: &P,
    origins: &Origins,
    attempt: Attempt,
    request: &Request<Bytes>,
    answer_bytes_max: usize,
) -> (Outcome, Result<Response<Bytes>, CallError>) {
    let target = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let Some((address, probe)) = origins
        .at(attempt.origin)
        .and_then(|origin| origin.uri(target).ok().zip(origin.uri(PROBE_PATH).ok()))
    else {
        return (Outcome::Refused, Err(CallError::Denied));
    };
    let mut copy = Request::new(request.body().clone());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = address;
    copy.headers_mut().clone_from(request.headers());
    let mut answer = pin!(ports.send(copy, ANSWER_TIMEOUT, answer_bytes_max));
    // A slow answer is not a dead origin: halfway through the time for silence the origin is asked whether it lives.
    let half = attempt.silence_max.checked_div(2).unwrap_or(Duration::ZERO);
    let result = match select(answer.as_mut(), pin!(ports.sleep(half))).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(_) => {
            let mut question = Request::new(Bytes::new());
            *question.method_mut() = Method::GET;
            *question.uri_mut() = probe;
            match select(answer.as_mut(), pin!(ports.send(question, half, PROBE_BYTES_MAX))).await {
                Either::Left((result, _)) => Some(result),
                Either::Right((Ok(_), _)) => Some(answer.await),
                Either::Right((Err(_), _)) => None,
            }
        }
    };
    judge(result)
}

/// `None` is an origin that answered neither the request nor the probe.
fn judge(
    result: Option<Result<Response<Bytes>, HttpError>>,
) -> (Outcome, Result<Response<Bytes>, CallError>) {
    match result {
        Some(Ok(response)) => (Outcome::Answered(response.status()), Ok(response)),
        Some(Err(HttpError::Connect(_))) => (Outcome::NotSent, Err(CallError::Unavailable)),
        Some(Err(HttpError::Broken(_))) => (Outcome::Broken, Err(CallError::Unavailable)),
        Some(Err(HttpError::Timeout)) => (Outcome::Slow, Err(CallError::Slow)),
        Some(Err(HttpError::Denied)) => (Outcome::Refused, Err(CallError::Denied)),
        Some(Err(HttpError::TooLarge)) => (Outcome::Refused, Err(CallError::TooLarge)),
        None => (Outcome::Silent, Err(CallError::Unavailable)),
    }
}

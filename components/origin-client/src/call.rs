//! One request to the origins: attempts, a probe for silent origins, and the failure as an answer.

use core::cell::RefCell;
use core::pin::pin;
use core::time::Duration;

use api_types::problem::Problem;
use bytes::Bytes;
use domain::{ErrorKind, Timestamp};
use futures::future::{Either, select};
use http::{HeaderMap, Method, Request, Response, header};
use pool_core::{Attempt, Outcome, Plan, Step};
use ports::{Clock, HttpClient, HttpError, Timer};

use crate::health::{AsOf, Health, wait};
use crate::origins::Origins;
use crate::rules::{self, ANSWER_TIMEOUT};

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
    let facts = rules::facts(request.method(), request.headers());
    let mut plan = {
        let mut health = health.borrow_mut();
        let AsOf { pool, now, .. } =
            health.as_of(origins, ports.now()).ok_or(CallError::Unavailable)?;
        Plan::new(facts, pool, now)
    };
    let mut last = Err(CallError::Unavailable);
    loop {
        let (step, now) = {
            let mut health = health.borrow_mut();
            let Some(AsOf { pool, now, random }) = health.as_of(origins, ports.now()) else {
                return last;
            };
            (plan.next(pool, now, random), now)
        };
        let attempt = match step {
            Step::Try(attempt) => attempt,
            Step::WaitUntil(until) => {
                ports.sleep(wait(now, until)).await;
                continue;
            }
            // Nobody waits for a place, for there is always one.
            Step::Stop(_) | Step::Await | Step::WaitInQueue(_) => return last,
        };
        let under_way = UnderWay { health, attempt: Some(attempt) };
        let ended = try_once(ports, origins, under_way.goal(), request, answer_bytes_max).await;
        let answer = under_way.report(&mut plan, origins, ended, ports.now());
        // A later silence does not hide an earlier answer: 503 with its reason says more than nothing.
        if answer.is_ok() || last.is_err() {
            last = answer;
        }
    }
}

/// An attempt whose place at its origin is free again when its future is dropped, because the client went away.
struct UnderWay<'a> {
    health: &'a RefCell<Health>,
    attempt: Option<Attempt>,
}

/// Where an attempt goes, and how long it may meet silence there.
#[derive(Debug, Clone, Copy)]
struct Goal {
    place: usize,
    silence_max: Duration,
}

impl UnderWay<'_> {
    fn goal(&self) -> Option<Goal> {
        let attempt = self.attempt.as_ref()?;
        let place = usize::from(attempt.origin.slot());
        Some(Goal { place, silence_max: attempt.head_timeout })
    }

    /// Tells plan and pool how it ended.
    fn report(
        mut self,
        plan: &mut Plan,
        origins: &Origins,
        ended: Ended,
        at: Timestamp,
    ) -> Result<Response<Bytes>, CallError> {
        let attempt = self.attempt.take();
        let mut health = self.health.borrow_mut();
        if let (Some(mut attempt), Some(AsOf { pool, now, .. })) =
            (attempt, health.as_of(origins, at))
        {
            let outcome = ended.outcome(now.since(attempt.ticket.begun_at()));
            plan.report(&mut attempt, outcome, pool, now);
            // Answers are read whole: with its head, the attempt is over.
            pool.end(&mut attempt.ticket, outcome, now);
        }
        ended.into_answer()
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(mut attempt) = self.attempt.take()
            && let Ok(mut health) = self.health.try_borrow_mut()
            && let Some((pool, now)) = health.as_of_last()
        {
            pool.end(&mut attempt.ticket, Outcome::Cancelled, now);
        }
    }
}

/// How an attempt ended.
enum Ended {
    Answered(Result<Response<Bytes>, HttpError>),
    /// Neither the request nor a probe was answered: the origin is stopped or cut off.
    Silent,
}

impl Ended {
    /// Returns what it says about the origin. One slow or refused request says nothing.
    fn outcome(&self, latency: Duration) -> Outcome {
        match self {
            Self::Answered(Ok(response)) => Outcome::Answered {
                status: response.status(),
                latency,
                retry_after: retry_after(response.headers()),
            },
            Self::Answered(Err(HttpError::Connect(_))) => Outcome::NotSent,
            Self::Answered(Err(HttpError::Broken(_))) => Outcome::Broken,
            Self::Answered(Err(HttpError::Timeout | HttpError::Denied | HttpError::TooLarge)) => {
                Outcome::Refused
            }
            Self::Silent => Outcome::TimedOut,
        }
    }

    fn into_answer(self) -> Result<Response<Bytes>, CallError> {
        match self {
            Self::Answered(Ok(response)) => Ok(response),
            Self::Answered(Err(HttpError::Connect(_) | HttpError::Broken(_))) | Self::Silent => {
                Err(CallError::Unavailable)
            }
            Self::Answered(Err(HttpError::Timeout)) => Err(CallError::Slow),
            Self::Answered(Err(HttpError::Denied)) => Err(CallError::Denied),
            Self::Answered(Err(HttpError::TooLarge)) => Err(CallError::TooLarge),
        }
    }
}

/// `Retry-After` in seconds; our origins send no dates in it.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

async fn try_once<P: HttpClient + Timer>(
    ports: &P,
    origins: &Origins,
    goal: Option<Goal>,
    request: &Request<Bytes>,
    answer_bytes_max: usize,
) -> Ended {
    let target = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let found = goal.and_then(|goal| {
        let origin = origins.at(goal.place)?;
        Some((origin.uri(target).ok()?, origin.uri(PROBE_PATH).ok()?, goal.silence_max))
    });
    let Some((address, probe, silence_max)) = found else {
        return Ended::Answered(Err(HttpError::Denied));
    };
    let mut copy = Request::new(request.body().clone());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = address;
    copy.headers_mut().clone_from(request.headers());
    let mut answer = pin!(ports.send(copy, ANSWER_TIMEOUT, answer_bytes_max));
    // A slow answer is not a dead origin: halfway through the time for silence the origin is asked whether it lives.
    let half = silence_max.checked_div(2).unwrap_or(Duration::ZERO);
    match select(answer.as_mut(), pin!(ports.sleep(half))).await {
        Either::Left((result, _)) => Ended::Answered(result),
        Either::Right(_) => {
            let mut question = Request::new(Bytes::new());
            *question.method_mut() = Method::GET;
            *question.uri_mut() = probe;
            match select(answer.as_mut(), pin!(ports.send(question, half, PROBE_BYTES_MAX))).await {
                Either::Left((result, _)) => Ended::Answered(result),
                Either::Right((Ok(_), _)) => Ended::Answered(answer.await),
                Either::Right((Err(_), _)) => Ended::Silent,
            }
        }
    }
}

//! The attempts of one request: one after the other, or two at once, until an answer can be passed on.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use http::{HeaderMap, header};
use http1::SendError;
use pool_core::{Attempt, Outcome, Plan, RequestFacts, Step, Stop};

use super::{
    Answer, Asking, Beginning, FetchError, Fetched, Target, TracedAttempt, Upstream, UpstreamBody,
    body::Place, random, traced,
};

/// The attempts of one request, and the best of what they gave so far.
pub(super) struct Attempts {
    pub(super) upstream: Arc<Upstream>,
    /// Absent only while it is being dropped.
    pub(super) plan: Option<Plan>,
    pub(super) last: Option<Answer>,
    pub(super) error: Option<FetchError>,
}

impl Attempts {
    pub(super) fn new(upstream: &Arc<Upstream>, facts: RequestFacts) -> Self {
        let plan = Some(Plan::new(facts, &mut upstream.state().pool, upstream.now()));
        Self { upstream: Arc::clone(upstream), plan, last: None, error: None }
    }

    pub(super) fn step(&mut self) -> Step {
        let now = self.upstream.now();
        let mut state = self.upstream.state();
        match &mut self.plan {
            Some(plan) => plan.next(&mut state.pool, now, random()),
            None => Step::Stop(Stop::GivenUp),
        }
    }

    /// Runs an attempt, and another beside it if that is configured and the first is slow.
    pub(super) async fn run(&mut self, first: Attempt, asking: &Asking<'_>) -> Option<Fetched> {
        let upstream = &Arc::clone(&self.upstream);
        let is_hedged = {
            let state = upstream.state();
            self.plan.as_ref().is_some_and(|plan| plan.hedge_at(&state.pool).is_some())
        };
        if !is_hedged {
            let attempt = self.begin(first, asking);
            let answered = attempt.ask(asking).await;
            return self.report(attempt, answered);
        }
        self.race(first, asking).await
    }

    async fn race(&mut self, first: Attempt, asking: &Asking<'_>) -> Option<Fetched> {
        type Running<'a> = Pin<
            Box<
                dyn Future<Output = (Begun, Result<Answer, (Outcome, Option<SendError>)>)>
                    + Send
                    + 'a,
            >,
        >;
        let upstream = &Arc::clone(&self.upstream);
        let run = |begun: Begun| -> Running<'_> {
            Box::pin(async move {
                let answered = begun.ask(asking).await;
                (begun, answered)
            })
        };
        let mut running = vec![run(self.begin(first, asking))];
        loop {
            let hedge_at = {
                let state = upstream.state();
                self.plan.as_ref().and_then(|plan| plan.hedge_at(&state.pool))
            };
            let next = poll_fn(|cx| {
                for (at, one) in running.iter_mut().enumerate() {
                    if let Poll::Ready(ended) = one.as_mut().poll(cx) {
                        return Poll::Ready((at, ended));
                    }
                }
                Poll::Pending
            });
            let ended = match hedge_at {
                Some(at) => {
                    let at = upstream.started + at.since_start();
                    tokio::time::timeout_at(at.into(), next).await.ok()
                }
                None => Some(next.await),
            };
            match ended {
                Some((at, (attempt, answered))) => {
                    drop(running.remove(at));
                    if let Some(fetched) = self.report(attempt, answered) {
                        return Some(fetched);
                    }
                    if running.is_empty() {
                        return None;
                    }
                }
                None => {
                    let now = upstream.now();
                    let mut state = upstream.state();
                    let hedge = self
                        .plan
                        .as_mut()
                        .and_then(|plan| plan.hedge(&mut state.pool, now, random()));
                    drop(state);
                    running.extend(hedge.map(|hedge| run(self.begin(hedge, asking))));
                }
            }
        }
    }

    fn begin(&self, attempt: Attempt, asking: &Asking<'_>) -> Begun {
        let begun = self.plan.as_ref().map_or(0, |plan| plan.tried().count());
        Begun::new(&self.upstream, attempt, asking, begun.saturating_sub(1))
    }

    /// Notes how an attempt ended; returns the answer if it is the one to pass on.
    pub(super) fn report(
        &mut self,
        mut attempt: Begun,
        answered: Result<Answer, (Outcome, Option<SendError>)>,
    ) -> Option<Fetched> {
        let upstream = &self.upstream;
        let now = upstream.now();
        let outcome = match &answered {
            Ok(answer) => Outcome::Answered {
                status: answer.status(),
                latency: now.since(attempt.begun_at()),
                retry_after: retry_after(answer.headers()),
            },
            Err((outcome, _)) => *outcome,
        };
        let ended = attempt.attempt.take();
        if let Some(traced) = attempt.traced.take() {
            traced.end(outcome);
        }
        let (Some(plan), Some(mut ended)) = (self.plan.as_mut(), ended) else { return None };
        let mut state = upstream.state();
        plan.report(&mut ended, outcome, &mut state.pool, now);
        state.admit(now);
        drop(state);
        match answered {
            Ok(answer) if plan.is_settled() => {
                let place = Place { upstream: Arc::clone(upstream), ticket: ended.ticket, outcome };
                let response = answer.map(|body| UpstreamBody::new(body, place));
                Some(Fetched { response, attempts: plan.tried().count() })
            }
            Ok(answer) => {
                self.last = Some(answer);
                None
            }
            Err((outcome, error)) => {
                self.error = Some(match (outcome, error) {
                    (Outcome::TimedOut, _) => FetchError::TimedOut,
                    (_, Some(SendError::RequestBody)) => FetchError::RequestBody,
                    (_, Some(error)) => FetchError::Broken(error),
                    (_, None) => FetchError::Unavailable(Stop::Attempts),
                });
                None
            }
        }
    }

    /// Makes the best of what there is: an origin's own refusal is better than ours.
    pub(super) fn stop(&mut self, stop: Stop) -> Result<Fetched, FetchError> {
        if let Some(answer) = self.last.take() {
            let attempts = self.plan.as_ref().map_or(0, |plan| plan.tried().count());
            let response = answer.map(UpstreamBody::without_place);
            return Ok(Fetched { response, attempts });
        }
        Err(match (stop, self.error.take()) {
            (Stop::Refused(pool_core::Refused::Overloaded), None) => FetchError::Overloaded,
            (_, Some(error)) => error,
            (Stop::Deadline, None) => FetchError::TimedOut,
            (stop, None) => FetchError::Unavailable(stop),
        })
    }
}

impl Drop for Attempts {
    /// The client may have gone while it waited in the queue.
    fn drop(&mut self) {
        if let Some(mut plan) = self.plan.take()
            && !plan.is_settled()
        {
            plan.cancel(&mut self.upstream.state().pool);
        }
    }
}

/// An attempt under way. Dropped, it was cancelled.
pub(super) struct Begun {
    pub(super) upstream: Arc<Upstream>,
    pub(super) attempt: Option<Attempt>,
    pub(super) target: Option<Arc<Target>>,
    pub(super) traced: Option<Box<dyn TracedAttempt>>,
}

impl Begun {
    fn new(
        upstream: &Arc<Upstream>,
        attempt: Attempt,
        asking: &Asking<'_>,
        earlier: usize,
    ) -> Self {
        let target = upstream.target(attempt.origin);
        let traced = upstream.tracer.as_ref().zip(target.as_ref()).and_then(|(tracer, target)| {
            tracer.begin(&Beginning {
                pool: &upstream.name,
                origin: &target.address,
                method: asking.method,
                headers: asking.headers,
                earlier,
                is_hedge: attempt.is_hedge,
            })
        });
        Self { upstream: Arc::clone(upstream), attempt: Some(attempt), target, traced }
    }

    pub(super) fn begun_at(&self) -> pool_core::Instant {
        let none = pool_core::Instant::new(Duration::ZERO);
        self.attempt.as_ref().map_or(none, |attempt| attempt.ticket.begun_at())
    }

    async fn ask(&self, asking: &Asking<'_>) -> Result<Answer, (Outcome, Option<SendError>)> {
        let Some(attempt) = &self.attempt else { return Err((Outcome::Refused, None)) };
        let target = self.target.as_ref().ok_or((Outcome::NotSent, None))?;
        let (headers, marked);
        let asking = match &self.traced {
            None => asking,
            Some(traced) => {
                headers = {
                    let mut headers = asking.headers.clone();
                    traced.hand_on(&mut headers);
                    headers
                };
                marked = traced::with_headers(asking, &headers);
                &marked
            }
        };
        let facts = RequestFacts::of(asking.method, asking.headers, asking.content.is_replayable());
        let limits = (attempt.connect_timeout, attempt.head_timeout);
        self.upstream.attempt(target, limits, asking, facts.is_repeatable()).await
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(mut attempt) = self.attempt.take() {
            self.upstream.end(&mut attempt.ticket, Outcome::Cancelled);
        }
        if let Some(traced) = self.traced.take() {
            traced.end(Outcome::Cancelled);
        }
    }
}

/// `Retry-After` in seconds; a date is not worth a clock here.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

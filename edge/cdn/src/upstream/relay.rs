//! A plain request passed on as it came: its head is written once, and so is its answer's.
//!
//! Only on a connection that is open already, and for an answer that is plain, whole and no failure. Whatever else
//! happens is kept, and [`Upstream::fetch`] goes on from it: attempts, budgets and deadlines are the same in both ways.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use http1::{Client, PassedOn, PlainAnswer, SendError};
use pool_core::{Attempt, Outcome, Plan, RequestFacts, Step};
use tokio::time::timeout;

use super::{
    Answer, Asking, OriginStream, Target, Upstream,
    attempts::{Attempts, Begun},
    idle, random,
};

/// A request on its way to an origin.
pub struct Relay {
    attempts: Attempts,
    begun: Begun,
    sent: Sent,
}

/// How far it has come.
enum Sent {
    /// It is sent, as far as it went at once.
    Under(Client<OriginStream>),
    /// It has failed.
    Failed(Outcome, Option<SendError>),
}

/// The same among a request's extensions, for [`Proxy::answer`](crate::Proxy::answer).
#[derive(Clone)]
pub struct Ahead(Arc<Mutex<Option<Relay>>>);

/// A plain `GET`.
const FACTS: RequestFacts =
    RequestFacts { is_read: true, is_idempotent: true, is_replayable: true };

impl Upstream {
    /// Begins a plain `GET`: `write` writes its whole head. `None`, and nothing has been done, where no connection is
    /// open to the origin whose turn it is, where reads are hedged or attempts traced, or where requests wait.
    pub(crate) fn relay(self: &Arc<Self>, write: impl FnOnce(&mut Vec<u8>)) -> Option<Relay> {
        let (plan, attempt, target) = self.turn()?;
        let Some(mut client) = idle::take(target.idle, false) else {
            self.undo(plan, attempt);
            return None;
        };
        client.begin(write);
        // What does not go now goes with the first look at the answer.
        let sent = client.poll_begun(&mut Context::from_waker(Waker::noop()));
        let sent = match sent {
            Poll::Ready(Err(_)) => Sent::Failed(Outcome::Broken, Some(SendError::Closed)),
            Poll::Ready(Ok(())) | Poll::Pending => Sent::Under(client),
        };
        let attempts =
            Attempts { upstream: Arc::clone(self), plan: Some(plan), last: None, error: None };
        // Nobody is told of it who would have to change its head.
        let (upstream, attempt) = (Arc::clone(self), Some(attempt));
        let begun = Begun { upstream, attempt, target: Some(target), traced: None };
        Some(Relay { attempts, begun, sent })
    }

    /// Takes the turn of a plain request, if it can be had at once.
    fn turn(&self) -> Option<(Plan, Attempt, Arc<Target>)> {
        let now = self.now();
        let mut state = self.state();
        let pool = &mut state.pool;
        if self.tracer.is_some() || pool.settings().hedge.is_some() || pool.waiting() > 0 {
            return None;
        }
        let mut plan = Plan::new(FACTS, pool, now);
        let Step::Try(attempt) = plan.next(pool, now, random()) else {
            plan.cancel(pool);
            return None;
        };
        let target = pool.origin(attempt.origin).and_then(|origin| self.targets.get(&origin.name));
        let Some(target) = target.cloned() else {
            drop(state);
            self.undo(plan, attempt);
            return None;
        };
        Some((plan, attempt, target))
    }

    fn undo(&self, mut plan: Plan, mut attempt: Attempt) {
        let now = self.now();
        let mut state = self.state();
        state.pool.end(&mut attempt.ticket, Outcome::Cancelled, now);
        plan.cancel(&mut state.pool);
    }
}

impl Relay {
    /// Waits for the answer. `look` is shown it if it is plain and no failure; where it returns something, that is the
    /// outcome. Otherwise the request is to go on its usual way.
    ///
    /// # Errors
    /// Itself, for that.
    pub async fn answer<R>(
        mut self,
        look: impl FnOnce(&PlainAnswer<'_>) -> Option<R>,
    ) -> Result<R, Box<Self>> {
        let failed = Sent::Failed(Outcome::Broken, None);
        let (Some(target), Sent::Under(client)) =
            (self.begun.target.clone(), std::mem::replace(&mut self.sent, failed))
        else {
            return Err(Box::new(self));
        };
        let late = self.head_timeout();
        let mut status = None;
        let reuse = &*target.reuse;
        let passed = client.pass_on(tokio::time::Instant::now() + late, reuse, |answer| {
            if answer.status.is_server_error() {
                return None;
            }
            let outcome = look(answer)?;
            status = Some(answer.status);
            Some(outcome)
        });
        let sent = match passed.await {
            Ok(PassedOn::Whole(outcome)) => {
                self.settle(status.unwrap_or_default());
                return Ok(outcome);
            }
            Ok(PassedOn::Usual(client)) => Sent::Under(client),
            Ok(PassedOn::Late) => Sent::Failed(Outcome::TimedOut, None),
            Err(error) => Sent::Failed(Outcome::Broken, Some(error)),
        };
        self.sent = sent;
        Err(Box::new(self))
    }

    fn head_timeout(&self) -> Duration {
        self.begun.attempt.as_ref().map_or(Duration::ZERO, |attempt| attempt.head_timeout)
    }

    /// The answer has been passed on.
    fn settle(&mut self, status: http::StatusCode) {
        let upstream = &self.attempts.upstream;
        let now = upstream.now();
        let latency = now.since(self.begun.begun_at());
        let outcome = Outcome::answered(status, latency);
        let ended = self.begun.attempt.take();
        let (Some(plan), Some(mut ended)) = (self.attempts.plan.as_mut(), ended) else { return };
        let mut state = upstream.state();
        plan.report(&mut ended, outcome, &mut state.pool, now);
        state.pool.end(&mut ended.ticket, outcome, now);
        state.admit(now);
    }

    /// Makes of it something that can lie among a request's extensions.
    #[must_use]
    pub fn left(self: Box<Self>) -> Ahead {
        Ahead(Arc::new(Mutex::new(Some(*self))))
    }

    /// Goes on as if it had been begun the usual way.
    pub(super) async fn go_on(
        self,
        asking: &Asking<'_>,
    ) -> (Attempts, Begun, Result<Answer, (Outcome, Option<SendError>)>) {
        let Self { attempts, begun, sent } = self;
        let Some(target) = begun.target.clone() else {
            return (attempts, begun, Err((Outcome::NotSent, None)));
        };
        let upstream = Arc::clone(&attempts.upstream);
        let limits = begun.attempt.as_ref().map(|one| (one.connect_timeout, one.head_timeout));
        let limits = limits.unwrap_or_default();
        let answered = match sent {
            // The origin had closed the connection: that says nothing about this request.
            Sent::Failed(_, Some(SendError::Closed)) => {
                upstream.attempt_anew(&target, limits, asking).await
            }
            Sent::Failed(outcome, error) => Err((outcome, error)),
            Sent::Under(client) => {
                let mut on_interim = |status, headers| asking.interim.send(status, headers);
                let receiving = client.receive(&target.reuse, &mut on_interim);
                match timeout(limits.1, receiving).await {
                    Ok(Ok(answer)) => Ok(answer),
                    Ok(Err(SendError::Closed)) => {
                        upstream.attempt_anew(&target, limits, asking).await
                    }
                    Ok(Err(error)) => Err((Outcome::Broken, Some(error))),
                    Err(_) => Err((Outcome::TimedOut, None)),
                }
            }
        };
        (attempts, begun, answered)
    }
}

impl Ahead {
    /// Takes it, once.
    pub(crate) fn take(&self) -> Option<Relay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Relay").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Ahead {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Ahead").finish_non_exhaustive()
    }
}

//! Lanes: what waits for the same few rows is settled together, many commands in one transaction.
//!
//! A row's rate is one over the time of a commit, however many ask (ADR 0030). A lane takes what is queued, up to
//! [`BATCH_MAX`], and never waits for more: a lone shopper is as quick as without it. A batch whose connection was
//! lost at its commit is one unknown outcome; one that fails otherwise is halved until the poisoned command is alone.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::cluster::{Tried, WORK_MAX, commit, roll_back};
use super::connect::Connector;
use super::session::Session;
use crate::StoreError;

/// Most commands in one transaction: 256. Beyond it the gain is small and the last one waits longer.
const BATCH_MAX: usize = 256;
/// Commands that wait for a lane: 1 024, some hundred milliseconds of work; beyond it they are refused.
const QUEUE_MAX: usize = 1_024;
/// How long a batch is tried again when it met another transaction, or no primary: 3 s.
const RETRY_BUDGET: Duration = Duration::from_secs(3);
/// How long after that a batch is still halved, to find whom it fails for: 10 s.
const HALVING_MAX: Duration = Duration::from_secs(10);
/// Pause before a try: 2 ms after the first, doubled up to 100 ms.
const PAUSE_FIRST: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// How a batch begins: after whoever closed the gate has committed (`cluster::GATED_FROM`), beside every other batch.
pub(crate) const BEGIN: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED; LOCK TABLE lane_gate IN ROW SHARE MODE";

/// What became of one command of a batch.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    /// Committed.
    Done(T),
    /// Not a matter for a batch: nothing was done, its caller runs it alone.
    Alone,
}

/// A batch at work: the outcomes of its commands, in their order.
pub(crate) type BatchWork<'a, T> =
    Pin<Box<dyn Future<Output = Result<Vec<Outcome<T>>, StoreError>> + Send + 'a>>;

/// How a kind of command is settled in batches.
pub(crate) trait Kind: 'static {
    /// The command.
    type Command: Send + Sync + 'static;
    /// What it answers.
    type Answer: Send + fmt::Debug + 'static;
    /// The statements that a connection must know before a batch is sent in one go.
    const STATEMENTS: &'static [&'static str];
    /// Begins a transaction and does a batch in it, all but the commit.
    fn work<'a>(
        session: &'a Session,
        commands: &'a [&'a Self::Command],
    ) -> BatchWork<'a, Self::Answer>;
}

type Reply<T> = oneshot::Sender<Result<Outcome<T>, StoreError>>;

struct Waiting<K: Kind> {
    command: K::Command,
    reply: Reply<K::Answer>,
}

/// Several lanes of one kind.
pub(crate) struct Lanes<K: Kind> {
    queues: Vec<mpsc::Sender<Waiting<K>>>,
}

impl<K: Kind> fmt::Debug for Lanes<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lanes({})", self.queues.len())
    }
}

impl<K: Kind> Lanes<K> {
    /// Starts `count` lanes, each with a connection of its own. They end when this is dropped.
    pub(crate) fn start(connector: &Arc<Connector>, count: usize) -> Self {
        let start = |_| {
            let (sender, queue) = mpsc::channel(QUEUE_MAX);
            let lane = Lane { connector: Arc::clone(connector), session: None };
            tokio::spawn(lane.run(queue));
            sender
        };
        Self { queues: (0..count).map(start).collect() }
    }

    /// Hands a command to the lane that `place` names, and waits for its outcome.
    pub(crate) async fn settle(
        &self,
        place: usize,
        command: K::Command,
    ) -> Result<Outcome<K::Answer>, StoreError> {
        let index = place.checked_rem(self.queues.len()).unwrap_or(0);
        let queue = self.queues.get(index).ok_or(StoreError::NoAnswer)?;
        let (reply, answer) = oneshot::channel();
        queue.try_send(Waiting { command, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::QueueFull,
            mpsc::error::TrySendError::Closed(_) => StoreError::NoAnswer,
        })?;
        answer.await.map_err(|_dropped| StoreError::NoAnswer)?
    }
}

struct Lane {
    connector: Arc<Connector>,
    session: Option<Session>,
}

impl Lane {
    async fn run<K: Kind>(mut self, mut queue: mpsc::Receiver<Waiting<K>>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
            self.settle(std::mem::take(&mut batch)).await;
            batch.reserve(BATCH_MAX);
        }
    }

    /// Settles a batch, in parts where the whole cannot be.
    async fn settle<K: Kind>(&mut self, batch: Vec<Waiting<K>>) {
        let until = Instant::now() + RETRY_BUDGET;
        let mut parts = VecDeque::from([batch]);
        while let Some(mut part) = parts.pop_front() {
            let error = match self.try_until::<K>(&part, until).await {
                Ok(outcomes) => {
                    for (waiting, outcome) in part.into_iter().zip(outcomes) {
                        // The caller may have gone; what it asked for is done all the same.
                        let _ = waiting.reply.send(Ok(outcome));
                    }
                    continue;
                }
                Err(error) => error,
            };
            let is_in_time = Instant::now() < until + HALVING_MAX;
            if part.len() > 1 && error.is_of_a_command() && is_in_time {
                // One of them is poisoned, or meets somebody again and again; the others shall not suffer for it.
                let rest = part.split_off(part.len() / 2);
                parts.push_front(rest);
                parts.push_front(part);
                continue;
            }
            tracing::error!(error = %error, commands = part.len(), "could not settle a batch");
            let last = part.pop();
            for waiting in part {
                let _ = waiting.reply.send(Err(error.again()));
            }
            if let Some(waiting) = last {
                let _ = waiting.reply.send(Err(error));
            }
        }
    }

    /// Runs a batch again while the engine asks for it.
    async fn try_until<K: Kind>(
        &mut self,
        part: &[Waiting<K>],
        until: Instant,
    ) -> Result<Vec<Outcome<K::Answer>>, StoreError> {
        let mut pause = PAUSE_FIRST;
        loop {
            let error = match self.try_once::<K>(part).await {
                Tried::Done(outcomes) => return Ok(outcomes),
                Tried::Failed(error) => return Err(error),
                Tried::Unknown => {
                    self.session = None;
                    return Err(StoreError::NoAnswer);
                }
                Tried::Again(error) => error,
            };
            if !error.is_conflict() {
                self.session = None;
            }
            if Instant::now() + pause > until {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn try_once<K: Kind>(&mut self, part: &[Waiting<K>]) -> Tried<Vec<Outcome<K::Answer>>> {
        let session = match self.connect::<K>().await {
            Ok(session) => session,
            Err(error) if error.is_worth_retrying() => return Tried::Again(error),
            Err(error) => return Tried::Failed(error),
        };
        let commands: Vec<&K::Command> = part.iter().map(|waiting| &waiting.command).collect();
        // A server that is frozen keeps no time, and its kernel goes on acknowledging: the time is ours to keep.
        let work = AssertUnwindSafe(K::work(session, &commands)).catch_unwind();
        match tokio::time::timeout(WORK_MAX, work).await {
            Ok(Ok(Ok(outcomes))) => commit(session, outcomes).await,
            Ok(Ok(Err(error))) => roll_back(session, error).await,
            Ok(Err(_panic)) => {
                // A bug in one command; the session is in the middle of something.
                self.session = None;
                Tried::Failed(StoreError::Corrupt("command of a batch"))
            }
            Err(_elapsed) => Tried::Again(StoreError::Unreachable),
        }
    }

    async fn connect<K: Kind>(&mut self) -> Result<&Session, StoreError> {
        let kept = self.session.take().filter(|session| !session.is_closed());
        let session = match kept {
            Some(session) => session,
            None => {
                let session = self.connector.connect().await?;
                tokio::time::timeout(WORK_MAX, session.prepare_all(K::STATEMENTS))
                    .await
                    .map_err(|_elapsed| StoreError::Unreachable)??;
                session
            }
        };
        Ok(self.session.insert(session))
    }
}

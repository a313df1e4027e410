//! Commands and queries against the cluster: one transaction each, run again where it met another.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use domain::payment::PaymentEvent;
use tokio::time::Instant;

use super::connect::{Connector, Role};
use super::lanes::{Lanes, Outcome};
use super::place::Placing;
use super::pool::{Lease, Pool};
use super::session::Session;
use super::settle::Settling;
use crate::sql::{order, payment};
use crate::tx::{Tx, Work};
use crate::{PlaceOrder, Placed, PostgresConfig, Settle, Settled, StoreError};

/// How long a command is tried again: 3 s from its start. A caller waits no longer than a server's own deadline.
const RETRY_BUDGET: Duration = Duration::from_secs(3);
/// Longest pause between two tries of what met another: 50 ms. The first is about 1 ms; they double.
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// The same while nobody takes writes: 250 ms. A server that recovers has better things to do than to refuse.
const PAUSE_UNREACHABLE_MAX: Duration = Duration::from_millis(250);
/// Longest a transaction may take up to its COMMIT: 10 s; the server's own limits end it before.
pub(crate) const WORK_MAX: Duration = Duration::from_secs(10);
/// Longest wait for the answer to a COMMIT: 10 s. Then its outcome is unknown. It is never cancelled: a cancelled
/// wait for the standbys would be told as a success.
const COMMIT_MAX: Duration = Duration::from_secs(10);

/// Lanes for checkouts, and for payments: 2 each. While one waits for its commit, the other reads and decides.
const LANES: usize = 2;

/// From which try on a command keeps the lanes out while it runs: the third. A command that met others twice would go on
/// meeting them, for a lane takes a row again as soon as it lets it go. Batches grow meanwhile, so they lose little.
pub(crate) const GATED_FROM: u32 = 3;

/// How a transaction of one command begins.
const BEGIN: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE";
/// The same behind a closed gate. `LOCK` takes no snapshot, so what the command reads is as the last batch left it.
const BEGIN_GATED: &str =
    "BEGIN ISOLATION LEVEL SERIALIZABLE; LOCK TABLE lane_gate IN EXCLUSIVE MODE";
/// How a query begins.
const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What happened to a try.
pub(crate) enum Tried<T> {
    /// Committed, or read.
    Done(T),
    /// Rolled back, for good.
    Failed(StoreError),
    /// Nothing was kept, and the next try may go well.
    Again(StoreError),
    /// The COMMIT was sent and not answered.
    Unknown,
}

/// The cluster as one instance sees it.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) primary: Arc<Connector>,
    writers: Pool,
    readers: Pool,
    placing: Lanes<Placing>,
    settling: Lanes<Settling>,
    pub(crate) counts: Counts,
}

/// What was done since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) commands: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) retried: AtomicU64,
}

impl Cluster {
    /// Prepares to connect; connects to nobody yet.
    pub(crate) fn new(config: &PostgresConfig) -> Result<Self, StoreError> {
        let timeline = Arc::new(AtomicI64::new(0));
        let primary =
            Arc::new(Connector::new(config.url.expose(), Role::Primary, Arc::clone(&timeline))?);
        let readers = match &config.standby_url {
            Some(url) => Arc::new(Connector::new(url.expose(), Role::Standby, timeline)?),
            None => Arc::clone(&primary),
        };
        let (connections, waiting) = (config.connections_max, config.waiting_max);
        Ok(Self {
            writers: Pool::new(Arc::clone(&primary), connections, waiting),
            readers: Pool::new(readers, connections, waiting),
            placing: Lanes::start(&primary, LANES),
            settling: Lanes::start(&primary, LANES),
            primary,
            counts: Counts::default(),
        })
    }

    /// Places an order together with those that wait beside it.
    pub(crate) async fn place(&self, command: PlaceOrder) -> Result<Placed, StoreError> {
        // Two checkouts of one cart come one after the other.
        match self.placing.settle(lane_of(command.cart.as_bytes()), command.clone()).await? {
            Outcome::Done(placed) => {
                self.counts.commands.fetch_add(1, Ordering::Relaxed);
                Ok(placed)
            }
            Outcome::Alone => {
                self.write(&command, |tx, command| Box::pin(order::place(tx, command))).await
            }
        }
    }

    /// Settles a payment together with those that wait beside it.
    pub(crate) async fn settle(&self, command: Settle) -> Result<Settled, StoreError> {
        if command.event == Some(PaymentEvent::Captured) {
            let lane = lane_of(command.payment.as_bytes());
            if let Outcome::Done(settled) = self.settling.settle(lane, command.clone()).await? {
                self.counts.commands.fetch_add(1, Ordering::Relaxed);
                return Ok(settled);
            }
        }
        self.write(&command, |tx, command| Box::pin(payment::settle(tx, command))).await
    }

    /// Runs a command and returns its value once the cluster has it.
    pub(crate) async fn write<C, T>(
        &self,
        command: &C,
        work: for<'a> fn(&'a Tx<'a>, &'a C) -> Work<'a, T>,
    ) -> Result<T, StoreError> {
        self.counts.commands.fetch_add(1, Ordering::Relaxed);
        let met = AtomicU32::new(0);
        let value = self
            .retry(|| async {
                let lease = match self.writers.take().await {
                    Ok(lease) => lease,
                    Err(error) => return self.no_lease(error),
                };
                let is_gated = met.load(Ordering::Relaxed).saturating_add(1) >= GATED_FROM;
                let begin = if is_gated { BEGIN_GATED } else { BEGIN };
                let tried = run(&lease.session, begin, command, work).await;
                if matches!(&tried, Tried::Again(error) if error.is_conflict()) {
                    met.fetch_add(1, Ordering::Relaxed);
                }
                self.end(&self.writers, lease, tried)
            })
            .await?;
        self.counts.commits.fetch_add(1, Ordering::Relaxed);
        Ok(value)
    }

    /// Runs a query at one moment of the primary.
    pub(crate) async fn read<C, T>(
        &self,
        query: &C,
        work: for<'a> fn(&'a Tx<'a>, &'a C) -> Work<'a, T>,
    ) -> Result<T, StoreError> {
        self.read_from(&self.writers, query, work).await
    }

    /// Runs a query at one moment of a standby, where there is one. What it says may be old.
    pub(crate) async fn read_old<C, T>(
        &self,
        query: &C,
        work: for<'a> fn(&'a Tx<'a>, &'a C) -> Work<'a, T>,
    ) -> Result<T, StoreError> {
        self.read_from(&self.readers, query, work).await
    }

    /// Runs a query that may take as long as its reader likes: its transaction is not timed. Not tried again, for what
    /// was sent cannot be taken back.
    pub(crate) async fn copy<C, T>(
        &self,
        query: &C,
        work: for<'a> fn(&'a Tx<'a>, &'a C) -> Work<'a, T>,
    ) -> Result<T, StoreError> {
        // A connection of its own: the pool's are for those who are quick.
        let session = self.primary.connect().await?;
        session
            .batch("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
            .await?;
        session.batch(BEGIN_READ).await?;
        work(&Tx::Postgres(&session), query).await
    }

    async fn read_from<C, T>(
        &self,
        pool: &Pool,
        query: &C,
        work: for<'a> fn(&'a Tx<'a>, &'a C) -> Work<'a, T>,
    ) -> Result<T, StoreError> {
        self.retry(|| async {
            let lease = match pool.take().await {
                Ok(lease) => lease,
                Err(error) => return self.no_lease(error),
            };
            let tried = run(&lease.session, BEGIN_READ, query, work).await;
            self.end(pool, lease, tried)
        })
        .await
    }

    /// Tries until it is decided, for as long as the budget lasts.
    pub(crate) async fn retry<T, F: Future<Output = Tried<T>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Result<T, StoreError> {
        let until = Instant::now() + RETRY_BUDGET;
        let mut pause = Duration::from_millis(1);
        loop {
            let error = match attempt().await {
                Tried::Done(value) => return Ok(value),
                Tried::Failed(error) => return Err(error),
                Tried::Unknown => return Err(StoreError::NoAnswer),
                Tried::Again(error) => error,
            };
            let wait = pause.mul_f64(0.5 + f64::from(jitter()) / 255.0);
            if Instant::now() + wait > until {
                tracing::warn!(error = %error, "gave up a transaction that was tried again and again");
                return Err(error);
            }
            self.counts.retried.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(wait).await;
            let pause_max = if error.is_conflict() { PAUSE_MAX } else { PAUSE_UNREACHABLE_MAX };
            pause = (pause * 2).min(pause_max);
        }
    }

    fn no_lease<T>(&self, error: StoreError) -> Tried<T> {
        match error {
            // Nobody is there, or nobody yet who takes writes: the next try may find the new primary.
            error if error.is_worth_retrying() => Tried::Again(error),
            error => {
                self.counts.refused.fetch_add(1, Ordering::Relaxed);
                Tried::Failed(error)
            }
        }
    }

    fn end<T>(&self, pool: &Pool, lease: Lease, tried: Tried<T>) -> Tried<T> {
        match &tried {
            Tried::Done(_) | Tried::Failed(_) => pool.give_back(lease),
            Tried::Again(error) if error.is_conflict() => pool.give_back(lease),
            // The server may have lost its place to another: what is idle leads to the same one.
            Tried::Again(_) | Tried::Unknown => pool.forget_idle(),
        }
        tried
    }
}

/// Chooses a lane by a name.
fn lane_of(name: &[u8; 16]) -> usize {
    name.iter().map(|byte| usize::from(*byte)).sum()
}

/// A byte to spread retries with. Its quality matters to nobody.
fn jitter() -> u8 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish().to_le_bytes()[0]
}

/// Runs work in a transaction of a session.
pub(crate) async fn run<C, T>(
    session: &Session,
    begin: &str,
    command: &C,
    work: for<'a> fn(&'a Tx<'a>, &'a C) -> Work<'a, T>,
) -> Tried<T> {
    let tx = Tx::Postgres(session);
    let before_commit = async {
        session.batch(begin).await?;
        work(&tx, command).await
    };
    let result = tokio::time::timeout(WORK_MAX, before_commit).await;
    let value = match result {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => return roll_back(session, error).await,
        // The session is in the middle of something: the pool throws it away with this error.
        Err(_elapsed) => return Tried::Again(StoreError::Unreachable),
    };
    commit(session, value).await
}

/// Ends a transaction whose work failed.
pub(crate) async fn roll_back<T>(session: &Session, error: StoreError) -> Tried<T> {
    // Whatever is sent behind what failed hears only that something did.
    let error = match session.take_cause() {
        Some(cause) if error.is_aftermath() => cause.into(),
        _ => error,
    };
    // A session whose transaction cannot be ended must not be used again.
    let is_ended =
        matches!(tokio::time::timeout(WORK_MAX, session.batch("ROLLBACK")).await, Ok(Ok(())));
    match error {
        _ if !is_ended => Tried::Again(StoreError::Unreachable),
        error if error.is_worth_retrying() => Tried::Again(error),
        error => Tried::Failed(error),
    }
}

/// Commits, and says what is known then.
pub(crate) async fn commit<T>(session: &Session, value: T) -> Tried<T> {
    // The engine answers the COMMIT of a transaction in which anything failed with a success, and undoes it.
    if let Some(cause) = session.take_cause() {
        return roll_back(session, cause.into()).await;
    }
    let committed = tokio::time::timeout(COMMIT_MAX, session.batch("COMMIT")).await;
    session.take_cause();
    match committed {
        Ok(Ok(())) if session.is_in_doubt() => Tried::Unknown,
        Ok(Ok(())) => Tried::Done(value),
        // The engine itself says that nothing was kept.
        Ok(Err(error)) if error.is_conflict() => Tried::Again(error),
        Ok(Err(error)) if error.is_refused_commit() => Tried::Failed(error),
        Ok(Err(error)) => {
            tracing::error!(error = %error, "lost the answer to a commit");
            Tried::Unknown
        }
        Err(_elapsed) => {
            tracing::error!("waited in vain for the answer to a commit");
            Tried::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use engines::Engine as Place;

    use super::*;
    use crate::tx::values;
    use crate::{ConnectionUrl, Engine, Store, StoreConfig};

    /// A command that goes on after one of its statements has failed.
    async fn careless(tx: &Tx<'_>, failing: &str) -> Result<(), StoreError> {
        tx.execute("UPDATE counters SET value = value + 1 WHERE name = 'invoice_number'", &[])
            .await?;
        let _unseen = tx.query(failing, values![0]).await;
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_failed_is_never_told_as_done() {
        let Some(Place::Postgres(database)) = Place::postgres() else { return };
        let config = StoreConfig::cluster(ConnectionUrl::new(database.url()));
        let store = Store::open(&config, "first").await.unwrap();
        let Engine::Postgres(cluster) = &store.engine else { panic!("a file") };
        let counted = async || {
            let sql = "SELECT value FROM counters WHERE name = 'invoice_number'";
            let count = cluster.read(&sql, |tx, sql| {
                Box::pin(async { tx.query_one(sql, &[]).await?.get::<i64>(0) })
            });
            count.await.unwrap()
        };
        let before = counted().await;
        let failing = "SELECT 1 / ?1::bigint";
        let told = cluster.write(&failing, |tx, failing| Box::pin(careless(tx, failing))).await;
        assert!(matches!(told, Err(StoreError::Database(_))), "{told:?}");
        assert_eq!(counted().await, before);
        // The next transaction of the connection has nothing to do with it.
        let harmless = "SELECT 1 + ?1::bigint";
        cluster.write(&harmless, |tx, failing| Box::pin(careless(tx, failing))).await.unwrap();
        assert_eq!(counted().await, before + 1);
    }
}

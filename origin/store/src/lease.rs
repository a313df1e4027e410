//! Leases of jobs: each job is run by one process at a time, and one that lost its lease cannot write any more.
//!
//! A lease says until when nobody else may take the job, by the clocks of those who ask. Clocks differ and processes
//! stop for a while, so that alone is no proof: with every change of hands a token grows, and each write of a round
//! compares its token with the newest in its own transaction ([`Lease::cover`]).

use std::future::Future;
use std::time::Duration;

use domain::Timestamp;

use crate::tx::{Tx, Work};
use crate::{Store, StoreError, sql};

/// The right to run a job, as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    fence: Fence,
    until: Timestamp,
}

/// What the writes of a round are compared by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fence {
    pub(crate) job: &'static str,
    pub(crate) token: i64,
}

/// What became of asking for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leasing {
    /// The job is the asker's.
    Granted(Lease),
    /// It is somebody else's, until then at least.
    Held(Timestamp),
}

tokio::task_local! {
    /// The fence of the round that runs in this task.
    static FENCE: Fence;
}

impl Lease {
    /// Makes a lease of what the database granted.
    pub(crate) const fn new(fence: Fence, until: Timestamp) -> Self {
        Self { fence, until }
    }

    /// Returns the token: with every change of hands it grows.
    #[must_use]
    pub const fn token(&self) -> i64 {
        self.fence.token
    }

    /// Returns until when nobody else may take the job.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// Runs a round under this lease: every write that it asks the [`Store`] for is refused with
    /// [`StoreError::LeaseLost`] once somebody else has the job. What the round spawns is not covered.
    pub async fn cover<F: Future>(&self, round: F) -> F::Output {
        FENCE.scope(self.fence.clone(), round).await
    }
}

/// Returns the fence of the round that asks, if a round asks.
pub(crate) fn fence() -> Option<Fence> {
    FENCE.try_with(Clone::clone).ok()
}

/// A command behind a fence.
pub(crate) struct Fenced<C, T: 'static> {
    pub(crate) fence: Fence,
    pub(crate) command: C,
    pub(crate) work: for<'a> fn(&'a Tx<'a>, &'a C) -> Work<'a, T>,
}

/// Carries out a command if its round still has the job.
pub(crate) fn guarded<'a, C: Sync, T: Send>(
    tx: &'a Tx<'a>,
    fenced: &'a Fenced<C, T>,
) -> Work<'a, T> {
    Box::pin(async move {
        sql::lease::check(tx, &fenced.fence).await?;
        (fenced.work)(tx, &fenced.command).await
    })
}

impl Store {
    /// Takes a job for a while, or goes on with it: a holder that asks again before the end keeps its token.
    ///
    /// A lease that has ended is given to whoever asks first, with a new token, also to the one who had it.
    ///
    /// # Errors
    /// As every write.
    pub async fn lease_job(
        &self,
        job: &'static str,
        holder: &str,
        kept: Duration,
        now: Timestamp,
    ) -> Result<Leasing, StoreError> {
        let ask = (job, holder.to_owned(), now.after(kept), now);
        self.write(ask, |tx, (job, holder, until, now)| {
            Box::pin(sql::lease::take(tx, job, holder, *until, *now))
        })
        .await
    }

    /// Gives a job back, so that another process takes it at once.
    ///
    /// # Errors
    /// As every write.
    pub async fn give_back_job(&self, lease: &Lease) -> Result<(), StoreError> {
        let fence = lease.fence.clone();
        self.write(fence, |tx, fence| Box::pin(sql::lease::end(tx, fence))).await
    }

    /// Ends every lease: what a killed process had is free at once. Call it once at start, where no other process can
    /// have a job.
    ///
    /// # Errors
    /// As every write.
    pub async fn free_abandoned_jobs(&self) -> Result<(), StoreError> {
        self.write((), |tx, ()| Box::pin(sql::lease::end_all(tx))).await
    }
}

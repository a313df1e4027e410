//! Counts of what happened to each component's requests and instances.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::InvokeError;

/// Live counters of one pool.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) express: AtomicU64,
    pub(crate) created: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) busy: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) over_budget: AtomicU64,
    pub(crate) over_memory: AtomicU64,
    pub(crate) traps: AtomicU64,
    pub(crate) failures: AtomicU64,
}

impl Counters {
    pub(crate) fn count(&self, error: &InvokeError) {
        let counter = match error {
            InvokeError::Busy { .. } => &self.busy,
            InvokeError::Timeout { .. } => &self.timeouts,
            InvokeError::CpuBudget { .. } => &self.over_budget,
            InvokeError::Memory { .. } => &self.over_memory,
            InvokeError::Trap { .. } => &self.traps,
            InvokeError::Cancelled { .. } => return,
            InvokeError::Answer { .. }
            | InvokeError::Instantiate { .. }
            | InvokeError::Outside { .. }
            | InvokeError::Missing { .. } => &self.failures,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self, component: &str, in_flight: usize) -> PoolStats {
        let created = self.created.load(Relaxed);
        PoolStats {
            component: component.to_owned(),
            in_flight,
            instances: created.saturating_sub(self.dropped.load(Relaxed)),
            requests: self.requests.load(Relaxed),
            express: self.express.load(Relaxed),
            instances_created: created,
            busy: self.busy.load(Relaxed),
            timeouts: self.timeouts.load(Relaxed),
            over_budget: self.over_budget.load(Relaxed),
            over_memory: self.over_memory.load(Relaxed),
            traps: self.traps.load(Relaxed),
            failures: self.failures.load(Relaxed),
        }
    }
}

/// What happened so far in one pool of instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolStats {
    /// The component; a middleware that stands before others has one pool for each of them, named `gate>inner`.
    pub component: String,
    /// Requests being served now.
    pub in_flight: usize,
    /// Instances alive now.
    pub instances: u64,
    /// Requests accepted in the standard lane.
    pub requests: u64,
    /// Requests answered in the express lane.
    pub express: u64,
    /// Instances ever made.
    pub instances_created: u64,
    /// Requests refused because all instances were taken.
    pub busy: u64,
    /// Requests beyond their deadline.
    pub timeouts: u64,
    /// Requests beyond their processor time.
    pub over_budget: u64,
    /// Requests beyond their memory.
    pub over_memory: u64,
    /// Requests that trapped.
    pub traps: u64,
    /// Requests that failed otherwise.
    pub failures: u64,
}

impl PoolStats {
    /// Adds what happened in another pool, for instance of the same component in another version.
    pub fn add(&mut self, other: &Self) {
        self.in_flight = self.in_flight.saturating_add(other.in_flight);
        for (mine, theirs) in [
            (&mut self.instances, other.instances),
            (&mut self.requests, other.requests),
            (&mut self.express, other.express),
            (&mut self.instances_created, other.instances_created),
            (&mut self.busy, other.busy),
            (&mut self.timeouts, other.timeouts),
            (&mut self.over_budget, other.over_budget),
            (&mut self.over_memory, other.over_memory),
            (&mut self.traps, other.traps),
            (&mut self.failures, other.failures),
        ] {
            *mine = mine.saturating_add(theirs);
        }
    }
}

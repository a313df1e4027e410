//! A few connections, each used by one transaction at a time.
//!
//! A pool of our own, for three things that those of the registry do not do: a connection that once said that it did
//! not wait for its standbys is thrown away, one that reaches an older timeline than was seen before is refused, and the
//! number of those who wait is bounded.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connect::Connector;
use super::session::Session;
use crate::StoreError;

/// Longest wait for a free connection: 5 s. Beyond it the caller is told to come later.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// The pool.
#[derive(Debug)]
pub(crate) struct Pool {
    connector: Arc<Connector>,
    connections: Arc<Semaphore>,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Session>>,
}

/// A connection that is one's own until it is given back or dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) session: Session,
    _permit: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Pool {
    pub(crate) fn new(
        connector: Arc<Connector>,
        connections_max: usize,
        waiting_max: usize,
    ) -> Self {
        Self {
            connector,
            connections: Arc::new(Semaphore::new(connections_max)),
            places: Arc::new(Semaphore::new(connections_max.saturating_add(waiting_max))),
            idle: Mutex::default(),
        }
    }

    /// Takes a connection, making one where none is idle.
    pub(crate) async fn take(&self) -> Result<Lease, StoreError> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_no_place| StoreError::QueueFull)?;
        let permit = tokio::time::timeout(WAIT_MAX, Arc::clone(&self.connections).acquire_owned())
            .await
            .map_err(|_elapsed| StoreError::QueueFull)?
            .map_err(|_closed| StoreError::NoAnswer)?;
        let session = match self.idle_session() {
            Some(session) => session,
            None => self.connector.connect().await?,
        };
        Ok(Lease { session, _permit: permit, _place: place })
    }

    /// Gives a connection back whose transaction has ended.
    pub(crate) fn give_back(&self, lease: Lease) {
        if !lease.session.is_closed() && !lease.session.is_in_doubt() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(lease.session);
        }
    }

    /// Closes what is idle: after a change of primary it leads to the old one.
    pub(crate) fn forget_idle(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn idle_session(&self) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(session) = idle.pop() {
            if !session.is_closed() {
                return Some(session);
            }
        }
        None
    }
}

//! A few read-only connections, each used by one query at a time on the blocking pool.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::open_reader;
use crate::StoreError;
use crate::tx::lock;

/// The pool. A query waits for a free connection; how many wait is bounded by the server's in-flight limit.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Mutex<Connection>>>>,
}

impl Readers {
    pub(crate) fn new(path: &Path, connections_max: usize) -> Self {
        let permits = Arc::new(Semaphore::new(connections_max));
        Self { path: path.to_owned(), permits, idle: Arc::default() }
    }

    /// Runs a query in a read transaction: all its statements see one state.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Mutex<Connection>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_closed| StoreError::NoAnswer)?;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let query = move || {
            let _permit = permit;
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = kept.map_or_else(|| open_reader(&path).map(Mutex::new), Ok)?;
            lock(&connection).execute_batch("BEGIN")?;
            let value = work(&connection)?;
            lock(&connection).execute_batch("COMMIT")?;
            // A connection whose query failed is dropped, not reused.
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            Ok(value)
        };
        tokio::task::spawn_blocking(query).await.map_err(|_panic| StoreError::NoAnswer)?
    }
}

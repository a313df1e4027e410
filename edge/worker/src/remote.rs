//! Stores that others operate, reached over HTTP: a libSQL database for the catalogue, Redis at Upstash for counters.
//!
//! Which are used is said by the variables `catalogue` and `counters`. Both work over the `HttpClient` port, so tests
//! drive the same code over real engines.

pub mod hrana;
pub(crate) mod upstash;

use ports::{Rows, SqlError, SqlValue};

use self::hrana::Database;
use crate::log;
use crate::ports::WorkerPorts;

impl WorkerPorts {
    /// Opens the remote database, if the variable `catalogue` says so.
    pub(crate) fn libsql(&self) -> Result<Option<Database>, SqlError> {
        if self.text("catalogue") != "libsql" {
            return Ok(None);
        }
        let database = Database::new(&self.text("libsql_url"), &self.text("libsql_token"));
        database.map(Some).map_err(|error| SqlError::Failed(error.to_string()))
    }

    /// Reads from the remote database. Why it failed is logged here: what its reader hears is only what to do.
    pub(crate) async fn query_libsql(
        &self,
        database: &Database,
        statement: &str,
        parameters: &[SqlValue],
    ) -> Result<Rows, SqlError> {
        database.query(self, statement, parameters).await.map_err(|error| {
            log::warn("libsql", &error.to_string());
            error.into()
        })
    }
}

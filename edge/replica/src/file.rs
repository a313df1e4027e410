//! One copy on disk that is followed: opened, checked, moved on by whole batches, kept small.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api_types::feed::{Changes, FeedChange, FeedTable, FeedTransaction};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::clock;
use crate::error::{ReplicaError, StepError};
use crate::sql::{self, Plans};
use crate::status::Shared;

/// Longest wait for readers to leave the WAL when it is to be truncated. The next batch waits with it.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(100);

/// The table that says which position the file is at. A reader that wants its data and its position
/// from one moment selects from it in the same transaction.
pub(crate) const CREATE_POSITION: &str = "CREATE TABLE _vitrine_replica (epoch TEXT NOT NULL, \
     position INTEGER NOT NULL, schema_version INTEGER NOT NULL, applied_at_ms INTEGER NOT NULL)";
/// Which columns a feed's values belong to: needed again after a restart.
pub(crate) const CREATE_TABLES: &str =
    "CREATE TABLE _vitrine_tables (name TEXT NOT NULL PRIMARY KEY, description_json TEXT NOT NULL)";

/// A file that is complete up to its position. Owns the only connection that writes to it.
#[derive(Debug)]
pub(crate) struct ReplicaFile {
    connection: Connection,
    pub(crate) path: PathBuf,
    plans: Plans,
    pub(crate) epoch: Arc<str>,
    pub(crate) schema_version: u32,
    pub(crate) position: u64,
    pub(crate) written_at_ms: i64,
    checkpoint_above_bytes: u64,
    wal_bytes_max: u64,
}

/// What applying one answer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) transactions: u64,
    pub(crate) changes: u64,
    /// Commit time of the last one, by the origin's clock.
    pub(crate) newest_at_ms: Option<i64>,
}

impl ReplicaFile {
    /// Opens a file of an earlier run. An error means that it proves nothing and must be rebuilt.
    pub(crate) fn open(path: &Path, wal_bytes_max: u64) -> Result<Self, ReplicaError> {
        Self::check(connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?, path, wal_bytes_max)
    }

    /// Takes over a connection to a file, if the file proves itself.
    pub(crate) fn check(
        connection: Connection,
        path: &Path,
        wal_bytes_max: u64,
    ) -> Result<Self, ReplicaError> {
        let failed = || ReplicaError::engine("check");
        let verdict: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed())?;
        if verdict != "ok" {
            return Err(broken(verdict));
        }
        let (epoch, position, schema_version, written_at_ms) = connection
            .query_row(
                "SELECT epoch, position, schema_version, applied_at_ms FROM _vitrine_replica",
                [],
                |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get(2)?, row.get(3)?))
                },
            )
            .map_err(failed())?;
        let plans = stored_plans(&connection)?;
        connection.set_prepared_statement_cache_capacity(3 * plans.len() + 8);
        Ok(Self {
            connection,
            path: path.to_owned(),
            plans,
            epoch: epoch.into(),
            schema_version,
            position: u64::try_from(position)
                .map_err(|_| broken("negative position".to_owned()))?,
            written_at_ms,
            checkpoint_above_bytes: wal_bytes_max,
            wal_bytes_max,
        })
    }

    /// Applies one answer: all of its transactions and the new position, or nothing.
    pub(crate) fn apply(&mut self, changes: &Changes) -> Result<Applied, StepError> {
        self.check_continuity(changes)?;
        let newest_at_ms = changes.transactions.last().map(|transaction| transaction.at_ms);
        let mut applied = Applied { transactions: 0, changes: 0, newest_at_ms };
        if changes.to == self.position {
            return Ok(applied);
        }
        let now_ms = clock::unix_ms();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(ReplicaError::engine("begin a batch in"))?;
        for one in &changes.transactions {
            apply_transaction(&transaction, &self.plans, one)?;
            applied.transactions += 1;
            applied.changes += one.changes.len() as u64;
        }
        let fit = |position: u64| {
            i64::try_from(position)
                .map_err(|_| StepError::Discontinuous("position does not fit 63 bits".to_owned()))
        };
        let (before, position) = (fit(self.position)?, fit(changes.to)?);
        let moved = transaction
            .prepare_cached(
                "UPDATE _vitrine_replica SET position = ?, applied_at_ms = ? WHERE epoch = ? AND position = ?",
            )
            .and_then(|mut statement| statement.execute((position, now_ms, &*self.epoch, before)))
            .map_err(ReplicaError::engine("write the position of"))?;
        if moved != 1 {
            let why = format!("somebody else moved the file from {}", self.position);
            return Err(StepError::Discontinuous(why));
        }
        transaction.commit().map_err(ReplicaError::engine("commit a batch to"))?;
        self.position = changes.to;
        self.written_at_ms = now_ms;
        Ok(applied)
    }

    fn check_continuity(&self, changes: &Changes) -> Result<(), StepError> {
        let lost = |why: String| Err(StepError::Discontinuous(why));
        if changes.epoch != *self.epoch {
            return lost(format!("epoch {} became another", self.epoch));
        }
        if changes.schema_version != self.schema_version {
            return lost(format!(
                "schema {} became {}",
                self.schema_version, changes.schema_version
            ));
        }
        if changes.from != self.position {
            return lost(format!("changes after {} instead of {}", changes.from, self.position));
        }
        let mut last = changes.from;
        for transaction in &changes.transactions {
            if transaction.position <= last {
                return lost(format!("position {} after {last}", transaction.position));
            }
            last = transaction.position;
        }
        if changes.to < last {
            return lost(format!("changes to {last}, beyond {}", changes.to));
        }
        if changes.head < changes.to {
            return lost(format!("the origin is at {}, behind {}", changes.head, changes.to));
        }
        Ok(())
    }

    /// Writes the WAL back when it has grown over its limit. Returns whether it did.
    pub(crate) fn checkpoint_if_large(&mut self, shared: &Shared) -> Result<bool, ReplicaError> {
        let wal_bytes = std::fs::metadata(beside(&self.path, "-wal")).map_or(0, |wal| wal.len());
        if wal_bytes <= self.checkpoint_above_bytes {
            return Ok(false);
        }
        let _held_off = shared.hold_off_readers();
        let busy: i64 = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .map_err(ReplicaError::engine("checkpoint"))?;
        // A reader that stays in an old snapshot must not cost every batch the wait for it.
        self.checkpoint_above_bytes = if busy == 0 {
            self.wal_bytes_max
        } else {
            wal_bytes.saturating_add(self.wal_bytes_max)
        };
        Ok(busy == 0)
    }
}

fn apply_transaction(
    transaction: &Transaction<'_>,
    plans: &Plans,
    one: &FeedTransaction,
) -> Result<(), StepError> {
    for change in &one.changes {
        let (table, values, is_put) = match change {
            FeedChange::Put { table, values } => (table, values, true),
            FeedChange::Delete { table, key } => (table, key, false),
        };
        let lost = |why: &str| {
            StepError::Discontinuous(format!(
                "transaction {}, `{}`: {why}",
                one.position,
                table.escape_debug()
            ))
        };
        let plan = plans.get(table).ok_or_else(|| lost("no such table"))?;
        let (statement, expected) =
            if is_put { (&plan.upsert, plan.columns) } else { (&plan.delete, plan.key) };
        if values.len() != expected {
            return Err(lost("wrong number of values"));
        }
        transaction
            .prepare_cached(statement)
            .and_then(|mut statement| {
                statement.execute(rusqlite::params_from_iter(sql::bound(values)))
            })
            .map_err(|cause| {
                if is_refusal(&cause) {
                    // The origin committed this, so what it was applied to is not what the origin had.
                    lost(&cause.to_string())
                } else {
                    ReplicaError::engine("apply a change to")(cause).into()
                }
            })?;
    }
    Ok(())
}

/// Whether the engine refused the data or the file itself, rather than failed for want of room or time.
pub(crate) fn is_refusal(cause: &rusqlite::Error) -> bool {
    match cause {
        rusqlite::Error::SqliteFailure(failure, _) => matches!(
            failure.code,
            ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::Unknown
        ),
        _ => true,
    }
}

/// Opens `path` as its one writer.
pub(crate) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, ReplicaError> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(ReplicaError::engine("open"))?;
    connection.busy_timeout(CHECKPOINT_WAIT).map_err(ReplicaError::engine("open"))?;
    // NORMAL: after a power failure the last batches may be missing, together with their position,
    // and are fetched again. The engine never checkpoints by itself: see `checkpoint_if_large`.
    connection
        .execute_batch(
            "PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF; PRAGMA synchronous = NORMAL; \
             PRAGMA wal_autocheckpoint = 0;",
        )
        .map_err(ReplicaError::engine("open"))?;
    Ok(connection)
}

/// Creates our own tables in a new file.
pub(crate) fn describe(
    connection: &Connection,
    tables: &[FeedTable],
    (epoch, position, schema_version): (&str, u64, u32),
) -> Result<(), ReplicaError> {
    let failed = || ReplicaError::engine("describe");
    connection.execute(CREATE_POSITION, []).map_err(failed())?;
    connection.execute(CREATE_TABLES, []).map_err(failed())?;
    let position = i64::try_from(position).map_err(|_| broken("position too large".to_owned()))?;
    connection
        .execute(
            "INSERT INTO _vitrine_replica (epoch, position, schema_version, applied_at_ms) VALUES (?, ?, ?, ?)",
            (epoch, position, schema_version, clock::unix_ms()),
        )
        .map_err(failed())?;
    for table in tables {
        let description = serde_json::to_string(table)
            .map_err(|cause| ReplicaError::Engine { action: "describe", cause: cause.into() })?;
        connection
            .execute(
                "INSERT INTO _vitrine_tables (name, description_json) VALUES (?, ?)",
                (&table.name, description),
            )
            .map_err(failed())?;
    }
    Ok(())
}

fn stored_plans(connection: &Connection) -> Result<Plans, ReplicaError> {
    sql::plans(&described(connection, "main")?).map_err(broken)
}

/// Reads what `schema`'s file says of its tables.
pub(crate) fn described(
    connection: &Connection,
    schema: &str,
) -> Result<Vec<FeedTable>, ReplicaError> {
    let failed = || ReplicaError::engine("read the tables of");
    let mut statement = connection
        .prepare(&format!("SELECT description_json FROM {schema}._vitrine_tables ORDER BY name"))
        .map_err(failed())?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(failed())?;
    let mut tables = Vec::new();
    for row in rows {
        let description = row.map_err(failed())?;
        let table: FeedTable =
            serde_json::from_str(&description).map_err(|cause| broken(cause.to_string()))?;
        tables.push(table);
    }
    Ok(tables)
}

pub(crate) fn broken(why: String) -> ReplicaError {
    ReplicaError::Engine { action: "check", cause: why.into() }
}

/// `path` with `suffix` behind its name: the engine's side files.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Deletes a database file and its side files, as far as they exist.
pub(crate) fn delete(path: &Path) {
    for suffix in ["-wal", "-shm", "-journal", ""] {
        let path = beside(path, suffix);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
            Err(cause) => {
                tracing::warn!(path = %path.display(), error = %cause, "cannot delete a replica file");
            }
        }
    }
}

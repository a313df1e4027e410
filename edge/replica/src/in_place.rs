//! A database file that somebody else has open: filled and followed without ever being replaced.
//!
//! Spin keeps the database `default` in one file and opens it by name, so a copy for Spin cannot be swapped like ours:
//! a new copy is built beside it and then poured in, in one transaction. Only what is listed in `_vitrine_objects` is
//! ever dropped. A new file stays in the rollback-journal mode that plain SQLite begins with: there are no checkpoints
//! that two engines could disagree about, and no side files that a reader must be able to share (ADR 0017).

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::error::{ReplicaError, StepError, chain};
use crate::file::{self, ReplicaFile};
use crate::{snapshot, sql};

/// Longest wait for readers to leave, and theirs for us in Spin: 5 s.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// The names that we made, ours to drop.
const CREATE_OBJECTS: &str =
    "CREATE TABLE _vitrine_objects (name TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL)";

/// The file that is filled, and which one it was when it was opened.
#[derive(Debug)]
pub(crate) struct InPlace {
    path: PathBuf,
    opened: Option<(u64, u64)>,
    wal_bytes_max: u64,
}

impl InPlace {
    pub(crate) const fn new(path: PathBuf, wal_bytes_max: u64) -> Self {
        Self { path, opened: None, wal_bytes_max }
    }

    /// Opens what an earlier run left in the file. `None`: it holds no copy yet, or is not there.
    ///
    /// Refuses what is no database and what is damaged, and leaves both as they are.
    pub(crate) fn open(&mut self) -> Result<Option<ReplicaFile>, ReplicaError> {
        let length = match std::fs::metadata(&self.path) {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Ok(_) => return Err(self.foreign("it is no file")),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => 0,
            Err(cause) => return Err(ReplicaError::folder("open", &self.path, cause)),
        };
        if length == 0 {
            return Ok(None);
        }
        let unsound = |why: String| self.foreign(&format!("it is no sound database ({why})"));
        let connection = connect(&self.path).map_err(|error| unsound(chain(&error)))?;
        let verdict = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
            .unwrap_or_else(|cause| cause.to_string());
        if verdict != "ok" {
            return Err(unsound(verdict));
        }
        if !names(&connection, "main")?.contains("_vitrine_replica") {
            return Ok(None);
        }
        self.adopt(connection).map(Some)
    }

    /// Puts the copy in `from` in the place of what we had in the file: all of it, or nothing.
    pub(crate) fn pour(
        &mut self,
        from: &Path,
        schema: &[String],
    ) -> Result<ReplicaFile, StepError> {
        let failed = || ReplicaError::engine("fill");
        let mut connection = connect(&self.path)?;
        // Spilled pages would lock readers out for the whole transfer instead of for its commit. The price is memory
        // for as many pages as change.
        connection.execute_batch("PRAGMA cache_spill = OFF").map_err(failed())?;
        let from_text =
            from.to_str().ok_or_else(|| self.foreign("its folder's name is no text"))?;
        connection.execute("ATTACH DATABASE ? AS incoming", [from_text]).map_err(failed())?;
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed())?;
        drop_ours(&transaction)?;
        let before = names(&transaction, "main")?;
        if let Some(name) = names(&transaction, "incoming")?.intersection(&before).next() {
            return Err(self.foreign(&format!("it has its own `{name}`")).into());
        }
        for statement in [CREATE_OBJECTS, file::CREATE_POSITION, file::CREATE_TABLES] {
            transaction.execute(statement, []).map_err(failed())?;
        }
        for statement in schema {
            snapshot::create(&transaction, statement)?;
        }
        list_ours(&transaction, &before)?;
        for table in file::described(&transaction, "incoming")? {
            transaction.execute(&sql::take_over(&table, "incoming"), []).map_err(failed())?;
        }
        for own in ["_vitrine_tables", "_vitrine_replica"] {
            let statement = format!("INSERT INTO main.{own} SELECT * FROM incoming.{own}");
            transaction.execute(&statement, []).map_err(failed())?;
        }
        transaction.commit().map_err(failed())?;
        connection.execute("DETACH DATABASE incoming", []).map_err(failed())?;
        connection.execute_batch("PRAGMA cache_spill = ON").map_err(failed())?;
        Ok(self.adopt(connection)?)
    }

    /// Notices when the file was deleted or replaced: what is written then would be lost.
    pub(crate) fn check_still_there(&self) -> Result<(), StepError> {
        if self.opened.is_some() && identity(&self.path) == self.opened {
            return Ok(());
        }
        let why = format!("{} was deleted or replaced", self.path.display());
        Err(StepError::Discontinuous(why))
    }

    fn adopt(&mut self, connection: Connection) -> Result<ReplicaFile, ReplicaError> {
        let file = ReplicaFile::check(connection, &self.path, self.wal_bytes_max)?;
        self.opened = identity(&self.path);
        Ok(file)
    }

    fn foreign(&self, why: &str) -> ReplicaError {
        ReplicaError::Foreign { path: self.path.clone(), why: why.to_owned() }
    }
}

/// Opens the file as one of several that have it open.
fn connect(path: &Path) -> Result<Connection, ReplicaError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = file::connect(path, flags)?;
    connection.busy_timeout(BUSY_WAIT).map_err(ReplicaError::engine("open"))?;
    // With a rollback journal NORMAL could damage the file in a power failure, others' tables included.
    connection.execute_batch("PRAGMA synchronous = FULL").map_err(ReplicaError::engine("open"))?;
    Ok(connection)
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Every name that a schema knows, shadow tables and automatic indexes included.
fn names(connection: &Connection, schema: &str) -> Result<BTreeSet<String>, ReplicaError> {
    let failed = || ReplicaError::engine("list the tables of");
    let mut statement =
        connection.prepare(&format!("SELECT name FROM {schema}.sqlite_master")).map_err(failed())?;
    let rows = statement.query_map([], |row| row.get(0)).map_err(failed())?;
    rows.collect::<Result<_, _>>().map_err(failed())
}

/// Notes what came into being since `before`.
fn list_ours(transaction: &Transaction<'_>, before: &BTreeSet<String>) -> Result<(), ReplicaError> {
    let failed = || ReplicaError::engine("describe");
    let mut statement = transaction
        .prepare("INSERT INTO main._vitrine_objects (name, kind) SELECT name, type FROM main.sqlite_master WHERE name = ?")
        .map_err(failed())?;
    for name in names(transaction, "main")?.difference(before) {
        statement.execute([name]).map_err(failed())?;
    }
    Ok(())
}

/// Drops what an earlier run made. Virtual tables go first, and take their shadow tables along.
fn drop_ours(transaction: &Transaction<'_>) -> Result<(), ReplicaError> {
    let failed = || ReplicaError::engine("empty");
    if !names(transaction, "main")?.contains("_vitrine_objects") {
        return Ok(());
    }
    let mut statement = transaction
        .prepare(
            "SELECT ours.kind, ours.name FROM main._vitrine_objects AS ours \
             JOIN main.sqlite_master AS here ON here.name = ours.name AND here.type = ours.kind \
             WHERE here.sql IS NOT NULL AND ours.kind <> 'index' \
             ORDER BY ours.kind = 'table', here.sql NOT LIKE 'CREATE VIRTUAL%'",
        )
        .map_err(failed())?;
    let ours: Vec<(String, String)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .and_then(Iterator::collect)
        .map_err(failed())?;
    drop(statement);
    for (kind, name) in ours {
        // `kind` is table, view or trigger: `sqlite_master` has no others but indexes, which go with their tables.
        let statement = format!("DROP {kind} IF EXISTS main.{}", sql::quoted(&name));
        transaction.execute(&statement, []).map_err(failed())?;
    }
    Ok(())
}

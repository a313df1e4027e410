//! The SQLite dialect: one file, WAL, one writer, a few readers. The statements are in `sql/`.

pub(crate) mod migrations;
#[cfg(test)]
mod plans;
pub(crate) mod readers;
pub(crate) mod writer;

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::StoreError;

/// How long a statement waits for another process's lock: 5 s. Within a process nobody waits: one writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements kept per connection: 512, more than there are statements.
const STATEMENTS_MAX: usize = 512;
/// Pages that the writer keeps in memory: 64 MiB at most. SQLite's own 2 MiB are less than a full batch changes: it wrote
/// pages in the middle of a transaction and read them back, a third of a sale's time.
const WRITER_CACHE_KIB: i64 = 64 * 1_024;
/// Pages of 4 KiB in the write-ahead log before they are brought into the file: 4 000, 16 MB. A hot page is brought there once
/// where it was four times.
const CHECKPOINT_PAGES: i64 = 4_000;

/// Opens the connection that writes, and brings the file up to date.
pub(crate) fn open_writer(
    path: &Path,
    migrations: &[migrations::Migration],
) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path)?;
    prepare(&connection)?;
    // FULL: a commit that was answered survives a power cut (WAL alone keeps the file whole but may lose the last).
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;",
    )?;
    migrations::apply(&mut connection, migrations)?;
    // After the migrations, for they sort whole tables: that belongs on the disk, what a command may undo does not.
    connection.execute_batch("PRAGMA temp_store = MEMORY")?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    Ok(connection)
}

/// Opens a connection that cannot write.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection)?;
    Ok(connection)
}

/// Sets what all connections have in common.
fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Without it a statement is planned anew whenever a value is bound that a plan might depend on: half of a writer's time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

//! Builds a new copy from a snapshot's lines, beside the one that serves.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use api_types::feed::{SnapshotEnd, SnapshotHeader, SnapshotRow};
use rusqlite::{Batch, Connection, OpenFlags};

use crate::error::{FeedError, ReplicaError, StepError};
use crate::file;
use crate::sql::{self, Plans};

/// Files with this ending are unfinished; whoever finds one at start deletes it.
const UNFINISHED: &str = ".tmp";

/// A snapshot on its way to a file. Dropping it deletes what there is.
#[derive(Debug)]
pub(crate) struct Building {
    // Before `unfinished`: the connection must be closed when the file is deleted.
    connection: Connection,
    header: SnapshotHeader,
    plans: Plans,
    rows: u64,
    unfinished: Unfinished,
    finished: PathBuf,
}

/// Deletes its file when dropped.
#[derive(Debug)]
struct Unfinished(PathBuf);

impl Building {
    /// Creates the tables of `header` in a file of `dir` that is numbered `number`.
    pub(crate) fn begin(
        dir: &Path,
        number: u64,
        header: SnapshotHeader,
    ) -> Result<Self, StepError> {
        let plans = sql::check_header(&header).map_err(FeedError::Garbage)?;
        let name = format!("{}-{}-{number}.db", header.epoch, header.schema_version);
        let finished = dir.join(name);
        let unfinished = Unfinished(file::beside(&finished, UNFINISHED));
        file::delete(&unfinished.0);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let connection = file::connect(&unfinished.0, flags)?;
        // Nothing here needs to survive a crash before the rename, so nothing is journalled.
        connection
            .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN IMMEDIATE")
            .map_err(ReplicaError::engine("begin"))?;
        connection.set_prepared_statement_cache_capacity(plans.len() + 8);
        for statement in &header.schema {
            create(&connection, statement)?;
        }
        Ok(Self { connection, header, plans, rows: 0, unfinished, finished })
    }

    /// The statements that made the tables.
    pub(crate) fn schema(&self) -> &[String] {
        &self.header.schema
    }

    /// Writes one row.
    pub(crate) fn insert(&mut self, row: &SnapshotRow) -> Result<(), StepError> {
        let plan =
            self.plans.get(&row.table).filter(|plan| plan.columns == row.values.len()).ok_or_else(
                || garbage(format!("row {} fits no table of the header", self.rows + 1)),
            )?;
        self.connection
            .prepare_cached(&plan.insert)
            .and_then(|mut statement| {
                statement.execute(rusqlite::params_from_iter(sql::bound(&row.values)))
            })
            .map_err(|cause| refused(format!("insert row {}", self.rows + 1), cause))?;
        self.rows += 1;
        Ok(())
    }

    /// Proves the snapshot whole, makes it durable and gives it its name.
    pub(crate) fn finish(self, end: SnapshotEnd) -> Result<PathBuf, StepError> {
        let Self { connection, header, plans: _, rows, unfinished, finished } = self;
        if end.rows != rows || end.position != header.position {
            return Err(garbage(format!(
                "the end speaks of {} rows at {}, {rows} came at {}",
                end.rows, end.position, header.position
            )));
        }
        let place = (header.epoch.as_str(), header.position, header.schema_version);
        file::describe(&connection, &header.tables, place)?;
        let mode: String = connection
            .execute_batch("COMMIT")
            .and_then(|()| connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)))
            .map_err(ReplicaError::engine("commit"))?;
        connection.close().map_err(|(_, cause)| ReplicaError::engine("close")(cause))?;
        let path = &unfinished.0;
        if mode != "wal" || file::beside(path, "-wal").exists() {
            let cause = format!("journal mode {mode}, or a WAL was left").into();
            return Err(ReplicaError::Engine { action: "close", cause }.into());
        }
        make_durable(path, &finished)?;
        Ok(finished)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        file::delete(&self.0);
    }
}

/// Flushes `path`, renames it to `finished`, and flushes the folder that knows the name.
fn make_durable(path: &Path, finished: &Path) -> Result<(), ReplicaError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|cause| ReplicaError::folder("flush", path, cause))?;
    fs::rename(path, finished)
        .map_err(|cause| ReplicaError::folder("rename to", finished, cause))?;
    finished.parent().map_or(Ok(()), |dir| {
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|cause| ReplicaError::folder("flush", dir, cause))
    })
}

/// Runs one `CREATE …`; `check_header` has seen its first word, this sees that there is no second
/// statement behind it.
pub(crate) fn create(connection: &Connection, statement: &str) -> Result<(), StepError> {
    let what = || "run a schema statement".to_owned();
    let mut batch = Batch::new(connection, statement);
    let first = batch.next().map_err(|cause| refused(what(), cause))?;
    let Some(mut first) = first else {
        return Err(garbage("an empty schema statement".to_owned()));
    };
    first.execute([]).map_err(|cause| refused(what(), cause))?;
    drop(first);
    match batch.next().map_err(|cause| refused(what(), cause))? {
        None => Ok(()),
        Some(_) => Err(garbage("two statements in one schema entry".to_owned())),
    }
}

/// The engine refused what the feed sent, or could not write at all.
fn refused(action: String, cause: rusqlite::Error) -> StepError {
    if file::is_refusal(&cause) {
        garbage(format!("{action}: {cause}"))
    } else {
        ReplicaError::engine("fill")(cause).into()
    }
}

fn garbage(why: String) -> StepError {
    FeedError::Garbage(why).into()
}

#[cfg(test)]
mod tests {
    use api_types::feed::{Changes, FeedTable};
    use api_types::read_model;

    use super::*;
    use crate::file::ReplicaFile;

    fn header(schema: &[&str], tables: Vec<FeedTable>) -> SnapshotHeader {
        SnapshotHeader {
            epoch: "e".to_owned(),
            position: 7,
            schema_version: read_model::SCHEMA_VERSION,
            schema: schema.iter().map(|statement| (*statement).to_owned()).collect(),
            tables,
        }
    }

    #[test]
    fn the_tables_that_every_edge_holds_can_be_built_and_continued() {
        let dir = tempfile::tempdir().unwrap();
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let tables = read_model::TABLES.iter().map(|table| FeedTable {
            name: table.name.to_owned(),
            columns: owned(table.columns),
            key: owned(table.key),
        });
        let header = header(read_model::DDL, tables.collect());
        let building = Building::begin(dir.path(), 1, header).unwrap();
        for plan in building.plans.values() {
            // Fails where a column or a key is not what the statements created.
            for statement in [&plan.insert, &plan.upsert, &plan.delete] {
                building.connection.prepare(statement).unwrap();
            }
        }
        let path = building.finish(SnapshotEnd { rows: 0, position: 7 }).unwrap();
        let mut file = ReplicaFile::open(&path, 1024).unwrap();
        assert_eq!((&*file.epoch, file.position), ("e", 7));
        let changes = Changes {
            epoch: "e".to_owned(),
            schema_version: read_model::SCHEMA_VERSION,
            from: 7,
            to: 9,
            head: 9,
            transactions: Vec::new(),
        };
        file.apply(&changes).unwrap();
        assert_eq!(ReplicaFile::open(&path, 1024).unwrap().position, 9);
    }

    #[test]
    fn a_second_statement_behind_the_first_is_refused_and_nothing_stays() {
        let dir = tempfile::tempdir().unwrap();
        for statement in [
            "CREATE TABLE t (a); DROP TABLE t",
            "CREATE TABLE t (a); ATTACH 'x' AS y",
            "CREATE",
            "CREATE TABLE",
        ] {
            let refused = Building::begin(dir.path(), 1, header(&[statement], Vec::new()));
            assert!(
                matches!(refused, Err(StepError::Feed(FeedError::Garbage(_)))),
                "{statement}: {refused:?}"
            );
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

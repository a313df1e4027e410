//! What is in a copy: D1's file while nobody has it open, and a snapshot of the origin, in one form to compare.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use api_types::feed::{self, FeedValue, SNAPSHOT_PATH, SnapshotLine};
use api_types::read_model;
use harness::{Client, Role, Stack};
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode};

/// All rows at one place of a history.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) epoch: String,
    pub(crate) position: u64,
    tables: BTreeMap<String, BTreeSet<String>>,
}

impl Copy {
    /// Fails at the first table whose rows differ, and says which.
    pub(crate) fn require_same(&self, other: &Self) -> Result<()> {
        for (table, rows) in &other.tables {
            let ours = self.tables.get(table).with_context(|| format!("`{table}` is missing"))?;
            let differing: Vec<_> = ours.symmetric_difference(rows).take(3).collect();
            if !differing.is_empty() {
                bail!("`{table}` differs, for instance in {differing:?}");
            }
        }
        Ok(())
    }
}

/// Reads a snapshot of the origin.
pub(crate) async fn of_origin(stack: &Stack) -> Result<Copy> {
    let token = feed::bearer(stack.edge_secret()?.as_bytes());
    let client = Client::new(&stack.url(Role::Origin));
    let client = client.with_header("authorization", &format!("Bearer {token}"))?;
    let text = client.get(SNAPSHOT_PATH).await?.text();
    let mut copy = Copy { epoch: String::new(), position: 0, tables: BTreeMap::new() };
    for line in text.lines() {
        match serde_json::from_str(line).with_context(|| format!("read {line}"))? {
            SnapshotLine::Header(header) => {
                (copy.epoch, copy.position) = (header.epoch, header.position);
                let names = header.tables.into_iter().map(|table| table.name);
                copy.tables = names.map(|name| (name, BTreeSet::new())).collect();
            }
            SnapshotLine::Row(row) => {
                let rows = copy.tables.get_mut(&row.table).context("a row of a table")?;
                rows.insert(row.values.iter().map(shown).collect());
            }
            SnapshotLine::End(_) => return Ok(copy),
        }
    }
    bail!("the origin's snapshot has no end")
}

/// Reads D1's file; `None` when it holds no copy. Works on a copy of the file, so that what a killed process left is
/// found by the next one as it was.
pub(crate) fn of_worker(state: &Path) -> Result<Option<Copy>> {
    let Some(file) = database(state)? else { return Ok(None) };
    let scratch = state.join("scratch.sqlite");
    for suffix in ["", "-wal"] {
        let (from, to) = (beside(&file, suffix), beside(&scratch, suffix));
        if from.is_file() {
            fs::copy(&from, &to).with_context(|| format!("copy {}", from.display()))?;
        } else if to.is_file() {
            fs::remove_file(&to)?;
        }
    }
    let connection = Connection::open(&scratch)?;
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if verdict != "ok" {
        bail!("D1's file is damaged: {verdict}");
    }
    let place = connection.query_row(
        "SELECT epoch, position, shape_json FROM _vitrine_replica",
        [],
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?)),
    );
    let (epoch, position, _) = match place {
        Ok(place) => place,
        Err(rusqlite::Error::QueryReturnedNoRows) => return Ok(None),
        Err(rusqlite::Error::SqliteFailure(failure, _)) if failure.code == ErrorCode::Unknown => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    // Fails where the search index does not belong to the products.
    connection.execute(
        "INSERT INTO products_fts (products_fts, rank) VALUES ('integrity-check', 1)",
        [],
    )?;
    let mut tables = BTreeMap::new();
    for table in read_model::TABLES {
        tables.insert(table.name.to_owned(), rows(&connection, table)?);
    }
    Ok(Some(Copy { epoch, position: u64::try_from(position)?, tables }))
}

fn rows(connection: &Connection, table: &read_model::Table) -> Result<BTreeSet<String>> {
    let sql = format!("SELECT {} FROM {}", table.columns.join(", "), table.name);
    let mut statement = connection.prepare(&sql)?;
    let width = table.columns.len();
    let rows = statement.query_map([], |row| {
        (0..width).map(|at| Ok(shown(&feed_value(row.get(at)?)))).collect::<Result<String, _>>()
    })?;
    rows.map(|row| row.map_err(Into::into)).collect()
}

fn feed_value(value: Value) -> FeedValue {
    match value {
        Value::Null => FeedValue::Null,
        Value::Integer(value) => FeedValue::Integer(value),
        Value::Real(value) => FeedValue::Real(value),
        Value::Text(value) => FeedValue::Text(value),
        Value::Blob(value) => FeedValue::Text(format!("{value:?}")),
    }
}

/// A value as a text that tells types apart; a database has no booleans.
fn shown(value: &FeedValue) -> String {
    match value {
        FeedValue::Bool(value) => format!("{:?};", FeedValue::Integer(i64::from(*value))),
        other => format!("{other:?};"),
    }
}

/// The file with our tables, among those that miniflare keeps.
fn database(state: &Path) -> Result<Option<PathBuf>> {
    let mut folders = vec![state.join("d1")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".sqlite") && name != "metadata.sqlite" {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

//! Change rows for the edges, written in the transaction that changes the data; and whole copies.

use api_types::feed::{
    FeedChange, FeedTable, FeedTransaction, FeedValue, SnapshotEnd, SnapshotHeader, SnapshotLine,
    SnapshotRow,
};
use api_types::read_model::{DDL, SCHEMA_VERSION, TABLES, Table};
use domain::Timestamp;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use crate::StoreError;
use crate::feed::{ChangesPage, FeedState};

/// Names one row of the read model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RowKey {
    table: &'static str,
    key: Vec<FeedValue>,
}

/// Names a row by its table and key values.
pub(crate) fn row<V: Into<FeedValue>>(
    table: &'static str,
    key: impl IntoIterator<Item = V>,
) -> RowKey {
    RowKey { table, key: key.into_iter().map(Into::into).collect() }
}

/// Compares rows with what the edges were told last, and writes one transaction of what differs.
pub(crate) fn publish(
    connection: &Connection,
    rows: &[RowKey],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut changes = Vec::new();
    for row in rows {
        changes.extend(difference(connection, row)?);
    }
    if changes.is_empty() {
        return Ok(());
    }
    // One writer, so positions are in the order of commits.
    let position: i64 = connection
        .prepare_cached(
            "UPDATE feed_state SET position = position + 1 WHERE id = 1 RETURNING position",
        )?
        .query_row([], |row| row.get(0))?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO feed_changes (position, sequence, at_ms, change_json) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (sequence, change) in (0_i64..).zip(&changes) {
        insert.execute(params![position, sequence, now.unix_ms(), json(change)?])?;
    }
    Ok(())
}

fn difference(connection: &Connection, row: &RowKey) -> Result<Option<FeedChange>, StoreError> {
    let table = TABLES
        .iter()
        .find(|table| table.name == row.table)
        .ok_or(StoreError::Corrupt("name of a read-model table"))?;
    let values = read_row(connection, table, &row.key)?;
    let key_json = json(&row.key)?;
    let told: Option<String> = connection
        .prepare_cached(
            "SELECT values_json FROM feed_rows WHERE table_name = ?1 AND key_json = ?2",
        )?
        .query_row(params![table.name, key_json], |row| row.get(0))
        .optional()?;
    let Some(values) = values else {
        if told.is_none() {
            return Ok(None);
        }
        connection
            .prepare_cached("DELETE FROM feed_rows WHERE table_name = ?1 AND key_json = ?2")?
            .execute(params![table.name, key_json])?;
        return Ok(Some(FeedChange::Delete { table: table.name.to_owned(), key: row.key.clone() }));
    };
    let values_json = json(&values)?;
    if told.as_ref() == Some(&values_json) {
        return Ok(None);
    }
    connection
        .prepare_cached(
            "INSERT INTO feed_rows (table_name, key_json, values_json) VALUES (?1, ?2, ?3)
             ON CONFLICT (table_name, key_json) DO UPDATE SET values_json = excluded.values_json",
        )?
        .execute(params![table.name, key_json, values_json])?;
    Ok(Some(FeedChange::Put { table: table.name.to_owned(), values }))
}

fn read_row(
    connection: &Connection,
    table: &Table,
    key: &[FeedValue],
) -> Result<Option<Vec<FeedValue>>, StoreError> {
    let conditions: Vec<String> = table.key.iter().map(|column| format!("{column} = ?")).collect();
    let sql = format!("{} WHERE {}", select(table), conditions.join(" AND "));
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(key.iter().map(to_sql)))?;
    rows.next()?.map(|row| values(row, table)).transpose()
}

/// The one place that says which rows an edge holds: the view `read_<table>` with the read model's columns.
fn select(table: &Table) -> String {
    format!("SELECT {} FROM read_{}", table.columns.join(", "), table.name)
}

fn values(row: &rusqlite::Row<'_>, table: &Table) -> Result<Vec<FeedValue>, StoreError> {
    (0..table.columns.len())
        .map(|index| {
            Ok(match row.get_ref(index)? {
                ValueRef::Null => FeedValue::Null,
                ValueRef::Integer(number) => FeedValue::Integer(number),
                ValueRef::Real(number) => FeedValue::Real(number),
                ValueRef::Text(text) => FeedValue::Text(String::from_utf8_lossy(text).into_owned()),
                ValueRef::Blob(_) => {
                    return Err(StoreError::Corrupt("bytes in a read-model column"));
                }
            })
        })
        .collect()
}

fn to_sql(value: &FeedValue) -> Value {
    match value {
        FeedValue::Null => Value::Null,
        FeedValue::Bool(flag) => Value::Integer(i64::from(*flag)),
        FeedValue::Integer(number) => Value::Integer(*number),
        FeedValue::Real(number) => Value::Real(*number),
        FeedValue::Text(text) | FeedValue::Base64(text) => Value::Text(text.clone()),
    }
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_unwritable| StoreError::Corrupt("feed value"))
}

pub(crate) fn state(connection: &Connection) -> Result<FeedState, StoreError> {
    let state = connection
        .prepare_cached("SELECT epoch, position, pruned_to FROM feed_state WHERE id = 1")?
        .query_row([], |row| {
            let (position, pruned_to): (i64, i64) = (row.get(1)?, row.get(2)?);
            Ok(FeedState {
                epoch: row.get(0)?,
                position: unsigned(position),
                pruned_to: unsigned(pruned_to),
            })
        })?;
    Ok(state)
}

/// Starts the history of a new database.
pub(crate) fn begin(connection: &Connection, epoch: &str) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO feed_state (id, epoch, position, pruned_to) VALUES (1, ?1, 0, 0) ON CONFLICT (id) DO NOTHING",
        [epoch],
    )?;
    Ok(())
}

/// Breaks the history: every edge starts again from a snapshot.
pub(crate) fn new_epoch(connection: &Connection, epoch: &str) -> Result<(), StoreError> {
    connection
        .execute("UPDATE feed_state SET epoch = ?1, pruned_to = position WHERE id = 1", [epoch])?;
    connection.execute("DELETE FROM feed_changes", [])?;
    Ok(())
}

pub(crate) fn changes(
    connection: &Connection,
    after: u64,
    limit: usize,
) -> Result<ChangesPage, StoreError> {
    let state = state(connection)?;
    // By primary key; one position may hold several changes, so whole positions are cut by the second condition.
    let mut statement = connection.prepare_cached(
        "SELECT position, at_ms, change_json FROM feed_changes
         WHERE position > ?1 AND position <= ?1 + ?2 ORDER BY position, sequence",
    )?;
    let mut rows =
        statement.query(params![signed(after), i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut transactions: Vec<FeedTransaction> = Vec::new();
    while let Some(row) = rows.next()? {
        let (position, at_ms, change): (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let position = unsigned(position);
        let change: FeedChange = serde_json::from_str(&change)
            .map_err(|_unreadable| StoreError::Corrupt("feed change"))?;
        match transactions.last_mut() {
            Some(last) if last.position == position => last.changes.push(change),
            _ => transactions.push(FeedTransaction { position, at_ms, changes: vec![change] }),
        }
    }
    Ok(ChangesPage { state, transactions })
}

/// Writes a whole copy, line by line, from one read transaction. `emit` returns `false` when nobody listens any more.
pub(crate) fn snapshot(
    connection: &Connection,
    emit: &mut dyn FnMut(&SnapshotLine) -> bool,
) -> Result<(), StoreError> {
    let state = state(connection)?;
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let tables = TABLES
        .iter()
        .map(|table| FeedTable {
            name: table.name.to_owned(),
            columns: owned(table.columns),
            key: owned(table.key),
        })
        .collect();
    let header = SnapshotHeader {
        epoch: state.epoch,
        position: state.position,
        schema_version: SCHEMA_VERSION,
        schema: owned(DDL),
        tables,
    };
    if !emit(&SnapshotLine::Header(header)) {
        return Ok(());
    }
    let mut rows_sent = 0_u64;
    for table in TABLES {
        let mut statement = connection.prepare_cached(&format!(
            "{} ORDER BY {}",
            select(table),
            table.key.join(", ")
        ))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let line = SnapshotRow { table: table.name.to_owned(), values: values(row, table)? };
            if !emit(&SnapshotLine::Row(line)) {
                return Ok(());
            }
            rows_sent += 1;
        }
    }
    emit(&SnapshotLine::End(SnapshotEnd { rows: rows_sent, position: state.position }));
    Ok(())
}

/// Forgets all but the newest positions.
pub(crate) fn prune(connection: &Connection, keep: u64) -> Result<(), StoreError> {
    let pruned_to = state(connection)?.position.saturating_sub(keep);
    connection
        .prepare_cached("UPDATE feed_state SET pruned_to = ?1 WHERE id = 1 AND pruned_to < ?1")?
        .execute([signed(pruned_to)])?;
    connection
        .prepare_cached("DELETE FROM feed_changes WHERE position <= ?1")?
        .execute([signed(pruned_to)])?;
    Ok(())
}

pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

//! Change rows for the edges, written in the transaction that changes the data; and whole copies.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use api_types::feed::{
    FeedChange, FeedTable, FeedTransaction, FeedValue, SnapshotEnd, SnapshotHeader, SnapshotLine,
    SnapshotRow,
};
use api_types::read_model::{DDL, SCHEMA_VERSION, TABLES, Table};
use domain::Timestamp;
use tokio::sync::mpsc::Sender;

use super::levels;
use crate::StoreError;
use crate::feed::{ChangesPage, FeedState};
use crate::tx::{Cell, Row, Tx, Value, values};

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
pub(crate) async fn publish(
    tx: &Tx<'_>,
    rows: &[RowKey],
    now: Timestamp,
) -> Result<(), StoreError> {
    publish_changes(tx, rows, now).await.map(drop)
}

/// A row that is not as the edges were told.
#[derive(Debug)]
pub(crate) struct Difference {
    /// What they are told now.
    pub(crate) change: FeedChange,
    /// The values that they were told last, as JSON.
    pub(crate) told: Option<String>,
}

/// The same, and returns what differs.
pub(crate) async fn publish_changes(
    tx: &Tx<'_>,
    rows: &[RowKey],
    now: Timestamp,
) -> Result<Vec<Difference>, StoreError> {
    let mut changes = Vec::new();
    let mut compared = BTreeSet::new();
    for row in rows {
        let key_json = json(&row.key)?;
        // Many variants name the prices of their one product, which take as long to read as it has variants.
        if compared.insert((row.table, key_json.clone())) {
            changes.extend(difference(tx, row, &key_json).await?);
        }
    }
    if changes.is_empty() {
        return Ok(changes);
    }
    // One writer, so positions are in the order of commits.
    let position: i64 = tx
        .query_one(
            "UPDATE feed_state SET position = position + 1 WHERE id = 1 RETURNING position",
            values![],
        )
        .await?
        .get(0)?;
    for (sequence, Difference { change, .. }) in (0_i64..).zip(&changes) {
        tx.execute(
            "INSERT INTO feed_changes (position, sequence, at_ms, change_json) VALUES (?1, ?2, ?3, ?4)",
            values![position, sequence, now.unix_ms(), &json(change)?],
        )
        .await?;
    }
    tx.announce(position).await?;
    Ok(changes)
}

async fn difference(
    tx: &Tx<'_>,
    row: &RowKey,
    key_json: &str,
) -> Result<Option<Difference>, StoreError> {
    let table = TABLES
        .iter()
        .find(|table| table.name == row.table)
        .ok_or(StoreError::Corrupt("name of a read-model table"))?;
    let values = read_row(tx, table, &row.key).await?;
    let told: Option<String> = tx
        .query_opt(
            "SELECT values_json FROM feed_rows WHERE table_name = ?1 AND key_json = ?2",
            values![table.name, key_json],
        )
        .await?
        .map(|row| row.get(0))
        .transpose()?;
    let Some(values) = values else {
        if told.is_none() {
            return Ok(None);
        }
        tx.execute(
            "DELETE FROM feed_rows WHERE table_name = ?1 AND key_json = ?2",
            values![table.name, key_json],
        )
        .await?;
        let change = FeedChange::Delete { table: table.name.to_owned(), key: row.key.clone() };
        return Ok(Some(Difference { change, told }));
    };
    let values_json = json(&values)?;
    if told.as_ref() == Some(&values_json) {
        return Ok(None);
    }
    tx.execute(
        "INSERT INTO feed_rows (table_name, key_json, values_json) VALUES (?1, ?2, ?3)
             ON CONFLICT (table_name, key_json) DO UPDATE SET values_json = excluded.values_json",
        values![table.name, key_json, values_json],
    )
    .await?;
    let change = FeedChange::Put { table: table.name.to_owned(), values };
    Ok(Some(Difference { change, told }))
}

async fn read_row(
    tx: &Tx<'_>,
    table: &Table,
    key: &[FeedValue],
) -> Result<Option<Vec<FeedValue>>, StoreError> {
    let conditions: Vec<String> =
        (1..).zip(table.key).map(|(place, column)| format!("{column} = ?{place}")).collect();
    let sql = format!("{} WHERE {}", select(tx, table), conditions.join(" AND "));
    let key: Vec<Value<'_>> = key.iter().map(to_sql).collect();
    let row = tx.query_opt(&sql, &key).await?;
    row.map(values_of).transpose()
}

/// The one place that says which rows an edge holds: the view `read_<table>` with the read model's columns, and for stock
/// what [`levels`] adds to it.
fn select(tx: &Tx<'_>, table: &Table) -> String {
    format!("SELECT {} FROM {}", table.columns.join(", "), levels::source(tx, table))
}

/// Reads the values of a row.
pub(crate) fn values_of(row: Row) -> Result<Vec<FeedValue>, StoreError> {
    let value = |cell| {
        Ok(match cell {
            Cell::Null => FeedValue::Null,
            Cell::Integer(number) => FeedValue::Integer(number),
            Cell::Real(number) => FeedValue::Real(number),
            Cell::Text(text) => FeedValue::Text(text),
            Cell::Blob(_) => return Err(StoreError::Corrupt("bytes in a read-model column")),
        })
    };
    row.0.into_iter().map(value).collect()
}

fn to_sql(value: &FeedValue) -> Value<'_> {
    match value {
        FeedValue::Null => Value::Null,
        FeedValue::Bool(flag) => Value::Integer(i64::from(*flag)),
        FeedValue::Integer(number) => Value::Integer(*number),
        FeedValue::Real(number) => Value::Real(*number),
        FeedValue::Text(text) | FeedValue::Base64(text) => Value::Text(text),
    }
}

/// Writes a value as it is stored.
pub(crate) fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_unwritable| StoreError::Corrupt("feed value"))
}

pub(crate) async fn state(tx: &Tx<'_>) -> Result<FeedState, StoreError> {
    let row =
        tx.query_one("SELECT epoch, position, pruned_to FROM feed_state WHERE id = 1", &[]).await?;
    let (position, pruned_to): (i64, i64) = (row.get(1)?, row.get(2)?);
    Ok(FeedState {
        epoch: row.get(0)?,
        position: unsigned(position),
        pruned_to: unsigned(pruned_to),
    })
}

/// Starts the history of a new database.
pub(crate) async fn begin(tx: &Tx<'_>, epoch: &str) -> Result<(), StoreError> {
    tx.execute("INSERT INTO feed_state (id, epoch, position, pruned_to) VALUES (1, ?1, 0, 0) ON CONFLICT (id) DO NOTHING", values![epoch]).await?;
    Ok(())
}

/// Breaks the history: every edge starts again from a snapshot.
pub(crate) async fn new_epoch(tx: &Tx<'_>, epoch: &str) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE feed_state SET epoch = ?1, pruned_to = position WHERE id = 1",
        values![epoch],
    )
    .await?;
    tx.execute("DELETE FROM feed_changes", values![]).await?;
    Ok(())
}

pub(crate) async fn changes(
    tx: &Tx<'_>,
    after: u64,
    limit: usize,
) -> Result<ChangesPage, StoreError> {
    let state = state(tx).await?;
    // By primary key; one position may hold several changes, so whole positions are cut by the second condition.
    let rows = tx
        .query(
            "SELECT position, at_ms, change_json FROM feed_changes
             WHERE position > ?1 AND position <= ?1 + ?2 ORDER BY position, sequence",
            values![signed(after), i64::try_from(limit).unwrap_or(i64::MAX)],
        )
        .await?;
    let mut transactions: Vec<FeedTransaction> = Vec::new();
    for row in rows {
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

/// Sends a whole copy, line by line, from one read transaction. Stops early when nobody takes it any more.
pub(crate) async fn snapshot(tx: &Tx<'_>, lines: &Sender<SnapshotLine>) -> Result<(), StoreError> {
    let state = state(tx).await?;
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
    if !tx.send(SnapshotLine::Header(header), lines).await {
        return Ok(());
    }
    let rows_sent = AtomicU64::new(0);
    for table in TABLES {
        let sql = format!("{} ORDER BY {}", select(tx, table), table.key.join(", "));
        let line = |row| {
            rows_sent.fetch_add(1, Ordering::Relaxed);
            let values = values_of(row)?;
            Ok(SnapshotLine::Row(SnapshotRow { table: table.name.to_owned(), values }))
        };
        if !tx.send_rows(&sql, &line, lines).await? {
            return Ok(());
        }
    }
    let end = SnapshotEnd { rows: rows_sent.into_inner(), position: state.position };
    tx.send(SnapshotLine::End(end), lines).await;
    Ok(())
}

/// Forgets all but the newest positions.
pub(crate) async fn prune(tx: &Tx<'_>, keep: u64) -> Result<(), StoreError> {
    let pruned_to = state(tx).await?.position.saturating_sub(keep);
    tx.execute(
        "UPDATE feed_state SET pruned_to = ?1 WHERE id = 1 AND pruned_to < ?1",
        values![signed(pruned_to)],
    )
    .await?;
    tx.execute("DELETE FROM feed_changes WHERE position <= ?1", values![signed(pruned_to)]).await?;
    Ok(())
}

pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

//! A database that is reached by statements with text parameters, and one that applies changes as the node does.

use std::collections::BTreeMap;

use api_types::feed::{Changes, FeedChange, FeedTable, FeedValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use feed_core::{Limits, Replica, SnapshotReader, Statement, Swap, changes};
use ports::{Rows, SqlValue};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// What `SELECT *` finds, by table.
pub(crate) type Contents = BTreeMap<String, Vec<Vec<String>>>;

#[derive(Debug)]
pub(crate) struct Database(pub(crate) Connection);

impl Database {
    pub(crate) fn empty() -> Self {
        Self(Connection::open_in_memory().unwrap())
    }

    /// Runs a batch as one transaction.
    pub(crate) fn batch(&mut self, statements: &[Statement]) -> Result<(), String> {
        self.batch_until(statements, statements.len())
    }

    /// As [`Self::batch`], but dies behind the first `count` statements.
    pub(crate) fn batch_until(
        &mut self,
        statements: &[Statement],
        count: usize,
    ) -> Result<(), String> {
        let transaction = self.0.transaction().unwrap();
        for statement in &statements[..count] {
            assert!(statement.sql.len() <= 100_000 && statement.params.len() <= 100);
            assert!(statement.params.iter().all(|param| param.len() <= 2_000_000));
            transaction
                .execute(&statement.sql, params_from_iter(&statement.params))
                .map_err(|cause| format!("{cause}: {}", statement.sql))?;
        }
        if count == statements.len() {
            transaction.commit().unwrap();
        }
        Ok(())
    }

    pub(crate) fn query(&self, statement: &Statement) -> Rows {
        let mut prepared = self.0.prepare(&statement.sql).unwrap();
        let width = prepared.column_count();
        let rows = prepared
            .query_map(params_from_iter(&statement.params), |row| {
                (0..width).map(|at| Ok(sql_value(row.get(at)?))).collect()
            })
            .unwrap()
            .map(Result::unwrap)
            .collect();
        Rows { rows }
    }

    pub(crate) fn replica(&self) -> Option<Replica> {
        if self.query(&feed_core::exists()).rows.is_empty() {
            return None;
        }
        Replica::of(&self.query(&feed_core::read())).unwrap()
    }

    /// Everything in `tables`, typed, in the order of their keys.
    pub(crate) fn contents(&self, tables: &[FeedTable]) -> Contents {
        tables
            .iter()
            .map(|table| {
                let sql = format!("SELECT * FROM {} ORDER BY {}", table.name, table.key.join(", "));
                let rows = self.query(&Statement { sql, params: Vec::new() }).rows;
                let typed =
                    |row: Vec<SqlValue>| row.iter().map(|value| format!("{value:?}")).collect();
                (table.name.clone(), rows.into_iter().map(typed).collect())
            })
            .collect()
    }

    /// Reads `lines` as a host would, in pieces of `piece` bytes, and puts them in place.
    pub(crate) fn build(
        &mut self,
        lines: &[u8],
        piece: usize,
        limits: Limits,
    ) -> Result<Replica, String> {
        let swap = self.stage("run", lines, piece, limits)?;
        self.batch(&swap.batch)?;
        Ok(swap.replica)
    }

    /// As [`Self::build`], but for the last batch.
    pub(crate) fn stage(
        &mut self,
        run: &str,
        lines: &[u8],
        piece: usize,
        limits: Limits,
    ) -> Result<Swap, String> {
        let before = self.replica();
        let mut reader = SnapshotReader::new(run, 1_000, limits);
        for bytes in lines.chunks(piece) {
            for batch in reader.push(bytes).map_err(|fault| fault.to_string())? {
                self.batch(&batch)?;
            }
        }
        let swap = reader.finish(before.as_ref(), 1_000).map_err(|fault| fault.to_string())?;
        for batch in &swap.staged {
            self.batch(batch)?;
        }
        Ok(swap)
    }

    /// Applies an answer as a host would.
    pub(crate) fn follow(&mut self, answer: &Changes, limits: &Limits) -> Result<(), String> {
        let replica = self.replica().unwrap();
        let batch = changes::statements(&replica, answer, false, 2_000, limits)
            .map_err(|fault| fault.to_string())?;
        if batch.is_empty() { Ok(()) } else { self.batch(&batch) }
    }

    /// Applies changes one after the other, each by its own statement, as `edge/replica` does.
    pub(crate) fn apply_one_by_one(&self, tables: &[FeedTable], answer: &Changes) {
        for change in answer.transactions.iter().flat_map(|one| &one.changes) {
            let (FeedChange::Put { table, .. } | FeedChange::Delete { table, .. }) = change;
            let table = tables.iter().find(|known| known.name == *table).unwrap();
            let (sql, values) = match change {
                FeedChange::Put { values, .. } => (put_sql(table), values),
                FeedChange::Delete { key, .. } => {
                    let wheres: Vec<_> = table.key.iter().map(|key| format!("{key} = ?")).collect();
                    let sql = format!("DELETE FROM {} WHERE {}", table.name, wheres.join(" AND "));
                    (sql, key)
                }
            };
            self.0.execute(&sql, params_from_iter(values.iter().map(bound))).unwrap();
        }
    }
}

fn put_sql(table: &FeedTable) -> String {
    let marks = vec!["?"; table.columns.len()].join(", ");
    let sets: Vec<_> = table
        .columns
        .iter()
        .filter(|column| !table.key.contains(column))
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    let action = if sets.is_empty() {
        "NOTHING".to_owned()
    } else {
        format!("UPDATE SET {}", sets.join(", "))
    };
    format!(
        "INSERT INTO {} ({}) VALUES ({marks}) ON CONFLICT ({}) DO {action}",
        table.name,
        table.columns.join(", "),
        table.key.join(", ")
    )
}

fn bound(value: &FeedValue) -> Value {
    match value {
        FeedValue::Null => Value::Null,
        FeedValue::Bool(value) => Value::Integer(i64::from(*value)),
        FeedValue::Integer(value) => Value::Integer(*value),
        FeedValue::Real(value) => Value::Real(*value),
        FeedValue::Text(value) => Value::Text(value.clone()),
        FeedValue::Base64(value) => Value::Blob(STANDARD.decode(value).unwrap()),
    }
}

fn sql_value(value: Value) -> SqlValue {
    match value {
        Value::Null => SqlValue::Null,
        Value::Integer(value) => SqlValue::Integer(value),
        Value::Real(value) => SqlValue::Real(value),
        Value::Text(value) => SqlValue::Text(value),
        Value::Blob(value) => SqlValue::Blob(value),
    }
}

//! The replica's file, read as cheaply as one thread can: one connection, statements prepared once.

use std::cell::RefCell;

use ports::{Rows, SQL_ROWS_MAX, SqlError, SqlValue};
use replica::Replica;
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

/// Prepared statements kept, as on the node.
const STATEMENTS_MAX: usize = 64;

/// A connection to the file that is current.
#[derive(Debug, Default)]
pub(crate) struct Database(RefCell<Option<Open>>);

#[derive(Debug)]
struct Open {
    generation: u64,
    connection: Connection,
}

impl Database {
    /// Runs a statement; opens the file first if another took its place.
    pub(crate) fn query(
        &self,
        replica: &Replica,
        statement: &str,
        parameters: &[SqlValue],
    ) -> Result<Rows, SqlError> {
        let failed = |error: rusqlite::Error| SqlError::Failed(error.to_string());
        let mut open = self.0.borrow_mut();
        let generation = replica.generation();
        if open.as_ref().is_none_or(|open| open.generation != generation) {
            let current = replica.current().ok_or(SqlError::NotReady)?;
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(current.path, flags).map_err(failed)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
            // As on the node: statements are planned once.
            connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
                .map_err(failed)?;
            *open = Some(Open { generation: current.generation, connection });
        }
        let open = open.as_ref().ok_or(SqlError::NotReady)?;
        let rows = query(&open.connection, statement, parameters).map_err(failed)?;
        if rows.rows.len() > SQL_ROWS_MAX { Err(SqlError::TooManyRows) } else { Ok(rows) }
    }
}

fn query(
    connection: &Connection,
    statement: &str,
    parameters: &[SqlValue],
) -> rusqlite::Result<Rows> {
    let mut statement = connection.prepare_cached(statement)?;
    let width = statement.column_count();
    let bound = parameters.iter().map(|parameter| match parameter {
        SqlValue::Null => Value::Null,
        SqlValue::Integer(number) => Value::Integer(*number),
        SqlValue::Real(number) => Value::Real(*number),
        SqlValue::Text(text) => Value::Text(text.clone()),
        SqlValue::Blob(bytes) => Value::Blob(bytes.clone()),
    });
    let rows = statement.query_map(rusqlite::params_from_iter(bound), |row| {
        (0..width).map(|column| row.get::<_, Value>(column).map(from_sql)).collect()
    })?;
    Ok(Rows { rows: rows.collect::<rusqlite::Result<_>>()? })
}

fn from_sql(value: Value) -> SqlValue {
    match value {
        Value::Null => SqlValue::Null,
        Value::Integer(number) => SqlValue::Integer(number),
        Value::Real(number) => SqlValue::Real(number),
        Value::Text(text) => SqlValue::Text(text),
        Value::Blob(bytes) => SqlValue::Blob(bytes),
    }
}

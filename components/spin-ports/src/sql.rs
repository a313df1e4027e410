//! The read-only copy of the catalogue, over `spin:sqlite`.

use core::fmt;

use futures::lock::Mutex;
use ports::{Rows, SQL_ROWS_MAX, Sql, SqlError, SqlValue};
use spin_sdk::sqlite::{Connection, Error, Value};
use spin_sdk::wasip3::wit_bindgen::StreamResult;

use crate::SpinPorts;

/// Rows taken over from the host at once: a page of the catalogue and one more. Each crossing costs more than a row.
const ROWS_PER_READ: usize = 128;

/// The request's connection: opened by the first query, so that all queries of a request read the same file.
#[derive(Default)]
pub(crate) struct Database(Mutex<Option<Connection>>);

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

impl Sql for SpinPorts {
    async fn query(&self, statement: &str, parameters: &[SqlValue]) -> Result<Rows, SqlError> {
        let mut connection = self.database.0.lock().await;
        let opened = match connection.take() {
            Some(opened) => opened,
            None => Connection::open(crate::DEFAULT).await.map_err(from_wit)?,
        };
        let opened = connection.insert(opened);
        let parameters: Vec<Value> = parameters.iter().map(to_wit).collect();
        let result = opened.execute(statement, parameters).await.map_err(from_wit)?;
        let (columns, mut stream, end) = result.into_inner();
        let mut rows = Rows { columns, rows: Vec::new() };
        loop {
            let (state, batch) = stream.read(Vec::with_capacity(ROWS_PER_READ)).await;
            if rows.rows.len().saturating_add(batch.len()) > SQL_ROWS_MAX {
                return Err(SqlError::TooManyRows);
            }
            rows.rows
                .extend(batch.into_iter().map(|row| row.values.into_iter().map(value).collect()));
            if !matches!(state, StreamResult::Complete(_)) {
                break;
            }
        }
        end.await.map_err(from_wit)?;
        Ok(rows)
    }
}

fn to_wit(value: &SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Integer(integer) => Value::Integer(*integer),
        SqlValue::Real(real) => Value::Real(*real),
        SqlValue::Text(text) => Value::Text(text.clone()),
        SqlValue::Blob(blob) => Value::Blob(blob.clone()),
    }
}

fn value(value: Value) -> SqlValue {
    match value {
        Value::Null => SqlValue::Null,
        Value::Integer(integer) => SqlValue::Integer(integer),
        Value::Real(real) => SqlValue::Real(real),
        Value::Text(text) => SqlValue::Text(text),
        Value::Blob(blob) => SqlValue::Blob(blob),
    }
}

fn from_wit(error: Error) -> SqlError {
    match error {
        // The node has no file yet: it has just started and waits for its first snapshot.
        Error::NoSuchDatabase | Error::InvalidConnection => SqlError::NotReady,
        Error::AccessDenied => SqlError::Denied,
        Error::DatabaseFull => SqlError::Failed("full".to_owned()),
        Error::Io(text) => SqlError::Failed(text),
    }
}

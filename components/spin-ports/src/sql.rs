//! The read-only copy of the catalogue, over `spin:sqlite`.

use core::fmt;

use express::ask::Refusal;
use express_wire::{Malformed, RowReader, Value as WireValue};
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
        if express::is_express() {
            return ask(statement, parameters).await;
        }
        let mut connection = self.database.0.lock().await;
        let opened = match connection.take() {
            Some(opened) => opened,
            None => Connection::open(crate::DEFAULT).await.map_err(from_wit)?,
        };
        let opened = connection.insert(opened);
        let parameters: Vec<Value> = parameters.iter().map(to_wit).collect();
        let result = opened.execute(statement, parameters).await.map_err(from_wit)?;
        let (_columns, mut stream, end) = result.into_inner();
        let mut rows = Rows::default();
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

/// Asks the host in the express lane: the rows come as one piece.
async fn ask(statement: &str, parameters: &[SqlValue]) -> Result<Rows, SqlError> {
    let bound = parameters.iter().map(to_wire).collect();
    let rows = express::ask::sql(crate::DEFAULT, statement, bound, |reader| {
        if usize::try_from(reader.rows()).is_ok_and(|rows| rows <= SQL_ROWS_MAX) {
            return take(reader).map(Ok);
        }
        Ok(Err(SqlError::TooManyRows))
    });
    rows.await.unwrap_or_else(|refusal| {
        Err(match refusal {
            Refusal::Missing => SqlError::NotReady,
            Refusal::Denied => SqlError::Denied,
            other => SqlError::Failed(crate::said(other)),
        })
    })
}

fn take(mut reader: RowReader<'_>) -> Result<Rows, Malformed> {
    let width = reader.width();
    let mut rows =
        Vec::with_capacity(SQL_ROWS_MAX.min(usize::try_from(reader.rows()).unwrap_or(0)));
    for _ in 0..reader.rows() {
        let mut row = Vec::with_capacity(width);
        for _ in 0..width {
            row.push(from_wire(reader.value()?));
        }
        rows.push(row);
    }
    reader.end()?;
    Ok(Rows { rows })
}

fn to_wire(value: &SqlValue) -> WireValue<'_> {
    match value {
        SqlValue::Null => WireValue::Null,
        SqlValue::Integer(integer) => WireValue::Integer(*integer),
        SqlValue::Real(real) => WireValue::Real(*real),
        SqlValue::Text(text) => WireValue::Text(text),
        SqlValue::Blob(blob) => WireValue::Blob(blob),
    }
}

fn from_wire(value: WireValue<'_>) -> SqlValue {
    match value {
        WireValue::Null => SqlValue::Null,
        WireValue::Integer(integer) => SqlValue::Integer(integer),
        WireValue::Real(real) => SqlValue::Real(real),
        WireValue::Text(text) => SqlValue::Text(text.to_owned()),
        WireValue::Blob(blob) => SqlValue::Blob(blob.to_vec()),
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

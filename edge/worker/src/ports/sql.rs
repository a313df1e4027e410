//! The edge's own copy of the catalogue, over D1.

use ports::{Rows, SQL_ROWS_MAX, Sql, SqlError, SqlValue};
use wasm_bindgen::{JsCast, JsValue};
use worker::D1DatabaseSession;
use worker::js_sys::{Array, Uint8Array};

use super::WorkerPorts;
use crate::isolate::isolate;

/// The database's binding.
const DB: &str = "DB";

/// Where a session of D1 may begin: at any copy. Ours are seconds behind the origin in any case.
const ANYWHERE: &str = "first-unconstrained";

/// Largest integer that a JavaScript number holds exactly with all below it: 2^53.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// A request's session: all its queries see one state of the database, or later ones in order.
#[derive(Debug)]
pub(crate) struct Database(D1DatabaseSession);

impl Database {
    fn open(ports: &WorkerPorts) -> Result<Self, SqlError> {
        let database = ports.env().d1(DB).map_err(|error| failed(&error.to_string()))?;
        // Never before the state whose position this isolate has read: answers are kept under that position.
        let seen = isolate().standing.borrow().bookmark();
        let session = database.with_session(Some(seen.as_deref().unwrap_or(ANYWHERE)));
        session.map(Self).map_err(|error| failed(&error.to_string()))
    }
}

impl WorkerPorts {
    fn database(&self) -> Result<&Database, SqlError> {
        if let Some(database) = self.database.get() {
            return Ok(database);
        }
        let opened = Database::open(self)?;
        Ok(self.database.get_or_init(|| opened))
    }

    /// Returns how far the request's session has read, to begin later ones there.
    pub(crate) fn bookmark(&self) -> Option<String> {
        self.database.get()?.0.get_bookmark().ok().flatten()
    }
}

impl Sql for WorkerPorts {
    async fn query(&self, statement: &str, parameters: &[SqlValue]) -> Result<Rows, SqlError> {
        if let Some(database) = self.libsql()? {
            return self.query_libsql(&database, statement, parameters).await;
        }
        let bound: Vec<JsValue> = parameters.iter().map(to_js).collect();
        let prepared = self.database()?.0.prepare(statement);
        let prepared = prepared.bind(&bound).map_err(|error| failed(&error.to_string()))?;
        let rows = prepared.raw_js_value().await.map_err(|error| failed(&error.to_string()))?;
        if rows.len() > SQL_ROWS_MAX {
            return Err(SqlError::TooManyRows);
        }
        let rows =
            rows.iter().map(|row| Array::from(row).iter().map(|cell| value(&cell)).collect());
        Ok(Rows { rows: rows.collect::<Result<_, _>>()? })
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "D1 takes doubles; beyond 2^53 come only the bounds of a list's first page, which stay bounds"
)]
fn to_js(value: &SqlValue) -> JsValue {
    match value {
        SqlValue::Null => JsValue::NULL,
        SqlValue::Integer(integer) => JsValue::from_f64(*integer as f64),
        SqlValue::Real(real) => JsValue::from_f64(*real),
        SqlValue::Text(text) => JsValue::from_str(text),
        SqlValue::Blob(blob) => Uint8Array::from(blob.as_slice()).buffer().into(),
    }
}

fn value(cell: &JsValue) -> Result<SqlValue, SqlError> {
    if cell.is_null() || cell.is_undefined() {
        return Ok(SqlValue::Null);
    }
    if let Some(text) = cell.as_string() {
        return Ok(SqlValue::Text(text));
    }
    if let Some(number) = cell.as_f64() {
        return Ok(number_of(number));
    }
    // D1 gives blobs as arrays of numbers.
    if Array::is_array(cell) || cell.is_instance_of::<worker::js_sys::ArrayBuffer>() {
        return Ok(SqlValue::Blob(Uint8Array::new(cell).to_vec()));
    }
    Err(SqlError::Failed("a column of an unknown type".to_owned()))
}

/// D1 does not tell 1 from 1.0. An integer beyond 2^53 may not be the one that was stored, so it stays a float, which
/// no reader of integers takes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::as_conversions,
    reason = "checked to be whole and within 2^53"
)]
fn number_of(number: f64) -> SqlValue {
    if number.fract() == 0.0 && number.abs() <= EXACT_MAX {
        SqlValue::Integer(number as i64)
    } else {
        SqlValue::Real(number)
    }
}

/// What goes by itself is "not ready", and worth asking again; the rest is a fault.
const NOT_READY: [&str; 5] =
    ["no such table", "overloaded", "Network connection lost", "reset because", "exceeded timeout"];

fn failed(text: &str) -> SqlError {
    if NOT_READY.iter().any(|sign| text.contains(sign)) {
        return SqlError::NotReady;
    }
    SqlError::Failed(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_integers_as_far_as_they_are_exact() {
        for (number, expected) in [
            (0.0, SqlValue::Integer(0)),
            (-7.0, SqlValue::Integer(-7)),
            (9_007_199_254_740_992.0, SqlValue::Integer(1 << 53)),
            (9_007_199_254_740_994.0, SqlValue::Real(9_007_199_254_740_994.0)),
            (0.5, SqlValue::Real(0.5)),
            (1e300, SqlValue::Real(1e300)),
        ] {
            assert_eq!(number_of(number), expected, "{number}");
        }
    }

    #[test]
    fn tells_a_missing_copy_from_a_fault() {
        for (text, expected) in [
            ("D1_ERROR: no such table: products: SQLITE_ERROR", SqlError::NotReady),
            ("D1_ERROR: D1 DB is overloaded. Requests queued for too long.", SqlError::NotReady),
            ("D1_ERROR: near \"x\": syntax error", {
                SqlError::Failed("D1_ERROR: near \"x\": syntax error".to_owned())
            }),
        ] {
            assert_eq!(failed(text), expected, "{text}");
        }
    }
}

//! Where the copy is written: a database that is reached by statements, a batch of which is one transaction.

use feed_core::Statement;
use ports::{Rows, Sql, SqlError, SqlValue};
use serde_json::Value;
use wasm_bindgen::JsValue;
use worker::{D1Database, D1PreparedStatement};

use crate::ports::WorkerPorts;
use crate::remote::hrana::Database;

/// The database's binding.
const DB: &str = "DB";

/// How the guard's refusal begins (`feed_core`): the copy was no longer where this run had read it.
const GUARD: &str = "NOT NULL constraint failed: _vitrine_replica.position";

/// The database of this deployment, at its primary: what is written next depends on what is read.
#[derive(Debug)]
pub(crate) enum Store<'a> {
    /// Cloudflare's.
    D1(D1Database),
    /// A libSQL server, over HTTP.
    Libsql(Database, &'a WorkerPorts),
}

impl<'a> Store<'a> {
    /// Opens the database that the variable `catalogue` names.
    pub(crate) fn open(ports: &'a WorkerPorts) -> Result<Self, String> {
        if let Some(database) = ports.libsql().map_err(|error| error.to_string())? {
            return Ok(Self::Libsql(database, ports));
        }
        match ports.text("catalogue").as_str() {
            "" | "d1" => ports.env().d1(DB).map(Self::D1).map_err(|error| error.to_string()),
            _ => Err("`catalogue` is neither d1 nor libsql".to_owned()),
        }
    }

    /// Runs all statements in one transaction, or none.
    pub(crate) async fn batch(&self, statements: &[Statement]) -> Result<(), String> {
        let done = match self {
            Self::D1(database) => batch(database, statements).await.map_err(|error| text(&error)),
            Self::Libsql(database, ports) => {
                database.batch(*ports, statements).await.map_err(|error| error.to_string())
            }
        };
        let told = |why: String| match why.contains(GUARD) {
            true => "another run was faster".to_owned(),
            false => why,
        };
        done.map_err(told)
    }

    /// Runs one statement that only reads.
    pub(crate) async fn read(&self, statement: &Statement) -> Result<Rows, SqlError> {
        match self {
            Self::D1(database) => {
                let prepared = bound(database, statement).map_err(|error| failed(&error))?;
                let rows = prepared.raw::<Value>().await.map_err(|error| failed(&error))?;
                let rows = rows.into_iter().map(|row| row.into_iter().map(sql_value).collect());
                Ok(Rows { rows: rows.collect() })
            }
            Self::Libsql(database, ports) => {
                let params: Vec<SqlValue> =
                    statement.params.iter().cloned().map(SqlValue::Text).collect();
                ports.query_libsql(database, &statement.sql, &params).await
            }
        }
    }
}

/// For the helpers of `ports`, whose statements have text parameters or none.
impl Sql for Store<'_> {
    async fn query(&self, statement: &str, parameters: &[SqlValue]) -> Result<Rows, SqlError> {
        let text = |value: &SqlValue| match value {
            SqlValue::Text(text) => Ok(text.clone()),
            _ => Err(SqlError::Failed("a parameter that is no text".to_owned())),
        };
        let params = parameters.iter().map(text).collect::<Result<_, _>>()?;
        self.read(&Statement { sql: statement.to_owned(), params }).await
    }
}

async fn batch(database: &D1Database, statements: &[Statement]) -> Result<(), worker::Error> {
    let prepared: Result<Vec<_>, _> =
        statements.iter().map(|statement| bound(database, statement)).collect();
    database.batch(prepared?).await.map(|_| ())
}

fn bound(
    database: &D1Database,
    statement: &Statement,
) -> Result<D1PreparedStatement, worker::Error> {
    let params: Vec<JsValue> =
        statement.params.iter().map(|text| JsValue::from_str(text)).collect();
    let prepared = database.prepare(statement.sql.as_str());
    if params.is_empty() { Ok(prepared) } else { prepared.bind(&params) }
}

fn sql_value(value: Value) -> SqlValue {
    match value {
        Value::String(text) => SqlValue::Text(text),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => SqlValue::Integer(integer),
            (None, Some(real)) => SqlValue::Real(real),
            (None, None) => SqlValue::Null,
        },
        // D1 has no booleans, and nothing here reads a blob.
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => SqlValue::Null,
    }
}

fn failed(error: &worker::Error) -> SqlError {
    SqlError::Failed(text(error))
}

/// What D1 says, without the SDK's description of it.
fn text(error: &worker::Error) -> String {
    match error {
        worker::Error::D1(error) => error.cause(),
        other => other.to_string(),
    }
}

//! The ports of this process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use domain::Timestamp;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use manifest::Secret;
use ports::{
    Clock, CounterError, Counters, Entropy, HttpClient, HttpError, Rows, SQL_ROWS_MAX, Sessions,
    SigningKey, Sql, SqlError, SqlValue, Timer, VariableError, Variables,
};
use replica::Replica;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

/// Longest wait for a connection, as in `spin-ports`.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(400);

/// What one request may use: the grants of its route's component.
pub(super) struct NativePorts<'a> {
    pub(super) variables: &'a BTreeMap<String, Secret>,
    pub(super) replica: &'a Replica,
    pub(super) outside: &'a Outside,
    pub(super) counts: &'a Counts,
}

/// Counters in a map.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<BTreeMap<String, u64>>);

/// Connections to the origin.
#[derive(Debug)]
pub(super) struct Outside(Client<HttpConnector, Full<Bytes>>);

impl Outside {
    pub(super) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }
}

impl Variables for NativePorts<'_> {
    async fn variable(&self, name: &str) -> Result<String, VariableError> {
        let value = self.variables.get(name).map(|value| value.expose().to_owned());
        value.ok_or_else(|| VariableError::Undefined(name.to_owned()))
    }
}

impl Counters for NativePorts<'_> {
    async fn increment(&self, key: &str, delta: u32) -> Result<u64, CounterError> {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key.to_owned()).or_default();
        *count += u64::from(delta);
        Ok(*count)
    }

    async fn count(&self, key: &str) -> Result<u64, CounterError> {
        let counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(counts.get(key).copied().unwrap_or(0))
    }

    async fn forget(&self, key: &str) -> Result<(), CounterError> {
        self.counts.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        Ok(())
    }
}

impl Sessions for NativePorts<'_> {
    async fn signing_keys(&self) -> Result<Vec<SigningKey>, SqlError> {
        ports::sessions::signing_keys(self).await
    }

    async fn is_revoked(&self, session: &str) -> Result<bool, SqlError> {
        ports::sessions::is_revoked(self, session).await
    }
}

impl Clock for NativePorts<'_> {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_ms(0).after(since)
    }
}

impl Timer for NativePorts<'_> {
    async fn sleep(&self, duration: Duration) {
        // sleeps because that is what the port is for
        tokio::time::sleep(duration).await;
    }
}

impl Entropy for NativePorts<'_> {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the machine has randomness");
    }
}

impl Sql for NativePorts<'_> {
    async fn query(&self, statement: &str, parameters: &[SqlValue]) -> Result<Rows, SqlError> {
        let current = self.replica.current().ok_or(SqlError::NotReady)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(current.path, flags)
            .and_then(|connection| query(&connection, statement, parameters))
            .map_err(|error| SqlError::Failed(error.to_string()))
            .and_then(|rows| {
                if rows.rows.len() > SQL_ROWS_MAX { Err(SqlError::TooManyRows) } else { Ok(rows) }
            })
    }
}

fn query(
    connection: &Connection,
    statement: &str,
    parameters: &[SqlValue],
) -> rusqlite::Result<Rows> {
    let mut statement = connection.prepare(statement)?;
    let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let width = columns.len();
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
    Ok(Rows { columns, rows: rows.collect::<rusqlite::Result<_>>()? })
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

impl HttpClient for NativePorts<'_> {
    async fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
        body_bytes_max: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let exchange = async {
            let answer = self.outside.0.request(request.map(Full::new)).await;
            let answer = answer.map_err(|error| {
                let text = error.to_string();
                if error.is_connect() { HttpError::Connect(text) } else { HttpError::Broken(text) }
            })?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, body_bytes_max).collect().await.map_err(|error| {
                match error.downcast::<http_body_util::LengthLimitError>() {
                    Ok(_) => HttpError::TooLarge,
                    Err(error) => HttpError::Broken(error.to_string()),
                }
            })?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(HttpError::Timeout))
    }
}

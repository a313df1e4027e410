//! One connection, with the statements it has prepared.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use futures::TryStreamExt;
use tokio::sync::mpsc::Sender;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Statement};

use crate::StoreError;
use crate::error::DatabaseError;
use crate::tx::{Cell, Row, Value, values};

/// The channel that tells of the feed's new position.
pub(crate) const FEED_CHANNEL: &str = "vitrine_feed";

/// Tells who listens to it.
pub(crate) const ANNOUNCE: &str = "SELECT pg_notify(?1, ?2)";

/// A connection in use. Dropping it closes the connection; the server rolls back what was open.
pub(crate) struct Session {
    client: Client,
    statements: Mutex<HashMap<String, Statement>>,
    is_in_doubt: Arc<AtomicBool>,
    /// What failed first in the transaction under way. Statements are sent one behind the other, and all that the engine says
    /// to those behind it is that something had failed.
    cause: Mutex<Option<DatabaseError>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

impl Session {
    pub(crate) fn new(client: Client, is_in_doubt: Arc<AtomicBool>) -> Self {
        Self { client, statements: Mutex::default(), is_in_doubt, cause: Mutex::default() }
    }

    /// Tells whether the server or the way to it is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Tells whether the server has ever said that it did not wait for its standbys.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.is_in_doubt.load(Ordering::Acquire)
    }

    /// Returns what failed first in a transaction that is ended now; the next one begins without.
    pub(crate) fn take_cause(&self) -> Option<DatabaseError> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn failed(&self, error: tokio_postgres::Error) -> StoreError {
        let error = DatabaseError::from(error);
        if !error.is_aftermath() {
            let mut cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
            cause.get_or_insert_with(|| error.clone());
        }
        error.into()
    }

    /// Runs statements without parameters, one after the other.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.client.batch_execute(sql).await.map_err(|error| self.failed(error))
    }

    pub(crate) async fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        let statement = self.prepare(sql).await?;
        self.client.execute_raw(&statement, values).await.map_err(|error| self.failed(error))
    }

    pub(crate) async fn query(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql).await?;
        let failed = |error| self.failed(error);
        let found = self.client.query_raw(&statement, values).await.map_err(failed)?;
        let mut found = std::pin::pin!(found);
        let mut rows = Vec::new();
        while let Some(row) = found.try_next().await.map_err(failed)? {
            rows.push(read(&row)?);
        }
        Ok(rows)
    }

    pub(crate) async fn send_rows<T: Send>(
        &self,
        sql: &str,
        make: &(dyn Fn(Row) -> Result<T, StoreError> + Sync),
        sender: &Sender<T>,
    ) -> Result<bool, StoreError> {
        let statement = self.prepare(sql).await?;
        let none: [Value<'_>; 0] = [];
        let mut found = std::pin::pin!(self.client.query_raw(&statement, &none).await?);
        while let Some(row) = found.try_next().await? {
            if sender.send(make(read(&row)?)?).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) async fn announce(&self, position: i64) -> Result<(), StoreError> {
        let text = position.to_string();
        self.query(ANNOUNCE, values![FEED_CHANNEL, text]).await.map(drop)
    }

    /// Runs a statement in PostgreSQL's own words, whose parameters are arrays.
    pub(crate) async fn bulk<const N: usize>(
        &self,
        sql: &str,
        parameters: [&(dyn ToSql + Sync); N],
    ) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql).await?;
        let rows = self.client.query(&statement, &parameters).await;
        rows.map_err(|error| self.failed(error))?.iter().map(read).collect()
    }

    /// Prepares statements, so that they can be sent one behind the other without waiting.
    pub(crate) async fn prepare_all(&self, statements: &[&str]) -> Result<(), StoreError> {
        for sql in statements {
            self.prepare(sql).await?;
        }
        Ok(())
    }

    /// Prepares a statement once per connection. `?1` is written `$1` here.
    async fn prepare(&self, sql: &str) -> Result<Statement, StoreError> {
        if let Some(known) = self.lock().get(sql) {
            return Ok(known.clone());
        }
        let prepared = self.client.prepare(&with_dollars(sql)).await;
        let statement = prepared.map_err(|error| self.failed(error))?;
        self.lock().insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Statement>> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the parameters as PostgreSQL wants them. No statement has a question mark for anything else.
fn with_dollars(sql: &str) -> String {
    sql.replace('?', "$")
}

fn read(row: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let cell = |index: usize, kind: &Type| -> Result<Cell, tokio_postgres::Error> {
        Ok(match *kind {
            Type::INT8 => integer(row.try_get::<_, Option<i64>>(index)?),
            Type::INT4 => integer(row.try_get::<_, Option<i32>>(index)?.map(i64::from)),
            Type::BOOL => integer(row.try_get::<_, Option<bool>>(index)?.map(i64::from)),
            Type::FLOAT8 => row.try_get::<_, Option<f64>>(index)?.map_or(Cell::Null, Cell::Real),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(index)?.map_or(Cell::Null, Cell::Blob),
            // What `pg_notify` and its like return.
            Type::VOID => Cell::Null,
            _ => row.try_get::<_, Option<String>>(index)?.map_or(Cell::Null, Cell::Text),
        })
    };
    let cells = row.columns().iter().enumerate().map(|(index, column)| cell(index, column.type_()));
    Ok(Row(cells.collect::<Result<_, _>>()?))
}

fn integer(number: Option<i64>) -> Cell {
    number.map_or(Cell::Null, Cell::Integer)
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (*self, kind) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Integer(number), &Type::INT4) => i32::try_from(number)?.to_sql(kind, out),
            (Value::Integer(number), &Type::BOOL) => (number != 0).to_sql(kind, out),
            (Value::Integer(number), _) => number.to_sql(&Type::INT8, out),
            (Value::Real(number), _) => number.to_sql(&Type::FLOAT8, out),
            (Value::Text(text), _) => text.to_sql(&Type::TEXT, out),
            (Value::Blob(bytes), _) => bytes.to_sql(&Type::BYTEA, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::BOOL, Type::FLOAT8, Type::TEXT, Type::VARCHAR, Type::BYTEA]
            .contains(kind)
    }

    to_sql_checked!();
}

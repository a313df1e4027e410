//! One transaction, whichever engine runs it.
//!
//! The statements of a noun are written once, in the words that SQLite and PostgreSQL share, and so is what is decided
//! between them. On SQLite every call answers at once, so a whole command is ready at its first poll and runs on the
//! writer's thread; on PostgreSQL each call is a round trip. ADR 0029 says what was given up for that.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, params_from_iter};
use tokio::sync::mpsc::Sender;

use crate::StoreError;
use crate::postgres::session::Session;

/// A command or query at work. It may run again from its start when the engine asks for it, so it changes nothing but
/// the database.
pub(crate) type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// An open transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tx<'a> {
    /// Of SQLite. Never contended: its thread is the only one that has it. The lock makes it shareable, no more.
    Sqlite(&'a Mutex<Connection>),
    /// Of PostgreSQL.
    Postgres(&'a Session),
}

/// What a parameter of a statement may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// One column of one row that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// A row that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row(pub(crate) Vec<Cell>);

/// Makes the parameters of a statement, `?1` first.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::tx::AsValue::as_value(&$value)),*] };
}
pub(crate) use values;

impl Tx<'_> {
    /// Runs a statement; returns how many rows it changed. Parameters are `?1`, `?2`, …
    pub(crate) async fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(connection) => {
                let connection = lock(connection);
                let changed =
                    connection.prepare_cached(sql)?.execute(params_from_iter(values.iter()))?;
                Ok(u64::try_from(changed).unwrap_or(u64::MAX))
            }
            Self::Postgres(session) => session.execute(sql, values).await,
        }
    }

    /// Runs a query; returns all its rows. The query bounds them.
    pub(crate) async fn query(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(connection) => {
                let connection = lock(connection);
                let mut statement = connection.prepare_cached(sql)?;
                let columns = statement.column_count();
                let mut found = statement.query(params_from_iter(values.iter()))?;
                let mut rows = Vec::new();
                while let Some(row) = found.next()? {
                    rows.push(read(row, columns)?);
                }
                Ok(rows)
            }
            Self::Postgres(session) => session.query(sql, values).await,
        }
    }

    /// Runs a query of at most one row.
    pub(crate) async fn query_opt(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// Runs a query of exactly one row.
    pub(crate) async fn query_one(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Row, StoreError> {
        self.query_opt(sql, values).await?.ok_or(StoreError::Corrupt("row that must be there"))
    }

    /// Runs a query of any length and sends what is made of each row. `false` when nobody takes it any more.
    pub(crate) async fn send_rows<T: Send>(
        &self,
        sql: &str,
        make: &(dyn Fn(Row) -> Result<T, StoreError> + Sync),
        sender: &Sender<T>,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(connection) => {
                let connection = lock(connection);
                let mut statement = connection.prepare_cached(sql)?;
                let columns = statement.column_count();
                let mut found = statement.query([])?;
                while let Some(row) = found.next()? {
                    if sender.blocking_send(make(read(row, columns)?)?).is_err() {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Postgres(session) => session.send_rows(sql, make, sender).await,
        }
    }

    /// Sends one thing, waiting for room as the engine's thread may.
    pub(crate) async fn send<T: Send>(&self, value: T, sender: &Sender<T>) -> bool {
        match self {
            Self::Sqlite(_) => sender.blocking_send(value).is_ok(),
            Self::Postgres(_) => sender.send(value).await.is_ok(),
        }
    }

    /// Tells every process of the shop, once this is committed, that the feed has come to `position`. On SQLite the
    /// writer tells its own process after each commit, and there is no other that serves.
    pub(crate) async fn announce(&self, position: i64) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(session) => session.announce(position).await,
        }
    }
}

pub(crate) fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs work that never waits: every step of it was a call of SQLite.
pub(crate) fn at_once<T>(
    mut work: Pin<&mut (impl Future<Output = Result<T, StoreError>> + ?Sized)>,
) -> Result<T, StoreError> {
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(StoreError::Corrupt("command that waits for something else")),
    }
}

fn read(row: &rusqlite::Row<'_>, columns: usize) -> Result<Row, StoreError> {
    let cell = |index| {
        Ok(match row.get_ref(index)? {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(number) => Cell::Integer(number),
            ValueRef::Real(number) => Cell::Real(number),
            ValueRef::Text(text) => Cell::Text(
                String::from_utf8(text.to_vec()).map_err(|_bytes| StoreError::Corrupt("text"))?,
            ),
            ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()),
        })
    };
    (0..columns).map(cell).collect::<Result<_, StoreError>>().map(Row)
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(number),
            Value::Real(number) => ValueRef::Real(number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// What can be a parameter, where it lies.
pub(crate) trait AsValue {
    /// Borrows it as one.
    fn as_value(&self) -> Value<'_>;
}

macro_rules! integer_as_value {
    ($($type:ty),*) => {$(
        impl AsValue for $type {
            fn as_value(&self) -> Value<'_> {
                Value::Integer(i64::from(*self))
            }
        }
    )*};
}
integer_as_value!(i64, i32, u32, bool);

impl AsValue for str {
    fn as_value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl AsValue for String {
    fn as_value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl<const N: usize> AsValue for [u8; N] {
    fn as_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl AsValue for Vec<u8> {
    fn as_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl<T: AsValue> AsValue for Option<T> {
    fn as_value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, AsValue::as_value)
    }
}

impl<T: AsValue + ?Sized> AsValue for &T {
    fn as_value(&self) -> Value<'_> {
        (*self).as_value()
    }
}

/// What can be read out of a column.
pub(crate) trait FromCell: Sized {
    /// Reads it, or says that the column holds something else.
    fn from_cell(cell: &Cell) -> Option<Self>;
}

impl Row {
    /// Reads a column, from 0.
    pub(crate) fn get<T: FromCell>(&self, index: usize) -> Result<T, StoreError> {
        self.0.get(index).and_then(T::from_cell).ok_or(StoreError::Corrupt("column"))
    }
}

impl FromCell for i64 {
    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

impl FromCell for u32 {
    fn from_cell(cell: &Cell) -> Option<Self> {
        i64::from_cell(cell).and_then(|number| number.try_into().ok())
    }
}

impl FromCell for bool {
    fn from_cell(cell: &Cell) -> Option<Self> {
        i64::from_cell(cell).map(|number| number != 0)
    }
}

impl FromCell for String {
    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl<const N: usize> FromCell for [u8; N] {
    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Blob(bytes) => bytes.as_slice().try_into().ok(),
            _ => None,
        }
    }
}

impl FromCell for Vec<u8> {
    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Blob(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}

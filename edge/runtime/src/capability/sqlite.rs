//! `spin:sqlite` over the granted databases.

use std::sync::Arc;

use rusqlite::types::Value as SqlValue;
use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

use crate::{
    bindings::spin::sqlite::sqlite::{self, Error, QueryResult, RowResult, Value},
    capability::database::{Answer, StatementError, session::Session},
    host::{Granted, Host},
};

/// An open database: what a guest's handle stands for.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct OpenDatabase {
    session: Arc<Session>,
    last_insert_rowid: i64,
    changes: u64,
}

type Rows = (Vec<String>, StreamReader<RowResult>, FutureReader<Result<(), Error>>);

impl Host {
    fn open_database(
        &mut self,
        label: &str,
    ) -> wasmtime::Result<Result<Resource<OpenDatabase>, Error>> {
        let Some(database) = self.capabilities.databases.get(label) else {
            return Ok(Err(Error::AccessDenied));
        };
        if !database.is_filled() {
            // A variant of its own, so that a component can tell "come back in a second" from a fault.
            return Ok(Err(Error::NoSuchDatabase));
        }
        let session = Arc::new(Session::new(Arc::clone(database)));
        let opened = OpenDatabase { session, last_insert_rowid: 0, changes: 0 };
        Ok(Ok(self.table.push(opened)?))
    }

    fn note_answer(
        &mut self,
        handle: &Resource<OpenDatabase>,
        answer: &Answer,
    ) -> wasmtime::Result<()> {
        let opened = self.table.get_mut(handle)?;
        opened.last_insert_rowid = answer.last_insert_rowid;
        opened.changes = answer.changes;
        Ok(())
    }
}

impl From<StatementError> for Error {
    fn from(error: StatementError) -> Self {
        Self::Io(error.0)
    }
}

fn to_sql(values: Vec<Value>) -> Vec<SqlValue> {
    let each = values.into_iter().map(|value| match value {
        Value::Integer(number) => SqlValue::Integer(number),
        Value::Real(number) => SqlValue::Real(number),
        Value::Text(words) => SqlValue::Text(words),
        Value::Blob(bytes) => SqlValue::Blob(bytes),
        Value::Null => SqlValue::Null,
    });
    each.collect()
}

fn from_sql(rows: Vec<Vec<SqlValue>>) -> Vec<RowResult> {
    let value = |value| match value {
        SqlValue::Integer(number) => Value::Integer(number),
        SqlValue::Real(number) => Value::Real(number),
        SqlValue::Text(words) => Value::Text(words),
        SqlValue::Blob(bytes) => Value::Blob(bytes),
        SqlValue::Null => Value::Null,
    };
    rows.into_iter().map(|row| RowResult { values: row.into_iter().map(value).collect() }).collect()
}

impl sqlite::HostConnectionWithStore<Host> for Granted {
    async fn open_async(
        accessor: &Accessor<Host, Self>,
        label: String,
    ) -> wasmtime::Result<Result<Resource<OpenDatabase>, Error>> {
        accessor.with(|mut access| access.get().open_database(&label))
    }

    async fn execute_async(
        accessor: &Accessor<Host, Self>,
        handle: Resource<OpenDatabase>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<Rows, Error>> {
        let session = accessor.with(|mut access| {
            wasmtime::Result::<_>::Ok(Arc::clone(&access.get().table.get(&handle)?.session))
        })?;
        let answer = match session.execute(statement, to_sql(parameters)).await {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error.into())),
        };
        accessor.with(|mut access| {
            access.get().note_answer(&handle, &answer)?;
            let rows = StreamReader::new(&mut access, from_sql(answer.rows))?;
            let done = async { wasmtime::Result::<_>::Ok(Ok(())) };
            let done = FutureReader::new(&mut access, done)?;
            Ok(Ok((answer.columns, rows, done)))
        })
    }

    async fn last_insert_rowid_async(
        accessor: &Accessor<Host, Self>,
        handle: Resource<OpenDatabase>,
    ) -> wasmtime::Result<i64> {
        accessor.with(|mut access| Ok(access.get().table.get(&handle)?.last_insert_rowid))
    }

    async fn changes_async(
        accessor: &Accessor<Host, Self>,
        handle: Resource<OpenDatabase>,
    ) -> wasmtime::Result<u64> {
        accessor.with(|mut access| Ok(access.get().table.get(&handle)?.changes))
    }
}

impl sqlite::HostConnection for Host {
    fn open(&mut self, label: String) -> wasmtime::Result<Result<Resource<OpenDatabase>, Error>> {
        self.open_database(&label)
    }

    async fn execute(
        &mut self,
        handle: Resource<OpenDatabase>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<QueryResult, Error>> {
        let session = Arc::clone(&self.table.get(&handle)?.session);
        match session.execute(statement, to_sql(parameters)).await {
            Ok(answer) => {
                self.note_answer(&handle, &answer)?;
                Ok(Ok(QueryResult { columns: answer.columns, rows: from_sql(answer.rows) }))
            }
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn last_insert_rowid(&mut self, handle: Resource<OpenDatabase>) -> wasmtime::Result<i64> {
        Ok(self.table.get(&handle)?.last_insert_rowid)
    }

    fn changes(&mut self, handle: Resource<OpenDatabase>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&handle)?.changes)
    }

    fn drop(&mut self, handle: Resource<OpenDatabase>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl sqlite::Host for Host {}

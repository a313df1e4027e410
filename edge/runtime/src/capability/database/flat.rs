//! Questions answered at once, on the serving thread: rows go from SQLite's memory straight into a message.

use std::time::{Duration, Instant};

use express_wire::{RowWriter, Value as WireValue, Writer};
use rusqlite::{
    Connection, Statement, ToSql,
    types::{ToSqlOutput, Value, ValueRef},
};

use super::{Answer, Database, File, STEPS_PER_LOOK, StatementError, owned};

/// Why a statement was not answered at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotNow {
    /// It takes longer, writes, or all connections are taken: run it on a thread that may block.
    Later,
    /// It is wrong.
    Failed(StatementError),
}

impl From<StatementError> for NotNow {
    fn from(error: StatementError) -> Self {
        Self::Failed(error)
    }
}

impl From<rusqlite::Error> for NotNow {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Database {
    /// Runs a statement that only reads a copy, for at most `slice`, and writes its rows to `out`.
    ///
    /// Whoever gets [`NotNow::Later`] must forget what was written.
    pub(crate) fn query_now(
        &self,
        statement: &str,
        parameters: &[WireValue<'_>],
        out: &mut Writer,
        slice: Duration,
    ) -> Result<(), NotNow> {
        let answered = self.now(statement, slice, |connection| {
            self.read_into(connection, statement, parameters, out)
        });
        answered.unwrap_or(Err(NotNow::Later))
    }

    /// Lets `work` run a statement of a copy on this thread, for at most `slice`; `None` if it has to run on another.
    pub(super) fn now<T, E: From<StatementError>>(
        &self,
        statement: &str,
        slice: Duration,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Option<Result<T, E>> {
        if !matches!(self.file, File::Replica(_)) {
            return None;
        }
        let _permit = self.permits.try_acquire().ok()?;
        let (generation, mut link) = match self.link() {
            Ok(link) => link,
            Err(error) => return Some(Err(error.into())),
        };
        let until = Instant::now() + slice;
        link.connection().progress_handler(STEPS_PER_LOOK, Some(move || Instant::now() > until));
        let answered = link.run(statement, self.version(), work);
        let is_late = answered.is_err() && Instant::now() > until;
        if !link.is_in_transaction() {
            self.give_back(generation, link);
        }
        (!is_late).then_some(answered)
    }

    fn read_into(
        &self,
        connection: &Connection,
        statement: &str,
        parameters: &[WireValue<'_>],
        out: &mut Writer,
    ) -> Result<(), NotNow> {
        let mut prepared = connection.prepare_cached(statement)?;
        if !prepared.readonly() {
            return Err(NotNow::Later);
        }
        let (expected, given) = (prepared.parameter_count(), parameters.len());
        if expected != given {
            let why = format!("{given} parameters given, {expected} expected");
            return Err(NotNow::Failed(StatementError(why)));
        }
        let start = out.len();
        write_rows(&mut prepared, parameters, out, |rows, bytes| {
            if rows >= self.limits.rows_max {
                return Err(StatementError("the answer has too many rows".to_owned()));
            }
            if bytes.saturating_sub(start) > self.limits.row_bytes_max {
                return Err(StatementError("the answer has too many bytes".to_owned()));
            }
            Ok(())
        })
    }
}

fn write_rows(
    prepared: &mut Statement<'_>,
    parameters: &[WireValue<'_>],
    out: &mut Writer,
    check: impl Fn(usize, usize) -> Result<(), StatementError>,
) -> Result<(), NotNow> {
    let width = prepared.column_count();
    let mut writer = RowWriter::new(out, prepared.column_names().into_iter());
    let mut rows = prepared.query(rusqlite::params_from_iter(parameters.iter().map(Bound)))?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        check(count, writer.len()).map_err(NotNow::Failed)?;
        count += 1;
        writer.row();
        for column in 0..width {
            write_value(row.get_ref(column)?, &mut writer);
        }
    }
    drop(rows);
    writer.finish();
    Ok(())
}

/// Text that is not UTF-8, which SQLite allows, is repaired.
fn write_value(value: ValueRef<'_>, out: &mut RowWriter<'_>) {
    match value {
        ValueRef::Null => out.value(WireValue::Null),
        ValueRef::Integer(number) => out.value(WireValue::Integer(number)),
        ValueRef::Real(number) => out.value(WireValue::Real(number)),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => out.value(WireValue::Text(text)),
            Err(_) => out.value(WireValue::Text(&String::from_utf8_lossy(bytes))),
        },
        ValueRef::Blob(bytes) => out.value(WireValue::Blob(bytes)),
    }
}

/// Binds a value of a message without copying it.
struct Bound<'a>(&'a WireValue<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self.0 {
            WireValue::Null => ValueRef::Null,
            WireValue::Integer(number) => ValueRef::Integer(number),
            WireValue::Real(number) => ValueRef::Real(number),
            WireValue::Text(text) => ValueRef::Text(text.as_bytes()),
            WireValue::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Copies parameters for a thread of their own.
pub(crate) fn own(parameters: &[WireValue<'_>]) -> Vec<Value> {
    parameters
        .iter()
        .map(|value| match Bound(value).to_sql() {
            Ok(ToSqlOutput::Borrowed(value)) => owned(value),
            _ => Value::Null,
        })
        .collect()
}

impl Answer {
    /// Writes the rows of an answer that was not given at once.
    pub(crate) fn write(&self, out: &mut Writer) {
        let mut writer = RowWriter::new(out, self.columns.iter().map(String::as_str));
        for row in &self.rows {
            writer.row();
            row.iter().for_each(|value| write_value(value.into(), &mut writer));
        }
        writer.finish();
    }
}

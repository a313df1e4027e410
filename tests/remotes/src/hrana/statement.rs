//! Statements: bound, run, and their rows written.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use rusqlite::types::{Value as SqlValue, ValueRef};
use rusqlite::{Connection, Statement};
use serde_json::{Value, json};

/// Why a statement was not run.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    code: &'static str,
}

impl Failure {
    pub(crate) fn protocol(message: &str) -> Self {
        Self { message: message.to_owned(), code: "HRANA_PROTOCOL_ERROR" }
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "message": self.message, "code": self.code })
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let code = match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => "SQLITE_CONSTRAINT",
            Some(rusqlite::ErrorCode::DatabaseBusy) => "SQLITE_BUSY",
            _ => "SQLITE_ERROR",
        };
        Self { message: format!("SQLite error: {error}"), code }
    }
}

/// Finds the text of a statement, given or remembered.
pub(crate) fn text(stored: &BTreeMap<i64, String>, statement: &Value) -> Result<String, Failure> {
    let given = statement["sql"].as_str().map(str::to_owned);
    let known = || stored.get(&statement["sql_id"].as_i64()?).cloned();
    given.or_else(known).ok_or_else(|| Failure::protocol("no statement"))
}

/// Runs a statement to its end.
pub(crate) fn execute(
    connection: &Connection,
    stored: &BTreeMap<i64, String>,
    statement: &Value,
) -> Result<Value, Failure> {
    let mut prepared = connection.prepare(&text(stored, statement)?)?;
    bind(&mut prepared, statement)?;
    let columns = columns(&prepared);
    let is_writing = !prepared.readonly();
    let mut rows = Vec::new();
    let mut cursor = prepared.raw_query();
    while let Some(row) = cursor.next()? {
        let cells: Result<Vec<Value>, rusqlite::Error> =
            (0..columns.len()).map(|index| Ok(cell(row.get_ref(index)?))).collect();
        rows.push(cells?);
    }
    drop(cursor);
    let wants_rows = statement["want_rows"].as_bool().unwrap_or(true);
    Ok(json!({
        "cols": columns,
        "rows": if wants_rows { rows } else { Vec::new() },
        "affected_row_count": if is_writing { connection.changes() } else { 0 },
        "last_insert_rowid": is_writing.then(|| connection.last_insert_rowid().to_string()),
        "replication_index": null,
    }))
}

fn columns(prepared: &Statement<'_>) -> Vec<Value> {
    prepared.column_names().iter().map(|name| json!({ "name": name, "decltype": null })).collect()
}

fn bind(prepared: &mut Statement<'_>, statement: &Value) -> Result<(), Failure> {
    for (index, value) in statement["args"].as_array().into_iter().flatten().enumerate() {
        prepared.raw_bind_parameter(index + 1, bound(value)?)?;
    }
    for argument in statement["named_args"].as_array().into_iter().flatten() {
        let name = argument["name"].as_str().unwrap_or_default();
        let mut spellings =
            [name.to_owned(), format!(":{name}"), format!("@{name}"), format!("${name}")]
                .into_iter();
        let index = spellings.find_map(|name| prepared.parameter_index(&name).ok().flatten());
        let index = index.ok_or_else(|| Failure::protocol("no such parameter"))?;
        prepared.raw_bind_parameter(index, bound(&argument["value"])?)?;
    }
    Ok(())
}

fn bound(value: &Value) -> Result<SqlValue, Failure> {
    let wrong = || Failure::protocol("a value of an unknown form");
    let text = || value["value"].as_str().ok_or_else(wrong);
    Ok(match value["type"].as_str().unwrap_or_default() {
        "null" => SqlValue::Null,
        // As text, or JavaScript would round it.
        "integer" => SqlValue::Integer(text()?.parse().map_err(|_error| wrong())?),
        "float" => SqlValue::Real(value["value"].as_f64().ok_or_else(wrong)?),
        "text" => SqlValue::Text(text()?.to_owned()),
        "blob" => {
            let encoded = value["base64"].as_str().ok_or_else(wrong)?.trim_end_matches('=');
            SqlValue::Blob(STANDARD_NO_PAD.decode(encoded).map_err(|_error| wrong())?)
        }
        _ => return Err(wrong()),
    })
}

fn cell(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => json!({ "type": "null" }),
        ValueRef::Integer(number) => json!({ "type": "integer", "value": number.to_string() }),
        ValueRef::Real(number) => json!({ "type": "float", "value": number }),
        ValueRef::Text(text) => {
            json!({ "type": "text", "value": String::from_utf8_lossy(text) })
        }
        ValueRef::Blob(bytes) => json!({ "type": "blob", "base64": STANDARD.encode(bytes) }),
    }
}

/// Says what a statement takes and gives.
pub(crate) fn describe(connection: &Connection, sql: &str) -> Result<Value, Failure> {
    let prepared = connection.prepare(sql)?;
    let columns = columns(&prepared);
    let parameters: Vec<Value> = (1..=prepared.parameter_count())
        .map(|index| json!({ "name": prepared.parameter_name(index) }))
        .collect();
    Ok(json!({
        "params": parameters,
        "cols": columns,
        "is_explain": sql.trim_start().to_ascii_lowercase().starts_with("explain"),
        "is_readonly": prepared.readonly(),
    }))
}

//! Durable Objects: exact counters, the waiting room's queue, chat rooms. Each keeps everything in its own SQLite, so
//! that eviction and restart lose nothing, and decides through `rooms-core`.
//!
//! An object runs one event at a time between two `await`s; statements without an `await` between them are one
//! transaction, and no answer leaves before it is on disk. Only this Worker can reach an object.

use api_types::rooms;
use domain::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use worker::{Request, Response, ResponseBuilder, Result, SqlStorage, SqlStorageValue};

mod chat_room;
mod limiter;
mod waiting_room;

pub use chat_room::ChatRoom;
pub use limiter::Limiter;
pub use waiting_room::WaitingRoom;

/// Reads a question; `None` when it is too long or not one.
async fn question<T: DeserializeOwned>(
    request: &mut Request,
    bytes_max: usize,
) -> Result<Option<T>> {
    let body = request.bytes().await?;
    Ok((body.len() <= bytes_max).then(|| rooms::read(&body)).flatten())
}

/// Answers a question.
fn answer<T: Serialize>(value: &T) -> Result<Response> {
    Response::ok(rooms::write(value))
}

/// Answers with a status alone: the Worker knows what to tell the client.
fn status(code: u16) -> Response {
    ResponseBuilder::new().with_status(code).empty()
}

/// Runs a statement and reads all of its rows.
fn rows(
    sql: &SqlStorage,
    statement: &str,
    parameters: Vec<SqlStorageValue>,
) -> Result<Vec<Vec<SqlStorageValue>>> {
    sql.exec(statement, parameters)?.raw().collect()
}

/// Reads an integer column. Only integers that JavaScript has exactly are ever stored.
fn integer(row: &[SqlStorageValue], at: usize) -> i64 {
    match row.get(at) {
        Some(SqlStorageValue::Integer(number)) => *number,
        _ => 0,
    }
}

/// Reads a text column.
fn text(row: &[SqlStorageValue], at: usize) -> &str {
    match row.get(at) {
        Some(SqlStorageValue::String(text)) => text,
        _ => "",
    }
}

/// An integer as a parameter.
fn number(value: i64) -> SqlStorageValue {
    SqlStorageValue::Integer(value)
}

/// A counter or sequence number as a parameter.
fn count(value: u64) -> SqlStorageValue {
    SqlStorageValue::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

/// When an alarm rings, as the storage takes it: a length from now.
fn from_now(moment: Timestamp, now: Timestamp) -> core::time::Duration {
    moment.since(now)
}

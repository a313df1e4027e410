//! Hrana over HTTP, version 2, before one libSQL file: streams with batons, statements, and batches with conditions.

mod statement;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use rusqlite::Connection;
use serde_json::{Value, json};

use self::statement::{Failure, execute};
use crate::server::is_authorized;
use crate::{REQUEST_BYTES_MAX, Server};

/// Longest time between two requests of a stream: 10 s. Then it is closed, and its transaction undone.
const STREAM_LIFE: Duration = Duration::from_secs(10);
/// How long a statement waits for another stream's lock: 5 s.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Database {
    file: PathBuf,
    token: String,
    streams: Mutex<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    open: BTreeMap<String, (Stream, Instant)>,
    opened: u64,
}

/// A connection and the statements that it was told to remember.
#[derive(Debug)]
struct Stream {
    connection: Connection,
    stored: BTreeMap<i64, String>,
}

/// Serves the file to whoever has the token; the file is made when it is absent.
///
/// # Errors
/// When no port can be had.
pub async fn serve(file: PathBuf, token: &str) -> Result<Server> {
    let streams = Mutex::default();
    let database = Arc::new(Database { file, token: token.to_owned(), streams });
    let router = Router::new()
        .route("/v2", get(|| async { "Hrana over HTTP, version 2" }))
        .route("/v2/pipeline", post(pipeline))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(database);
    Server::start(router).await
}

async fn pipeline(
    State(database): State<Arc<Database>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_authorized(&headers, &database.token) {
        return (StatusCode::UNAUTHORIZED, "Unauthorized").into_response();
    }
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, "not JSON").into_response();
    };
    // SQLite works on the thread that calls it.
    let answered = tokio::task::spawn_blocking(move || database.answer(&request)).await;
    match answered {
        Ok(Ok(body)) => axum::Json(body).into_response(),
        Ok(Err((status, text))) => (status, text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

type Refusal = (StatusCode, String);

impl Database {
    fn answer(&self, request: &Value) -> Result<Value, Refusal> {
        let mut stream = Some(self.stream(request["baton"].as_str())?);
        let empty = Vec::new();
        let mut results = Vec::new();
        for request in request["requests"].as_array().unwrap_or(&empty) {
            results.push(match answer_one(&mut stream, request) {
                Ok(response) => json!({ "type": "ok", "response": response }),
                Err(failure) => json!({ "type": "error", "error": failure.json() }),
            });
        }
        let baton = stream.map(|stream| self.keep(stream));
        Ok(json!({ "baton": baton, "base_url": null, "results": results }))
    }

    fn stream(&self, baton: Option<&str>) -> Result<Stream, Refusal> {
        if let Some(baton) = baton {
            let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            streams.open.retain(|_, (_, used)| used.elapsed() < STREAM_LIFE);
            let known = streams.open.remove(baton);
            return known
                .map(|(stream, _)| stream)
                .ok_or_else(|| (StatusCode::BAD_REQUEST, "the stream has expired".to_owned()));
        }
        let open = || {
            let connection = Connection::open(&self.file)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.execute_batch("PRAGMA journal_mode = WAL")?;
            Ok(connection)
        };
        let connection = open().map_err(|error: rusqlite::Error| {
            (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
        })?;
        Ok(Stream { connection, stored: BTreeMap::new() })
    }

    fn keep(&self, stream: Stream) -> String {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.opened += 1;
        let baton = format!("baton-{}", streams.opened);
        streams.open.insert(baton.clone(), (stream, Instant::now()));
        baton
    }
}

fn answer_one(open: &mut Option<Stream>, request: &Value) -> Result<Value, Failure> {
    let kind = request["type"].as_str().unwrap_or_default();
    if kind == "close" {
        *open = None;
        return Ok(json!({ "type": "close" }));
    }
    let stream = open.as_mut().ok_or_else(|| Failure::protocol("the stream is closed"))?;
    Ok(match kind {
        "execute" => {
            let result = execute(&stream.connection, &stream.stored, &request["stmt"])?;
            json!({ "type": "execute", "result": result })
        }
        "batch" => json!({ "type": "batch", "result": batch(stream, &request["batch"])? }),
        "sequence" => {
            let sql = statement::text(&stream.stored, request)?;
            stream.connection.execute_batch(&sql)?;
            json!({ "type": "sequence" })
        }
        "describe" => {
            let sql = statement::text(&stream.stored, request)?;
            let result = statement::describe(&stream.connection, &sql)?;
            json!({ "type": "describe", "result": result })
        }
        "store_sql" => {
            let sql = request["sql"].as_str().unwrap_or_default().to_owned();
            stream.stored.insert(request["sql_id"].as_i64().unwrap_or_default(), sql);
            json!({ "type": "store_sql" })
        }
        "close_sql" => {
            stream.stored.remove(&request["sql_id"].as_i64().unwrap_or_default());
            json!({ "type": "close_sql" })
        }
        other => return Err(Failure::protocol(&format!("unknown request {other}"))),
    })
}

fn batch(stream: &Stream, batch: &Value) -> Result<Value, Failure> {
    let steps = batch["steps"].as_array().ok_or_else(|| Failure::protocol("no steps"))?;
    let (mut results, mut errors) = (Vec::new(), Vec::new());
    for step in steps {
        let (mut result, mut error) = (Value::Null, Value::Null);
        if is_met(&step["condition"], &results, &errors)? {
            match execute(&stream.connection, &stream.stored, &step["stmt"]) {
                Ok(value) => result = value,
                Err(failure) => error = failure.json(),
            }
        }
        results.push(result);
        errors.push(error);
    }
    Ok(json!({ "step_results": results, "step_errors": errors }))
}

/// Whether a step is to be done, by what became of those before it.
fn is_met(condition: &Value, results: &[Value], errors: &[Value]) -> Result<bool, Failure> {
    if condition.is_null() {
        return Ok(true);
    }
    let has = |outcomes: &[Value]| {
        let step = condition["step"].as_u64().and_then(|step| usize::try_from(step).ok());
        let outcome = step.and_then(|step| outcomes.get(step));
        outcome.map(|outcome| !outcome.is_null()).ok_or_else(|| Failure::protocol("no such step"))
    };
    let mut parts = condition["conds"].as_array().into_iter().flatten();
    match condition["type"].as_str().unwrap_or_default() {
        "ok" => has(results),
        "error" => has(errors),
        "not" => Ok(!is_met(&condition["cond"], results, errors)?),
        "and" => parts.try_fold(true, |all, part| Ok(all && is_met(part, results, errors)?)),
        "or" => parts.try_fold(false, |any, part| Ok(any || is_met(part, results, errors)?)),
        other => Err(Failure::protocol(&format!("unknown condition {other}"))),
    }
}

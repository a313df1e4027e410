//! Upstash's REST interface of Redis: one command, pipelines, transactions, and answers in base64 where asked for.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::redis::{Connection, Reply};
use crate::server::is_authorized;
use crate::{REQUEST_BYTES_MAX, Server};

/// Connections to Redis at once: 64.
const CONNECTIONS_MAX: usize = 64;

#[derive(Debug)]
struct Database {
    socket: PathBuf,
    token: String,
    places: Semaphore,
}

/// Serves the Redis that listens at `socket` to whoever has the token.
///
/// # Errors
/// When no port can be had.
pub async fn serve(socket: PathBuf, token: &str) -> Result<Server> {
    let places = Semaphore::new(CONNECTIONS_MAX);
    let database = Database { socket, token: token.to_owned(), places };
    let router = Router::new()
        .route("/", post(single))
        .route("/pipeline", post(pipeline))
        .route("/multi-exec", post(transaction))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(Arc::new(database));
    Server::start(router).await
}

type Refusal = (StatusCode, String);
type Answer = Result<Value, Refusal>;

async fn single(
    State(database): State<Arc<Database>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    respond(&headers, ask_single(&database, &headers, &body).await)
}

async fn ask_single(database: &Database, headers: &HeaderMap, body: &Bytes) -> Answer {
    let json = database.admit(headers, body)?;
    let command = command(&json)?;
    let _place = database.places.acquire().await;
    let mut connection = database.connect().await?;
    match ask(&mut connection, &command).await? {
        Reply::Error(text) => Err((StatusCode::BAD_REQUEST, text)),
        reply => Ok(outcome(reply)),
    }
}

async fn pipeline(
    State(database): State<Arc<Database>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    respond(&headers, ask_pipeline(&database, &headers, &body).await)
}

async fn ask_pipeline(database: &Database, headers: &HeaderMap, body: &Bytes) -> Answer {
    let commands = commands(&database.admit(headers, body)?)?;
    let _place = database.places.acquire().await;
    let mut connection = database.connect().await?;
    let mut outcomes = Vec::new();
    for command in commands {
        outcomes.push(outcome(ask(&mut connection, &command).await?));
    }
    Ok(Value::Array(outcomes))
}

async fn transaction(
    State(database): State<Arc<Database>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    respond(&headers, ask_transaction(&database, &headers, &body).await)
}

async fn ask_transaction(database: &Database, headers: &HeaderMap, body: &Bytes) -> Answer {
    let commands = commands(&database.admit(headers, body)?)?;
    let _place = database.places.acquire().await;
    let mut connection = database.connect().await?;
    ask(&mut connection, &["MULTI".to_owned()]).await?;
    for command in commands {
        ask(&mut connection, &command).await?;
    }
    match ask(&mut connection, &["EXEC".to_owned()]).await? {
        Reply::List(Some(replies)) => Ok(Value::Array(replies.into_iter().map(outcome).collect())),
        Reply::Error(text) => Err((StatusCode::BAD_REQUEST, text)),
        _ => Err((StatusCode::BAD_REQUEST, "ERR the transaction was discarded".to_owned())),
    }
}

impl Database {
    fn admit(&self, headers: &HeaderMap, body: &Bytes) -> Answer {
        if !is_authorized(headers, &self.token) {
            return Err((StatusCode::UNAUTHORIZED, "Unauthorized".to_owned()));
        }
        serde_json::from_slice(body).map_err(|_error| bad("ERR failed to parse the command"))
    }

    async fn connect(&self) -> Result<Connection, Refusal> {
        Connection::open(&self.socket).await.map_err(|error| unwell(&error))
    }
}

async fn ask(connection: &mut Connection, command: &[String]) -> Result<Reply, Refusal> {
    connection.ask(command).await.map_err(|error| unwell(&error))
}

fn bad(text: &str) -> Refusal {
    (StatusCode::BAD_REQUEST, text.to_owned())
}

fn unwell(error: &anyhow::Error) -> Refusal {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}"))
}

fn commands(json: &Value) -> Result<Vec<Vec<String>>, Refusal> {
    let list = json.as_array().ok_or_else(|| bad("ERR a pipeline is a list of commands"))?;
    if list.is_empty() {
        return Err(bad("ERR empty pipeline request"));
    }
    list.iter().map(command).collect()
}

fn command(json: &Value) -> Result<Vec<String>, Refusal> {
    let list = json.as_array().filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| bad("ERR a command is a list that is not empty"))?;
    let text = |argument: &Value| match argument {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(argument.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(bad("ERR invalid argument")),
    };
    list.iter().map(text).collect()
}

fn outcome(reply: Reply) -> Value {
    match reply {
        Reply::Error(text) => json!({ "error": text }),
        other => json!({ "result": value(other) }),
    }
}

fn value(reply: Reply) -> Value {
    match reply {
        Reply::Status(text) | Reply::Error(text) => Value::String(text),
        Reply::Integer(number) => number.into(),
        Reply::Bulk(None) | Reply::List(None) => Value::Null,
        Reply::Bulk(Some(bytes)) => String::from_utf8_lossy(&bytes).into(),
        Reply::List(Some(replies)) => replies.into_iter().map(value).collect(),
    }
}

fn respond(headers: &HeaderMap, answer: Answer) -> Response {
    let is_encoded = headers.get("upstash-encoding").is_some_and(|value| value == "base64");
    let (status, body) = match answer {
        Ok(body) if is_encoded => (StatusCode::OK, encoded(body)),
        Ok(body) => (StatusCode::OK, body),
        Err((status, text)) => (status, json!({ "error": text })),
    };
    (status, axum::Json(body)).into_response()
}

/// Encodes every text that is a result. The service leaves `OK` as it is, and its clients expect that.
fn encoded(body: Value) -> Value {
    match body {
        Value::String(text) if text != "OK" => STANDARD.encode(text).into(),
        Value::Array(list) => list.into_iter().map(encoded).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                let value = if name == "result" { encoded(value) } else { value };
                (name, value)
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

//! A remote libSQL database over Hrana (HTTP, version 2), with the protocol's own types.
//!
//! Every call is one request with a stream of its own, which it closes: nothing is left open, and nothing has to be
//! repeated in order. Integers travel as text, so they are exact.

use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use feed_core::Statement;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use libsql_hrana::proto::{
    Batch, BatchCond, BatchResult, BatchStep, BatchStreamReq, CloseStreamReq, ExecuteStreamReq,
    PipelineReqBody, PipelineRespBody, Stmt, StmtResult, StreamRequest, StreamResponse,
    StreamResult, Value,
};
use ports::{HttpClient, HttpError, Rows, SQL_ROWS_MAX, SqlError, SqlValue};

#[cfg(test)]
mod tests;

/// Longest wait for rows: 5 s, below the 10 s of a request.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a transaction: 30 s. It may carry a few megabytes of a snapshot.
const BATCH_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer that is read: 8 MiB, a thousand rows of 8 KiB.
const ANSWER_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// Why the database did not do what was asked. No text holds the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HranaError {
    /// The address is not `http(s)://host` or `libsql://host`, or the token is unfit for a header.
    Configuration(&'static str),
    /// It was not reached, or is not well; asking again makes sense.
    Unavailable(String),
    /// The token is refused.
    Denied,
    /// SQLite refuses a statement, with its words.
    Statement(String),
    /// More rows than a query may give.
    TooManyRows,
    /// The answer is not the protocol's.
    Unreadable(&'static str),
}

impl fmt::Display for HranaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(why) => write!(f, "configuration: {why}"),
            Self::Unavailable(why) => write!(f, "not available: {why}"),
            Self::Denied => f.write_str("the token is refused"),
            Self::Statement(why) => f.write_str(why),
            Self::TooManyRows => f.write_str("too many rows"),
            Self::Unreadable(why) => write!(f, "unreadable answer: {why}"),
        }
    }
}

impl core::error::Error for HranaError {}

impl From<HranaError> for SqlError {
    fn from(error: HranaError) -> Self {
        match &error {
            // A copy that is not laid down yet, or a database that is away: both go by themselves.
            HranaError::Statement(why) if why.contains("no such table") => Self::NotReady,
            HranaError::Unavailable(_) => Self::NotReady,
            HranaError::Denied => Self::Denied,
            HranaError::TooManyRows => Self::TooManyRows,
            HranaError::Configuration(_) | HranaError::Statement(_) | HranaError::Unreadable(_) => {
                Self::Failed(error.to_string())
            }
        }
    }
}

/// A database and the right to use it.
#[derive(Clone)]
pub struct Database {
    pipeline: Uri,
    authorization: Option<HeaderValue>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({}, ***)", self.pipeline)
    }
}

impl Database {
    /// Takes the database's address (`libsql://` means HTTPS) and its token, which may be empty for a server of one's
    /// own.
    ///
    /// # Errors
    /// [`HranaError::Configuration`].
    pub fn new(url: &str, token: &str) -> Result<Self, HranaError> {
        let bad = |_| HranaError::Configuration("libsql_url is no address of a database");
        let (scheme, rest) = url.split_once("://").unwrap_or(("", ""));
        let scheme = match scheme {
            "libsql" | "https" => "https",
            "http" => "http",
            _ => return Err(bad(())),
        };
        let host = rest.strip_suffix('/').unwrap_or(rest);
        if host.is_empty() || host.contains(['/', '?', '#', '@']) {
            return Err(bad(()));
        }
        let pipeline = format!("{scheme}://{host}/v2/pipeline").parse().map_err(|_| bad(()))?;
        let authorization = match token {
            "" => None,
            _ => {
                let value = HeaderValue::try_from(format!("Bearer {token}"));
                let unfit = |_| HranaError::Configuration("libsql_token is unfit for a header");
                let mut value = value.map_err(unfit)?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Self { pipeline, authorization })
    }

    /// Runs one statement with bound parameters and returns its rows.
    ///
    /// # Errors
    /// As [`HranaError`] says.
    pub async fn query<H: HttpClient>(
        &self,
        http: &H,
        sql: &str,
        parameters: &[SqlValue],
    ) -> Result<Rows, HranaError> {
        let mut stmt = Stmt::new(sql, true);
        stmt.args = parameters.iter().map(bound).collect();
        let request = StreamRequest::Execute(ExecuteStreamReq { stmt });
        match self.ask(http, request, QUERY_TIMEOUT).await? {
            StreamResponse::Execute(execute) => rows(execute.result),
            _ => Err(HranaError::Unreadable("another kind of answer")),
        }
    }

    /// Runs all statements in one transaction, or none.
    ///
    /// # Errors
    /// As [`HranaError`] says; the first statement that failed speaks.
    pub async fn batch<H: HttpClient>(
        &self,
        http: &H,
        statements: &[Statement],
    ) -> Result<(), HranaError> {
        let batch = transaction(statements);
        let steps = batch.steps.len();
        let request = StreamRequest::Batch(BatchStreamReq { batch });
        match self.ask(http, request, BATCH_TIMEOUT).await? {
            StreamResponse::Batch(batch) => committed(batch.result, steps),
            _ => Err(HranaError::Unreadable("another kind of answer")),
        }
    }

    /// Sends one request and the stream's end; returns the answer to the request.
    async fn ask<H: HttpClient>(
        &self,
        http: &H,
        request: StreamRequest,
        timeout: Duration,
    ) -> Result<StreamResponse, HranaError> {
        let requests = vec![request, StreamRequest::Close(CloseStreamReq {})];
        let body = serde_json::to_vec(&PipelineReqBody { baton: None, requests })
            .map_err(|_unwritable| HranaError::Unreadable("a number that JSON does not have"))?;
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.pipeline.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let sent = http.send(request, timeout, ANSWER_BYTES_MAX).await;
        let response = sent.map_err(|error| match error {
            HttpError::TooLarge => HranaError::TooManyRows,
            other => HranaError::Unavailable(other.to_string()),
        })?;
        read(&response)
    }
}

/// Reads the answer to the first request of a pipeline.
fn read(response: &Response<Bytes>) -> Result<StreamResponse, HranaError> {
    let status = response.status();
    match status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(HranaError::Denied),
        _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Err(HranaError::Unavailable(format!("the server answered {status}")));
        }
        _ => return Err(HranaError::Unreadable("an unexpected status")),
    }
    let body: PipelineRespBody = serde_json::from_slice(response.body())
        .map_err(|_other| HranaError::Unreadable("not the protocol's"))?;
    match body.results.into_iter().next() {
        Some(StreamResult::Ok { response }) => Ok(response),
        Some(StreamResult::Error { error }) => Err(HranaError::Statement(error.message)),
        Some(StreamResult::None) | None => Err(HranaError::Unreadable("no result")),
    }
}

/// A batch that commits when every statement succeeded, and otherwise undoes all. The lock is taken first: a
/// transaction that begins reading could lose its turn to write.
fn transaction(statements: &[Statement]) -> Batch {
    let mut steps = vec![BatchStep { condition: None, stmt: Stmt::new("BEGIN IMMEDIATE", false) }];
    let mut last = 0_u32;
    for Statement { sql, params } in statements {
        let mut stmt = Stmt::new(sql.as_str(), false);
        stmt.args = params.iter().map(|text| Value::Text { value: text.as_str().into() }).collect();
        steps.push(BatchStep { condition: Some(BatchCond::Ok { step: last }), stmt });
        last = last.saturating_add(1);
    }
    let commit = Stmt::new("COMMIT", false);
    steps.push(BatchStep { condition: Some(BatchCond::Ok { step: last }), stmt: commit });
    let committed = Box::new(BatchCond::Ok { step: last.saturating_add(1) });
    let rollback = Stmt::new("ROLLBACK", false);
    steps.push(BatchStep { condition: Some(BatchCond::Not { cond: committed }), stmt: rollback });
    Batch { steps, replication_index: None }
}

/// Says whether a transaction of so many steps, the last of them its undoing, was committed.
fn committed(result: BatchResult, steps: usize) -> Result<(), HranaError> {
    if let Some(error) = result.step_errors.into_iter().flatten().next() {
        return Err(HranaError::Statement(error.message));
    }
    let commit = steps.checked_sub(2).and_then(|commit| result.step_results.get(commit));
    match commit {
        Some(Some(_)) => Ok(()),
        _ => Err(HranaError::Unreadable("a transaction that was not committed")),
    }
}

fn rows(result: StmtResult) -> Result<Rows, HranaError> {
    if result.rows.len() > SQL_ROWS_MAX {
        return Err(HranaError::TooManyRows);
    }
    let rows = result.rows.into_iter().map(|row| row.values.into_iter().map(value).collect());
    Ok(Rows { rows: rows.collect::<Result<_, _>>()? })
}

fn value(value: Value) -> Result<SqlValue, HranaError> {
    Ok(match value {
        Value::Null => SqlValue::Null,
        Value::Integer { value } => SqlValue::Integer(value),
        Value::Float { value } => SqlValue::Real(value),
        Value::Text { value } => SqlValue::Text(value.as_ref().to_owned()),
        Value::Blob { value } => SqlValue::Blob(value.to_vec()),
        Value::None => return Err(HranaError::Unreadable("a value of no type")),
    })
}

fn bound(value: &SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Integer(value) => Value::Integer { value: *value },
        SqlValue::Real(value) => Value::Float { value: *value },
        SqlValue::Text(value) => Value::Text { value: value.as_str().into() },
        SqlValue::Blob(value) => Value::Blob { value: value.clone().into() },
    }
}

//! A libSQL database on another machine, over Hrana 2 (HTTP). Every statement is one request with a stream of its own.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use libsql_hrana::proto::{
    CloseStreamReq, ExecuteStreamReq, PipelineReqBody, PipelineRespBody, Stmt, StmtResult,
    StreamRequest, StreamResponse, StreamResult, Value as HranaValue,
};
use manifest::Secret;
use rusqlite::types::Value;
use tokio::time::timeout;

use super::{Answer, StatementError};
use crate::{Limits, outbound::OutboundClient};

/// Longest wait for an answer: 5 s, below the 10 s of a request.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How much larger an answer may be than its values: numbers as text, blobs in base64, names of types.
const ENCODING_FACTOR: usize = 3;

/// A database and the right to use it.
pub(crate) struct RemoteDatabase {
    pipeline: Uri,
    authorization: Option<HeaderValue>,
    client: OutboundClient,
    rows_max: usize,
    row_bytes_max: usize,
}

fn failed(reason: impl Into<String>) -> StatementError {
    StatementError(reason.into())
}

impl RemoteDatabase {
    /// Takes the database's address (`http://` or `https://`) and its token, which may be empty for a server of one's
    /// own.
    pub(crate) fn new(
        url: &str,
        token: &Secret,
        client: OutboundClient,
        limits: &Limits,
    ) -> Result<Self, StatementError> {
        let base = url.strip_suffix('/').unwrap_or(url);
        let pipeline: Uri =
            format!("{base}/v2/pipeline").parse().map_err(|_| failed("its url cannot be read"))?;
        let authorization = match token.expose() {
            "" => None,
            token => {
                let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                    .map_err(|_| failed("its token is unfit for a header"))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let (rows_max, row_bytes_max) = (limits.rows_max, limits.row_bytes_max);
        Ok(Self { pipeline, authorization, client, rows_max, row_bytes_max })
    }

    /// Runs one statement. A transaction over several would be undone at the end of each, so its beginning is refused.
    pub(crate) async fn execute(
        &self,
        statement: &str,
        parameters: &[Value],
    ) -> Result<Answer, StatementError> {
        if opens_transaction(statement) {
            return Err(failed("a remote database has no transactions over several statements"));
        }
        let mut stmt = Stmt::new(statement, true);
        stmt.args = parameters.iter().map(bound).collect();
        let requests = vec![
            StreamRequest::Execute(ExecuteStreamReq { stmt }),
            StreamRequest::Close(CloseStreamReq {}),
        ];
        let body = serde_json::to_vec(&PipelineReqBody { baton: None, requests })
            .map_err(|_| failed("a number that JSON does not have"))?;
        let (status, body) = timeout(ANSWER_TIMEOUT, self.send(body))
            .await
            .map_err(|_| failed("the database did not answer in time"))??;
        self.read(status, &body)
    }

    async fn send(&self, body: Vec<u8>) -> Result<(StatusCode, Bytes), StatementError> {
        let mut request = Request::new(crate::full(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.pipeline.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let answer = self.client.request(request).await.map_err(|error| {
            tracing::warn!("a remote database was not reached: {error}");
            failed("the database is not reachable")
        })?;
        let status = answer.status();
        let bytes_max = self.row_bytes_max.saturating_mul(ENCODING_FACTOR);
        let body = Limited::new(answer.into_body(), bytes_max).collect().await;
        Ok((
            status,
            body.map_err(|_| failed("the answer is cut or has too many bytes"))?.to_bytes(),
        ))
    }

    /// Reads the answer to the first request of a pipeline.
    fn read(&self, status: StatusCode, body: &[u8]) -> Result<Answer, StatementError> {
        match status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(failed("the database refuses the token"));
            }
            _ => return Err(failed(format!("the database answered {status}"))),
        }
        let unreadable = || failed("the database answered with something else than its protocol");
        let body: PipelineRespBody = serde_json::from_slice(body).map_err(|_| unreadable())?;
        match body.results.into_iter().next() {
            Some(StreamResult::Ok { response: StreamResponse::Execute(execute) }) => {
                self.answer(execute.result)
            }
            Some(StreamResult::Error { error }) => Err(StatementError(error.message)),
            _ => Err(unreadable()),
        }
    }

    fn answer(&self, result: StmtResult) -> Result<Answer, StatementError> {
        if result.rows.len() > self.rows_max {
            return Err(failed("the answer has too many rows"));
        }
        let (mut bytes, width) = (0_usize, result.cols.len());
        let mut rows = Vec::with_capacity(result.rows.len());
        for row in result.rows {
            let row: Result<Vec<Value>, _> = row.values.into_iter().map(value).collect();
            let row = row?;
            if row.len() != width {
                return Err(failed("the database answered with rows of another width"));
            }
            bytes += row.iter().map(|value| super::size(value.into())).sum::<usize>();
            if bytes > self.row_bytes_max {
                return Err(failed("the answer has too many bytes"));
            }
            rows.push(row);
        }
        Ok(Answer {
            columns: result.cols.into_iter().map(|col| col.name.unwrap_or_default()).collect(),
            rows,
            last_insert_rowid: result.last_insert_rowid.unwrap_or_default(),
            changes: result.affected_row_count,
        })
    }
}

/// Whether the first word behind spaces and comments begins a transaction.
fn opens_transaction(statement: &str) -> bool {
    let mut rest = statement.trim_start();
    loop {
        let comment = if rest.starts_with("--") {
            rest.split_once('\n')
        } else if rest.starts_with("/*") {
            rest.split_once("*/")
        } else {
            break;
        };
        let Some((_, behind)) = comment else { return false };
        rest = behind.trim_start();
    }
    let word = rest.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
    ["begin", "savepoint"].iter().any(|begins| word.eq_ignore_ascii_case(begins))
}

fn value(value: HranaValue) -> Result<Value, StatementError> {
    Ok(match value {
        HranaValue::Null => Value::Null,
        HranaValue::Integer { value } => Value::Integer(value),
        HranaValue::Float { value } => Value::Real(value),
        HranaValue::Text { value } => Value::Text(value.as_ref().to_owned()),
        HranaValue::Blob { value } => Value::Blob(value.to_vec()),
        HranaValue::None => return Err(failed("the database answered with a value of no type")),
    })
}

fn bound(value: &Value) -> HranaValue {
    match value {
        Value::Null => HranaValue::Null,
        Value::Integer(value) => HranaValue::Integer { value: *value },
        Value::Real(value) => HranaValue::Float { value: *value },
        Value::Text(value) => HranaValue::Text { value: value.as_str().into() },
        Value::Blob(value) => HranaValue::Blob { value: Bytes::copy_from_slice(value) },
    }
}

#[cfg(test)]
mod tests;

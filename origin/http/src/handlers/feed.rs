//! The feed to the edges.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use api_types::feed::{SNAPSHOT_MEDIA_TYPE, SnapshotLine};
use api_types::problem::Problem;
use app::ChangesQuery;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::response::Response;
use domain::ErrorKind;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Frame;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendTimeoutError;

use super::{Reply, private};
use crate::Context;
use crate::extract::bearer;
use crate::problem::Failure;

/// Size of the pieces a copy is sent in: 32 KiB.
const CHUNK_BYTES: usize = 32 * 1024;
/// Pieces that wait for a slow edge: 8, so one copy holds at most 256 KiB.
const CHUNKS_MAX: usize = 8;
/// Lines that wait to be packed: 256.
const LINES_MAX: usize = 256;
/// Transactions in one answer unless asked otherwise: 500.
const LIMIT_DEFAULT: usize = 500;

/// Query of `/internal/feed/changes`.
#[derive(Debug, Deserialize)]
pub(crate) struct ChangesParameters {
    epoch: String,
    after: u64,
    schema_version: u32,
    #[serde(default)]
    wait_ms: u64,
    #[serde(default = "limit_default")]
    limit: usize,
}

const fn limit_default() -> usize {
    LIMIT_DEFAULT
}

pub(crate) async fn changes(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    parameters: Result<Query<ChangesParameters>, axum::extract::rejection::QueryRejection>,
) -> Reply {
    authorize(&context, &headers)?;
    let Query(parameters) = parameters.map_err(|error| {
        Failure::from(Problem::of(ErrorKind::Unreadable).detail(error.body_text()))
    })?;
    let ChangesParameters { epoch, after, schema_version, wait_ms, limit } = parameters;
    let query =
        ChangesQuery { epoch, after, schema_version, wait: Duration::from_millis(wait_ms), limit };
    private(StatusCode::OK, context.app.changes(query).await?)
}

pub(crate) async fn snapshot(State(context): State<Arc<Context>>, headers: HeaderMap) -> Reply {
    authorize(&context, &headers)?;
    let Ok(place) = Arc::clone(&context.snapshots).try_acquire_owned() else {
        return Err(Problem::of(ErrorKind::Unavailable).retry_after(1).into());
    };
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    tokio::spawn(async move {
        let _place = place;
        let stall_max = context.limits.snapshot_stall_max;
        let mut chunks = Chunks::new(sender.clone(), stall_max);
        let (lines, mut taken) = mpsc::channel(LINES_MAX);
        let pack = async {
            while let Some(line) = taken.recv().await {
                if !chunks.push(&line).await {
                    break;
                }
            }
            // Nobody takes lines any more: the copy ends at its next one.
            drop(taken);
        };
        if let (Err(error), ()) = tokio::join!(context.app.snapshot(lines), pack) {
            tracing::error!(error = %error, "could not finish a snapshot");
            // Breaks the body off: a copy without its end line must not look whole.
            let _ = sender.send(Err(std::io::Error::other("the snapshot broke off"))).await;
        }
    });
    let mut response = Response::new(Body::new(ChunkBody(receiver)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SNAPSHOT_MEDIA_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Asks for the bearer token that edges derive from their secret.
pub(super) fn authorize(context: &Context, headers: &HeaderMap) -> Result<(), Failure> {
    let token = bearer(headers).unwrap_or("");
    if context.edge_secrets.knows_feed_token(token) {
        Ok(())
    } else {
        Err(ErrorKind::Unauthenticated.into())
    }
}

/// Collects lines into pieces.
struct Chunks {
    sender: mpsc::Sender<Result<Bytes, std::io::Error>>,
    buffer: Vec<u8>,
    stall_max: Duration,
}

impl Chunks {
    fn new(sender: mpsc::Sender<Result<Bytes, std::io::Error>>, stall_max: Duration) -> Self {
        let buffer = Vec::with_capacity(CHUNK_BYTES);
        Self { sender, buffer, stall_max }
    }

    /// Says whether to go on: not when the edge has gone, or has taken nothing for too long.
    async fn push(&mut self, line: &SnapshotLine) -> bool {
        if serde_json::to_writer(&mut self.buffer, line).is_err() {
            return false;
        }
        self.buffer.push(b'\n');
        let is_last = matches!(line, SnapshotLine::End(_));
        if self.buffer.len() < CHUNK_BYTES && !is_last {
            return true;
        }
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES));
        let sent = self.sender.send_timeout(Ok(chunk.into()), self.stall_max).await;
        if let Err(SendTimeoutError::Timeout(_)) = sent {
            tracing::warn!("gave up a snapshot that nobody takes");
        }
        sent.is_ok()
    }
}

/// Pieces as a body; one that is an error breaks it off.
pub(super) struct ChunkBody(pub(super) mpsc::Receiver<Result<Bytes, std::io::Error>>);

impl http_body::Body for ChunkBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

#[cfg(test)]
mod tests {
    use api_types::feed::{FeedValue, SnapshotRow};

    use super::*;

    #[tokio::test]
    async fn a_copy_that_nobody_takes_is_given_up() {
        let (sender, _receiver) = mpsc::channel(CHUNKS_MAX);
        let mut chunks = Chunks::new(sender, Duration::from_millis(20));
        let line = SnapshotLine::Row(SnapshotRow {
            table: "stock".to_owned(),
            values: vec![FeedValue::Text("x".repeat(CHUNK_BYTES))],
        });
        let mut pieces = 0;
        while pieces < 100 && chunks.push(&line).await {
            pieces += 1;
        }
        assert_eq!(pieces, CHUNKS_MAX);
    }
}

//! The feed over `fetch`: a snapshot or what came after a position, within limits of time and size.

use core::pin::pin;
use core::time::Duration;
use std::fmt;

use api_types::feed::{self, CHANGES_PATH, SNAPSHOT_PATH};
use bytes::{Bytes, BytesMut};
use feed_core::Replica;
use futures::StreamExt as _;
use futures::future::{Either, select};
use http::{HeaderValue, Request, header};
use origin_client::origins::Origins;
use worker::{Delay, web_sys};

use crate::ports::WorkerPorts;
use crate::ports::http_client::{Abort, fetch};

/// Longest wait for the head of an answer, beyond what the origin was asked to wait: 5 s.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest pause within a body: 10 s.
const PAUSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Who asks, for the origin's log.
const USER_AGENT: HeaderValue = HeaderValue::from_static("vitrine-edge/worker");

/// Asks the origins, by their place in the list.
#[derive(Debug)]
pub(crate) struct Feed {
    origins: Option<Origins>,
    authorization: HeaderValue,
}

/// What an origin has to say about changes.
#[derive(Debug)]
pub(crate) enum Changes {
    /// The body, unread.
    Body(Bytes),
    /// 410: it does not know this history any more.
    Gone,
}

/// Why one call brought nothing.
#[derive(Debug)]
pub(crate) enum FeedError {
    /// More bytes than allowed.
    TooLarge,
    /// No answer, or none that is one.
    Failed(String),
}

impl fmt::Display for FeedError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => formatter.write_str("the answer is too large"),
            Self::Failed(why) => formatter.write_str(why),
        }
    }
}

/// A body on its way. Dropping it ends the call.
pub(crate) struct Body {
    chunks: worker::Body,
    _abort: Abort,
}

impl Feed {
    /// Reads whom to ask from the variables. No origin, or a list that is none, is nobody to ask.
    pub(crate) fn new(ports: &WorkerPorts) -> Result<Self, String> {
        let list = format!("{},{}", ports.text("origin_url"), ports.text("origin_url_secondary"));
        let secret = ports.text("edge_secret");
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {}", feed::bearer(secret.as_bytes())))
                .map_err(|_| "the feed's token cannot be sent in a header".to_owned())?;
        authorization.set_sensitive(true);
        Ok(Self { origins: Origins::parse(&list).ok(), authorization })
    }

    /// Returns how many origins there are.
    pub(crate) fn origins(&self) -> usize {
        self.origins.as_ref().map_or(0, Origins::count)
    }

    /// Asks for what came after `replica`'s position; the origin may wait for it `wait_ms` long.
    pub(crate) async fn changes(
        &self,
        origin: usize,
        replica: &Replica,
        wait_ms: u64,
        limit: u32,
        bytes_max: usize,
    ) -> Result<Changes, FeedError> {
        let path = format!(
            "{CHANGES_PATH}?epoch={}&after={}&schema_version={}&wait_ms={wait_ms}&limit={limit}",
            replica.epoch, replica.position, replica.schema_version
        );
        let (status, mut body) = self.ask(origin, &path, Duration::from_millis(wait_ms)).await?;
        match status {
            200 => {}
            410 => return Ok(Changes::Gone),
            other => return Err(FeedError::Failed(format!("the feed answered {other}"))),
        }
        let mut bytes = BytesMut::new();
        while let Some(chunk) = body.next().await? {
            if bytes.len().saturating_add(chunk.len()) > bytes_max {
                return Err(FeedError::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Changes::Body(bytes.freeze()))
    }

    /// Asks for a whole copy.
    pub(crate) async fn snapshot(&self, origin: usize) -> Result<Body, FeedError> {
        match self.ask(origin, SNAPSHOT_PATH, Duration::ZERO).await? {
            (200, body) => Ok(body),
            (other, _) => Err(FeedError::Failed(format!("the feed answered {other}"))),
        }
    }

    async fn ask(
        &self,
        origin: usize,
        path: &str,
        wait: Duration,
    ) -> Result<(u16, Body), FeedError> {
        let failed = |why: &dyn fmt::Display| FeedError::Failed(why.to_string());
        let origin = self.origins.as_ref().and_then(|origins| origins.at(origin));
        let origin = origin.ok_or_else(|| failed(&"no such origin"))?;
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = origin.uri(path).map_err(|error| failed(&error))?;
        request.headers_mut().insert(header::AUTHORIZATION, self.authorization.clone());
        request.headers_mut().insert(header::USER_AGENT, USER_AGENT);
        let abort = Abort::new().map_err(|error| failed(&error))?;
        let answer = within(HEAD_TIMEOUT.saturating_add(wait), fetch(&request, &abort)).await;
        let response: web_sys::Response = answer
            .ok_or_else(|| failed(&"the feed gives no answer"))?
            .map_err(|error| failed(&error))?;
        let chunks = response.body().map_or_else(worker::Body::empty, worker::Body::new);
        Ok((response.status(), Body { chunks, _abort: abort }))
    }
}

impl Body {
    /// Returns the next bytes, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, FeedError> {
        match within(PAUSE_TIMEOUT, self.chunks.next()).await {
            None => Err(FeedError::Failed("the feed stopped within an answer".to_owned())),
            Some(None) => Ok(None),
            Some(Some(Ok(chunk))) => Ok(Some(chunk)),
            Some(Some(Err(error))) => Err(FeedError::Failed(error.to_string())),
        }
    }
}

/// Waits for `future`, but no longer than `limit`.
async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    match select(pin!(future), pin!(Delay::from(limit))).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}

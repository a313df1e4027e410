//! The HTTP side: asks an origin for a snapshot or for changes, within limits of time and size.

use std::time::Duration;

use api_types::feed::{CHANGES_PATH, SNAPSHOT_PATH};
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::{FeedError, ReplicaError};
use crate::settings::{Limits, Settings};

/// Snapshot lines are handed to the writer in pieces of about this size.
const PIECE_BYTES: usize = 256 * 1024;
/// Idle connections are closed after this long; a poll keeps its own busy.
const IDLE: Duration = Duration::from_secs(30);

/// Asks the origins, one after the other.
#[derive(Debug)]
pub(crate) struct FeedClient {
    http: Client<HttpConnector, Empty<Bytes>>,
    urls: Vec<String>,
    active: usize,
    authorization: HeaderValue,
    user_agent: HeaderValue,
    limits: Limits,
}

/// What an origin has to say about changes.
#[derive(Debug)]
pub(crate) enum ChangesAnswer {
    /// The body, unread.
    Body(Bytes),
    /// 410: it does not know this history any more.
    Gone,
}

/// A snapshot on its way.
#[derive(Debug)]
pub(crate) struct SnapshotStream {
    body: Incoming,
    pending: BytesMut,
    bytes: u64,
    ends_at: Instant,
    limits: Limits,
}

impl FeedClient {
    /// Checks the settings that concern the feed.
    pub(crate) fn new(settings: &Settings) -> Result<Self, ReplicaError> {
        let refuse = |name, why: &str| ReplicaError::Setting { name, why: why.to_owned() };
        let mut urls = Vec::new();
        for url in &settings.feed_urls {
            urls.extend(base_url(url)?);
        }
        if urls.is_empty() {
            return Err(refuse("feed_urls", "names no origin"));
        }
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {}", settings.token.expose()))
                .map_err(|_| refuse("token", "cannot be sent in a header"))?;
        authorization.set_sensitive(true);
        let user_agent = HeaderValue::try_from(format!("vitrine-edge/{}", settings.node_id))
            .map_err(|_| refuse("node_id", "cannot be sent in a header"))?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(settings.limits.connect_timeout));
        connector.set_nodelay(true);
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .build(connector);
        let limits = settings.limits;
        Ok(Self { http, urls, active: 0, authorization, user_agent, limits })
    }

    /// Returns the origin in use.
    pub(crate) fn url(&self) -> &str {
        self.urls.get(self.active).map_or("", String::as_str)
    }

    /// Turns to the next origin. `true` when all of them have had their turn.
    pub(crate) fn turn(&mut self) -> bool {
        self.active = (self.active + 1) % self.urls.len().max(1);
        self.active == 0
    }

    /// Asks for what came after `position`; the origin may wait for it, but no longer than `wait`.
    pub(crate) async fn changes(
        &self,
        epoch: &str,
        position: u64,
        schema_version: u32,
        wait: Duration,
    ) -> Result<ChangesAnswer, FeedError> {
        let limit = self.limits.batch_transactions;
        let path = format!(
            "{CHANGES_PATH}?epoch={epoch}&after={position}&schema_version={schema_version}\
             &wait_ms={}&limit={limit}",
            wait.as_millis()
        );
        let answer = self.ask(&path, wait + self.limits.first_byte_timeout).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::GONE => return Ok(ChangesAnswer::Gone),
            other => return Err(FeedError::Status(other.as_u16())),
        }
        let mut body = answer.into_body();
        let mut bytes = BytesMut::new();
        let ends_at = Instant::now() + self.limits.changes_timeout;
        while let Some(data) = next_data(&mut body, ends_at, self.limits.frame_timeout).await? {
            check_size("answer", bytes.len() + data.len(), self.limits.changes_bytes_max)?;
            bytes.extend_from_slice(&data);
        }
        Ok(ChangesAnswer::Body(bytes.freeze()))
    }

    /// Asks for a whole copy.
    pub(crate) async fn snapshot(&self) -> Result<SnapshotStream, FeedError> {
        let answer = self.ask(SNAPSHOT_PATH, self.limits.first_byte_timeout).await?;
        if answer.status() != StatusCode::OK {
            return Err(FeedError::Status(answer.status().as_u16()));
        }
        Ok(SnapshotStream {
            body: answer.into_body(),
            pending: BytesMut::new(),
            bytes: 0,
            ends_at: Instant::now() + self.limits.snapshot_timeout,
            limits: self.limits,
        })
    }

    async fn ask(&self, path: &str, wait: Duration) -> Result<Response<Incoming>, FeedError> {
        let request = Request::get(format!("{}{path}", self.url()))
            .header(AUTHORIZATION, &self.authorization)
            .header(USER_AGENT, &self.user_agent)
            .body(Empty::new())
            .map_err(|cause| FeedError::Unreachable(cause.into()))?;
        match timeout(wait + self.limits.connect_timeout, self.http.request(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(cause)) => Err(FeedError::Unreachable(cause.into())),
            Err(_) => Err(FeedError::Timeout("head")),
        }
    }
}

impl SnapshotStream {
    /// Returns the next whole lines, or `None` at the end of the body.
    pub(crate) async fn lines(&mut self) -> Result<Option<Bytes>, FeedError> {
        loop {
            if self.pending.len() >= PIECE_BYTES
                && let Some(lines) = self.whole_lines()
            {
                return Ok(Some(lines));
            }
            let next = next_data(&mut self.body, self.ends_at, self.limits.frame_timeout).await?;
            let Some(data) = next else {
                let rest = self.pending.split().freeze();
                return Ok((!rest.is_empty()).then_some(rest));
            };
            self.bytes = self.bytes.saturating_add(data.len() as u64);
            if self.bytes > self.limits.snapshot_bytes_max {
                let bytes_max = self.limits.snapshot_bytes_max;
                return Err(FeedError::TooLarge { what: "snapshot", bytes_max });
            }
            self.pending.extend_from_slice(&data);
            let line_begins = last_line_break(&self.pending).map_or(0, |at| at + 1);
            let line_bytes = self.pending.len() - line_begins;
            check_size("line", line_bytes, self.limits.line_bytes_max)?;
        }
    }

    fn whole_lines(&mut self) -> Option<Bytes> {
        let at = last_line_break(&self.pending)?;
        Some(self.pending.split_to(at + 1).freeze())
    }
}

fn last_line_break(bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|byte| *byte == b'\n')
}

fn check_size(what: &'static str, bytes: usize, bytes_max: u64) -> Result<(), FeedError> {
    if bytes as u64 > bytes_max { Err(FeedError::TooLarge { what, bytes_max }) } else { Ok(()) }
}

async fn next_data(
    body: &mut Incoming,
    ends_at: Instant,
    pause: Duration,
) -> Result<Option<Bytes>, FeedError> {
    loop {
        let deadline = ends_at.min(Instant::now() + pause);
        match timeout_at(deadline, body.frame()).await {
            Err(_) => return Err(FeedError::Timeout("rest")),
            Ok(None) => return Ok(None),
            Ok(Some(Err(cause))) => return Err(FeedError::Cut(cause.into())),
            // Trailers mean nothing here.
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// Takes `http://host[:port]`, with or without a slash behind it. `None` for a host under `.invalid`
/// (RFC 6761: it never exists), with which a list says "no other": looking it up could take seconds.
fn base_url(url: &str) -> Result<Option<String>, ReplicaError> {
    let url = url.trim().trim_end_matches('/');
    let refuse =
        |why: &str| ReplicaError::Setting { name: "feed_urls", why: format!("`{url}` {why}") };
    let parsed: Uri = url.parse().map_err(|_| refuse("is not a URL"))?;
    if parsed.scheme_str() != Some("http") {
        return Err(refuse("does not begin with http://"));
    }
    let host = parsed.host().unwrap_or("");
    if host.is_empty() || parsed.path() != "/" || parsed.query().is_some() {
        return Err(refuse("is more or less than http://host:port"));
    }
    let is_nowhere = host.rsplit('.').next().is_some_and(|top| top.eq_ignore_ascii_case("invalid"));
    Ok((!is_nowhere).then(|| url.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_plain_origins_only() {
        let url = base_url(" http://127.0.0.1:8081/ ").unwrap();
        assert_eq!(url.as_deref(), Some("http://127.0.0.1:8081"));
        assert_eq!(base_url("http://none.invalid").unwrap(), None);
        for url in ["", "127.0.0.1:8081", "https://x", "http://", "http://x/path", "http://x/?q"] {
            assert!(base_url(url).is_err(), "{url}");
        }
    }
}

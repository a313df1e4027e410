//! Asks the origins as an edge does: signed, and another one when one does not answer.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use domain::Timestamp;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use origin_client::identity::{HEADER, Identity, SignedRequest, sign};
use serde_json::Value;

/// The secret that the origins' edges sign with.
pub(crate) const EDGE_SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Longest wait for one answer: an edge waits no longer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// Returns a text of the body; empty where there is none.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the last part of a problem's type, such as `out-of-stock`.
    pub(crate) fn problem(&self) -> &str {
        self.text("/type").rsplit('/').next().unwrap_or_default()
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Question<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) body: Option<&'a Value>,
    pub(crate) key: Option<&'a str>,
    pub(crate) bearer: Option<&'a str>,
}

/// One shopper's way to the shop.
#[derive(Debug)]
pub(crate) struct Asker {
    urls: Vec<String>,
    chosen: AtomicUsize,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl Asker {
    /// Prefers the `first` of the origins, counted round.
    pub(crate) fn new(urls: &[String], first: usize) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(2)));
        Self {
            urls: urls.to_vec(),
            chosen: AtomicUsize::new(first),
            http: Client::builder(TokioExecutor::new()).build(connector),
        }
    }

    /// Asks once. An error says that there was no answer, so nobody knows what was done; the next question goes to
    /// another origin then, and after an answer that says that this origin cannot.
    pub(crate) async fn ask(&self, question: Question<'_>) -> Result<Answer> {
        let chosen = self.chosen.load(Ordering::Relaxed);
        let url = self.urls.get(chosen % self.urls.len()).context("find an origin")?;
        let request = signed(url, question)?;
        let answer = tokio::time::timeout(ANSWER_MAX, self.send(request))
            .await
            .context("wait for an answer")
            .flatten();
        if answer.as_ref().map_or(true, |answer| answer.status >= 500) {
            self.chosen.store(chosen + 1, Ordering::Relaxed);
        }
        answer
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let response = self.http.request(request).await.context("ask")?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.context("read an answer")?.to_bytes();
        Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }
}

fn signed(url: &str, question: Question<'_>) -> Result<Request<Full<Bytes>>> {
    let method: Method = question.method.parse().context("read a method")?;
    let body = question.body.map(ToString::to_string).unwrap_or_default();
    let what =
        SignedRequest { method: &method, path_and_query: question.path, body: body.as_bytes() };
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let identity = Identity { user: None, session: None, client };
    let value = sign(EDGE_SECRET.as_bytes(), &what, &identity, now(), nonce());
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{url}{}", question.path))
        .header(HEADER, value);
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    if let Some(key) = question.key {
        request = request.header("idempotency-key", key);
    }
    if let Some(token) = question.bearer {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Full::new(Bytes::from(body))).context("write a request")
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn nonce() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut nonce = [0; 16];
    let (first, second) = nonce.split_at_mut(8);
    first.copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    second.copy_from_slice(&now().unix_ms().to_be_bytes());
    nonce
}

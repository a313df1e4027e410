//! The harness's client for threads that wait for their answer.

use anyhow::{Context as _, Result};
use http::Method;
use serde_json::Value;

use crate::RUNTIME;

/// Asks one server. Cloning shares its connections.
#[derive(Debug, Clone)]
pub struct Client(harness::Client);

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// The whole answer.
    whole: harness::Answer,
}

impl Client {
    /// A client of the server at `url`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self(harness::Client::new(url))
    }

    pub(crate) fn of(client: harness::Client) -> Self {
        Self(client)
    }

    /// `GET path`.
    ///
    /// # Errors
    /// When no complete answer comes.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, &[], None)
    }

    /// `POST path` with a JSON body and an idempotency key.
    ///
    /// # Errors
    /// When no complete answer comes.
    pub fn post(&self, path: &str, key: &str, body: &Value) -> Result<Answer> {
        self.send("POST", path, &[("idempotency-key", key)], Some(body))
    }

    /// Any request.
    ///
    /// # Errors
    /// When no complete answer comes.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer> {
        let method: Method = method.parse().context("use a method")?;
        let mut client = self.0.clone();
        for (name, value) in headers {
            client = client.with_header(name, value)?;
        }
        let whole = RUNTIME.block_on(client.request(method, path, body))?;
        Ok(Answer { status: whole.status, whole })
    }
}

impl Answer {
    /// The value of a header, the first where there are several.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.whole.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The whole body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.whole.body
    }

    /// The body as JSON; `null` where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(self.body()).unwrap_or_default()
    }

    /// Whether it is a problem (RFC 9457) that says what went wrong.
    #[must_use]
    pub fn is_problem(&self) -> bool {
        let problem = self.json();
        let says = |member: &str| problem[member].as_str().is_some_and(|text| !text.is_empty());
        self.header("content-type").is_some_and(|kind| kind.starts_with("application/problem+json"))
            && problem["status"] == self.status
            && says("title")
            && says("type")
    }

    /// Returns it when it has the expected status.
    ///
    /// # Panics
    /// When it has another, with the body that says why.
    #[must_use]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.whole.text());
        self
    }
}

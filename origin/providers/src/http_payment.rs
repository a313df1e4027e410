//! The payment provider over HTTP.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::payment::{BoxFuture, Decision, Intent, NewIntent, PaymentError, PaymentProvider};

/// Longest answer read: 16 KiB. An intent has about 200 bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Idle connections kept to the provider: 32.
const IDLE_MAX: usize = 32;

/// A provider behind a URL.
pub struct HttpPaymentProvider {
    base: String,
    secret: String,
    deadline: Duration,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl fmt::Debug for HttpPaymentProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpPaymentProvider({}, ***)", self.base)
    }
}

impl HttpPaymentProvider {
    /// Makes a client. `deadline` is the longest one call may take, connecting included; on expiry the outcome counts
    /// as unknown.
    #[must_use]
    pub fn new(base: &str, secret: String, deadline: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(IDLE_MAX)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self { base: base.trim_end_matches('/').to_owned(), secret, deadline, client }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Option<Intent>, PaymentError> {
        let uri: Uri = format!("{}{path}", self.base).parse().map_err(unknown)?;
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.secret))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(unknown)?;
        let answer = tokio::time::timeout(self.deadline, self.exchange(request))
            .await
            .map_err(unknown)??;
        let (status, body) = answer;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                serde_json::from_slice(&body).map(Some).map_err(unknown)
            }
            status if status.is_client_error() => Err(PaymentError::Refused(status.as_u16())),
            status => Err(unknown(std::io::Error::other(format!("status {status}")))),
        }
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), PaymentError> {
        let response = self.client.request(request).await.map_err(unknown)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(PaymentError::Unknown)?;
        Ok((status, body.to_bytes()))
    }

    async fn change(
        &self,
        path: &str,
        key: &str,
        body: &impl Serialize,
    ) -> Result<Intent, PaymentError> {
        let body = serde_json::to_vec(body).map_err(unknown)?;
        let intent = self.call(Method::POST, path, Some(key), body).await?;
        intent.ok_or(PaymentError::Refused(StatusCode::NOT_FOUND.as_u16()))
    }
}

fn unknown(error: impl std::error::Error + Send + Sync + 'static) -> PaymentError {
    PaymentError::Unknown(Box::new(error))
}

#[derive(Serialize)]
struct Action {
    action: Decision,
}

#[derive(Serialize)]
struct Nothing {}

impl PaymentProvider for HttpPaymentProvider {
    fn create(
        &self,
        key: String,
        intent: NewIntent,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        Box::pin(async move { self.change("/intents", &key, &intent).await })
    }

    fn lookup(&self, key: String) -> BoxFuture<'_, Result<Option<Intent>, PaymentError>> {
        Box::pin(async move {
            let key = utf8_percent_encode(&key, NON_ALPHANUMERIC);
            self.call(Method::GET, &format!("/intents?idempotency_key={key}"), None, Vec::new())
                .await
        })
    }

    fn act(
        &self,
        key: String,
        id: String,
        decision: Decision,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        let path = format!("/intents/{}/actions", utf8_percent_encode(&id, NON_ALPHANUMERIC));
        Box::pin(async move { self.change(&path, &key, &Action { action: decision }).await })
    }

    fn cancel(&self, key: String, id: String) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        let path = format!("/intents/{}/cancel", utf8_percent_encode(&id, NON_ALPHANUMERIC));
        Box::pin(async move { self.change(&path, &key, &Nothing {}).await })
    }

    fn refund(&self, key: String, id: String) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        let path = format!("/intents/{}/refund", utf8_percent_encode(&id, NON_ALPHANUMERIC));
        Box::pin(async move { self.change(&path, &key, &Nothing {}).await })
    }
}

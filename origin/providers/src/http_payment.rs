//! The local payment provider over HTTP.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use domain::{Money, Timestamp};
use http::{HeaderMap, Method as Verb, Request, StatusCode, Uri, header};
use http_body_util::Full;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::client::{Answer, HttpClient, retry_after};
use crate::local;
use crate::payment::{
    BoxFuture, Capture, Decision, DeclineCode, Event, Intent, Lookup, Method, NewIntent,
    PaymentError, PaymentProvider, Refund, Refunded, Subject,
};
use crate::secret::Secret;
use crate::webhook::{self, PaymentWebhook, WebhookError};

/// Longest answer read: 64 KiB. An intent has about 500 bytes, and 100 refunds have 20 KiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A provider behind a URL.
pub struct HttpPaymentProvider {
    base: String,
    secret: Secret,
    deadline: Duration,
    client: HttpClient,
}

impl fmt::Debug for HttpPaymentProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpPaymentProvider({}, ***)", self.base)
    }
}

impl HttpPaymentProvider {
    /// Makes a client. `deadline` is the longest one call may take, connecting included; on expiry the outcome counts
    /// as unknown. `secret` is shared with the provider: calls carry it and webhooks are signed with it.
    #[must_use]
    pub fn new(base: &str, secret: String, deadline: Duration) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            secret: Secret::new(secret),
            deadline,
            client: HttpClient::new(ANSWER_BYTES_MAX),
        }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        verb: Verb,
        path: &str,
        key: Option<&str>,
        body: Vec<u8>,
    ) -> Result<T, PaymentError> {
        let uri: Uri = format!("{}{path}", self.base).parse().map_err(PaymentError::unknown)?;
        let mut request = Request::builder()
            .method(verb)
            .uri(uri)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.secret.expose()))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(PaymentError::unknown)?;
        let answer = tokio::time::timeout(self.deadline, self.client.exchange(request))
            .await
            .map_err(PaymentError::unknown)??;
        if answer.status.is_success() {
            return serde_json::from_slice(&answer.body).map_err(PaymentError::unknown);
        }
        Err(refusal(&answer))
    }

    async fn change<T: DeserializeOwned>(
        &self,
        id: &str,
        operation: &str,
        key: &str,
        body: &impl Serialize,
    ) -> Result<T, PaymentError> {
        let path = format!("/intents/{}/{operation}", encoded(id));
        let body = serde_json::to_vec(body).map_err(PaymentError::unknown)?;
        self.call(Verb::POST, &path, Some(key), body).await
    }
}

fn encoded(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

/// What the provider says no with.
#[derive(Deserialize)]
struct No {
    error: String,
}

/// Says what an answer that is no success means. What we do not understand is not known.
fn refusal(answer: &Answer) -> PaymentError {
    let status = answer.status;
    let word = serde_json::from_slice::<No>(&answer.body).map(|no| no.error).unwrap_or_default();
    match (status, word.as_str()) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => PaymentError::Unauthorized,
        (StatusCode::NOT_FOUND, "not-found") => PaymentError::NotFound,
        (StatusCode::CONFLICT, "not-allowed") => PaymentError::NotAllowed,
        (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reuse") => PaymentError::KeyReused,
        (StatusCode::TOO_MANY_REQUESTS, _) => {
            PaymentError::RateLimited { retry_after: retry_after(&answer.headers) }
        }
        (StatusCode::PAYMENT_REQUIRED, code) => {
            PaymentError::Declined(DeclineCode::parse(code).unwrap_or(DeclineCode::Declined))
        }
        (StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY, word) if !word.is_empty() => {
            PaymentError::Invalid(word.to_owned())
        }
        (status, _) => PaymentError::unknown(format!("status {status}")),
    }
}

#[derive(Serialize)]
struct Action {
    action: Decision,
}

#[derive(Serialize)]
struct Confirmation {
    method: Method,
}

#[derive(Serialize)]
struct Amount {
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Money>,
}

#[derive(Serialize)]
struct Nothing {}

impl PaymentProvider for HttpPaymentProvider {
    fn name(&self) -> &'static str {
        "test"
    }

    fn accepts(&self, method: &Method) -> Result<(), PaymentError> {
        local::played(method)
            .map(drop)
            .map_err(|refusal| PaymentError::Invalid(refusal.to_string()))
    }

    fn create(
        &self,
        key: String,
        intent: NewIntent,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        Box::pin(async move {
            let body = serde_json::to_vec(&intent).map_err(PaymentError::unknown)?;
            self.call(Verb::POST, "/intents", Some(&key), body).await
        })
    }

    fn confirm(
        &self,
        key: String,
        id: String,
        method: Method,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        Box::pin(async move { self.change(&id, "confirm", &key, &Confirmation { method }).await })
    }

    fn lookup(&self, by: Lookup) -> BoxFuture<'_, Result<Option<Intent>, PaymentError>> {
        Box::pin(async move {
            let path = match &by {
                Lookup::Ours { key, .. } => format!("/intents?idempotency_key={}", encoded(key)),
                Lookup::Id(id) => format!("/intents/{}", encoded(id)),
            };
            match self.call(Verb::GET, &path, None, Vec::new()).await {
                Ok(intent) => Ok(Some(intent)),
                Err(PaymentError::NotFound) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn act(
        &self,
        key: String,
        id: String,
        decision: Decision,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        let action = Action { action: decision };
        Box::pin(async move { self.change(&id, "actions", &key, &action).await })
    }

    fn capture(
        &self,
        key: String,
        id: String,
        capture: Capture,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        Box::pin(async move { self.change(&id, "capture", &key, &capture).await })
    }

    fn cancel(&self, key: String, id: String) -> BoxFuture<'_, Result<Intent, PaymentError>> {
        Box::pin(async move { self.change(&id, "cancel", &key, &Nothing {}).await })
    }

    fn refund(
        &self,
        key: String,
        id: String,
        amount: Option<Money>,
    ) -> BoxFuture<'_, Result<Refunded, PaymentError>> {
        Box::pin(async move { self.change(&id, "refunds", &key, &Amount { amount }).await })
    }

    fn refunds(&self, id: String) -> BoxFuture<'_, Result<Vec<Refund>, PaymentError>> {
        Box::pin(async move {
            let path = format!("/intents/{}/refunds", encoded(&id));
            self.call(Verb::GET, &path, None, Vec::new()).await
        })
    }

    fn verify_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Event, WebhookError> {
        receive(self.secret.expose().as_bytes(), headers, body, now)
    }
}

/// Checks and reads a webhook of the local provider.
///
/// # Errors
/// See [`WebhookError`].
pub fn receive(
    secret: &[u8],
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Event, WebhookError> {
    let text =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let id = text(webhook::ID_HEADER);
    let (sent, signatures) = (text(webhook::TIMESTAMP_HEADER), text(webhook::SIGNATURE_HEADER));
    webhook::verify(secret, id, sent, signatures, body, now)?;
    let message: PaymentWebhook =
        serde_json::from_slice(body).map_err(|_unreadable| WebhookError::Unreadable)?;
    Ok(Event { id: id.to_owned(), kind: message.kind, subject: Subject::Intent(message.data) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_no_of_the_provider_has_its_meaning_and_the_rest_is_unknown() {
        let answer = |status: u16, word: &str| Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::from_iter([(header::RETRY_AFTER, "7".parse().unwrap())]),
            body: serde_json::json!({ "error": word }).to_string().into(),
        };
        for (status, word, expected) in [
            (401, "unauthorized", "Unauthorized"),
            (404, "not-found", "NotFound"),
            (404, "another server", "Unknown(\"status 404 Not Found\")"),
            (409, "not-allowed", "NotAllowed"),
            (422, "idempotency-key-reuse", "KeyReused"),
            (422, "negative-amount", "Invalid(\"negative-amount\")"),
            (429, "busy", "RateLimited { retry_after: Some(7s) }"),
            (402, "expired_card", "Declined(ExpiredCard)"),
            (402, "stolen", "Declined(Declined)"),
            (500, "internal", "Unknown(\"status 500 Internal Server Error\")"),
            (302, "not-found", "Unknown(\"status 302 Found\")"),
        ] {
            assert_eq!(format!("{:?}", refusal(&answer(status, word))), expected);
        }
    }
}

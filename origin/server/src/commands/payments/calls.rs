//! What a shop may ask.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use domain::Money;
use domain::payment::TestMethod;
use http::{HeaderMap, StatusCode};
use providers::local::{self, TIMEOUT_HELD, Wish};
use providers::payment::{
    Capture, CaptureMode, Decision, Intent, Method, NewIntent, Refund, Refunded,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use store::payments_db::{IntentRow, RequestKey, Written};

use super::records::{change, intent, name, refund as refund_of, told, update, word};
use super::{No, Provider};

/// Longest address that a payer is sent back to: 2 048 bytes.
const RETURN_URL_BYTES_MAX: usize = 2_048;

type Reply = Result<(StatusCode, Json<Intent>), No>;

fn request_key(headers: &HeaderMap, parts: &[&[u8]]) -> Result<RequestKey, No> {
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
    let key = key.filter(|key| (1..=255).contains(&key.len()));
    let key = key.ok_or(No(StatusCode::BAD_REQUEST, "idempotency-key-required"))?;
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
        digest.update([0]);
    }
    Ok(RequestKey { key: key.to_owned(), fingerprint: digest.finalize().into() })
}

fn read_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, No> {
    serde_json::from_slice(body).map_err(|_unreadable| No::UNREADABLE)
}

pub(super) async fn create(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply {
    let request = request_key(&headers, &[b"create", &body])?;
    let new: NewIntent = read_body(&body)?;
    if new.return_url.as_deref().is_some_and(|url| !is_page(url)) {
        return Err(No::refusal("invalid-return-url"));
    }
    let asked = local::played(&new.method).map_err(|refusal| No::refusal(word(refusal)))?;
    let is_known = provider.db.by_key(request.key.clone()).await?.is_some();
    let played = if is_known { asked } else { outcome(&provider, asked)? };
    let method = played.map_or(Method::Hosted, Method::Test);
    let id = name("pi")?;
    let played_intent = NewIntent { method, ..new.clone() };
    let made =
        local::create(&played_intent, id.clone()).map_err(|refusal| No::refusal(word(refusal)))?;
    let now = provider.clock.now();
    let empty = IntentRow {
        id,
        reference: new.reference.to_string(),
        amount: new.amount,
        method: new.method.as_str().to_owned(),
        capture: match new.capture {
            CaptureMode::Automatic => "automatic".to_owned(),
            CaptureMode::Manual => "manual".to_owned(),
        },
        status: String::new(),
        amounts: domain::payment::Amounts::zero(new.amount.currency),
        decline_code: None,
        return_url: new.return_url,
        due_at: None,
    };
    let row = update(&provider, &empty, &made, now);
    let is_lost = asked == Some(TestMethod::Timeout);
    let deliveries = if is_lost { Vec::new() } else { told(&provider, &made, now)? };
    let written = provider.db.create(request, row, deliveries, now).await?;
    if is_lost {
        tokio::time::sleep(TIMEOUT_HELD).await;
    }
    reply(&provider, StatusCode::CREATED, written)
}

/// Says what a method plays once the switches had their say: only what would succeed is made to fail or to ask.
fn outcome(provider: &Provider, asked: Option<TestMethod>) -> Result<Option<TestMethod>, No> {
    match asked {
        Some(TestMethod::Success | TestMethod::Late | TestMethod::Timeout) => {
            provider.switchboard.outcome().map(|outcome| outcome.or(asked))
        }
        Some(TestMethod::Decline | TestMethod::RequiresAction) | None => Ok(asked),
    }
}

fn is_page(url: &str) -> bool {
    url.len() <= RETURN_URL_BYTES_MAX
        && (url.starts_with("https://") || url.starts_with("http://"))
        && url.bytes().all(|byte| byte.is_ascii_graphic())
}

#[derive(Deserialize)]
pub(super) struct ByKey {
    idempotency_key: String,
}

pub(super) async fn find(
    State(provider): State<Arc<Provider>>,
    Query(query): Query<ByKey>,
) -> Reply {
    show(&provider, provider.db.by_key(query.idempotency_key).await?)
}

pub(super) async fn read(State(provider): State<Arc<Provider>>, Path(id): Path<String>) -> Reply {
    show(&provider, provider.db.by_id(id).await?)
}

fn show(provider: &Provider, row: Option<IntentRow>) -> Reply {
    let row = row.ok_or(No::NOT_FOUND)?;
    Ok((StatusCode::OK, Json(intent(provider, &row)?)))
}

#[derive(Deserialize)]
struct Confirmation {
    method: Method,
}

pub(super) async fn confirm(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply {
    let request = request_key(&headers, &[b"confirm", id.as_bytes(), &body])?;
    let Confirmation { method } = read_body(&body)?;
    let asked = local::played(&method).map_err(|refusal| No::refusal(word(refusal)))?;
    let asked = asked.ok_or_else(|| No::refusal("unknown-token"))?;
    let is_known = provider.db.by_key(request.key.clone()).await?.is_some();
    let played = if is_known { asked } else { outcome(&provider, Some(asked))?.unwrap_or(asked) };
    advance(provider, request, id, Wish::Confirm(played)).await
}

#[derive(Deserialize)]
struct Action {
    action: Decision,
}

pub(super) async fn act(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply {
    let request = request_key(&headers, &[b"act", id.as_bytes(), &body])?;
    let Action { action } = read_body(&body)?;
    advance(provider, request, id, Wish::Act(action)).await
}

pub(super) async fn capture(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply {
    let request = request_key(&headers, &[b"capture", id.as_bytes(), &body])?;
    let capture: Capture = read_body(&body)?;
    advance(provider, request, id, Wish::Capture(capture)).await
}

pub(super) async fn cancel(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Reply {
    let request = request_key(&headers, &[b"cancel", id.as_bytes()])?;
    advance(provider, request, id, Wish::Cancel).await
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    amount: Option<Money>,
}

pub(super) async fn refund(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Refunded>, No> {
    let request = request_key(&headers, &[b"refund", id.as_bytes(), &body])?;
    let Asked { amount } = read_body(&body)?;
    let written = run(&provider, request, id.clone(), Wish::Refund(amount)).await?;
    let (row, made) = done(written)?;
    // Nothing was left to give back, which is what was asked for: the last refund did it.
    let made = match made {
        Some(made) => Some(made),
        None => provider.db.refunds_of(id).await?.and_then(|all| all.into_iter().next()),
    };
    let refund = refund_of(made.ok_or_else(|| No::refusal("not-allowed"))?);
    Ok(Json(Refunded { refund, intent: intent(&provider, &row)? }))
}

pub(super) async fn refunds(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
) -> Result<Json<Vec<Refund>>, No> {
    let refunds = provider.db.refunds_of(id).await?.ok_or(No::NOT_FOUND)?;
    Ok(Json(refunds.into_iter().map(refund_of).collect()))
}

async fn advance(provider: Arc<Provider>, request: RequestKey, id: String, wish: Wish) -> Reply {
    let written = run(&provider, request, id, wish).await?;
    reply(&provider, StatusCode::OK, written)
}

async fn run(
    provider: &Arc<Provider>,
    request: RequestKey,
    id: String,
    wish: Wish,
) -> Result<Written, No> {
    let (decider, key) = (Arc::clone(provider), request.key.clone());
    let decide = Box::new(move |row: &IntentRow| change(&decider, row, wish, Some(&key)));
    Ok(provider.db.advance(Some(request), id, decide, provider.clock.now()).await?)
}

fn reply(provider: &Provider, status: StatusCode, written: Written) -> Reply {
    let (row, _refund) = done(written)?;
    Ok((status, Json(intent(provider, &row)?)))
}

fn done(written: Written) -> Result<(IntentRow, Option<store::payments_db::RefundRow>), No> {
    match written {
        Written::Intent(row, refund) => Ok((*row, refund)),
        Written::KeyReused => Err(No::refusal("idempotency-key-reuse")),
        Written::NotFound => Err(No::NOT_FOUND),
        Written::Refused("internal") => Err(No::INTERNAL),
        Written::Refused(word) => Err(No::refusal(word)),
    }
}

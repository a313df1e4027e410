//! `payments`: the local payment provider, over HTTP.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use app::Clock;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::ErrorKind;
use domain::payment::TestMethod;
use http::{HeaderMap, StatusCode, header};
use providers::local::{self, TIMEOUT_HELD, Wish};
use providers::payment::{
    CaptureMode, Decision, Intent, IntentStatus, Method, NewIntent, Refund, RefundStatus, Refunded,
};
use providers::webhook::PaymentWebhook;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use store::StoreError;
use store::payments_db::{IntentRow, PaymentsDb, RequestKey, Written};
use subtle::ConstantTimeEq;

use super::webhooks;
use crate::cli::Payments;
use crate::secret::random_hex;
use crate::{listen, secret};

/// Longest body: 16 KiB.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// The provider.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) db: PaymentsDb,
    pub(crate) clock: Clock,
    pub(crate) secret: String,
    late: Duration,
}

pub(crate) async fn run(options: Payments) -> anyhow::Result<()> {
    let secret = secret::read(&options.secret_file)?;
    let stop = listen::stop_signal()?;
    let listener = listen::bind(options.listen).await?;
    let path = options.data.join("payments.db");
    let db = PaymentsDb::open(&path).with_context(|| format!("open {}", path.display()))?;
    let late = Duration::from_millis(options.late_ms);
    let provider = Arc::new(Provider { db, clock: Clock::default(), secret, late });
    let sender =
        tokio::spawn(webhooks::run(Arc::clone(&provider), options.webhook_url, stop.clone()));
    let intents = Router::new()
        .route("/intents", post(create).get(find))
        .route("/intents/{id}/actions", post(act))
        .route("/intents/{id}/cancel", post(cancel))
        .route("/intents/{id}/refunds", post(refund))
        .route_layer(from_fn_with_state(Arc::clone(&provider), authorize));
    let router = intents
        .route("/healthz", get(|| async { Json(serde_json::json!({ "status": "ok" })) }))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(provider);
    listen::serve(listener, router, stop).await?;
    sender.await.context("join the webhook sender")?;
    Ok(())
}

/// How the provider says no: a status and a word.
struct No(StatusCode, &'static str);

impl IntoResponse for No {
    fn into_response(self) -> Response {
        (self.0, Json(serde_json::json!({ "error": self.1 }))).into_response()
    }
}

impl From<StoreError> for No {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = %error, "could not write");
        if error.kind() == ErrorKind::Unavailable {
            return Self(StatusCode::SERVICE_UNAVAILABLE, "busy");
        }
        Self(StatusCode::INTERNAL_SERVER_ERROR, "internal")
    }
}

type Reply = Result<(StatusCode, Json<Intent>), No>;

async fn authorize(
    State(provider): State<Arc<Provider>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = sent.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or("");
    if !bool::from(token.as_bytes().ct_eq(provider.secret.as_bytes())) {
        return No(StatusCode::UNAUTHORIZED, "unauthorized").into_response();
    }
    next.run(request).await
}

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

async fn create(State(provider): State<Arc<Provider>>, headers: HeaderMap, body: Bytes) -> Reply {
    let request = request_key(&headers, &[b"create", &body])?;
    let new: NewIntent = serde_json::from_slice(&body)
        .map_err(|_unreadable| No(StatusCode::BAD_REQUEST, "unreadable"))?;
    let now = provider.clock.now();
    let id = format!(
        "pi_{}",
        random_hex::<16>().map_err(|_none| No(StatusCode::INTERNAL_SERVER_ERROR, "internal"))?
    );
    let status = local::create(&new, id.clone())
        .map_err(|_refused| No(StatusCode::UNPROCESSABLE_ENTITY, "invalid-amount"))?
        .status;
    let row = IntentRow {
        id,
        reference: new.reference.to_string(),
        amount: new.amount,
        method: new.method.as_str().to_owned(),
        status: status.as_str().to_owned(),
        settles_at: (status == IntentStatus::Processing).then(|| now.after(provider.late)),
    };
    let is_lost = new.method == Method::Test(TestMethod::Timeout);
    let webhook = if ends(status) && !is_lost { tell(&provider, &row) } else { None };
    let written = provider.db.create(request, row, webhook, now).await?;
    if is_lost {
        tokio::time::sleep(TIMEOUT_HELD).await;
    }
    reply(StatusCode::CREATED, written)
}

#[derive(Deserialize)]
struct ByKey {
    idempotency_key: String,
}

async fn find(State(provider): State<Arc<Provider>>, Query(query): Query<ByKey>) -> Reply {
    let row = provider.db.by_key(query.idempotency_key).await?;
    reply(StatusCode::OK, row.map_or(Written::NotFound, Written::Intent))
}

#[derive(Deserialize)]
struct Action {
    action: Decision,
}

async fn act(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Reply {
    let request = request_key(&headers, &[b"act", id.as_bytes(), &body])?;
    let Action { action } = serde_json::from_slice(&body)
        .map_err(|_unreadable| No(StatusCode::BAD_REQUEST, "unreadable"))?;
    advance(provider, request, id, Wish::Act(action)).await
}

async fn cancel(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Reply {
    let request = request_key(&headers, &[b"cancel", id.as_bytes()])?;
    advance(provider, request, id, Wish::Cancel).await
}

async fn refund(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Refunded>, No> {
    let request = request_key(&headers, &[b"refund", id.as_bytes()])?;
    let key = request.key.clone();
    let (_, Json(intent)) = advance(provider, request, id, Wish::Refund(None)).await?;
    let (amount, status) = (intent.amount, RefundStatus::Succeeded);
    let refund = Refund { id: format!("re_{}", intent.id), key: Some(key), amount, status };
    Ok(Json(Refunded { refund, intent }))
}

async fn advance(provider: Arc<Provider>, request: RequestKey, id: String, wish: Wish) -> Reply {
    let now = provider.clock.now();
    let decider = Arc::clone(&provider);
    let decide = Box::new(move |row: &IntentRow| decide(&decider, row, wish));
    reply(StatusCode::OK, provider.db.advance(request, id, decide, now).await?)
}

/// Returns the next status of an intent and the webhook that tells, if anything changes.
pub(crate) fn decide(
    provider: &Provider,
    row: &IntentRow,
    wish: Wish,
) -> Option<(String, Option<(String, String)>)> {
    let next = local::advance(&intent(row)?, CaptureMode::Automatic, wish).ok()?;
    let next = next.status.as_str().to_owned();
    if next == row.status {
        return Some((next, None));
    }
    let webhook = tell(provider, &IntentRow { status: next.clone(), ..row.clone() });
    Some((next, webhook))
}

const fn ends(status: IntentStatus) -> bool {
    !matches!(status, IntentStatus::Processing | IntentStatus::RequiresAction)
}

fn tell(provider: &Provider, row: &IntentRow) -> Option<(String, String)> {
    let message = PaymentWebhook::about(intent(row)?, provider.clock.now());
    let id = random_hex::<16>().ok()?;
    Some((format!("evt_{id}"), serde_json::to_string(&message).ok()?))
}

fn intent(row: &IntentRow) -> Option<Intent> {
    let status = IntentStatus::parse(&row.status)?;
    Some(Intent::whole(row.id.clone(), row.reference.parse().ok()?, row.amount, status))
}

fn reply(status: StatusCode, written: Written) -> Reply {
    match written {
        Written::Intent(row) => {
            let intent = intent(&row).ok_or(No(StatusCode::INTERNAL_SERVER_ERROR, "internal"))?;
            Ok((status, Json(intent)))
        }
        Written::KeyReused => Err(No(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reuse")),
        Written::NotFound => Err(No(StatusCode::NOT_FOUND, "not-found")),
        Written::Refused => Err(No(StatusCode::CONFLICT, "not-allowed")),
    }
}

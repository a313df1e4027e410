//! `payments`: the local payment provider, over HTTP.
//!
//! It behaves like a real one, and misbehaves like one on demand: `GET` and `PUT /admin/switches` say and set how
//! (`providers::local::switches`). The payer's page is at `/3ds/{id}`.

mod calls;
mod page;
mod records;
mod switchboard;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use app::Clock;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::ErrorKind;
use http::{StatusCode, header};
use store::StoreError;
use store::payments_db::PaymentsDb;
use subtle::ConstantTimeEq;

use super::webhooks;
use crate::cli::Payments;
use crate::{listen, secret};

pub(crate) use records::by_itself;
use switchboard::Switchboard;

/// Longest body: 16 KiB.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// The provider.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) db: PaymentsDb,
    pub(crate) clock: Clock,
    pub(crate) secret: String,
    /// Where the payer's browser reaches it.
    public_url: String,
    late: Duration,
    authorization_life: Duration,
    switchboard: Switchboard,
}

pub(crate) async fn run(options: Payments) -> anyhow::Result<()> {
    let secret = secret::read(&options.secret_file)?;
    let stop = listen::stop_signal()?;
    let listener = listen::bind(options.listen).await?;
    let address = listener.local_addr().context("read own address")?;
    let path = options.data.join("payments.db");
    let db = PaymentsDb::open(&path).with_context(|| format!("open {}", path.display()))?;
    let public_url = options.public_url.unwrap_or_else(|| format!("http://{address}"));
    let provider = Arc::new(Provider {
        db,
        clock: Clock::default(),
        secret,
        public_url: public_url.trim_end_matches('/').to_owned(),
        late: Duration::from_millis(options.late_ms),
        authorization_life: Duration::from_secs(options.authorization_seconds),
        switchboard: Switchboard::new(options.switches),
    });
    let sender =
        tokio::spawn(webhooks::run(Arc::clone(&provider), options.webhook_urls, stop.clone()));
    listen::serve(listener, router(provider), stop).await?;
    sender.await.context("join the webhook sender")?;
    Ok(())
}

fn router(provider: Arc<Provider>) -> Router {
    let intents = Router::new()
        .route("/intents", post(calls::create).get(calls::find))
        .route("/intents/{id}", get(calls::read))
        .route("/intents/{id}/confirm", post(calls::confirm))
        .route("/intents/{id}/actions", post(calls::act))
        .route("/intents/{id}/capture", post(calls::capture))
        .route("/intents/{id}/cancel", post(calls::cancel))
        .route("/intents/{id}/refunds", post(calls::refund).get(calls::refunds))
        .route_layer(from_fn_with_state(Arc::clone(&provider), switchboard::misbehave));
    let admin =
        Router::new().route("/admin/switches", get(switchboard::read).put(switchboard::set));
    // Whoever is not believed does not use up a fault.
    intents
        .merge(admin)
        .route_layer(from_fn_with_state(Arc::clone(&provider), authorize))
        .route("/3ds/{id}", get(page::show).post(page::decide))
        .route("/healthz", get(|| async { Json(serde_json::json!({ "status": "ok" })) }))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(provider)
}

/// How the provider says no: a status and a word.
#[derive(Debug)]
struct No(StatusCode, &'static str);

impl No {
    const INTERNAL: Self = Self(StatusCode::INTERNAL_SERVER_ERROR, "internal");
    const NOT_FOUND: Self = Self(StatusCode::NOT_FOUND, "not-found");
    const UNREADABLE: Self = Self(StatusCode::BAD_REQUEST, "unreadable");

    /// Answers with a word of the provider's rules.
    fn refusal(word: &'static str) -> Self {
        let status = if word == "not-allowed" {
            StatusCode::CONFLICT
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        };
        Self(status, word)
    }
}

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
        Self::INTERNAL
    }
}

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

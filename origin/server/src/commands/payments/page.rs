//! The page where the payer approves or rejects, as a bank's would be. It needs no JavaScript.
//!
//! Whoever knows an intent's name may decide: the name has 128 random bits and goes to the payer alone.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use providers::local::Wish;
use providers::payment::{Decision, Intent, IntentStatus};
use store::payments_db::{IntentRow, Written};

use super::records::{change, intent};
use super::{No, Provider};

/// Nothing but the page itself and its styles; no other page may put it into a frame.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

pub(super) async fn show(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
) -> Result<Response, No> {
    let row = provider.db.by_id(id).await?.ok_or(No::NOT_FOUND)?;
    Ok(page(StatusCode::OK, &intent(&provider, &row)?))
}

pub(super) async fn decide(
    State(provider): State<Arc<Provider>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, No> {
    let decision = match &*body {
        b"decision=approve" => Decision::Approve,
        b"decision=reject" => Decision::Reject,
        _ => return Err(No::UNREADABLE),
    };
    let decider = Arc::clone(&provider);
    let wish = Wish::Act(decision);
    let decide = Box::new(move |row: &IntentRow| change(&decider, row, wish, None));
    let now = provider.clock.now();
    let row = match provider.db.advance(None, id.clone(), decide, now).await? {
        Written::Intent(row, _) => *row,
        // Decided before: the page says how.
        Written::Refused("not-allowed") => {
            let row = provider.db.by_id(id).await?.ok_or(No::NOT_FOUND)?;
            return Ok(page(StatusCode::CONFLICT, &intent(&provider, &row)?));
        }
        Written::NotFound => return Err(No::NOT_FOUND),
        Written::Refused(_) | Written::KeyReused => return Err(No::INTERNAL),
    };
    match row.return_url.as_deref().and_then(|url| HeaderValue::from_str(url).ok()) {
        Some(url) => Ok((StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response()),
        None => Ok(page(StatusCode::OK, &intent(&provider, &row)?)),
    }
}

fn page(status: StatusCode, intent: &Intent) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (status, headers, Html(text(intent))).into_response()
}

/// Writes the page. Everything in it is a number, a word of ours or a name of ours: nothing needs escaping.
fn text(intent: &Intent) -> String {
    let amount = intent.amount;
    let content = if intent.status == IntentStatus::RequiresAction {
        "<form method=\"post\">\
         <button name=\"decision\" value=\"approve\">Approve</button> \
         <button name=\"decision\" value=\"reject\">Reject</button></form>"
            .to_owned()
    } else {
        format!(
            "<p role=\"status\">This payment is {}.</p>",
            intent.status.as_str().replace('_', " ")
        )
    };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Approve a payment</title>\
         <style>body{{font:1.1rem system-ui;max-width:30rem;margin:3rem auto;padding:0 1rem}}\
         button{{font:inherit;padding:.6rem 1.2rem;min-height:44px}}</style></head>\
         <body><main><h1>Approve a payment</h1><p>Test bank: <strong>{amount}</strong></p>{content}</main></body></html>"
    )
}

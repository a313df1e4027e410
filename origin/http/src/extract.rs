//! Unpacks requests: who asks, what for, under which key. Everything malformed is a problem, never a bare status.

use std::sync::Arc;

use api_types::problem::Problem;
use app::{Caller, Claim, Precondition, Staff, StaffId};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use domain::ErrorKind;
use http::request::Parts;
use http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use crate::Context;
use crate::identity::read_body;
use crate::problem::Failure;

/// Longest idempotency key: 255 characters.
const KEY_BYTES_MAX: usize = 255;

/// The caller whom the edge vouches for.
pub(crate) struct Who {
    pub(crate) caller: Caller,
    /// An opaque bearer token (`ot_…`), if one was sent.
    pub(crate) bearer: Option<String>,
}

impl FromRequestParts<Arc<Context>> for Who {
    type Rejection = Failure;

    async fn from_request_parts(
        parts: &mut Parts,
        _context: &Arc<Context>,
    ) -> Result<Self, Failure> {
        let caller = parts.extensions.get::<Caller>().copied().ok_or(ErrorKind::Unauthenticated)?;
        let bearer =
            bearer(&parts.headers).filter(|token| token.starts_with("ot_")).map(str::to_owned);
        Ok(Self { caller, bearer })
    }
}

/// Returns the bearer token of a request. The scheme's case does not matter (RFC 9110, section 11.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A request that changes something: who, what, under which key and precondition.
pub(crate) struct Command<T> {
    pub(crate) who: Who,
    pub(crate) value: T,
    pub(crate) claim: Option<Claim>,
    pub(crate) version: Precondition,
}

impl<T: DeserializeOwned> FromRequest<Arc<Context>> for Command<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, context: &Arc<Context>) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let who = Who::from_request_parts(&mut parts, context).await?;
        let body = read_body(body, context.limits.body_bytes_max).await?;
        let json = read_json(&parts.headers, &body)?;
        // The same words in another order or with other spaces are the same request.
        let canonical = serde_json::to_vec(&json)?;
        let claim = read_claim(context, &who.caller, &parts, &canonical)?;
        let version = read_if_match(&parts.headers);
        // serde would take a list for a struct, field by field.
        if !json.is_object() {
            return Err(Problem::of(ErrorKind::InvalidInput)
                .detail("the body must be a JSON object")
                .into());
        }
        let value = T::deserialize(json).map_err(|error| {
            // The text names a field and what was expected of it; nothing of ours.
            Problem::of(ErrorKind::InvalidInput).detail(error.to_string())
        })?;
        Ok(Self { who, value, claim, version })
    }
}

fn read_json(headers: &HeaderMap, body: &Bytes) -> Result<serde_json::Value, Failure> {
    if body.is_empty() {
        return Ok(serde_json::Value::Object(serde_json::Map::new()));
    }
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = content_type.split(';').next().unwrap_or("").trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(ErrorKind::UnsupportedMediaType.into());
    }
    serde_json::from_slice(body).map_err(|error| {
        Problem::of(ErrorKind::Unreadable).detail(format!("not JSON: {error}")).into()
    })
}

fn read_claim(
    context: &Context,
    caller: &Caller,
    parts: &Parts,
    canonical: &[u8],
) -> Result<Option<Claim>, Failure> {
    let Some(key) = parts.headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key =
        key.to_str().ok().map(str::trim).filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()));
    let Some(key) = key else {
        let title = "The Idempotency-Key is not 1 to 255 characters";
        return Err(Problem::new(ErrorKind::Unreadable, "idempotency-key-invalid", title).into());
    };
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    // Whose key: that of the staff's key or account that was let in; the account's; else that of who knows the cart or
    // order in the path; else that of the address, so that one guest's key never opens another's answer.
    let staff = parts.extensions.get::<Staff>().map(|staff| staff.who);
    let whose = match (staff, caller.user) {
        (Some(StaffId::Key(key)), _) => format!("staff key {key}"),
        (Some(StaffId::Account(user)), _) | (None, Some(user)) => format!("user {user}"),
        (None, None) if path.starts_with("/v1/carts/") || path.starts_with("/v1/orders/") => {
            "holder".to_owned()
        }
        (None, None) => format!("guest {}", caller.client),
    };
    let request = [method.as_bytes(), path.as_bytes(), canonical];
    Ok(Some(context.app.claim(format!("{whose} {method} {path}"), key.to_owned(), &request)))
}

/// Reads `If-Match: "7"`. Another spelling matches no version (RFC 9110, section 13.1.1), `*` matches every one.
fn read_if_match(headers: &HeaderMap) -> Precondition {
    let value = headers.get(header::IF_MATCH)?.to_str().unwrap_or("").trim();
    if value == "*" {
        return None;
    }
    let version = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .and_then(|text| text.parse().ok());
    Some(version.unwrap_or(-1))
}

/// The raw body of a request without an identity, up to the limit.
pub(crate) struct Raw {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl FromRequest<Arc<Context>> for Raw {
    type Rejection = Failure;

    async fn from_request(request: Request<Body>, context: &Arc<Context>) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        // Nobody has said yet who sends this: a body that trickles in must not hold a place for ever.
        let body = read_body(body, context.limits.body_bytes_max);
        let body = tokio::time::timeout(context.limits.deadline, body)
            .await
            .map_err(|_elapsed| ErrorKind::DeadlineExceeded)??;
        Ok(Self { headers: parts.headers, body })
    }
}

/// Demands a key: what it is for must not be done twice.
pub(crate) fn demanded(claim: Option<Claim>) -> Result<Claim, Failure> {
    claim.ok_or_else(|| {
        let title = "This needs an Idempotency-Key";
        Problem::new(ErrorKind::Unreadable, "idempotency-key-required", title).into()
    })
}

/// Reads an id from a path: one that is none names nothing.
pub(crate) fn id<T: std::str::FromStr>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|_invalid| ErrorKind::NotFound.into())
}

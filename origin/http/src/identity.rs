//! Who asks: the identity that the edge signed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use app::Caller;
use axum::body::{Body, Bytes};
use domain::{ErrorKind, Timestamp};
use http::request::Parts;
use origin_client::identity::{HEADER, SignedRequest, WINDOW};

use api_types::problem::Problem;

use crate::Context;
use crate::problem::Failure;

/// Nonces remembered: 200 000, about 1 600 unkeyed writes per second for two windows. Beyond it writes are refused.
const NONCES_MAX: usize = 200_000;

/// Nonces seen within the window.
#[derive(Debug, Default)]
pub(crate) struct Nonces(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    by_nonce: BTreeMap<[u8; 16], Timestamp>,
    swept_at: Option<Timestamp>,
}

impl Nonces {
    /// Remembers a nonce. `Ok(false)`: it came before. `Err`: too many to remember.
    fn remember(&self, nonce: [u8; 16], now: Timestamp) -> Result<bool, Failure> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = seen.swept_at.is_none_or(|at| now.since(at) >= WINDOW);
        if is_due {
            // A signature is believed for one window on each side of its moment, which is known to the second.
            let oldest = now.before(WINDOW * 2 + Duration::from_secs(1));
            seen.by_nonce.retain(|_, &mut at| at >= oldest);
            seen.swept_at = Some(now);
        }
        if seen.by_nonce.len() >= NONCES_MAX {
            return Err(Problem::of(ErrorKind::Unavailable).retry_after(1).into());
        }
        Ok(seen.by_nonce.insert(nonce, now).is_none())
    }
}

/// Checks the signed identity of a request against its whole body.
pub(crate) fn identify(context: &Context, parts: &Parts, body: &Bytes) -> Result<Caller, Failure> {
    let refused = || {
        Failure::from(Problem::new(
            ErrorKind::Unauthenticated,
            "edge-signature",
            "Ask through the edge",
        ))
    };
    let value =
        parts.headers.get(HEADER).and_then(|value| value.to_str().ok()).ok_or_else(refused)?;
    let path_and_query = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let request = SignedRequest { method: &parts.method, path_and_query, body };
    let now = context.app.clock().now();
    let verified = context.edge_secrets.verify(value, &request, now).map_err(|error| {
        tracing::warn!(error = %error, "refused an identity");
        refused()
    })?;
    let is_repeatable = parts.method.is_safe() || parts.headers.contains_key("idempotency-key");
    if !is_repeatable && !context.nonces.remember(verified.nonce, now)? {
        tracing::warn!("refused a request that was sent twice");
        return Err(refused());
    }
    let identity = verified.identity;
    Ok(Caller { user: identity.user, session: identity.session, client: identity.client })
}

/// Reads a body up to the limit.
pub(crate) async fn read_body(body: Body, bytes_max: usize) -> Result<Bytes, Failure> {
    use http_body_util::{BodyExt, LengthLimitError, Limited};

    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ErrorKind::TooLarge.into()),
        Err(_broken) => Err(ErrorKind::Unreadable.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_remembered_for_as_long_as_its_signature_is_believed() {
        let at = |ms: i64| Timestamp::from_unix_ms(1_700_000_000_000 + ms);
        // Signed at second 60 by a clock that is ahead, so believed until the end of second 120.
        for late_ms in [1, 60_000, 119_999, 120_999] {
            let nonces = Nonces::default();
            assert!(nonces.remember([1; 16], at(0)).is_ok_and(|is_new| is_new));
            let replay = nonces.remember([1; 16], at(late_ms));
            assert!(replay.is_ok_and(|is_new| !is_new), "{late_ms}");
            assert!(nonces.remember([2; 16], at(400_000)).is_ok_and(|is_new| is_new));
            assert_eq!(nonces.0.lock().unwrap().by_nonce.len(), 1, "old ones are forgotten");
        }
    }
}

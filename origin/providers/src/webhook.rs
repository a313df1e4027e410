//! Signed webhooks after the Standard Webhooks specification: HMAC-SHA256 over `id.timestamp.body`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{PaymentId, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::payment::{Intent, IntentStatus};

/// Header with the webhook's id: the same for every attempt to deliver it.
pub const ID_HEADER: &str = "webhook-id";
/// Header with the moment of the attempt, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// Header with one or more signatures, `v1,<base64>` separated by spaces.
pub const SIGNATURE_HEADER: &str = "webhook-signature";
/// How far the clocks may lie apart: 300 s, the specification's advice.
pub const TOLERANCE: Duration = Duration::from_mins(5);

/// Most signatures looked at: 4 (two secrets while one is being changed, with room).
const SIGNATURES_MAX: usize = 4;

/// Body of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentWebhook {
    /// What happened, for instance `payment.captured`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When, in RFC 3339.
    pub timestamp: Timestamp,
    /// The intent as it is now.
    pub data: Intent,
}

impl PaymentWebhook {
    /// Tells about an intent.
    #[must_use]
    pub fn about(intent: Intent, now: Timestamp) -> Self {
        Self { kind: format!("payment.{}", intent.status.as_str()), timestamp: now, data: intent }
    }

    /// Returns whose payment it is about.
    #[must_use]
    pub const fn reference(&self) -> PaymentId {
        self.data.reference
    }

    /// Returns where the payment stands.
    #[must_use]
    pub const fn status(&self) -> IntentStatus {
        self.data.status
    }
}

/// Why a webhook was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// A header is missing or not in its format.
    #[error("malformed webhook headers")]
    Malformed,
    /// No signature matches.
    #[error("the signature does not match")]
    BadSignature,
    /// Sent more than [`TOLERANCE`] ago, or that far in the future.
    #[error("sent outside the time window")]
    OutsideWindow,
    /// Signed as agreed, and not what we read.
    #[error("the body cannot be read")]
    Unreadable,
}

/// Signs one attempt; returns the value of [`SIGNATURE_HEADER`].
#[must_use]
pub fn sign(secret: &[u8], id: &str, now: Timestamp, body: &[u8]) -> String {
    let mac = mac(secret, id, now.unix_s(), body).finalize().into_bytes();
    format!("v1,{}", STANDARD.encode(mac))
}

/// Checks an attempt against its body.
///
/// # Errors
/// See [`WebhookError`]. The signature is checked before the time.
pub fn verify(
    secret: &[u8],
    id: &str,
    timestamp: &str,
    signatures: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), WebhookError> {
    let sent_s: i64 = timestamp.parse().map_err(|_not_a_number| WebhookError::Malformed)?;
    if id.is_empty() || id.len() > 128 {
        return Err(WebhookError::Malformed);
    }
    let is_signed = signatures.split(' ').take(SIGNATURES_MAX).any(|signature| {
        let Some(Ok(bytes)) = signature.strip_prefix("v1,").map(|text| STANDARD.decode(text))
        else {
            return false;
        };
        // `verify_slice` compares in constant time.
        mac(secret, id, sent_s, body).verify_slice(&bytes).is_ok()
    });
    if !is_signed {
        return Err(WebhookError::BadSignature);
    }
    if now.unix_s().abs_diff(sent_s) > TOLERANCE.as_secs() {
        return Err(WebhookError::OutsideWindow);
    }
    Ok(())
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length, RFC 2104 section 2")]
fn mac(secret: &[u8], id: &str, timestamp_s: i64, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("every key length is valid");
    mac.update(id.as_bytes());
    mac.update(b".");
    mac.update(timestamp_s.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_614_265_330_000);

    #[test]
    fn signs_as_the_specification_does() {
        // The specification's own example (its secret is the base64 after `whsec_`).
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", NOW, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn believes_only_the_right_body_secret_id_and_time() {
        let signature = sign(b"s", "evt_1", NOW, b"{}");
        let check = |secret: &[u8], id: &str, at: &str, text: &str, body: &[u8], late_s: u64| {
            verify(secret, id, at, text, body, NOW.after(Duration::from_secs(late_s)))
        };
        let at = "1614265330";
        let two = format!("v1,AAAA {signature}");
        assert_eq!(check(b"s", "evt_1", at, &signature, b"{}", 300), Ok(()));
        assert_eq!(check(b"s", "evt_1", at, &two, b"{}", 0), Ok(()));
        assert_eq!(
            check(b"s", "evt_1", at, &signature, b"{}", 301),
            Err(WebhookError::OutsideWindow)
        );
        assert_eq!(check(b"x", "evt_1", at, &signature, b"{}", 0), Err(WebhookError::BadSignature));
        assert_eq!(check(b"s", "evt_2", at, &signature, b"{}", 0), Err(WebhookError::BadSignature));
        assert_eq!(
            check(b"s", "evt_1", "1614265331", &signature, b"{}", 0),
            Err(WebhookError::BadSignature)
        );
        assert_eq!(
            check(b"s", "evt_1", at, &signature, b"{ }", 0),
            Err(WebhookError::BadSignature)
        );
        assert_eq!(check(b"s", "evt_1", at, "v2,x", b"{}", 0), Err(WebhookError::BadSignature));
        assert_eq!(check(b"s", "", at, &signature, b"{}", 0), Err(WebhookError::Malformed));
        assert_eq!(
            check(b"s", "evt_1", "soon", &signature, b"{}", 0),
            Err(WebhookError::Malformed)
        );
    }
}

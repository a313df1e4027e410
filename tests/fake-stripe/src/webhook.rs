//! Signed webhooks.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Signs a body for a moment; returns the value of `Stripe-Signature`.
///
/// # Panics
/// Never: HMAC takes keys of every length.
#[must_use]
#[expect(clippy::expect_used, reason = "HMAC takes keys of every length, RFC 2104 section 2")]
pub fn sign(secret: &str, at_s: i64, body: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("every key length is valid");
    mac.update(format!("{at_s}.{body}").as_bytes());
    let hex: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at_s},v1={hex}")
}

//! Stripe's signature of webhooks: HMAC-SHA256 over `time.body`, in `Stripe-Signature: t=…,v1=…`.

use std::time::Duration;

use domain::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secret::Secret;
use crate::webhook::WebhookError;

/// Header with the time and one or more signatures.
pub const HEADER: &str = "stripe-signature";
/// How far the clocks may lie apart: 300 s, as in Stripe's own libraries.
pub const TOLERANCE: Duration = Duration::from_mins(5);

/// Most signatures looked at: 8. Stripe sends one for each secret of an endpoint, and a secret that was changed lives
/// for a day.
const SIGNATURES_MAX: usize = 8;

/// Signs one delivery; returns the value of [`HEADER`].
#[must_use]
pub fn sign(secret: &Secret, body: &[u8], now: Timestamp) -> String {
    let signature = mac(secret, &now.unix_s().to_string(), body).finalize().into_bytes();
    let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={},v1={hex}", now.unix_s())
}

/// Checks a delivery against its body.
///
/// # Errors
/// See [`WebhookError`]. The signature is checked before the time.
pub fn verify(
    secrets: &[Secret],
    header: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), WebhookError> {
    let fields = || header.split(',').filter_map(|field| field.trim().split_once('='));
    let (_, sent) = fields().find(|(name, _)| *name == "t").ok_or(WebhookError::Malformed)?;
    let sent_s: i64 = sent.parse().map_err(|_not_a_number| WebhookError::Malformed)?;
    let signatures: Vec<[u8; 32]> = fields()
        .filter(|(name, _)| *name == "v1")
        .take(SIGNATURES_MAX)
        .filter_map(|(_, hex)| bytes_of(hex))
        .collect();
    let is_signed = secrets.iter().any(|secret| {
        // The time as it was written, for that is what was signed. `verify_slice` compares in constant time.
        let mac = mac(secret, sent, body);
        signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    });
    if !is_signed {
        return Err(WebhookError::BadSignature);
    }
    if now.unix_s().abs_diff(sent_s) > TOLERANCE.as_secs() {
        return Err(WebhookError::OutsideWindow);
    }
    Ok(())
}

fn bytes_of(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let digit = |place: usize| char::from(*pair.get(place)?).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(bytes)
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length, RFC 2104 section 2")]
fn mac(secret: &Secret, sent: &str, body: &[u8]) -> Hmac<Sha256> {
    // The whole text is the key, with its prefix: unlike Standard Webhooks', it is not base64.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .expect("every key length is valid");
    mac.update(sent.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn check(header: &str, body: &[u8], late_s: i64) -> Result<(), WebhookError> {
        let now = Timestamp::from_unix_ms(NOW.unix_ms() + late_s * 1_000);
        verify(&[secret("whsec_old"), secret("whsec_new")], header, body, now)
    }

    #[test]
    fn believes_every_secret_of_ours_within_the_time() {
        for name in ["whsec_old", "whsec_new"] {
            let header = sign(&secret(name), b"{}", NOW);
            for late_s in [-300, 0, 300] {
                assert_eq!(check(&header, b"{}", late_s), Ok(()), "{name} {late_s}");
            }
            for late_s in [-301, 301] {
                assert_eq!(check(&header, b"{}", late_s), Err(WebhookError::OutsideWindow));
            }
        }
    }

    #[test]
    fn finds_the_right_one_of_several_signatures_and_ignores_other_schemes() {
        let right = sign(&secret("whsec_new"), b"{}", NOW);
        let (time, signature) = right.split_once(',').unwrap();
        let wrong = "v1=".to_owned() + &"0".repeat(64);
        let header = format!("{time},v0={},{wrong}, {signature},v1=zz", "1".repeat(64));
        assert_eq!(check(&header, b"{}", 0), Ok(()));
        let old_scheme = right.replace("v1=", "v0=");
        assert_eq!(check(&old_scheme, b"{}", 0), Err(WebhookError::BadSignature));
    }

    #[test]
    fn refuses_another_body_secret_or_time() {
        let header = sign(&secret("whsec_new"), b"{}", NOW);
        assert_eq!(check(&header, b"{ }", 0), Err(WebhookError::BadSignature));
        let moved = header.replace("t=1700000000", "t=1700000001");
        assert_eq!(check(&moved, b"{}", 0), Err(WebhookError::BadSignature));
        let padded = header.replace("t=1700000000", "t=01700000000");
        assert_eq!(check(&padded, b"{}", 0), Err(WebhookError::BadSignature));
        let stranger = sign(&secret("whsec_other"), b"{}", NOW);
        assert_eq!(check(&stranger, b"{}", 0), Err(WebhookError::BadSignature));
    }

    #[test]
    fn refuses_headers_that_are_none() {
        for header in ["", "v1=00", "t=,v1=00", "t=soon,v1=00", "t", "=,="] {
            assert_eq!(check(header, b"{}", 0), Err(WebhookError::Malformed), "{header}");
        }
        assert_eq!(check("t=1700000000", b"{}", 0), Err(WebhookError::BadSignature));
        let many = "t=1700000000".to_owned() + &format!(",v1={}", "0".repeat(64)).repeat(9);
        assert_eq!(check(&many, b"{}", 0), Err(WebhookError::BadSignature));
    }
}

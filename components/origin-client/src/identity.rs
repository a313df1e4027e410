//! The signed identity that the gateway puts on a request to an origin, and its check.
//!
//! The value is `v1;kid=edge;t=…;n=…;sub=…;sid=…;client=…;sig=…`. The signature is HMAC-SHA256, keyed with the edge
//! secret, over nine lines: `v1`, method, path and query, hex SHA-256 of the body, then the five values. It binds the
//! identity to this one request, so a header that leaked cannot be put on another. Replays within the window are the
//! caller's affair: [`Verified::nonce`] is there to be remembered.

use core::fmt;
use core::fmt::Write;
use core::net::IpAddr;
use core::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{SessionId, Timestamp, UserId};
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use sha2::{Digest, Sha256};

#[cfg(test)]
mod tests;

/// Name of the header that carries the value.
pub const HEADER: &str = "x-vitrine-identity";

/// How far the clocks of edge and origin may lie apart: 60 s. Nonces need to be remembered for twice as long.
pub const WINDOW: Duration = Duration::from_secs(60);

/// Longest value read: 512 bytes. The longest that [`sign`] writes is 252 (two UUIDs, a full IPv6 address).
const VALUE_BYTES_MAX: usize = 512;

/// Who asks, as far as the edge could prove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The account of a verified access token.
    pub user: Option<UserId>,
    /// The login session of that token.
    pub session: Option<SessionId>,
    /// The address of the downstream client.
    pub client: IpAddr,
}

/// The parts of a request that the signature binds.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query exactly as they are sent to the origin.
    pub path_and_query: &'a str,
    /// The whole body.
    pub body: &'a [u8],
}

/// A value that held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Who asks.
    pub identity: Identity,
    /// Unique per request: remember it where a request must not be replayed.
    pub nonce: [u8; 16],
    /// When the edge signed, with a precision of one second.
    pub signed_at: Timestamp,
}

/// Why a value was refused. Answers should not tell which: log it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not in the format that [`sign`] writes.
    #[error("malformed identity")]
    Malformed,
    /// Signed with another secret, or for another request.
    #[error("the signature does not match")]
    BadSignature,
    /// Signed more than [`WINDOW`] ago, or that far in the future.
    #[error("signed outside the time window")]
    OutsideWindow,
}

/// Writes the header's value. `nonce` must be random: 16 bytes from the `Entropy` port.
#[must_use]
pub fn sign(
    secret: &[u8],
    request: &SignedRequest<'_>,
    identity: &Identity,
    now: Timestamp,
    nonce: [u8; 16],
) -> String {
    let t = now.unix_s().to_string();
    let n = hex(&nonce);
    let sub = identity.user.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let sid = identity.session.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let client = identity.client.to_string();
    let fields = Fields { t: &t, n: &n, sub: &sub, sid: &sid, client: &client };
    let signature = mac(secret, request, &fields).finalize().into_bytes();
    format!("v1;kid=edge;{fields};sig={}", URL_SAFE_NO_PAD.encode(signature))
}

/// Checks a value against the request that carried it. Takes the same time for every wrong signature.
///
/// # Errors
/// See [`IdentityError`]. The signature is checked before the time, so an answer tells nothing to who has no secret.
pub fn verify(
    secret: &[u8],
    value: &str,
    request: &SignedRequest<'_>,
    now: Timestamp,
) -> Result<Verified, IdentityError> {
    let (fields, signature) = split(value).ok_or(IdentityError::Malformed)?;
    let parsed = fields.parse().ok_or(IdentityError::Malformed)?;
    let signature =
        URL_SAFE_NO_PAD.decode(signature).map_err(|_undecodable| IdentityError::Malformed)?;
    mac(secret, request, &fields)
        .verify_slice(&signature)
        .map_err(|_different| IdentityError::BadSignature)?;
    let distance = now.unix_s().abs_diff(parsed.signed_at.unix_s());
    if distance > WINDOW.as_secs() {
        return Err(IdentityError::OutsideWindow);
    }
    Ok(parsed)
}

/// The five signed values as text.
struct Fields<'a> {
    t: &'a str,
    n: &'a str,
    sub: &'a str,
    sid: &'a str,
    client: &'a str,
}

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { t, n, sub, sid, client } = self;
        write!(f, "t={t};n={n};sub={sub};sid={sid};client={client}")
    }
}

impl Fields<'_> {
    fn parse(&self) -> Option<Verified> {
        let seconds: i64 = self.t.parse().ok()?;
        let identity = Identity {
            user: parse_or_dash(self.sub)?,
            session: parse_or_dash(self.sid)?,
            client: self.client.parse().ok()?,
        };
        let signed_at = Timestamp::from_unix_ms(seconds.checked_mul(1_000)?);
        Some(Verified { identity, nonce: unhex(self.n)?, signed_at })
    }
}

fn parse_or_dash<T: core::str::FromStr>(text: &str) -> Option<Option<T>> {
    if text == "-" { Some(None) } else { text.parse().ok().map(Some) }
}

fn split(value: &str) -> Option<(Fields<'_>, &str)> {
    if value.len() > VALUE_BYTES_MAX {
        return None;
    }
    let mut parts = value.split(';');
    if parts.next() != Some("v1") || parts.next() != Some("kid=edge") {
        return None;
    }
    let t = parts.next()?.strip_prefix("t=")?;
    let n = parts.next()?.strip_prefix("n=")?;
    let sub = parts.next()?.strip_prefix("sub=")?;
    let sid = parts.next()?.strip_prefix("sid=")?;
    let client = parts.next()?.strip_prefix("client=")?;
    let signature = parts.next()?.strip_prefix("sig=")?;
    parts.next().is_none().then_some((Fields { t, n, sub, sid, client }, signature))
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length, RFC 2104 section 2")]
fn mac(secret: &[u8], request: &SignedRequest<'_>, fields: &Fields<'_>) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("every key length is valid");
    let digest = hex(&Sha256::digest(request.body));
    let Fields { t, n, sub, sid, client } = *fields;
    let lines =
        ["v1", request.method.as_str(), request.path_and_query, &digest, t, n, sub, sid, client];
    // No line can contain a line feed: methods, request targets and header values cannot hold one.
    for (index, line) in lines.into_iter().enumerate() {
        if index > 0 {
            mac.update(b"\n");
        }
        mac.update(line.as_bytes());
    }
    mac
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => byte.checked_sub(b'0'),
        b'a'..=b'f' => byte.checked_sub(b'a' - 10),
        _ => None,
    };
    let mut bytes = [0; 16];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?;
    }
    Some(bytes)
}

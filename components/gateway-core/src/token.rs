//! Access tokens: JWT with one algorithm, one type, one issuer (RFC 8725, RFC 9068).

use api_types::auth::AccessClaims;
use api_types::token::{TokenHeader, claims, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Timestamp;
use ed25519_dalek::{Signature, VerifyingKey};

#[cfg(test)]
pub(crate) mod tests;

/// Longest token read: 2 KiB. Ours have about 400 bytes.
pub const TOKEN_BYTES_MAX: usize = 2_048;

/// How far in the future a token may have been issued: 30 s, for clocks that disagree.
const SKEW_S: i64 = 30;

/// Longest name of a key: 64 bytes.
const KID_BYTES_MAX: usize = 64;

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three base64url parts of the right shape.
    #[error("malformed token")]
    Malformed,
    /// Another algorithm or type, or a header that brings its own key or rules.
    #[error("refused token header")]
    RefusedHeader,
    /// No published key has that name.
    #[error("unknown key")]
    UnknownKey,
    /// The signature is not the key's.
    #[error("the signature does not match")]
    BadSignature,
    /// Issued by or for somebody else.
    #[error("wrong issuer or audience")]
    WrongParties,
    /// Over.
    #[error("expired")]
    Expired,
    /// Issued in the future.
    #[error("not valid yet")]
    NotYet,
}

/// A token that could be read. Nothing in it is proven yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unproven<'a> {
    signed: &'a str,
    header: TokenHeader,
    claims: AccessClaims,
    signature: Signature,
}

/// Reads a token.
///
/// # Errors
/// [`TokenError::Malformed`] and [`TokenError::RefusedHeader`].
pub fn parse(token: &str) -> Result<Unproven<'_>, TokenError> {
    let malformed = TokenError::Malformed;
    if token.len() > TOKEN_BYTES_MAX {
        return Err(malformed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(malformed)?;
    let (head, body) = signed.split_once('.').ok_or(malformed)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_undecodable| malformed);
    // The header first: nothing else is looked at before the algorithm is known to be ours.
    let header = header(&decode(head)?).ok_or(TokenError::RefusedHeader)?;
    let is_ours = header.alg == "EdDSA" && header.typ == "at+jwt";
    if !is_ours || header.kid.is_empty() || header.kid.len() > KID_BYTES_MAX {
        return Err(TokenError::RefusedHeader);
    }
    let claims = claims(&decode(body)?).ok_or(malformed)?;
    let signature =
        Signature::from_slice(&decode(signature)?).map_err(|_wrong_length| malformed)?;
    Ok(Unproven { signed, header, claims, signature })
}

impl Unproven<'_> {
    /// Returns the name of the key that it asks for.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.header.kid
    }

    /// Checks signature, parties and times, and gives the claims.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn prove(self, key: &VerifyingKey, now: Timestamp) -> Result<AccessClaims, TokenError> {
        // Strict: refuses keys of small order and the malleable encodings that plain verification lets pass.
        key.verify_strict(self.signed.as_bytes(), &self.signature)
            .map_err(|_different| TokenError::BadSignature)?;
        let claims = self.claims;
        if claims.iss != "vitrine" || claims.aud != "vitrine" {
            return Err(TokenError::WrongParties);
        }
        if claims.exp <= now.unix_s() {
            return Err(TokenError::Expired);
        }
        if claims.iat > now.unix_s().saturating_add(SKEW_S) {
            return Err(TokenError::NotYet);
        }
        Ok(claims)
    }
}

/// Reads a published key as the table `signing_keys` holds it; `None` for anything but an Ed25519 signing key.
#[must_use]
pub fn read_key(jwk_json: &str) -> Option<VerifyingKey> {
    let jwk = api_types::token::jwk(jwk_json)?;
    let is_ours =
        jwk.kty == "OKP" && jwk.crv == "Ed25519" && jwk.alg == "EdDSA" && jwk.usage == "sig";
    let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(&jwk.x).ok()?.try_into().ok()?;
    let key = VerifyingKey::from_bytes(&bytes).ok()?;
    (is_ours && !key.is_weak()).then_some(key)
}

/// Returns whether text has the shape of an order's capability, `ot_` and 32 bytes in base64url, or of a key of the
/// staff, `vk_` and 48 bytes. Only the origin can tell whether it is one.
#[must_use]
pub fn is_capability(token: &str) -> bool {
    let holds = |prefix: &str, length: usize| {
        token
            .strip_prefix(prefix)
            .and_then(|secret| URL_SAFE_NO_PAD.decode(secret).ok())
            .is_some_and(|secret| secret.len() == length)
    };
    holds("ot_", 32) || holds("vk_", 48)
}

//! Accounts on the wire: register, log in, stay logged in, and the keys that prove it.

use domain::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// Body of `POST /v1/auth/register` and `POST /v1/auth/login`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// E-mail address of the account.
    #[serde(default)]
    pub email: String,
    /// Password, 8 characters at least.
    #[serde(default)]
    pub password: String,
}

impl core::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Credentials(***)")
    }
}

/// Body of `POST /v1/auth/refresh` and `POST /v1/auth/logout`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshToken {
    /// What login, register or the last refresh returned.
    #[serde(default)]
    pub refresh_token: String,
}

impl core::fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RefreshToken(***)")
    }
}

/// Answer of register, login and refresh.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Signed, short-lived: `Authorization: Bearer …`.
    pub access_token: String,
    /// Opaque, used once: the next refresh returns another.
    pub refresh_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds until the access token ends.
    pub expires_in: u32,
}

impl core::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Tokens(***)")
    }
}

/// Answer of `GET /v1/me`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Me {
    /// The account.
    pub id: UserId,
    /// Its address.
    pub email: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Claims of an access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Always `vitrine`.
    pub iss: String,
    /// Always `vitrine`.
    pub aud: String,
    /// The account.
    pub sub: UserId,
    /// The session; a revoked one ends the token early.
    pub sid: domain::SessionId,
    /// Issued at, seconds since 1970.
    pub iat: i64,
    /// Ends at, seconds since 1970.
    pub exp: i64,
    /// Address of the account.
    pub email: String,
}

/// One published key (RFC 7517, RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// Always `OKP`.
    pub kty: String,
    /// Always `Ed25519`.
    pub crv: String,
    /// Always `EdDSA`.
    pub alg: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: String,
    /// Name of the key, as in a token's header.
    pub kid: String,
    /// Public key, base64url.
    pub x: String,
}

/// Answer of `GET /.well-known/jwks.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwks {
    /// The signing key, the next one, and retired ones whose tokens may still live.
    pub keys: Vec<Jwk>,
}

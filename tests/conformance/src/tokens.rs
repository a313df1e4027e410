//! Access tokens that must not be believed, made of one that must.
//!
//! `{token}` is real; `{key_id}` and `{key_seed}` are the origin's own signing key, read from its database: so that a
//! token that is merely over, early or for somebody else fails for that reason and not for its signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::values::Values;

/// The parts of a real token.
struct Parts<'a> {
    head: &'a str,
    claims: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn of(values: &'a Values) -> Option<Self> {
        let mut parts = values.get("token")?.split('.');
        Some(Self { head: parts.next()?, claims: parts.next()?, signature: parts.next()? })
    }

    fn head(&self) -> Option<Value> {
        serde_json::from_slice(&BASE64.decode(self.head).ok()?).ok()
    }

    fn claims(&self) -> Option<Value> {
        serde_json::from_slice(&BASE64.decode(self.claims).ok()?).ok()
    }
}

fn made(values: &Values, make: impl FnOnce(&Parts<'_>) -> Option<String>) -> String {
    Parts::of(values).and_then(|parts| make(&parts)).unwrap_or_default()
}

fn encode(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

/// The real claims under a changed head and the old signature.
fn with_head(values: &Values, change: impl FnOnce(&mut Value)) -> String {
    made(values, |parts| {
        let mut head = parts.head()?;
        change(&mut head);
        Some(format!("{}.{}.{}", encode(&head), parts.claims, parts.signature))
    })
}

fn signing_key(values: &Values) -> Option<SigningKey> {
    let seed = BASE64.decode(values.get("key_seed")?).ok()?;
    Some(SigningKey::from_bytes(&seed.try_into().ok()?))
}

fn sign(head: &Value, claims: &Value, key: &SigningKey) -> String {
    let signed = format!("{}.{}", encode(head), encode(claims));
    let signature = BASE64.encode(key.sign(signed.as_bytes()).to_bytes());
    format!("{signed}.{signature}")
}

/// Changed claims, properly signed with the origin's key.
fn with_claims(values: &Values, change: impl FnOnce(&mut Value)) -> String {
    made(values, |parts| {
        let mut claims = parts.claims()?;
        change(&mut claims);
        Some(sign(&parts.head()?, &claims, &signing_key(values)?))
    })
}

/// A key that nobody published.
fn strangers_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// `alg: none`, without a signature.
pub(crate) fn alg_none(values: &Values) -> String {
    let token = with_head(values, |head| head["alg"] = "none".into());
    token.rsplit_once('.').map(|(signed, _)| format!("{signed}.")).unwrap_or_default()
}

/// `alg: none`, with the real signature.
pub(crate) fn alg_none_with_signature(values: &Values) -> String {
    with_head(values, |head| head["alg"] = "none".into())
}

/// HMAC over the real claims, keyed with the public key, which everybody knows.
pub(crate) fn alg_hmac(values: &Values) -> String {
    made(values, |parts| {
        let mut head = parts.head()?;
        head["alg"] = "HS256".into();
        let public = signing_key(values)?.verifying_key().to_bytes();
        let signed = format!("{}.{}", encode(&head), parts.claims);
        let mut mac = Hmac::<Sha256>::new_from_slice(&public).ok()?;
        mac.update(signed.as_bytes());
        Some(format!("{signed}.{}", BASE64.encode(mac.finalize().into_bytes())))
    })
}

/// Another algorithm than the one there is.
pub(crate) fn alg_es256(values: &Values) -> String {
    with_head(values, |head| head["alg"] = "ES256".into())
}

/// Signed with another key under the real one's name.
pub(crate) fn other_key(values: &Values) -> String {
    made(values, |parts| Some(sign(&parts.head()?, &parts.claims()?, &strangers_key())))
}

/// Signed with a key that nobody published, under its own name.
pub(crate) fn unknown_key(values: &Values) -> String {
    made(values, |parts| {
        let mut head = parts.head()?;
        head["kid"] = "nobody".into();
        Some(sign(&head, &parts.claims()?, &strangers_key()))
    })
}

/// Brings its own key in the head.
pub(crate) fn own_key_in_header(values: &Values) -> String {
    made(values, |parts| {
        let key = strangers_key();
        let mut head = parts.head()?;
        let public = BASE64.encode(key.verifying_key().to_bytes());
        head["jwk"] = json!({"kty": "OKP", "crv": "Ed25519", "x": public});
        Some(sign(&head, &parts.claims()?, &key))
    })
}

/// Somebody else's claims under the old signature.
pub(crate) fn other_claims(values: &Values) -> String {
    made(values, |parts| {
        let mut claims = parts.claims()?;
        claims["sub"] = "018f0000-0000-7000-8000-000000000000".into();
        Some(format!("{}.{}.{}", parts.head, encode(&claims), parts.signature))
    })
}

/// Another type of token, properly signed.
pub(crate) fn wrong_type(values: &Values) -> String {
    made(values, |parts| {
        let mut head = parts.head()?;
        head["typ"] = "JWT".into();
        Some(sign(&head, &parts.claims()?, &signing_key(values)?))
    })
}

/// The real token without its last characters.
pub(crate) fn cut(values: &Values) -> String {
    let token = values.get("token").unwrap_or_default();
    token.get(..token.len().saturating_sub(4)).unwrap_or_default().to_owned()
}

/// The real token with base64's padding.
pub(crate) fn padded(values: &Values) -> String {
    format!("{}==", values.get("token").unwrap_or_default())
}

/// Properly signed, and over since a minute.
pub(crate) fn expired(values: &Values) -> String {
    with_claims(values, |claims| {
        let issued = claims["iat"].as_i64().unwrap_or_default();
        claims["exp"] = (issued - 60).into();
        claims["iat"] = (issued - 960).into();
    })
}

/// Properly signed, and issued in ten minutes.
pub(crate) fn issued_in_future(values: &Values) -> String {
    with_claims(values, |claims| {
        let issued = claims["iat"].as_i64().unwrap_or_default();
        claims["iat"] = (issued + 600).into();
        claims["exp"] = (issued + 1_500).into();
    })
}

/// Properly signed, for another audience.
pub(crate) fn for_somebody_else(values: &Values) -> String {
    with_claims(values, |claims| claims["aud"] = "another-shop".into())
}

/// Properly signed, and as good as the real one: proof that the others fail for their own reasons.
pub(crate) fn minted(values: &Values) -> String {
    with_claims(values, |claims| {
        claims["exp"] = (claims["exp"].as_i64().unwrap_or_default() - 1).into();
    })
}

//! Paths that say until when they are good, and who says so.
//!
//! `/<key id>.<seconds since 1970>.<signature>/rest`: in the path, since viewers of models on phones lose queries and
//! cookies. The signature is HMAC-SHA256 over `<key id>.<seconds>/rest`, in base64url without padding.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// A secret; it is shown to nobody.
#[derive(Clone)]
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// Takes a secret of at least 16 bytes; `None` for a shorter one.
    #[must_use]
    pub fn new(secret: &[u8]) -> Option<Self> {
        (secret.len() >= 16).then(|| Self(secret.to_vec()))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("***")
    }
}

/// Keys by their ids: several, so that one can be replaced while the other still counts.
#[derive(Debug, Clone, Default)]
pub struct SignedPaths {
    /// The keys.
    pub keys: BTreeMap<String, SigningKey>,
}

/// Why a path is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsigned {
    /// It was good until a while ago.
    Expired,
    /// Nobody who may has signed it.
    Wrong,
}

impl SignedPaths {
    /// Returns the path behind a good signature.
    pub(super) fn open<'a>(&self, path: &'a str, now: Timestamp) -> Result<&'a str, Unsigned> {
        let parts = path.strip_prefix('/').and_then(|path| {
            let rest_at = path.find('/')?;
            let (head, rest) = path.split_at(rest_at);
            let mut head = head.split('.');
            let (id, until, signature) = (head.next()?, head.next()?, head.next()?);
            head.next().is_none().then_some((id, until, signature, rest))
        });
        let (id, until, signature, rest) = parts.ok_or(Unsigned::Wrong)?;
        let key = self.keys.get(id).ok_or(Unsigned::Wrong)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Unsigned::Wrong)?;
        let mac = mac(key, id, until, rest).ok_or(Unsigned::Wrong)?;
        // Compares in constant time.
        mac.verify_slice(&signature).map_err(|_| Unsigned::Wrong)?;
        let until: i64 = until.parse().map_err(|_| Unsigned::Wrong)?;
        if until < now.unix_s() { Err(Unsigned::Expired) } else { Ok(rest) }
    }
}

/// Signs a path, which starts with `/`, until a moment; the result is relative to the route. `None` for a key id that is
/// none: letters, digits, `-` and `_`.
#[must_use]
pub fn sign(id: &str, key: &SigningKey, path: &str, until: Timestamp) -> Option<String> {
    let is_id = !id.is_empty()
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let until = until.unix_s().to_string();
    let mac = mac(key, id, &until, path).filter(|_| is_id && path.starts_with('/'))?;
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    Some(format!("/{id}.{until}.{signature}{path}"))
}

fn mac(key: &SigningKey, id: &str, until: &str, rest: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).ok()?;
    for part in [id, ".", until, rest] {
        mac.update(part.as_bytes());
    }
    Some(mac)
}

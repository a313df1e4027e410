//! Who calls: keys, revocations and verified tokens, with what an instance may remember of them.

use core::cell::RefCell;
use core::time::Duration;
use std::collections::BTreeMap;

use domain::{SessionId, Timestamp, UserId};
use ed25519_dalek::VerifyingKey;
use http::{HeaderMap, header};
use ports::{Sessions, SigningKey, SqlError};
use sha2::{Digest, Sha256};

use crate::policy::Auth;
use crate::token::{self, TokenError};

#[cfg(test)]
mod tests;

/// How long published keys are remembered: 60 s. A withdrawn key is refused after that.
const KEYS_KEPT: Duration = Duration::from_secs(60);

/// Least time between two readings for a key that is not known: 5 s. Forged key names cost no more than that.
const KEYS_RETRY: Duration = Duration::from_secs(5);

/// How long "not revoked" is remembered: 1 s.
const UNREVOKED_KEPT: Duration = Duration::from_secs(1);

/// Most verified tokens remembered: 1 024, about 150 KB. Verifying costs a few hundred microseconds in WebAssembly.
const TOKENS_MAX: usize = 1_024;

/// Who calls, as far as it is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular.
    Guest,
    /// Holds an order's capability or a key of the staff, which only the origin can check.
    Capability,
    /// An account.
    Account {
        /// The account.
        user: UserId,
        /// Its login session.
        session: SessionId,
    },
}

/// Why a caller was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No token where one is demanded.
    #[error("no token")]
    Missing,
    /// Not exactly one `Authorization: Bearer …`.
    #[error("unusable authorization header")]
    Unusable,
    /// The token is bad.
    #[error("refused token")]
    BadToken(#[source] TokenError),
    /// The session was ended.
    #[error("revoked session")]
    Revoked,
    /// Keys or revocations cannot be read: nobody is let in on a guess.
    #[error("check token")]
    Unavailable(#[source] SqlError),
}

/// What an instance remembers. Not request state: losing it costs time, nothing else.
#[derive(Debug, Default)]
pub struct Memory {
    keys: BTreeMap<String, (VerifyingKey, Timestamp)>,
    keys_read_at: Option<Timestamp>,
    tokens: BTreeMap<[u8; 32], Proven>,
}

#[derive(Debug, Clone)]
struct Proven {
    user: UserId,
    session: SessionId,
    kid: String,
    ends_at_s: i64,
    unrevoked_at: Timestamp,
}

/// Finds out who calls.
///
/// # Errors
/// See [`AuthError`].
pub async fn authenticate<P: Sessions>(
    ports: &P,
    memory: &RefCell<Memory>,
    headers: &HeaderMap,
    auth: Auth,
    now: Timestamp,
) -> Result<Caller, AuthError> {
    let token = match auth {
        Auth::None => return Ok(Caller::Guest),
        Auth::Optional | Auth::Required => bearer(headers)?,
    };
    let caller = match token {
        None => Caller::Guest,
        Some(token) if token::is_capability(token) => Caller::Capability,
        Some(token) => account(ports, memory, token, now).await?,
    };
    match (auth, caller) {
        (Auth::Required, Caller::Guest | Caller::Capability) => Err(AuthError::Missing),
        _ => Ok(caller),
    }
}

/// Returns the bearer token, if there is one.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(AuthError::Unusable);
    }
    let text = value.to_str().map_err(|_invisible| AuthError::Unusable)?;
    let (scheme, token) = text.split_once(' ').ok_or(AuthError::Unusable)?;
    let token = token.trim();
    let is_bearer = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty();
    if is_bearer { Ok(Some(token)) } else { Err(AuthError::Unusable) }
}

async fn account<P: Sessions>(
    ports: &P,
    memory: &RefCell<Memory>,
    token: &str,
    now: Timestamp,
) -> Result<Caller, AuthError> {
    let digest: [u8; 32] = Sha256::digest(token).into();
    if !memory.borrow().tokens.contains_key(&digest) {
        // What cannot be a token is refused without asking anybody.
        token::parse(token).map_err(AuthError::BadToken)?;
    }
    refresh_keys(ports, memory, None, now).await?;
    let known = memory.borrow().known(&digest, now);
    let proven = match known {
        Some(known) => known,
        None => prove(ports, memory, token, now).await?,
    };
    let Proven { user, session, .. } = proven;
    if now.since(proven.unrevoked_at) >= UNREVOKED_KEPT {
        let is_revoked = ports.is_revoked(&session.to_string()).await;
        if is_revoked.map_err(AuthError::Unavailable)? {
            memory.borrow_mut().tokens.remove(&digest);
            return Err(AuthError::Revoked);
        }
        memory.borrow_mut().remember(digest, Proven { unrevoked_at: now, ..proven }, now);
    }
    Ok(Caller::Account { user, session })
}

async fn prove<P: Sessions>(
    ports: &P,
    memory: &RefCell<Memory>,
    token: &str,
    now: Timestamp,
) -> Result<Proven, AuthError> {
    let unproven = token::parse(token).map_err(AuthError::BadToken)?;
    let kid = unproven.kid().to_owned();
    refresh_keys(ports, memory, Some(&kid), now).await?;
    let key = memory.borrow().key(&kid, now).ok_or(AuthError::BadToken(TokenError::UnknownKey))?;
    let claims = unproven.prove(&key, now).map_err(AuthError::BadToken)?;
    let unrevoked_at = Timestamp::from_unix_ms(i64::MIN);
    Ok(Proven { user: claims.sub, session: claims.sid, kid, ends_at_s: claims.exp, unrevoked_at })
}

/// Reads the keys when they are old, or when `wanted` is missing and the last reading is not quite new.
async fn refresh_keys<P: Sessions>(
    ports: &P,
    memory: &RefCell<Memory>,
    wanted: Option<&str>,
    now: Timestamp,
) -> Result<(), AuthError> {
    let is_needed = {
        let memory = memory.borrow();
        let is_missing = wanted.is_some_and(|kid| memory.key(kid, now).is_none());
        let kept = if is_missing { KEYS_RETRY } else { KEYS_KEPT };
        memory.keys_read_at.is_none_or(|read_at| now.since(read_at) >= kept)
    };
    if is_needed {
        let keys = ports.signing_keys().await.map_err(AuthError::Unavailable)?;
        let mut memory = memory.borrow_mut();
        memory.keys = read_keys(keys);
        memory.keys_read_at = Some(now);
    }
    Ok(())
}

/// What is not a usable key is left out: one bad row must not end every login.
fn read_keys(keys: Vec<SigningKey>) -> BTreeMap<String, (VerifyingKey, Timestamp)> {
    keys.into_iter()
        .filter_map(|SigningKey { kid, jwk_json, expires_at }| {
            Some((kid, (token::read_key(&jwk_json)?, expires_at)))
        })
        .collect()
}

impl Memory {
    fn key(&self, kid: &str, now: Timestamp) -> Option<VerifyingKey> {
        self.keys.get(kid).filter(|(_, expires_at)| now < *expires_at).map(|(key, _)| *key)
    }

    /// A remembered token counts as long as it lives and its key is still published.
    fn known(&self, digest: &[u8; 32], now: Timestamp) -> Option<Proven> {
        let proven = self.tokens.get(digest)?;
        let counts = now.unix_s() < proven.ends_at_s && self.key(&proven.kid, now).is_some();
        counts.then(|| proven.clone())
    }

    fn remember(&mut self, digest: [u8; 32], proven: Proven, now: Timestamp) {
        if self.tokens.len() >= TOKENS_MAX && !self.tokens.contains_key(&digest) {
            self.tokens.retain(|_, known| now.unix_s() < known.ends_at_s);
            let first = self.tokens.iter().min_by_key(|(_, known)| known.ends_at_s);
            if let Some(first) = first.map(|(digest, _)| *digest)
                && self.tokens.len() >= TOKENS_MAX
            {
                self.tokens.remove(&first);
            }
        }
        self.tokens.insert(digest, proven);
    }
}

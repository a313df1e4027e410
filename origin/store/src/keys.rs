//! Keys that sign access tokens, and secrets that the origin's instances share.
//!
//! Private keys live in the database, so that every instance of a cluster signs with the same ones; the file is
//! readable by its owner alone.

use std::fmt;
use std::time::Duration;

use domain::Timestamp;

use crate::{Store, StoreError, sql};

/// A fresh key that may be taken into use.
#[derive(Clone)]
pub struct KeyMaterial {
    /// Its name in tokens.
    pub kid: String,
    /// Ed25519 seed.
    pub seed: [u8; 32],
    /// Its public half as a JWK.
    pub jwk_json: String,
}

/// What a key is for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Published ahead, so that every edge knows it before it signs.
    Next,
    /// Signs.
    Active,
    /// Signs no more; its tokens may still live.
    Retired,
}

/// A key in use.
#[derive(Clone)]
pub struct SigningKey {
    /// The key.
    pub material: KeyMaterial,
    /// What it is for.
    pub state: KeyState,
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyMaterial({}, ***)", self.kid)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, {:?})", self.material.kid, self.state)
    }
}

impl Store {
    /// Makes sure that there is a key that signs, not older than `active_age_max`, and one that comes next. Takes of
    /// `fresh` what is missing; retired keys stay published for `retired_kept`. Returns every published key.
    ///
    /// # Errors
    /// As every write.
    pub async fn rotate_signing_keys(
        &self,
        fresh: [KeyMaterial; 2],
        active_age_max: Duration,
        retired_kept: Duration,
        now: Timestamp,
    ) -> Result<Vec<SigningKey>, StoreError> {
        let moments = (now.before(active_age_max), now.after(retired_kept), now);
        self.write((fresh, moments), |tx, (fresh, (active_since_min, retired_until, now))| {
            Box::pin(sql::keys::rotate(tx, fresh, *active_since_min, *retired_until, *now))
        })
        .await
    }

    /// Reads every published key.
    ///
    /// # Errors
    /// As every read.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        self.read((), |tx, ()| Box::pin(sql::keys::all(tx))).await
    }

    /// Reads a secret that all instances share; the first to ask sets it to `candidate`.
    ///
    /// # Errors
    /// As every write.
    pub async fn shared_secret(
        &self,
        name: &'static str,
        candidate: [u8; 32],
    ) -> Result<[u8; 32], StoreError> {
        self.write((name, candidate), |tx, (name, candidate)| {
            Box::pin(sql::keys::shared_secret(tx, name, candidate))
        })
        .await
    }
}

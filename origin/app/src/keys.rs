//! The keys of access tokens: one signs, one is published ahead, old ones stay until their tokens have ended.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use api_types::auth::{Jwk, Jwks};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use serde::Serialize;
use sha2::{Digest, Sha256};
use store::{KeyMaterial, KeyState};

use crate::{App, Error, random, tokens};

/// How long after its last token's end a retired key stays published: 5 minutes, for clocks that differ.
const RETIRED_SLACK: Duration = Duration::from_mins(5);

/// The keys in use, as the store last gave them.
#[derive(Debug, Default)]
pub(crate) struct Keys(RwLock<Vec<store::SigningKey>>);

impl App {
    /// Changes the signing key when it is too old, and drops keys whose tokens have ended.
    ///
    /// # Errors
    /// As every write.
    pub async fn rotate_keys(&self) -> Result<(), Error> {
        let fresh = [new_key()?, new_key()?];
        let kept = self.settings.access_life + RETIRED_SLACK;
        let keys = self
            .store
            .rotate_signing_keys(fresh, self.settings.key_age_max, kept, self.clock.now())
            .await?;
        *self.keys.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Reads the keys that are in use now: another process may have changed them.
    ///
    /// # Errors
    /// As every read.
    pub async fn read_keys(&self) -> Result<(), Error> {
        let keys = self.store.signing_keys().await?;
        *self.keys.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Returns the published keys.
    ///
    /// # Errors
    /// When a stored key cannot be read.
    pub fn jwks(&self) -> Result<Jwks, Error> {
        let keys = self.keys.0.read().unwrap_or_else(PoisonError::into_inner);
        let parse = |key: &store::SigningKey| serde_json::from_str::<Jwk>(&key.material.jwk_json);
        let keys = keys.iter().map(parse).collect::<Result<_, _>>();
        Ok(Jwks { keys: keys.map_err(|error| Error::Fault("read a public key", Box::new(error)))? })
    }

    /// Signs claims with the active key.
    pub(crate) fn sign_token(&self, claims: &impl Serialize) -> Result<String, Error> {
        let (kid, seed) = {
            let keys = self.keys.0.read().unwrap_or_else(PoisonError::into_inner);
            let active = keys.iter().find(|key| key.state == KeyState::Active);
            let missing = || Error::Fault("sign a token", "there is no active key".into());
            let active = active.ok_or_else(missing)?;
            (active.material.kid.clone(), active.material.seed)
        };
        let input = tokens::signing_input(&kid, claims);
        let input = input.map_err(|error| Error::Fault("write a token", Box::new(error)))?;
        let signature = SigningKey::from_bytes(&seed).sign(input.as_bytes());
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes())))
    }
}

fn new_key() -> Result<KeyMaterial, Error> {
    let seed: [u8; 32] = random()?;
    let public = SigningKey::from_bytes(&seed).verifying_key().to_bytes();
    let x = URL_SAFE_NO_PAD.encode(public);
    // RFC 7638: the digest of the required members, in this order, names the key.
    let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
    let kid = URL_SAFE_NO_PAD.encode(thumbprint);
    let text = str::to_owned;
    let jwk = Jwk {
        kty: text("OKP"),
        crv: text("Ed25519"),
        alg: text("EdDSA"),
        usage: text("sig"),
        kid: kid.clone(),
        x,
    };
    let jwk_json = serde_json::to_string(&jwk)
        .map_err(|error| Error::Fault("write a public key", Box::new(error)))?;
    Ok(KeyMaterial { kid, seed, jwk_json })
}

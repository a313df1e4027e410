//! Passwords: argon2id on the blocking pool, a few at a time.

use std::sync::{Arc, OnceLock};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::ErrorKind;
use tokio::sync::Semaphore;

use crate::{Error, Refusal};

/// Memory per hash: 19 MiB, with 2 passes and 1 lane (OWASP Password Storage Cheat Sheet, argon2id).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashes at once: 2, so that logins cost at most two cores and 38 MiB.
const HASHES_MAX: usize = 2;
/// Logins that may wait for their hash: 64, about a second of work. More are refused.
const WAITING_MAX: usize = 64;

#[derive(Debug)]
pub(crate) struct Passwords {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Hash of a password nobody has: comparing with it takes as long as with a real one.
    decoy: String,
}

impl Passwords {
    pub(crate) fn new() -> Result<Self, Error> {
        // One for the whole process: it protects nothing by itself, and what starts many shops (tests, the simulator)
        // would pay a tenth of a second for each.
        static DECOY: OnceLock<String> = OnceLock::new();
        let decoy = match DECOY.get() {
            Some(decoy) => decoy.clone(),
            None => {
                let fresh = hash(&crate::random::<16>()?)?;
                DECOY.get_or_init(|| fresh).clone()
            }
        };
        let (running, waiting) = (Semaphore::new(HASHES_MAX), Semaphore::new(WAITING_MAX));
        Ok(Self { running: Arc::new(running), waiting: Arc::new(waiting), decoy })
    }

    /// Hashes a password into a PHC string.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Error> {
        self.run(move || hash(password.as_bytes())).await?
    }

    /// Compares a password with a hash, or with the decoy; the decoy never matches.
    pub(crate) async fn matches(
        &self,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, Error> {
        let is_real = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        let matches = self.run(move || {
            let parsed =
                PasswordHash::new(&hash).map_err(|error| fault("read a password hash", error))?;
            Ok::<_, Error>(hasher()?.verify_password(password.as_bytes(), &parsed).is_ok())
        });
        Ok(matches.await?? && is_real)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let Ok(_place) = self.waiting.try_acquire() else {
            let busy =
                Refusal::new(ErrorKind::Unavailable, "unavailable", "Not available right now");
            return Err(busy.retry_after(std::time::Duration::from_secs(1)).into());
        };
        let permit = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(|error| fault("wait for a hash", error))?;
        let work = move || {
            let _permit = permit;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| fault("hash a password", error))
    }
}

fn hasher() -> Result<Argon2<'static>, Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|error| fault("set up argon2", error))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &[u8]) -> Result<String, Error> {
    let hash =
        hasher()?.hash_password(password).map_err(|error| fault("hash a password", error))?;
    Ok(hash.to_string())
}

fn fault(doing: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Fault(doing, Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_names_its_cost_and_matches_only_its_password() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.matches("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.matches("wrong horse".to_owned(), Some(hash)).await.unwrap());
        assert!(!passwords.matches("correct horse".to_owned(), None).await.unwrap());
    }
}

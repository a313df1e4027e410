//! Keys and revocations, over KV, where the replication puts them; the database where KV has no answer.

use domain::Timestamp;
use ports::{KeyValue, Sessions, SigningKey, SqlError};
use serde::{Deserialize, Serialize};

use super::WorkerPorts;
use crate::log;

/// Key of the published keys: a JSON array of [`KeyRecord`].
pub(crate) const KEYS: &str = "keys";

/// A published key as KV holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    /// Its name, as tokens say it.
    pub(crate) kid: String,
    /// The public key as a JSON Web Key.
    pub(crate) jwk_json: String,
    /// From when on its tokens are refused, in milliseconds since 1970.
    pub(crate) expires_at_ms: i64,
}

/// Returns the key of an ended session. The value does not matter.
pub(crate) fn revoked_key(session: &str) -> String {
    format!("revoked/{session}")
}

impl Sessions for WorkerPorts {
    async fn signing_keys(&self) -> Result<Vec<SigningKey>, SqlError> {
        let stored = match self.get(KEYS).await {
            Ok(stored) => stored.and_then(|value| read_keys(&value)),
            Err(error) => {
                log::warn("sessions", &error.to_string());
                None
            }
        };
        match stored {
            Some(keys) => Ok(keys),
            None => ports::sessions::signing_keys(self).await.inspect_err(report),
        }
    }

    async fn is_revoked(&self, session: &str) -> Result<bool, SqlError> {
        match self.get(&revoked_key(session)).await {
            Ok(found) => Ok(found.is_some()),
            Err(error) => {
                log::warn("sessions", &error.to_string());
                ports::sessions::is_revoked(self, session).await.inspect_err(report)
            }
        }
    }
}

fn report(error: &SqlError) {
    log::error("sessions", &error.to_string());
}

/// `None` for what is no list of keys, so that the database is asked. An empty list is no list either: a shop without
/// keys would let nobody in.
fn read_keys(value: &[u8]) -> Option<Vec<SigningKey>> {
    let records: Vec<KeyRecord> = serde_json::from_slice(value).ok()?;
    let keys: Vec<SigningKey> = records
        .into_iter()
        .take(ports::sessions::SIGNING_KEYS_MAX)
        .map(|record| SigningKey {
            kid: record.kid,
            jwk_json: record.jwk_json,
            expires_at: Timestamp::from_unix_ms(record.expires_at_ms),
        })
        .collect();
    (!keys.is_empty()).then_some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_replication_writes() {
        let record = KeyRecord { kid: "k1".into(), jwk_json: "{}".into(), expires_at_ms: 7 };
        let keys = read_keys(&serde_json::to_vec(&[record]).unwrap()).unwrap();
        assert_eq!(keys[0].kid, "k1");
        assert_eq!(keys[0].expires_at, Timestamp::from_unix_ms(7));
    }

    #[test]
    fn asks_the_database_for_what_is_no_list_of_keys() {
        for value in ["", "[]", "{}", "[{\"kid\":1}]", "null"] {
            assert_eq!(read_keys(value.as_bytes()), None, "{value}");
        }
    }
}

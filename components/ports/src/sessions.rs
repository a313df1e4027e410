//! Who may be let in: the issuer's public keys, and the sessions that were ended before their tokens.
//!
//! A host may keep both wherever it reads them fastest. The functions here read them from the edge's own copy, whose
//! tables `signing_keys` and `revocations` are part of `api_types::read_model`.

use domain::Timestamp;

use crate::{Rows, Sql, SqlError, SqlValue};

#[cfg(test)]
mod tests;

/// Most keys that are read: 32. Rotation needs three.
pub const SIGNING_KEYS_MAX: usize = 32;

const KEYS_QUERY: &str = "SELECT kid, jwk_json, expires_at_ms FROM signing_keys LIMIT 32";

const REVOKED_QUERY: &str = "SELECT 1 FROM revocations WHERE session_id = ?1 LIMIT 1";

/// A published key. Nothing about it is checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its name, as tokens say it.
    pub kid: String,
    /// The public key as a JSON Web Key (RFC 7517).
    pub jwk_json: String,
    /// From when on its tokens are refused.
    pub expires_at: Timestamp,
}

/// Reads what tokens are checked against.
pub trait Sessions {
    /// Returns the published keys, at most [`SIGNING_KEYS_MAX`].
    ///
    /// # Errors
    /// When they cannot be read; nobody is let in on a guess.
    async fn signing_keys(&self) -> Result<Vec<SigningKey>, SqlError>;

    /// Returns whether a login session was ended. May be as old as the host's copy.
    ///
    /// # Errors
    /// When that cannot be read.
    async fn is_revoked(&self, session: &str) -> Result<bool, SqlError>;
}

/// Reads the published keys from the edge's own copy. A row that is no key is left out: one bad row must not end
/// every login.
///
/// # Errors
/// As the query.
pub async fn signing_keys<P: Sql>(ports: &P) -> Result<Vec<SigningKey>, SqlError> {
    let rows = ports.query(KEYS_QUERY, &[]).await?;
    Ok(read_keys(rows))
}

/// Looks a session up in the edge's own copy.
///
/// # Errors
/// As the query.
pub async fn is_revoked<P: Sql>(ports: &P, session: &str) -> Result<bool, SqlError> {
    let parameters = [SqlValue::Text(session.to_owned())];
    let rows = ports.query(REVOKED_QUERY, &parameters).await?;
    Ok(!rows.rows.is_empty())
}

fn read_keys(rows: Rows) -> Vec<SigningKey> {
    rows.rows
        .into_iter()
        .filter_map(|row| match <[SqlValue; 3]>::try_from(row) {
            Ok([SqlValue::Text(kid), SqlValue::Text(jwk_json), SqlValue::Integer(ms)]) => {
                Some(SigningKey { kid, jwk_json, expires_at: Timestamp::from_unix_ms(ms) })
            }
            _ => None,
        })
        .collect()
}

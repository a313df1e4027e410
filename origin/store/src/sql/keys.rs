//! Statements of keys and secrets.

use domain::Timestamp;

use super::feed;
use crate::StoreError;
use crate::keys::{KeyMaterial, KeyState, SigningKey};
use crate::tx::{Tx, values};

/// End of a key that has not been retired: year 2286. The edges' copy has no empty moment.
const OPEN_END_MS: i64 = 9_999_999_999_999;

pub(crate) async fn rotate(
    tx: &Tx<'_>,
    fresh: &[KeyMaterial; 2],
    active_since_min: Timestamp,
    retired_until: Timestamp,
    now: Timestamp,
) -> Result<Vec<SigningKey>, StoreError> {
    let mut touched = Vec::new();
    let [first, second] = fresh;
    let active: Option<(String, i64)> = tx
        .query_opt("SELECT kid, active_since_ms FROM signing_keys WHERE state = 'active'", &[])
        .await?
        .map(|row| Ok::<_, StoreError>((row.get(0)?, row.get(1)?)))
        .transpose()?;
    match active {
        None => touched.push(insert(tx, first, "active", Some(now)).await?),
        Some((kid, since_ms)) if since_ms < active_since_min.unix_ms() => {
            tx.execute(
                "UPDATE signing_keys SET state = 'retired', expires_at_ms = ?2 WHERE kid = ?1",
                values![kid, retired_until.unix_ms()],
            )
            .await?;
            tx.execute("UPDATE signing_keys SET state = 'active', active_since_ms = ?1 WHERE state = 'next'", values![now.unix_ms()]).await?;
            touched.push(kid);
        }
        Some(_) => {}
    }
    let has_next: bool = tx
        .query_one("SELECT EXISTS (SELECT 1 FROM signing_keys WHERE state = 'next')", &[])
        .await?
        .get(0)?;
    if !has_next {
        touched.push(insert(tx, second, "next", None).await?);
    }
    let ended: Vec<String> = tx.query("DELETE FROM signing_keys WHERE state = 'retired' AND expires_at_ms <= ?1 RETURNING kid", values![now.unix_ms()]).await?.iter().map(|row| row.get(0)).collect::<Result<_, StoreError>>()?;
    touched.extend(ended);
    let rows: Vec<_> =
        touched.iter().map(|kid| feed::row("signing_keys", [kid.as_str()])).collect();
    feed::publish(tx, &rows, now).await?;
    all(tx).await
}

async fn insert(
    tx: &Tx<'_>,
    key: &KeyMaterial,
    state: &str,
    active_since: Option<Timestamp>,
) -> Result<String, StoreError> {
    tx.execute(
        "INSERT INTO signing_keys (kid, seed, jwk_json, state, active_since_ms, expires_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![
            key.kid,
            key.seed,
            key.jwk_json,
            state,
            active_since.map(Timestamp::unix_ms),
            OPEN_END_MS
        ],
    )
    .await?;
    Ok(key.kid.clone())
}

pub(crate) async fn all(tx: &Tx<'_>) -> Result<Vec<SigningKey>, StoreError> {
    let rows =
        tx.query("SELECT kid, seed, jwk_json, state FROM signing_keys ORDER BY kid", &[]).await?;
    let mut keys = Vec::new();
    for row in rows {
        let state: String = row.get(3)?;
        let state = match state.as_str() {
            "active" => KeyState::Active,
            "next" => KeyState::Next,
            "retired" => KeyState::Retired,
            _ => return Err(StoreError::Corrupt("state of a key")),
        };
        let material = KeyMaterial { kid: row.get(0)?, seed: row.get(1)?, jwk_json: row.get(2)? };
        keys.push(SigningKey { material, state });
    }
    Ok(keys)
}

pub(crate) async fn shared_secret(
    tx: &Tx<'_>,
    name: &str,
    candidate: &[u8; 32],
) -> Result<[u8; 32], StoreError> {
    tx.execute(
        "INSERT INTO server_secrets (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
        values![name, candidate],
    )
    .await?;
    tx.query_one("SELECT value FROM server_secrets WHERE name = ?1", values![name]).await?.get(0)
}

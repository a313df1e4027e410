//! Statements of keys and secrets.

use domain::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::feed;
use crate::StoreError;
use crate::keys::{KeyMaterial, KeyState, SigningKey};

/// End of a key that has not been retired: year 2286. The edges' copy has no empty moment.
const OPEN_END_MS: i64 = 9_999_999_999_999;

pub(crate) fn rotate(
    connection: &Connection,
    fresh: [KeyMaterial; 2],
    active_since_min: Timestamp,
    retired_until: Timestamp,
    now: Timestamp,
) -> Result<Vec<SigningKey>, StoreError> {
    let mut touched = Vec::new();
    let [first, second] = fresh;
    let active: Option<(String, i64)> = connection
        .query_row(
            "SELECT kid, active_since_ms FROM signing_keys WHERE state = 'active'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    match active {
        None => touched.push(insert(connection, &first, "active", Some(now))?),
        Some((kid, since_ms)) if since_ms < active_since_min.unix_ms() => {
            connection.execute(
                "UPDATE signing_keys SET state = 'retired', expires_at_ms = ?2 WHERE kid = ?1",
                params![kid, retired_until.unix_ms()],
            )?;
            connection.execute(
                "UPDATE signing_keys SET state = 'active', active_since_ms = ?1 WHERE state = 'next'",
                [now.unix_ms()],
            )?;
            touched.push(kid);
        }
        Some(_) => {}
    }
    let has_next: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM signing_keys WHERE state = 'next')",
        [],
        |row| row.get(0),
    )?;
    if !has_next {
        touched.push(insert(connection, &second, "next", None)?);
    }
    let ended: Vec<String> = connection
        .prepare_cached("DELETE FROM signing_keys WHERE state = 'retired' AND expires_at_ms <= ?1 RETURNING kid")?
        .query_map([now.unix_ms()], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    touched.extend(ended);
    let rows: Vec<_> =
        touched.iter().map(|kid| feed::row("signing_keys", [kid.as_str()])).collect();
    feed::publish(connection, &rows, now)?;
    all(connection)
}

fn insert(
    connection: &Connection,
    key: &KeyMaterial,
    state: &str,
    active_since: Option<Timestamp>,
) -> Result<String, StoreError> {
    connection.execute(
        "INSERT INTO signing_keys (kid, seed, jwk_json, state, active_since_ms, expires_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            key.kid,
            key.seed,
            key.jwk_json,
            state,
            active_since.map(Timestamp::unix_ms),
            OPEN_END_MS
        ],
    )?;
    Ok(key.kid.clone())
}

fn all(connection: &Connection) -> Result<Vec<SigningKey>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT kid, seed, jwk_json, state FROM signing_keys ORDER BY kid")?;
    let mut rows = statement.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
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

pub(crate) fn shared_secret(
    connection: &Connection,
    name: &str,
    candidate: [u8; 32],
) -> Result<[u8; 32], StoreError> {
    connection.execute(
        "INSERT INTO server_secrets (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
        params![name, candidate],
    )?;
    Ok(connection
        .query_row("SELECT value FROM server_secrets WHERE name = ?1", [name], |row| row.get(0))?)
}

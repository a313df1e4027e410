//! Claims of idempotency keys.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use domain::{OrderId, Timestamp};

use crate::StoreError;
use crate::idempotency::{Claim, Once};

/// What is known about a key.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    OtherRequest,
    Answer(String),
    /// Claimed by a checkout that has not ended; `order` is what it made.
    Unfinished {
        order: OrderId,
        lease_until: Timestamp,
    },
}

pub(crate) fn find(connection: &Connection, claim: &Claim) -> Result<Found, StoreError> {
    // By primary key.
    let row = connection
        .prepare_cached(
            "SELECT fingerprint, answer, order_id, lease_until_ms FROM idempotency WHERE scope = ?1 AND key = ?2",
        )?
        .query_row(params![claim.scope, claim.key], |row| {
            let order: Option<[u8; 16]> = row.get(2)?;
            Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, Option<String>>(1)?, order, row.get::<_, i64>(3)?))
        })
        .optional()?;
    Ok(match row {
        None => Found::Nothing,
        Some((fingerprint, ..)) if fingerprint != claim.fingerprint => Found::OtherRequest,
        Some((_, Some(answer), ..)) => Found::Answer(answer),
        Some((_, None, Some(order), lease_until_ms)) => Found::Unfinished {
            order: OrderId::from_bytes(order),
            lease_until: Timestamp::from_unix_ms(lease_until_ms),
        },
        Some((_, None, None, _)) => return Err(StoreError::Corrupt("idempotency claim")),
    })
}

/// Writes an answer for a key that is new, or that was claimed by this request.
pub(crate) fn finish<T: Serialize>(
    connection: &Connection,
    claim: &Claim,
    answer: &T,
    now: Timestamp,
) -> Result<(), StoreError> {
    let answer =
        serde_json::to_string(answer).map_err(|_unwritable| StoreError::Corrupt("answer"))?;
    connection
        .prepare_cached(
            "INSERT INTO idempotency (scope, key, fingerprint, answer, lease_until_ms, created_at_ms)
             VALUES (?1, ?2, ?3, ?4, 0, ?5)
             ON CONFLICT (scope, key) DO UPDATE SET answer = excluded.answer WHERE answer IS NULL",
        )?
        .execute(params![claim.scope, claim.key, claim.fingerprint, answer, now.unix_ms()])?;
    Ok(())
}

/// Claims a key for a checkout until `lease_until`, or renews the claim.
pub(crate) fn lease(
    connection: &Connection,
    claim: &Claim,
    order: OrderId,
    lease_until: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO idempotency (scope, key, fingerprint, order_id, lease_until_ms, created_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (scope, key) DO UPDATE SET lease_until_ms = excluded.lease_until_ms",
        )?
        .execute(params![
            claim.scope,
            claim.key,
            claim.fingerprint,
            order.as_bytes(),
            lease_until.unix_ms(),
            now.unix_ms()
        ])?;
    Ok(())
}

pub(crate) fn read<T: DeserializeOwned>(answer: &str) -> Result<T, StoreError> {
    serde_json::from_str(answer).map_err(|_unreadable| StoreError::Corrupt("idempotent answer"))
}

/// Does work at most once per key, within one transaction. Refusals change nothing and are not kept: the same request
/// may succeed later.
pub(crate) fn once<T: Serialize + DeserializeOwned, R>(
    connection: &Connection,
    claim: Option<&Claim>,
    now: Timestamp,
    work: impl FnOnce() -> Result<Result<T, R>, StoreError>,
) -> Result<Result<Once<T>, R>, StoreError> {
    if let Some(claim) = claim {
        match find(connection, claim)? {
            Found::Nothing => {}
            Found::OtherRequest => return Ok(Ok(Once::Reused)),
            Found::Answer(answer) => return Ok(Ok(Once::Replayed(read(&answer)?))),
            Found::Unfinished { .. } => return Ok(Ok(Once::InFlight)),
        }
    }
    let value = match work()? {
        Ok(value) => value,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if let Some(claim) = claim {
        finish(connection, claim, &value, now)?;
    }
    Ok(Ok(Once::Fresh(value)))
}

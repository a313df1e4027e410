//! Claims of idempotency keys.

use serde::Serialize;
use serde::de::DeserializeOwned;

use domain::{OrderId, Timestamp};

use crate::StoreError;
use crate::idempotency::{Claim, Once};
use crate::tx::{Tx, values};

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

pub(crate) async fn find(tx: &Tx<'_>, claim: &Claim) -> Result<Found, StoreError> {
    // By primary key. A statement that writes where there is something to be found: an answer that is given again must
    // be as safe as it was the first time, and only what is written waits for the standbys (facts.md, part 4).
    let row = tx
        .query_opt(
            "UPDATE idempotency SET created_at_ms = created_at_ms WHERE scope = ?1 AND key = ?2
             RETURNING fingerprint, answer, order_id, lease_until_ms",
            values![&claim.scope, &claim.key],
        )
        .await?;
    let row = match row {
        None => None,
        Some(row) => Some((
            row.get::<[u8; 32]>(0)?,
            row.get::<Option<String>>(1)?,
            row.get::<Option<[u8; 16]>>(2)?,
            row.get::<i64>(3)?,
        )),
    };
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

/// Writes an answer for a key that is new, or that was claimed by this request. Says whether it is kept: a key that has
/// an answer keeps that one.
pub(crate) async fn finish<T: Serialize>(
    tx: &Tx<'_>,
    claim: &Claim,
    answer: &T,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let answer = write(answer)?;
    let written = tx.execute("INSERT INTO idempotency (scope, key, fingerprint, answer, lease_until_ms, created_at_ms)
             VALUES (?1, ?2, ?3, ?4, 0, ?5)
             ON CONFLICT (scope, key) DO UPDATE SET answer = excluded.answer WHERE idempotency.answer IS NULL", values![&claim.scope, &claim.key, &claim.fingerprint, &answer, now.unix_ms()]).await?;
    Ok(written == 1)
}

/// Claims a key for a checkout until `lease_until`, or renews the claim.
pub(crate) async fn lease(
    tx: &Tx<'_>,
    claim: &Claim,
    order: OrderId,
    lease_until: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO idempotency (scope, key, fingerprint, order_id, lease_until_ms, created_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (scope, key) DO UPDATE SET lease_until_ms = excluded.lease_until_ms",
        values![
            &claim.scope,
            &claim.key,
            &claim.fingerprint,
            order.as_bytes(),
            lease_until.unix_ms(),
            now.unix_ms()
        ],
    )
    .await?;
    Ok(())
}

/// Writes an answer as it is stored.
pub(crate) fn write<T: Serialize>(answer: &T) -> Result<String, StoreError> {
    serde_json::to_string(answer).map_err(|_unwritable| StoreError::Corrupt("answer"))
}

pub(crate) fn read<T: DeserializeOwned>(answer: &str) -> Result<T, StoreError> {
    serde_json::from_str(answer).map_err(|_unreadable| StoreError::Corrupt("idempotent answer"))
}

/// Does work at most once per key, within one transaction. Refusals change nothing and are not kept: the same request
/// may succeed later.
pub(crate) async fn once<T: Serialize + DeserializeOwned, R>(
    tx: &Tx<'_>,
    claim: Option<&Claim>,
    now: Timestamp,
    work: impl Future<Output = Result<Result<T, R>, StoreError>>,
) -> Result<Result<Once<T>, R>, StoreError> {
    if let Some(claim) = claim {
        match find(tx, claim).await? {
            Found::Nothing => {}
            Found::OtherRequest => return Ok(Ok(Once::Reused)),
            Found::Answer(answer) => return Ok(Ok(Once::Replayed(read(&answer)?))),
            Found::Unfinished { .. } => return Ok(Ok(Once::InFlight)),
        }
    }
    let value = match work.await? {
        Ok(value) => value,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if let Some(claim) = claim {
        finish(tx, claim, &value, now).await?;
    }
    Ok(Ok(Once::Fresh(value)))
}

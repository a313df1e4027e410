//! Statements of leases. All by primary key.

use domain::Timestamp;

use crate::StoreError;
use crate::lease::{Fence, Lease, Leasing};
use crate::tx::{Tx, values};

pub(crate) async fn take(
    tx: &Tx<'_>,
    job: &'static str,
    holder: &str,
    until: Timestamp,
    now: Timestamp,
) -> Result<Leasing, StoreError> {
    let row = tx
        .query_opt("SELECT holder, token, until_ms FROM job_leases WHERE job = ?1", values![job])
        .await?;
    let Some(row) = row else {
        tx.execute(
            "INSERT INTO job_leases (job, holder, token, until_ms) VALUES (?1, ?2, 1, ?3)",
            values![job, holder, until.unix_ms()],
        )
        .await?;
        return Ok(Leasing::Granted(Lease::new(Fence { job, token: 1 }, until)));
    };
    let (found, token, held_until): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let held_until = Timestamp::from_unix_ms(held_until);
    let has_ended = held_until <= now;
    if !has_ended && found != holder {
        return Ok(Leasing::Held(held_until));
    }
    let next = if has_ended { token.saturating_add(1) } else { token };
    // A clock that was set back must not shorten what was granted.
    let until = until.max(held_until);
    tx.execute(
        "UPDATE job_leases SET holder = ?2, token = ?3, until_ms = ?4 WHERE job = ?1 AND token = ?5",
        values![job, holder, next, until.unix_ms(), token],
    )
    .await?;
    Ok(Leasing::Granted(Lease::new(Fence { job, token: next }, until)))
}

/// Refuses whoever has not the newest token. On PostgreSQL the transaction is serializable: one that passed here and
/// then met a change of hands is undone, or counts as done before it.
pub(crate) async fn check(tx: &Tx<'_>, fence: &Fence) -> Result<(), StoreError> {
    let newest: Option<i64> = tx
        .query_opt("SELECT token FROM job_leases WHERE job = ?1", values![fence.job])
        .await?
        .map(|row| row.get(0))
        .transpose()?;
    if newest == Some(fence.token) { Ok(()) } else { Err(StoreError::LeaseLost) }
}

pub(crate) async fn end(tx: &Tx<'_>, fence: &Fence) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE job_leases SET until_ms = 0 WHERE job = ?1 AND token = ?2",
        values![fence.job, fence.token],
    )
    .await?;
    Ok(())
}

pub(crate) async fn end_all(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute("UPDATE job_leases SET until_ms = 0 WHERE until_ms > 0", &[]).await?;
    Ok(())
}

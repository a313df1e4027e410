//! Statements that forget and add up.

use api_types::events::Day;
use domain::Timestamp;
use domain::account::LOGIN_WINDOW;

use super::{delivery, feed, import};
use crate::StoreError;
use crate::tx::{Tx, values};
use crate::upkeep::{StockSums, UpkeepLimits};

pub(crate) async fn forget_old(
    tx: &Tx<'_>,
    limits: &UpkeepLimits,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let rows_max = u64::from(limits.rows_max);
    let mut is_full = false;
    // SQLite as bundled has no DELETE … LIMIT; each inner query goes by an index on the age.
    let statements = [
        // Also claims that nobody came back for: the jobs have ended their orders long ago.
        (
            "DELETE FROM idempotency WHERE (scope, key) IN
               (SELECT scope, key FROM idempotency WHERE created_at_ms <= ?1 LIMIT ?2)",
            now.before(limits.idempotency_kept),
        ),
        (
            "DELETE FROM webhook_events WHERE id IN
               (SELECT id FROM webhook_events WHERE received_at_ms <= ?1 LIMIT ?2)",
            now.before(limits.webhooks_kept),
        ),
        (
            "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE delivered_at_ms <= ?1 LIMIT ?2)",
            now.before(limits.events_kept),
        ),
        (
            "DELETE FROM event_batches WHERE id IN
               (SELECT id FROM event_batches WHERE received_at_ms <= ?1 LIMIT ?2)",
            now.before(limits.event_batches_kept),
        ),
        (
            "DELETE FROM login_attempts WHERE email IN (SELECT email FROM login_attempts WHERE since_ms <= ?1 LIMIT ?2)",
            now.before(LOGIN_WINDOW),
        ),
    ];
    for (sql, older_than) in statements {
        let gone = tx.execute(sql, values![older_than.unix_ms(), limits.rows_max]).await?;
        is_full |= gone >= rows_max;
    }
    is_full |= forget_event_counts(tx, limits, now).await? >= rows_max;
    is_full |= forget_sessions(tx, limits, now).await? >= rows_max;
    let made_before = now.before(limits.deliveries_kept);
    is_full |= delivery::forget(tx, made_before, limits.rows_max).await? >= rows_max;
    let made_before = now.before(limits.imports_kept);
    is_full |= import::forget(tx, made_before, limits.rows_max).await? >= rows_max;
    is_full |= forget_carts(tx, limits, now).await? >= rows_max;
    let ended: Vec<String> = tx.query("DELETE FROM revocations WHERE session_id IN
               (SELECT session_id FROM revocations WHERE until_ms <= ?1 LIMIT ?2) RETURNING session_id", values![now.unix_ms(), limits.rows_max]).await?.iter().map(|row| row.get(0)).collect::<Result<_, StoreError>>()?;
    let rows: Vec<_> =
        ended.iter().map(|session| feed::row("revocations", [session.as_str()])).collect();
    feed::publish(tx, &rows, now).await?;
    Ok(is_full || count(&ended) >= rows_max)
}

/// Forgets counts of days long past. Returns how many went.
async fn forget_event_counts(
    tx: &Tx<'_>,
    limits: &UpkeepLimits,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let before = Day::of(now.before(limits.event_counts_kept));
    let gone = tx
        .execute(
            "DELETE FROM event_counts WHERE (day, name, subject) IN
               (SELECT day, name, subject FROM event_counts WHERE day < ?1 LIMIT ?2)",
            values![before.number(), limits.rows_max],
        )
        .await?;
    Ok(gone)
}

/// Forgets refresh tokens that have ended, and with the last one its session. Returns how many tokens went.
async fn forget_sessions(
    tx: &Tx<'_>,
    limits: &UpkeepLimits,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let sessions: Vec<[u8; 16]> = tx.query("DELETE FROM refresh_tokens WHERE hash IN
               (SELECT hash FROM refresh_tokens WHERE expires_at_ms <= ?1 LIMIT ?2) RETURNING session_id", values![now.unix_ms(), limits.rows_max]).await?.iter().map(|row| row.get(0)).collect::<Result<_, StoreError>>()?;
    for session in &sessions {
        tx.execute(
            "DELETE FROM sessions WHERE id = ?1
             AND NOT EXISTS (SELECT 1 FROM refresh_tokens WHERE session_id = ?1)",
            values![session],
        )
        .await?;
    }
    Ok(count(&sessions))
}

/// Forgets carts that were left alone; a cart that an order was ever made of stays with it. Returns how many went.
async fn forget_carts(
    tx: &Tx<'_>,
    limits: &UpkeepLimits,
    now: Timestamp,
) -> Result<u64, StoreError> {
    // By index carts_idle, and orders_cart for each cart.
    let carts: Vec<[u8; 16]> = tx
        .query(
            "SELECT id FROM carts WHERE order_id IS NULL AND updated_at_ms <= ?1
             AND NOT EXISTS (SELECT 1 FROM orders WHERE cart_id = carts.id) LIMIT ?2",
            values![now.before(limits.carts_kept).unix_ms(), limits.rows_max],
        )
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect::<Result<_, StoreError>>()?;
    for cart in &carts {
        tx.execute("DELETE FROM cart_lines WHERE cart_id = ?1", values![cart]).await?;
        tx.execute("DELETE FROM carts WHERE id = ?1", values![cart]).await?;
    }
    Ok(count(&carts))
}

pub(crate) async fn ledger_sum(tx: &Tx<'_>, account: &str) -> Result<i64, StoreError> {
    tx.query_one(
        "SELECT CAST(coalesce(sum(minor), 0) AS BIGINT) FROM ledger_entries WHERE account = ?1",
        values![account],
    )
    .await?
    .get(0)
}

pub(crate) async fn sums(tx: &Tx<'_>) -> Result<StockSums, StoreError> {
    Ok(StockSums {
        on_hand: sum(
            tx,
            "SELECT CAST(coalesce(sum(o.pieces), 0) AS BIGINT) FROM
               (SELECT on_hand AS pieces FROM stock UNION ALL SELECT on_hand FROM stock_at) o",
        )
        .await?,
        on_hand_moved: sum(
            tx,
            "SELECT CAST(coalesce(sum(on_hand_delta), 0) AS BIGINT) FROM stock_movements",
        )
        .await?,
        reserved: sum(
            tx,
            "SELECT CAST(coalesce(sum(o.pieces), 0) AS BIGINT) FROM
               (SELECT reserved AS pieces FROM stock UNION ALL SELECT reserved FROM stock_at) o",
        )
        .await?,
        reserved_moved: sum(
            tx,
            "SELECT CAST(coalesce(sum(reserved_delta), 0) AS BIGINT) FROM stock_movements",
        )
        .await?,
        reserved_held: sum(
            tx,
            "SELECT CAST(coalesce(sum(o.pieces), 0) AS BIGINT) FROM
               (SELECT quantity AS pieces FROM reservations WHERE status = 'held'
                UNION ALL SELECT held FROM reservation_parts WHERE status = 'held') o",
        )
        .await?,
        backordered: sum(
            tx,
            "SELECT CAST(coalesce(sum(o.pieces), 0) AS BIGINT) FROM
               (SELECT backordered AS pieces FROM stock UNION ALL SELECT backordered FROM stock_at) o",
        )
        .await?,
        backordered_promised: sum(
            tx,
            "SELECT CAST(coalesce(sum(backordered), 0) AS BIGINT) FROM reservation_parts WHERE status <> 'released'",
        )
        .await?,
        ledger_imbalance: sum(
            tx,
            "SELECT CAST(coalesce(sum(abs(o.off)), 0) AS BIGINT) FROM
               (SELECT sum(minor) AS off FROM ledger_entries GROUP BY key, currency) o",
        )
        .await?,
    })
}

fn count<T>(gone: &[T]) -> u64 {
    u64::try_from(gone.len()).unwrap_or(u64::MAX)
}

async fn sum(tx: &Tx<'_>, sql: &str) -> Result<i64, StoreError> {
    tx.query_one(sql, &[]).await?.get(0)
}

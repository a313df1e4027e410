//! Statements that forget and add up.

use domain::Timestamp;
use domain::account::LOGIN_WINDOW;
use rusqlite::{Connection, params};

use super::feed;
use crate::StoreError;
use crate::upkeep::{StockSums, UpkeepLimits};

pub(crate) fn forget_old(
    connection: &Connection,
    limits: &UpkeepLimits,
    now: Timestamp,
) -> Result<(), StoreError> {
    // SQLite as bundled has no DELETE … LIMIT; each inner query goes by an index on the age.
    let statements = [
        (
            "DELETE FROM idempotency WHERE (scope, key) IN
               (SELECT scope, key FROM idempotency WHERE created_at_ms <= ?1 AND answer IS NOT NULL LIMIT ?2)",
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
            "DELETE FROM login_attempts WHERE email IN (SELECT email FROM login_attempts WHERE since_ms <= ?1 LIMIT ?2)",
            now.before(LOGIN_WINDOW),
        ),
        (
            "DELETE FROM refresh_tokens WHERE hash IN
               (SELECT hash FROM refresh_tokens WHERE expires_at_ms <= ?1 LIMIT ?2)",
            now,
        ),
    ];
    for (sql, older_than) in statements {
        connection.prepare_cached(sql)?.execute(params![older_than.unix_ms(), limits.rows_max])?;
    }
    let ended: Vec<String> = connection
        .prepare_cached(
            "DELETE FROM revocations WHERE session_id IN
               (SELECT session_id FROM revocations WHERE until_ms <= ?1 LIMIT ?2) RETURNING session_id",
        )?
        .query_map(params![now.unix_ms(), limits.rows_max], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let rows: Vec<_> =
        ended.iter().map(|session| feed::row("revocations", [session.as_str()])).collect();
    feed::publish(connection, &rows, now)
}

pub(crate) fn sums(connection: &Connection) -> Result<StockSums, StoreError> {
    let sum = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    Ok(StockSums {
        on_hand: sum("SELECT coalesce(sum(on_hand), 0) FROM stock")?,
        on_hand_moved: sum("SELECT coalesce(sum(on_hand_delta), 0) FROM stock_movements")?,
        reserved: sum("SELECT coalesce(sum(reserved), 0) FROM stock")?,
        reserved_moved: sum("SELECT coalesce(sum(reserved_delta), 0) FROM stock_movements")?,
        reserved_held: sum(
            "SELECT coalesce(sum(quantity), 0) FROM reservations WHERE status = 'held'",
        )?,
        ledger_imbalance: sum("SELECT coalesce(sum(abs(off)), 0) FROM
               (SELECT sum(minor) AS off FROM ledger_entries GROUP BY key, currency)")?,
    })
}

//! Statements that forget and add up.

use api_types::events::Day;
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
) -> Result<bool, StoreError> {
    let rows_max = usize::try_from(limits.rows_max).unwrap_or(usize::MAX);
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
        let gone = connection
            .prepare_cached(sql)?
            .execute(params![older_than.unix_ms(), limits.rows_max])?;
        is_full |= gone >= rows_max;
    }
    is_full |= forget_event_counts(connection, limits, now)? >= rows_max;
    is_full |= forget_sessions(connection, limits, now)? >= rows_max;
    is_full |= forget_carts(connection, limits, now)? >= rows_max;
    let ended: Vec<String> = connection
        .prepare_cached(
            "DELETE FROM revocations WHERE session_id IN
               (SELECT session_id FROM revocations WHERE until_ms <= ?1 LIMIT ?2) RETURNING session_id",
        )?
        .query_map(params![now.unix_ms(), limits.rows_max], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let rows: Vec<_> =
        ended.iter().map(|session| feed::row("revocations", [session.as_str()])).collect();
    feed::publish(connection, &rows, now)?;
    Ok(is_full || ended.len() >= rows_max)
}

/// Forgets counts of days long past. Returns how many went.
fn forget_event_counts(
    connection: &Connection,
    limits: &UpkeepLimits,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let before = Day::of(now.before(limits.event_counts_kept));
    let gone = connection
        .prepare_cached(
            "DELETE FROM event_counts WHERE (day, name, subject) IN
               (SELECT day, name, subject FROM event_counts WHERE day < ?1 LIMIT ?2)",
        )?
        .execute(params![before.number(), limits.rows_max])?;
    Ok(gone)
}

/// Forgets refresh tokens that have ended, and with the last one its session. Returns how many tokens went.
fn forget_sessions(
    connection: &Connection,
    limits: &UpkeepLimits,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let sessions: Vec<[u8; 16]> = connection
        .prepare_cached(
            "DELETE FROM refresh_tokens WHERE hash IN
               (SELECT hash FROM refresh_tokens WHERE expires_at_ms <= ?1 LIMIT ?2) RETURNING session_id",
        )?
        .query_map(params![now.unix_ms(), limits.rows_max], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut forget = connection.prepare_cached(
        "DELETE FROM sessions WHERE id = ?1
         AND NOT EXISTS (SELECT 1 FROM refresh_tokens WHERE session_id = ?1)",
    )?;
    for session in &sessions {
        forget.execute([session])?;
    }
    Ok(sessions.len())
}

/// Forgets carts that were left alone; a cart that an order was ever made of stays with it. Returns how many went.
fn forget_carts(
    connection: &Connection,
    limits: &UpkeepLimits,
    now: Timestamp,
) -> Result<usize, StoreError> {
    // By index carts_idle, and orders_cart for each cart.
    let carts: Vec<[u8; 16]> = connection
        .prepare_cached(
            "SELECT id FROM carts WHERE order_id IS NULL AND updated_at_ms <= ?1
             AND NOT EXISTS (SELECT 1 FROM orders WHERE cart_id = carts.id) LIMIT ?2",
        )?
        .query_map(params![now.before(limits.carts_kept).unix_ms(), limits.rows_max], |row| {
            row.get(0)
        })?
        .collect::<Result<_, _>>()?;
    for cart in &carts {
        connection.prepare_cached("DELETE FROM cart_lines WHERE cart_id = ?1")?.execute([cart])?;
        connection.prepare_cached("DELETE FROM carts WHERE id = ?1")?.execute([cart])?;
    }
    Ok(carts.len())
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

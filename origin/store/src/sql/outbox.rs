//! Statements of the outbox.

use domain::{OrderId, Timestamp};
use rusqlite::{Connection, params};

use crate::StoreError;
use crate::outbox::OutboxEvent;

/// Writes an event about an order. Its words are its names alone: personal data stays in the order.
pub(crate) fn append(
    connection: &Connection,
    order: OrderId,
    kind: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let payload = serde_json::json!({ "order_id": order, "type": kind, "at": now }).to_string();
    connection
        .prepare_cached(
            "INSERT INTO outbox (aggregate, aggregate_id, sequence, kind, payload_json, created_at_ms)
             SELECT 'order', ?1, coalesce(max(sequence), 0) + 1, ?2, ?3, ?4
             FROM outbox WHERE aggregate = 'order' AND aggregate_id = ?1",
        )?
        .execute(params![order.to_string(), kind, payload, now.unix_ms()])?;
    Ok(())
}

pub(crate) fn waiting(connection: &Connection, limit: u32) -> Result<Vec<OutboxEvent>, StoreError> {
    // By index outbox_waiting. One writer, so ids are in the order of commits.
    let mut statement = connection.prepare_cached(
        "SELECT id, aggregate, aggregate_id, sequence, kind, payload_json, created_at_ms FROM outbox
         WHERE delivered_at_ms IS NULL ORDER BY id LIMIT ?1",
    )?;
    let events = statement
        .query_map([limit], |row| {
            Ok(OutboxEvent {
                id: row.get(0)?,
                aggregate: row.get(1)?,
                aggregate_id: row.get(2)?,
                sequence: row.get(3)?,
                kind: row.get(4)?,
                payload_json: row.get(5)?,
                created_at: Timestamp::from_unix_ms(row.get(6)?),
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(events)
}

pub(crate) fn mark_delivered(
    connection: &Connection,
    ids: &[i64],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut update = connection.prepare_cached(
        "UPDATE outbox SET delivered_at_ms = ?2 WHERE id = ?1 AND delivered_at_ms IS NULL",
    )?;
    for id in ids {
        update.execute(params![id, now.unix_ms()])?;
    }
    Ok(())
}

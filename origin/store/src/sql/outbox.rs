//! Statements of the outbox.

use domain::{OrderId, Timestamp};

use crate::StoreError;
use crate::outbox::OutboxEvent;
use crate::tx::{Row, Tx, values};

/// Writes an event about an order. Its words are its names alone: personal data stays in the order.
pub(crate) async fn append(
    tx: &Tx<'_>,
    order: OrderId,
    kind: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let payload = payload(order, kind, now);
    tx.execute("INSERT INTO outbox (aggregate, aggregate_id, sequence, kind, payload_json, created_at_ms)
             SELECT 'order', CAST(?1 AS TEXT), coalesce(max(sequence), 0) + 1, CAST(?2 AS TEXT), CAST(?3 AS TEXT),
               CAST(?4 AS BIGINT)
             FROM outbox WHERE aggregate = 'order' AND aggregate_id = ?1", values![&order.to_string(), kind, &payload, now.unix_ms()]).await?;
    Ok(())
}

/// Writes an event about something else: what it is and which one.
pub(crate) async fn append_about(
    tx: &Tx<'_>,
    (aggregate, id): (&str, &str),
    kind: &str,
    words: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO outbox (aggregate, aggregate_id, sequence, kind, payload_json, created_at_ms)
         SELECT CAST(?1 AS TEXT), CAST(?2 AS TEXT), coalesce(max(sequence), 0) + 1, CAST(?3 AS TEXT), CAST(?4 AS TEXT),
           CAST(?5 AS BIGINT)
         FROM outbox WHERE aggregate = ?1 AND aggregate_id = ?2",
        values![aggregate, id, kind, words, now.unix_ms()],
    )
    .await?;
    Ok(())
}

/// Writes the words of an event.
pub(crate) fn payload(order: OrderId, kind: &str, now: Timestamp) -> String {
    serde_json::json!({ "order_id": order, "type": kind, "at": now }).to_string()
}

pub(crate) async fn waiting(tx: &Tx<'_>, limit: u32) -> Result<Vec<OutboxEvent>, StoreError> {
    // By index outbox_waiting. One writer, so ids are in the order of commits.
    let rows = tx
        .query(
            "SELECT id, aggregate, aggregate_id, sequence, kind, payload_json, created_at_ms FROM outbox
             WHERE delivered_at_ms IS NULL ORDER BY id LIMIT ?1",
            values![limit],
        )
        .await?;
    let event = |row: &Row| {
        Ok(OutboxEvent {
            id: row.get(0)?,
            aggregate: row.get(1)?,
            aggregate_id: row.get(2)?,
            sequence: row.get(3)?,
            kind: row.get(4)?,
            payload_json: row.get(5)?,
            created_at: Timestamp::from_unix_ms(row.get(6)?),
        })
    };
    rows.iter().map(event).collect()
}

pub(crate) async fn mark_delivered(
    tx: &Tx<'_>,
    ids: &[i64],
    now: Timestamp,
) -> Result<(), StoreError> {
    for &id in ids {
        tx.execute(
            "UPDATE outbox SET delivered_at_ms = ?2 WHERE id = ?1 AND delivered_at_ms IS NULL",
            values![id, now.unix_ms()],
        )
        .await?;
    }
    Ok(())
}

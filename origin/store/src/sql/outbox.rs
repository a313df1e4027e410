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
    let words = payload(order, kind, now);
    append_about(tx, ("order", &order.to_string()), kind, &words, now).await
}

/// Writes an event about a part of an order, which `subject` names.
pub(crate) async fn append_part(
    tx: &Tx<'_>,
    order: OrderId,
    kind: &str,
    subject: Option<(&'static str, String)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut words = serde_json::json!({ "order_id": order, "type": kind, "at": now });
    if let (Some((member, name)), Some(members)) = (subject, words.as_object_mut()) {
        members.insert(member.to_owned(), name.into());
    }
    append_about(tx, ("order", &order.to_string()), kind, &words.to_string(), now).await
}

/// Writes an event about something else: what it is and which one.
pub(crate) async fn append_about(
    tx: &Tx<'_>,
    (aggregate, id): (&str, &str),
    kind: &str,
    words: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    // By primary key, and by the outbox's unique index. The events that are left do not tell how many there were; but a
    // program that counts those alone may have written beside this one.
    let sequence: i64 = tx
        .query_one(
            "INSERT INTO event_sequences (aggregate, aggregate_id, last)
             VALUES (?1, ?2, 1 + coalesce(
               (SELECT max(o.sequence) FROM outbox o WHERE o.aggregate = ?1 AND o.aggregate_id = ?2), 0))
             ON CONFLICT (aggregate, aggregate_id) DO UPDATE SET last = 1 + CASE
               WHEN event_sequences.last >= excluded.last THEN event_sequences.last ELSE excluded.last - 1 END
             RETURNING last",
            values![aggregate, id],
        )
        .await?
        .get(0)?;
    tx.execute(
        "INSERT INTO outbox (aggregate, aggregate_id, sequence, kind, payload_json, created_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![aggregate, id, sequence, kind, words, now.unix_ms()],
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

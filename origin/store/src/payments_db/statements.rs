//! Statements of the local payment provider, each within a transaction of its caller.

use domain::payment::Amounts;
use domain::{Currency, Money, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Change, IntentRow, NewDelivery, RefundRow, RequestKey, Written};
use crate::StoreError;

/// Returns what a key's request was answered, if it was.
pub(super) fn replay(
    connection: &Connection,
    request: &RequestKey,
) -> Result<Option<Written>, StoreError> {
    let row = connection
        .prepare_cached("SELECT fingerprint, payment_id, refund_id FROM calls WHERE key = ?1")?
        .query_row([&request.key], |row| {
            Ok((
                row.get::<_, [u8; 32]>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, Option<String>>(2)?,
            ))
        })
        .optional()?;
    let Some((fingerprint, id, refund)) = row else {
        return Ok(None);
    };
    if fingerprint != request.fingerprint {
        return Ok(Some(Written::KeyReused));
    }
    let intent = find(connection, &id)?.ok_or(StoreError::Corrupt("intent of a call"))?;
    let refund = match refund {
        Some(id) => find_refund(connection, &id, intent.amount.currency)?,
        None => None,
    };
    Ok(Some(Written::Intent(Box::new(intent), refund)))
}

pub(super) fn remember(
    connection: &Connection,
    request: &RequestKey,
    intent: &str,
    refund: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO calls (key, fingerprint, payment_id, refund_id, created_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![request.key, request.fingerprint, intent, refund, now.unix_ms()])?;
    Ok(())
}

pub(super) fn insert(
    connection: &Connection,
    intent: &IntentRow,
    now: Timestamp,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO payments (id, reference, amount_minor, currency, method, capture, status, authorized_minor,
               captured_minor, released_minor, refunded_minor, decline_code, return_url, due_at_ms, created_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            intent.id,
            intent.reference,
            intent.amount.minor,
            intent.amount.currency.code(),
            intent.method,
            intent.capture,
            intent.status,
            intent.amounts.authorized().minor,
            intent.amounts.captured().minor,
            intent.amounts.released().minor,
            intent.amounts.refunded().minor,
            intent.decline_code,
            intent.return_url,
            intent.due_at.map(Timestamp::unix_ms),
            now.unix_ms()
        ])?;
    Ok(())
}

/// Writes what a move does. Name, amount, reference and capture of an intent never change.
pub(super) fn carry_out(
    connection: &Connection,
    change: &Change,
    now: Timestamp,
) -> Result<(), StoreError> {
    let intent = &change.intent;
    connection
        .prepare_cached(
            "UPDATE payments SET method = ?2, status = ?3, authorized_minor = ?4, captured_minor = ?5,
               released_minor = ?6, refunded_minor = ?7, decline_code = ?8, due_at_ms = ?9
             WHERE id = ?1",
        )?
        .execute(params![
            intent.id,
            intent.method,
            intent.status,
            intent.amounts.authorized().minor,
            intent.amounts.captured().minor,
            intent.amounts.released().minor,
            intent.amounts.refunded().minor,
            intent.decline_code,
            intent.due_at.map(Timestamp::unix_ms)
        ])?;
    if let Some(refund) = &change.refund {
        connection
            .prepare_cached(
                "INSERT INTO refunds (id, payment_id, key, amount_minor, created_at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                refund.id,
                intent.id,
                refund.key,
                refund.amount.minor,
                now.unix_ms()
            ])?;
    }
    enqueue(connection, &change.deliveries, now)
}

pub(super) fn clear_due(connection: &Connection, id: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE payments SET due_at_ms = NULL WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

pub(super) fn enqueue(
    connection: &Connection,
    deliveries: &[NewDelivery],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO webhooks (id, event_id, body, attempts, next_attempt_at_ms, created_at_ms)
         VALUES (?1, ?2, ?3, 0, ?4, ?5)",
    )?;
    for (copy, delivery) in deliveries.iter().enumerate() {
        let first = now.after(delivery.delay).unix_ms();
        insert.execute(params![
            format!("{}.{copy}", delivery.event),
            delivery.event,
            delivery.body,
            first,
            now.unix_ms()
        ])?;
    }
    Ok(())
}

fn find_refund(
    connection: &Connection,
    id: &str,
    currency: Currency,
) -> Result<Option<RefundRow>, StoreError> {
    let row = connection
        .prepare_cached("SELECT id, key, amount_minor FROM refunds WHERE id = ?1")?
        .query_row([id], |row| {
            Ok(RefundRow {
                id: row.get(0)?,
                key: row.get(1)?,
                amount: Money::new(row.get(2)?, currency),
            })
        })
        .optional()?;
    Ok(row)
}

pub(super) fn find(connection: &Connection, id: &str) -> Result<Option<IntentRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, reference, amount_minor, currency, method, capture, status, authorized_minor, captured_minor,
           released_minor, refunded_minor, decline_code, return_url, due_at_ms
         FROM payments WHERE id = ?1",
    )?;
    let mut rows = statement.query([id])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let currency: String = row.get(3)?;
    let currency: Currency =
        currency.parse().map_err(|_unknown| StoreError::Corrupt("currency of an intent"))?;
    let money = |index| row.get(index).map(|minor| Money::new(minor, currency));
    let amounts = Amounts::new(money(7)?, money(8)?, money(9)?, money(10)?)
        .map_err(|_unbalanced| StoreError::Corrupt("amounts of an intent"))?;
    Ok(Some(IntentRow {
        id: row.get(0)?,
        reference: row.get(1)?,
        amount: money(2)?,
        method: row.get(4)?,
        capture: row.get(5)?,
        status: row.get(6)?,
        amounts,
        decline_code: row.get(11)?,
        return_url: row.get(12)?,
        due_at: row.get::<_, Option<i64>>(13)?.map(Timestamp::from_unix_ms),
    }))
}

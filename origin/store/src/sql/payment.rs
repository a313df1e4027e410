//! Statements of payments and of the ledger.

use std::time::Duration;

use domain::order::{Consequence, OrderEvent};
use domain::payment::Move;
use domain::{OrderId, OrderStatus, PaymentStatus, Timestamp};
use rusqlite::{Connection, params};

use super::stock::Movement;
use super::{idempotency, order, outbox};
use crate::StoreError;
use crate::order::OrderRecord;
use crate::payment::{Settle, Settled};

/// How long a payment that ends by webhook is left alone before the provider is asked: 60 s.
const WEBHOOK_PATIENCE: Duration = Duration::from_mins(1);
/// How long after an unanswered call the provider is asked: 1 s.
const UNKNOWN_PATIENCE: Duration = Duration::from_secs(1);
/// Longest pause between two questions about one payment: 60 s.
const CHECK_PAUSE_MAX: Duration = Duration::from_mins(1);

pub(crate) fn settle(connection: &Connection, command: &Settle) -> Result<Settled, StoreError> {
    let Some(found) = order::by_payment(connection, command.payment)? else {
        return Ok(Settled::UnknownPayment);
    };
    let is_ours = command.amount.is_none_or(|amount| amount == found.payment.amount);
    if !is_ours {
        tracing::error!(payment.id = %found.payment.id, "refused a report about another amount");
    } else if let Some(provider_ref) = &command.provider_ref {
        connection
            .prepare_cached(
                "UPDATE payments SET provider_ref = ?2 WHERE id = ?1 AND provider_ref IS NULL",
            )?
            .execute(params![command.payment.as_bytes(), provider_ref])?;
    }
    let has_moved =
        is_ours && is_first_delivery(connection, command)? && apply(connection, command, &found)?;
    let order = order::load(connection, found.id)?.ok_or(StoreError::Corrupt("order"))?;
    if let Some(claim) = &command.answer {
        idempotency::finish(connection, claim, &order.outcome(), command.now)?;
    }
    Ok(Settled::Order { order: Box::new(order), has_moved })
}

fn is_first_delivery(connection: &Connection, command: &Settle) -> Result<bool, StoreError> {
    let Some(id) = &command.webhook else {
        return Ok(true);
    };
    let inserted = connection
        .prepare_cached("INSERT INTO webhook_events (id, received_at_ms) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING")?
        .execute(params![id, command.now.unix_ms()])?;
    Ok(inserted == 1)
}

/// The one compare-and-set of a payment, with everything that follows from it.
fn apply(
    connection: &Connection,
    command: &Settle,
    found: &OrderRecord,
) -> Result<bool, StoreError> {
    let Some(event) = command.event else {
        return Ok(false);
    };
    let next = match found.payment.status.on(event) {
        Ok(Move::To(next)) => next,
        Ok(Move::Stay) => return Ok(false),
        Err(illegal) => {
            tracing::error!(payment.id = %found.payment.id, error = %illegal, "refused a report about a payment");
            return Ok(false);
        }
    };
    let moved = connection
        .prepare_cached(
            "UPDATE payments SET status = ?3, updated_at_ms = ?4 WHERE id = ?1 AND status = ?2",
        )?
        .execute(params![
            found.payment.id.as_bytes(),
            found.payment.status.as_str(),
            next.as_str(),
            command.now.unix_ms()
        ])?;
    if moved == 0 {
        return Ok(false);
    }
    outbox::append(connection, found.id, &format!("payment.{next}"), command.now)?;
    match next {
        PaymentStatus::Captured => write_capture(connection, found, Direction::In, command.now)?,
        PaymentStatus::Refunded => write_capture(connection, found, Direction::Out, command.now)?,
        _ => {}
    }
    let status = follow(connection, found, next, command.now)?;
    schedule_check(connection, found, next, status, command.now)?;
    Ok(true)
}

/// Does to the order what its payment's move means; returns where the order stands then.
fn follow(
    connection: &Connection,
    found: &OrderRecord,
    payment: PaymentStatus,
    now: Timestamp,
) -> Result<OrderStatus, StoreError> {
    match found.status.on(OrderEvent::Payment(payment)) {
        Consequence::Nothing => Ok(found.status),
        Consequence::Confirm => {
            order::finish_holds(connection, found, Movement::Sold, now)?;
            order::advance(connection, found, OrderStatus::Confirmed, now)?;
            Ok(OrderStatus::Confirmed)
        }
        Consequence::End(next) => {
            order::end(connection, found, next, now)?;
            Ok(next)
        }
        Consequence::RetakeOrRefund => {
            if !order::retake(connection, found, now)? {
                tracing::warn!(order.id = %found.id, "paid after its stock was gone or its cart was bought again: the money goes back");
                return Ok(found.status);
            }
            order::advance(connection, found, OrderStatus::Confirmed, now)?;
            Ok(OrderStatus::Confirmed)
        }
    }
}

fn schedule_check(
    connection: &Connection,
    found: &OrderRecord,
    payment: PaymentStatus,
    order: OrderStatus,
    now: Timestamp,
) -> Result<(), StoreError> {
    let next = match payment {
        PaymentStatus::Processing => Some(now.after(WEBHOOK_PATIENCE)),
        PaymentStatus::RequiresAction => Some(found.expires_at),
        PaymentStatus::Created | PaymentStatus::Unknown => Some(now.after(UNKNOWN_PATIENCE)),
        PaymentStatus::Captured if order != OrderStatus::Confirmed => Some(now),
        PaymentStatus::Captured
        | PaymentStatus::Declined
        | PaymentStatus::Cancelled
        | PaymentStatus::Refunded => None,
    };
    connection
        .prepare_cached("UPDATE payments SET next_check_at_ms = ?2, checks = 0 WHERE id = ?1")?
        .execute(params![found.payment.id.as_bytes(), next.map(Timestamp::unix_ms)])?;
    Ok(())
}

#[derive(Clone, Copy)]
enum Direction {
    In,
    Out,
}

/// Writes the entries of a capture or of its refund: debits positive, credits negative, sum zero.
fn write_capture(
    connection: &Connection,
    found: &OrderRecord,
    direction: Direction,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (word, sign) = match direction {
        Direction::In => ("capture", 1),
        Direction::Out => ("refund", -1),
    };
    let out_of_range = || StoreError::Corrupt("amount of an order");
    let total = found.totals.total;
    let net = total.checked_sub(found.totals.tax).map_err(|_out| out_of_range())?;
    let key = format!("{word}:{}", found.payment.id);
    let entries = [
        ("provider_clearing", total.minor),
        ("tax_payable", -found.totals.tax.minor),
        ("revenue", -net.minor),
    ];
    let mut insert = connection.prepare_cached(
        "INSERT INTO ledger_entries (key, account, currency, minor, payment_id, at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (account, minor) in entries {
        let (currency, payment) = (total.currency.code(), found.payment.id);
        insert.execute(params![
            key,
            account,
            currency,
            minor * sign,
            payment.as_bytes(),
            now.unix_ms()
        ])?;
    }
    Ok(())
}

pub(crate) fn claim_to_check(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<OrderRecord>, StoreError> {
    // By index payments_to_check.
    let due: Vec<([u8; 16], [u8; 16], u32)> = connection
        .prepare_cached(
            "SELECT id, order_id, checks FROM payments WHERE next_check_at_ms <= ?1 ORDER BY next_check_at_ms LIMIT ?2",
        )?
        .query_map(params![now.unix_ms(), limit], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let mut orders = Vec::new();
    for (payment, order, checks) in due {
        let pause = Duration::from_secs(1 << checks.min(6)).min(CHECK_PAUSE_MAX);
        connection
            .prepare_cached(
                "UPDATE payments SET next_check_at_ms = ?2, checks = checks + 1 WHERE id = ?1",
            )?
            .execute(params![payment, now.after(pause).unix_ms()])?;
        orders.extend(order::load(connection, OrderId::from_bytes(order))?);
    }
    Ok(orders)
}

pub(crate) fn free_abandoned(connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
    connection.execute("UPDATE idempotency SET lease_until_ms = 0 WHERE answer IS NULL", [])?;
    connection.execute(
        "UPDATE payments SET next_check_at_ms = ?1 WHERE status IN ('created', 'unknown') AND next_check_at_ms > ?1",
        [now.unix_ms()],
    )?;
    Ok(())
}

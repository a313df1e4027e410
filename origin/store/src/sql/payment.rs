//! Statements of payments and of the ledger.

use std::time::Duration;

use domain::order::{Consequence, OrderEvent};
use domain::payment::Move;
use domain::{OrderId, OrderStatus, PaymentStatus, Timestamp};

use super::stock::Movement;
use super::{idempotency, order, outbox};
use crate::order::OrderRecord;
use crate::payment::{Settle, Settled};
use crate::tx::{Tx, values};
use crate::{CheckoutOutcome, Claim, StoreError};

/// How long a payment that ends by webhook is left alone before the provider is asked: 60 s.
const WEBHOOK_PATIENCE: Duration = Duration::from_mins(1);
/// How long after an unanswered call the provider is asked: 1 s.
const UNKNOWN_PATIENCE: Duration = Duration::from_secs(1);
/// Longest pause between two questions about one payment: 60 s.
const CHECK_PAUSE_MAX: Duration = Duration::from_mins(1);

pub(crate) async fn settle(tx: &Tx<'_>, command: &Settle) -> Result<Settled, StoreError> {
    let Some(found) = order::by_payment(tx, command.payment).await? else {
        return Ok(Settled::UnknownPayment);
    };
    let is_ours = command.amount.is_none_or(|amount| amount == found.payment.amount);
    if !is_ours {
        tracing::error!(payment.id = %found.payment.id, "refused a report about another amount");
    } else if let Some(provider_ref) = &command.provider_ref {
        tx.execute(
            "UPDATE payments SET provider_ref = ?2 WHERE id = ?1 AND provider_ref IS NULL",
            values![command.payment.as_bytes(), provider_ref],
        )
        .await?;
    }
    let has_moved =
        is_ours && is_first_delivery(tx, command).await? && apply(tx, command, &found).await?;
    let order = order::load(tx, found.id).await?.ok_or(StoreError::Corrupt("order"))?;
    let kept = match &command.answer {
        Some(claim) => Some(keep(tx, claim, order.outcome(), command.now).await?),
        None => None,
    };
    Ok(Settled::Order { order: Box::new(order), has_moved, kept })
}

/// Answers a key, and returns what it keeps: another attempt with it may have been faster, then its answer stands.
async fn keep(
    tx: &Tx<'_>,
    claim: &Claim,
    outcome: CheckoutOutcome,
    now: Timestamp,
) -> Result<CheckoutOutcome, StoreError> {
    if idempotency::finish(tx, claim, &outcome, now).await? {
        return Ok(outcome);
    }
    match idempotency::find(tx, claim).await? {
        idempotency::Found::Answer(answer) => idempotency::read(&answer),
        _ => Err(StoreError::Corrupt("idempotency claim")),
    }
}

async fn is_first_delivery(tx: &Tx<'_>, command: &Settle) -> Result<bool, StoreError> {
    let Some(id) = &command.webhook else {
        return Ok(true);
    };
    let inserted = tx.execute("INSERT INTO webhook_events (id, received_at_ms) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING", values![id, command.now.unix_ms()]).await?;
    Ok(inserted == 1)
}

/// The one compare-and-set of a payment, with everything that follows from it.
async fn apply(tx: &Tx<'_>, command: &Settle, found: &OrderRecord) -> Result<bool, StoreError> {
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
    if !is_whole(next) {
        tracing::error!(payment.id = %found.payment.id, status = %next, "a report about a part: the books know none yet");
        return Ok(false);
    }
    let moved = tx
        .execute(
            "UPDATE payments SET status = ?3, updated_at_ms = ?4 WHERE id = ?1 AND status = ?2",
            values![
                found.payment.id.as_bytes(),
                found.payment.status.as_str(),
                next.as_str(),
                command.now.unix_ms()
            ],
        )
        .await?;
    if moved == 0 {
        return Ok(false);
    }
    outbox::append(tx, found.id, &format!("payment.{next}"), command.now).await?;
    match next {
        PaymentStatus::Captured => write_capture(tx, found, Direction::In, command.now).await?,
        PaymentStatus::Refunded => write_capture(tx, found, Direction::Out, command.now).await?,
        _ => {}
    }
    let status = follow(tx, found, next, command.now).await?;
    schedule_check(tx, found, next, status, command.now).await?;
    Ok(true)
}

/// Whether the table of payments and the ledger have a place for a state: neither knows holds and parts yet, and a
/// webhook about one must not be refused for days.
const fn is_whole(status: PaymentStatus) -> bool {
    !matches!(
        status,
        PaymentStatus::Authorized
            | PaymentStatus::PartiallyCaptured
            | PaymentStatus::PartiallyRefunded
    )
}

/// Does to the order what its payment's move means; returns where the order stands then.
async fn follow(
    tx: &Tx<'_>,
    found: &OrderRecord,
    payment: PaymentStatus,
    now: Timestamp,
) -> Result<OrderStatus, StoreError> {
    match found.status.on(OrderEvent::Payment(payment)) {
        Consequence::Nothing => Ok(found.status),
        Consequence::Confirm => {
            order::finish_holds(tx, found, Movement::Sold, now).await?;
            order::advance(tx, found, OrderStatus::Confirmed, now).await?;
            Ok(OrderStatus::Confirmed)
        }
        Consequence::End(next) => {
            order::end(tx, found, next, now).await?;
            Ok(next)
        }
        Consequence::RetakeOrRefund => {
            if !order::retake(tx, found, now).await? {
                tracing::warn!(order.id = %found.id, "paid after its stock was gone or its cart was bought again: the money goes back");
                return Ok(found.status);
            }
            order::advance(tx, found, OrderStatus::Confirmed, now).await?;
            Ok(OrderStatus::Confirmed)
        }
    }
}

async fn schedule_check(
    tx: &Tx<'_>,
    found: &OrderRecord,
    payment: PaymentStatus,
    order: OrderStatus,
    now: Timestamp,
) -> Result<(), StoreError> {
    let next = match payment {
        PaymentStatus::Processing => Some(now.after(WEBHOOK_PATIENCE)),
        PaymentStatus::RequiresAction
        | PaymentStatus::Authorized
        | PaymentStatus::PartiallyCaptured => Some(found.expires_at),
        PaymentStatus::Created | PaymentStatus::Unknown => Some(now.after(UNKNOWN_PATIENCE)),
        PaymentStatus::Captured if order != OrderStatus::Confirmed => Some(now),
        PaymentStatus::Captured
        | PaymentStatus::Declined
        | PaymentStatus::Cancelled
        | PaymentStatus::PartiallyRefunded
        | PaymentStatus::Refunded => None,
    };
    tx.execute(
        "UPDATE payments SET next_check_at_ms = ?2, checks = 0 WHERE id = ?1",
        values![found.payment.id.as_bytes(), next.map(Timestamp::unix_ms)],
    )
    .await?;
    Ok(())
}

#[derive(Clone, Copy)]
enum Direction {
    In,
    Out,
}

/// Returns the entries of a capture: debits positive, credits negative, sum zero.
pub(crate) fn capture_entries(order: &OrderRecord) -> Result<[(&'static str, i64); 3], StoreError> {
    let (total, tax) = (order.totals.total, order.totals.tax);
    let net = total.checked_sub(tax).map_err(|_out| StoreError::Corrupt("amount of an order"))?;
    Ok([("provider_clearing", total.minor), ("tax_payable", -tax.minor), ("revenue", -net.minor)])
}

/// Writes the entries of a capture or of its refund.
async fn write_capture(
    tx: &Tx<'_>,
    found: &OrderRecord,
    direction: Direction,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (word, sign) = match direction {
        Direction::In => ("capture", 1),
        Direction::Out => ("refund", -1),
    };
    let key = format!("{word}:{}", found.payment.id);
    let total = found.totals.total;
    let entries = capture_entries(found)?;
    for (account, minor) in entries {
        tx.execute(
            "INSERT INTO ledger_entries (key, account, currency, minor, payment_id, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            values![
                &key,
                account,
                total.currency.code(),
                minor * sign,
                found.payment.id.as_bytes(),
                now.unix_ms()
            ],
        )
        .await?;
    }
    Ok(())
}

pub(crate) async fn claim_to_check(
    tx: &Tx<'_>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<OrderRecord>, StoreError> {
    // By index payments_to_check.
    let due = tx
        .query(
            "SELECT id, order_id, checks FROM payments WHERE next_check_at_ms <= ?1 ORDER BY next_check_at_ms LIMIT ?2",
            values![now.unix_ms(), limit],
        )
        .await?;
    let mut orders = Vec::new();
    for row in due {
        let (payment, order, checks): ([u8; 16], [u8; 16], u32) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let pause = Duration::from_secs(1 << checks.min(6)).min(CHECK_PAUSE_MAX);
        tx.execute(
            "UPDATE payments SET next_check_at_ms = ?2, checks = checks + 1 WHERE id = ?1",
            values![&payment, now.after(pause).unix_ms()],
        )
        .await?;
        orders.extend(order::load(tx, OrderId::from_bytes(order)).await?);
    }
    Ok(orders)
}

pub(crate) async fn free_abandoned(tx: &Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
    tx.execute("UPDATE idempotency SET lease_until_ms = 0 WHERE answer IS NULL", values![]).await?;
    tx.execute("UPDATE payments SET next_check_at_ms = ?1 WHERE status IN ('created', 'unknown') AND next_check_at_ms > ?1", values![now.unix_ms()]).await?;
    Ok(())
}

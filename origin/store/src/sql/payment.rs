//! Statements of payments and of the ledger.

use std::time::Duration;

use domain::ledger::{Account, Posting};
use domain::order::{Consequence, OrderEvent};
use domain::payment::Merged;
use domain::{Money, OrderId, OrderStatus, PaymentId, PaymentStatus, Timestamp};

use super::{gift_card, idempotency, order, order_state, outbox};
use crate::order::OrderRecord;
use crate::order_state::discount_and_shipping;
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
    let Some(report) = command.report(found.payment.amount) else { return Ok(false) };
    let merged = match found.payment.known()?.merge(report) {
        Ok(merged) => merged,
        Err(other) => {
            tracing::error!(payment.id = %found.payment.id, error = %other, "refused a report about a payment");
            return Ok(false);
        }
    };
    if !merged.is_news {
        return Ok(false);
    }
    let (next, amounts) = (merged.payment.status(), merged.payment.amounts());
    let moved = tx
        .execute(
            "UPDATE payments SET status = ?3, updated_at_ms = ?4, authorized_minor = ?5, captured_minor = ?6,
               released_minor = ?7, refunded_minor = ?8,
               token_sealed = CASE WHEN ?3 IN ('created', 'unknown') THEN token_sealed END
             WHERE id = ?1 AND status = ?2",
            values![
                found.payment.id.as_bytes(),
                found.payment.status.as_str(),
                next.as_str(),
                command.now.unix_ms(),
                amounts.authorized().minor,
                amounts.captured().minor,
                amounts.released().minor,
                amounts.refunded().minor
            ],
        )
        .await?;
    if moved == 0 {
        return Ok(false);
    }
    outbox::append(tx, found.id, &format!("payment.{next}"), command.now).await?;
    let status = if found.state_version > 0 {
        order_state::follow(tx, found, merged.payment, command.now).await?
    } else {
        write_money(tx, found, &merged, command.now).await?;
        follow(tx, found, next, command.now).await?
    };
    schedule_check(tx, found, next, status, command.now).await?;
    Ok(true)
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
            redeem(tx, found, now).await?;
            order::finish_holds(tx, found, true, now).await?;
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
            redeem(tx, found, now).await?;
            order::advance(tx, found, OrderStatus::Confirmed, now).await?;
            Ok(OrderStatus::Confirmed)
        }
    }
}

/// Books what gift cards pay of an order that is accepted.
async fn redeem(tx: &Tx<'_>, found: &OrderRecord, now: Timestamp) -> Result<(), StoreError> {
    if found.totals.gift_cards.minor == 0 {
        Ok(())
    } else {
        gift_card::redeem(tx, found, now).await?;
        // Where they pay everything, no capture will show the parts.
        if found.totals.due.minor == 0 {
            post_apart(tx, found, "gift_card", 1, now).await?;
        }
        Ok(())
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
        PaymentStatus::RequiresAction => Some(found.expires_at),
        PaymentStatus::Created | PaymentStatus::Unknown => Some(now.after(UNKNOWN_PATIENCE)),
        // Its state has had the money sent back, or let go what is held.
        PaymentStatus::PartiallyCaptured | PaymentStatus::Captured if found.state_version > 0 => {
            None
        }
        // Money that is ours or held for us, and no order for it: it goes back, now.
        PaymentStatus::Authorized | PaymentStatus::PartiallyCaptured | PaymentStatus::Captured
            if !matches!(order, OrderStatus::Confirmed | OrderStatus::Completed) =>
        {
            Some(now)
        }
        PaymentStatus::Authorized
        | PaymentStatus::PartiallyCaptured
        | PaymentStatus::Captured
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

/// Returns the entries of the whole of an order's money: debits positive, credits negative, sum zero.
pub(crate) fn capture_entries(order: &OrderRecord) -> Result<[(&'static str, i64); 3], StoreError> {
    let total = order.totals.total;
    entries(order, Money::zero(total.currency), total)
}

/// Returns the entries of the money between two sums of an order. Its tax is a share of the order's, rounded once for each
/// sum: however it is cut, the parts add up to the whole.
pub(crate) fn entries(
    order: &OrderRecord,
    from: Money,
    to: Money,
) -> Result<[(&'static str, i64); 3], StoreError> {
    let corrupt = |_out| StoreError::Corrupt("amount of an order");
    let (total, tax) = (order.totals.total, order.totals.tax);
    let share = |sum: Money| match (u64::try_from(sum.minor), u64::try_from(total.minor)) {
        (_, Ok(0)) => Ok(Money::zero(total.currency)),
        (Ok(sum), Ok(whole)) => tax.scaled(sum, whole).map_err(corrupt),
        _ => Err(StoreError::Corrupt("amount of an order")),
    };
    let moved = to.checked_sub(from).map_err(corrupt)?;
    let tax = share(to)?.checked_sub(share(from)?).map_err(corrupt)?;
    let net = moved.checked_sub(tax).map_err(corrupt)?;
    Ok([
        ("provider_clearing", moved.minor),
        ("tax_payable", tax.minor.saturating_neg()),
        ("revenue", net.minor.saturating_neg()),
    ])
}

/// Writes the entries of the money that a report moved.
async fn write_money(
    tx: &Tx<'_>,
    found: &OrderRecord,
    merged: &Merged,
    now: Timestamp,
) -> Result<(), StoreError> {
    let corrupt = |_out| StoreError::Corrupt("amount of a payment");
    let amounts = merged.payment.amounts();
    let moves = [
        ("capture", amounts.captured(), merged.captured_more, 1),
        ("refund", amounts.refunded(), merged.refunded_more, -1),
    ];
    for (word, to, more, sign) in moves {
        if more.minor == 0 {
            continue;
        }
        let from = to.checked_sub(more).map_err(corrupt)?;
        // A sum is reached once: its name says that once, too. The whole has the name it always had.
        let key = if more == found.payment.amount {
            format!("{word}:{}", found.payment.id)
        } else {
            format!("{word}:{}:{}", found.payment.id, to.minor)
        };
        // Gift cards pay first: what the provider moves stands for the rest.
        let cards = found.totals.gift_cards;
        let (from, to) =
            (from.checked_add(cards).map_err(corrupt)?, to.checked_add(cards).map_err(corrupt)?);
        for (account, minor) in entries(found, from, to)? {
            tx.execute(
                "INSERT INTO ledger_entries (key, account, currency, minor, payment_id, at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                values![
                    key,
                    account,
                    to.currency.code(),
                    minor.saturating_mul(sign),
                    found.payment.id.as_bytes(),
                    now.unix_ms()
                ],
            )
            .await?;
        }
        if more == found.payment.amount {
            post_apart(tx, found, word, sign, now).await?;
        }
    }
    Ok(())
}

/// Shows discounts and shipping of a sale apart from its goods, or takes that back with its money.
async fn post_apart(
    tx: &Tx<'_>,
    order: &OrderRecord,
    word: &str,
    sign: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let key = format!("{word}_apart:{}", order.payment.id);
    for (account, minor) in entries_apart(order)? {
        tx.execute(
            "INSERT INTO ledger_entries (key, account, currency, minor, payment_id, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            values![
                key,
                account.as_str(),
                order.totals.currency.code(),
                minor.saturating_mul(sign),
                order.payment.id.as_bytes(),
                now.unix_ms()
            ],
        )
        .await?;
    }
    Ok(())
}

/// Returns what moves within the books of a sale that was quoted: goods are sold at their price, what was taken off and what
/// shipping brought stand beside them. The plain sale shows one sum, as it always did.
pub(crate) fn entries_apart(order: &OrderRecord) -> Result<Vec<(Account, i64)>, StoreError> {
    let Some(quote) = &order.quote else { return Ok(Vec::new()) };
    let corrupt = |_out| StoreError::Corrupt("quote of an order");
    let (discount, shipping) = discount_and_shipping(quote).map_err(corrupt)?;
    let goods = shipping.checked_sub(discount).map_err(corrupt)?;
    let all = [
        (Account::Discounts, discount.minor),
        (Account::ShippingRevenue, shipping.minor.saturating_neg()),
        (Account::Revenue, goods.minor),
    ];
    // Nothing taken off and nothing shipped: nothing to show.
    Ok(all.into_iter().filter(|(_, minor)| *minor != 0).collect())
}

/// Writes a posting into the books. Its key names it once and for all.
pub(crate) async fn post(
    tx: &Tx<'_>,
    payment: PaymentId,
    key: &str,
    posting: &Posting,
    now: Timestamp,
) -> Result<(), StoreError> {
    for entry in posting.entries() {
        tx.execute(
            "INSERT INTO ledger_entries (key, account, currency, minor, payment_id, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            values![
                key,
                entry.account.as_str(),
                entry.amount.currency.code(),
                entry.amount.minor,
                payment.as_bytes(),
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

pub(crate) async fn check_abandoned_holds(
    tx: &Tx<'_>,
    untouched_since: Timestamp,
    limit: u32,
    now: Timestamp,
) -> Result<u64, StoreError> {
    // By index payments_held.
    tx.execute(
        "UPDATE payments SET next_check_at_ms = ?1, checks = 0 WHERE id IN
           (SELECT id FROM payments WHERE status IN ('authorized', 'partially_captured') AND updated_at_ms <= ?2
              AND next_check_at_ms IS NULL ORDER BY updated_at_ms LIMIT ?3)",
        values![now.unix_ms(), untouched_since.unix_ms(), limit],
    )
    .await
}

pub(crate) async fn free_abandoned(tx: &Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
    tx.execute("UPDATE idempotency SET lease_until_ms = 0 WHERE answer IS NULL", values![]).await?;
    tx.execute("UPDATE payments SET next_check_at_ms = ?1 WHERE status IN ('created', 'unknown') AND next_check_at_ms > ?1", values![now.unix_ms()]).await?;
    Ok(())
}

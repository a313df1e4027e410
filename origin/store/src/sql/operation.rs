//! Statements of what the provider is asked to do with payments.

use std::time::Duration;

use domain::order::{Actor, Command, Refused, Step, next_steps};
use domain::{Currency, Money, OrderId, PaymentId, PaymentOperationId, RefundId, Timestamp};

use super::order_state::{self, Turn};
use super::{order, outbox, payment};
use crate::operation::{EndOperation, Operation, OperationKind, OperationReport, OperationStatus};
use crate::order_state::{AskProvider, StepRefused, StepTaken, Wish};
use crate::tx::{Row, Tx, values};
use crate::{OrderRecord, Settle, StoreError};

/// How long whoever wrote an operation down has to ask for it, before the job does: 10 s.
const FIRST_PATIENCE: Duration = Duration::from_secs(10);
/// Longest pause between two attempts: 10 minutes.
const PAUSE_MAX: Duration = Duration::from_mins(10);

const COLUMNS: &str = "a.id, a.order_id, a.payment_id, a.kind, a.provider_key, a.currency, a.amount_minor, a.base_minor,
  a.status, a.error, a.attempts, a.created_at_ms, a.updated_at_ms";
/// Place of the payment's name at its provider, where a query adds it.
const PROVIDER_REF: usize = 13;

pub(crate) async fn ask(
    tx: &Tx<'_>,
    command: &AskProvider,
) -> Result<Result<StepTaken, StepRefused>, StoreError> {
    let (order, known) = match order_state::open(tx, command.order, command.version).await? {
        Ok(opened) => opened,
        Err(refused) => return Ok(Err(refused)),
    };
    let held = known.state.tenders.authorized;
    let refused = |step| {
        let status = known.state.status;
        Ok(Err(StepRefused::Rule(Refused::OutOfTurn { status, step })))
    };
    let steps =
        next_steps(&known.state).map_err(|_broken| StoreError::Corrupt("state of an order"))?;
    let range = steps.iter().find_map(|step| match step {
        Step::Capture { amount_min, amount_max } => Some((*amount_min, *amount_max)),
        _ => None,
    });
    let (kind, amount) = match (command.wish, range) {
        (Wish::Void, _) if held.minor > 0 => (OperationKind::Void, held),
        (Wish::Void, _) => return refused("void"),
        (Wish::Capture(asked), Some((min, max))) if held.minor > 0 => {
            let amount = asked.unwrap_or(max);
            let is_within =
                amount.currency == max.currency && (min.minor..=max.minor).contains(&amount.minor);
            if !is_within {
                return Ok(Err(StepRefused::Rule(Refused::Amount { min, max })));
            }
            (OperationKind::Capture, amount)
        }
        (Wish::Capture(_), _) => return refused("capture"),
    };
    if is_busy(tx, order.payment.id).await? {
        return Ok(Err(StepRefused::Busy));
    }
    let turn = Turn { order: &order, actor: command.actor, now: command.now };
    write(tx, &turn, command.id, kind, amount).await?;
    Ok(Ok(StepTaken { version: known.version, made: Some(command.id.to_string()) }))
}

/// Tells whether the provider is being asked to take what is held, or to let it go.
async fn is_busy(tx: &Tx<'_>, payment: PaymentId) -> Result<bool, StoreError> {
    // By index payment_operations_payment.
    tx.query_one(
        "SELECT EXISTS (SELECT 1 FROM payment_operations
           WHERE payment_id = ?1 AND status = 'pending' AND kind <> 'refund')",
        values![payment.as_bytes()],
    )
    .await?
    .get(0)
}

/// Writes down that the provider is to be asked.
pub(crate) async fn write(
    tx: &Tx<'_>,
    turn: &Turn<'_>,
    id: PaymentOperationId,
    kind: OperationKind,
    amount: Money,
) -> Result<(), StoreError> {
    let payment = &turn.order.payment;
    let captured = payment.known()?.amounts().captured();
    // What follows from news of the provider nobody asks for at once: it is the job's.
    let patience = match turn.actor {
        Actor::Provider | Actor::System => Duration::ZERO,
        Actor::Shopper | Actor::Staff(_) | Actor::Program(_) => FIRST_PATIENCE,
    };
    tx.execute(
        "INSERT INTO payment_operations (id, order_id, payment_id, kind, provider_key, currency, amount_minor, base_minor,
           status, attempts, next_check_at_ms, created_at_ms, updated_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'pending', 0, ?9, ?10, ?10)",
        values![
            id.as_bytes(),
            turn.order.id.as_bytes(),
            payment.id.as_bytes(),
            kind.as_str(),
            format!("{}:{}:{id}", payment.id, kind.as_str()),
            amount.currency.code(),
            amount.minor,
            captured.minor,
            turn.now.after(patience).unix_ms(),
            turn.now.unix_ms()
        ],
    )
    .await?;
    Ok(())
}

fn read(row: &Row) -> Result<Operation, StoreError> {
    let corrupt = StoreError::Corrupt;
    let text = |index| row.get::<String>(index);
    let currency: Currency =
        text(5)?.parse().map_err(|_unknown| corrupt("currency of an operation"))?;
    Ok(Operation {
        id: PaymentOperationId::from_bytes(row.get(0)?),
        order: OrderId::from_bytes(row.get(1)?),
        payment: PaymentId::from_bytes(row.get(2)?),
        kind: OperationKind::parse(&text(3)?).ok_or_else(|| corrupt("kind of an operation"))?,
        provider_key: text(4)?,
        amount: Money::new(row.get(6)?, currency),
        base: Money::new(row.get(7)?, currency),
        status: OperationStatus::parse(&text(8)?)
            .ok_or_else(|| corrupt("status of an operation"))?,
        error: row.get(9)?,
        attempts: row.get(10)?,
        created_at: Timestamp::from_unix_ms(row.get(11)?),
        updated_at: Timestamp::from_unix_ms(row.get(12)?),
    })
}

pub(crate) async fn of_order(tx: &Tx<'_>, order: OrderId) -> Result<Vec<Operation>, StoreError> {
    // By index payment_operations_order. An order has as many as it has refunds, and some more.
    let sql = format!(
        "SELECT {COLUMNS} FROM payment_operations a WHERE a.order_id = ?1 ORDER BY a.id LIMIT 500"
    );
    tx.query(&sql, values![order.as_bytes()]).await?.iter().map(read).collect()
}

pub(crate) async fn pending_of(
    tx: &Tx<'_>,
    order: OrderId,
) -> Result<Vec<(Operation, Option<String>)>, StoreError> {
    // By index payment_operations_order.
    let sql = format!(
        "SELECT {COLUMNS}, p.provider_ref FROM payment_operations a JOIN payments p ON p.id = a.payment_id
         WHERE a.order_id = ?1 AND a.status = 'pending' ORDER BY a.id LIMIT 500"
    );
    let rows = tx.query(&sql, values![order.as_bytes()]).await?;
    rows.iter().map(|row| Ok((read(row)?, row.get(PROVIDER_REF)?))).collect()
}

pub(crate) async fn by_key(tx: &Tx<'_>, key: &str) -> Result<Option<Operation>, StoreError> {
    // The key ends with the name, so this goes by primary key.
    let Some(Ok(id)) = key.rsplit(':').next().map(str::parse::<PaymentOperationId>) else {
        return Ok(None);
    };
    Ok(load(tx, id).await?.filter(|operation| operation.provider_key == key))
}

async fn load(tx: &Tx<'_>, id: PaymentOperationId) -> Result<Option<Operation>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM payment_operations a WHERE a.id = ?1");
    tx.query_opt(&sql, values![id.as_bytes()]).await?.as_ref().map(read).transpose()
}

pub(crate) async fn claim_due(
    tx: &Tx<'_>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<(Operation, Option<String>)>, StoreError> {
    // By index payment_operations_due.
    let sql = format!(
        "SELECT {COLUMNS}, p.provider_ref FROM payment_operations a JOIN payments p ON p.id = a.payment_id
         WHERE a.next_check_at_ms <= ?1 ORDER BY a.next_check_at_ms LIMIT ?2"
    );
    let mut due = Vec::new();
    for row in tx.query(&sql, values![now.unix_ms(), limit]).await? {
        let operation = read(&row)?;
        let pause = Duration::from_secs(1 << operation.attempts.min(10)).min(PAUSE_MAX);
        tx.execute(
            "UPDATE payment_operations SET next_check_at_ms = ?2, attempts = attempts + 1 WHERE id = ?1",
            values![operation.id.as_bytes(), now.after(pause).unix_ms()],
        )
        .await?;
        due.push((operation, row.get(PROVIDER_REF)?));
    }
    Ok(due)
}

pub(crate) async fn end(
    tx: &Tx<'_>,
    command: &EndOperation,
) -> Result<Option<OperationStatus>, StoreError> {
    let Some(operation) = load(tx, command.id).await? else {
        return Ok(None);
    };
    let has_ended =
        operation.status == OperationStatus::Pending && command.status != OperationStatus::Pending;
    if operation.status == OperationStatus::Pending {
        tx.execute(
            "UPDATE payment_operations SET status = ?2, error = ?3, updated_at_ms = ?4,
               next_check_at_ms = CASE WHEN ?2 = 'pending' THEN next_check_at_ms ELSE NULL END WHERE id = ?1",
            values![
                operation.id.as_bytes(),
                command.status.as_str(),
                command.error,
                command.now.unix_ms()
            ],
        )
        .await?;
    }
    if has_ended {
        tell_order(tx, &operation, command).await?;
    }
    if let Some(report) = command.report {
        payment::settle(tx, &reported(&operation, report, command.now)).await?;
    }
    if has_ended && operation.kind == OperationKind::Refund {
        // Money that somebody else gave back meanwhile was left for this moment.
        let order = find_order(tx, &operation).await?;
        order_state::follow(tx, &order, order.payment.known()?, command.now).await?;
    }
    Ok(Some(if has_ended { command.status } else { operation.status }))
}

async fn find_order(tx: &Tx<'_>, operation: &Operation) -> Result<OrderRecord, StoreError> {
    let order = order::load(tx, operation.order).await?;
    order.ok_or(StoreError::Corrupt("order of an operation"))
}

/// Tells the order how its refund ended, or others that an operation failed.
async fn tell_order(
    tx: &Tx<'_>,
    operation: &Operation,
    command: &EndOperation,
) -> Result<(), StoreError> {
    let is_done = command.status == OperationStatus::Succeeded;
    if operation.kind != OperationKind::Refund {
        if is_done {
            return Ok(());
        }
        let kind = format!("payment.{}_failed", operation.kind.as_str());
        return outbox::append(tx, operation.order, &kind, command.now).await;
    }
    let id = RefundId::from_bytes(*operation.id.as_bytes());
    let step = if is_done { Command::RefundSucceeded { id } } else { Command::RefundFailed { id } };
    let order = find_order(tx, operation).await?;
    let turn = Turn { order: &order, actor: Actor::Provider, now: command.now };
    let known = order_state::known(tx, &order).await?;
    match order_state::take(tx, &turn, known, &[step]).await? {
        Ok(_) => Ok(()),
        Err(not_taken) => {
            tracing::error!(order.id = %order.id, reason = ?not_taken, "an order cannot take the end of its refund");
            Err(StoreError::Corrupt("refund of an order"))
        }
    }
}

fn reported(operation: &Operation, report: OperationReport, now: Timestamp) -> Settle {
    Settle {
        payment: operation.payment,
        event: Some(report.event),
        amounts: Some(report.amounts),
        amount: None,
        provider_ref: None,
        answer: None,
        webhook: None,
        now,
    }
}

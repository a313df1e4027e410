//! Statements of orders after their checkout: the state that the rules see, and everything that follows from a step.

use std::collections::VecDeque;
use std::slice;

use domain::inventory::{self, MAIN_LOCATION, MovementKind, MovementRefused};
use domain::ledger::{self, LedgerEvent, Posting};
use domain::order::{
    Actor, Command, Effect, Happening, OrderState, Refund, RefundOf, RefundReason, Refused,
    TimelineEntry,
};
use domain::payment::Payment;
use domain::{LocationId, OrderId, OrderStatus, PaymentOperationId, RefundId, Sku, Timestamp};

use super::{
    gift_card, invoice, location, operation, order, outbox, payment, promotion, reservation, stock,
};
use crate::order_state::{
    StepRefused, StepTaken, TakeStep, event_kind, event_subject, made_by, tell, teller,
};
use crate::tx::{Row, Tx, values};
use crate::{OperationKind, OrderRecord, StoreError};

/// An order's state, and where it was read.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) state: OrderState,
    pub(crate) version: i64,
    /// What happened so far, where no row says it.
    told: Option<Vec<Happening>>,
}

/// Who takes a step of which order, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn<'a> {
    pub(crate) order: &'a OrderRecord,
    pub(crate) actor: Actor,
    pub(crate) now: Timestamp,
}

/// Why steps were not taken. Nothing was written.
#[derive(Debug)]
pub(crate) enum NotTaken {
    Rule(Refused),
    Stock(Sku, MovementRefused),
}

impl From<NotTaken> for StepRefused {
    fn from(not_taken: NotTaken) -> Self {
        match not_taken {
            NotTaken::Rule(refused) => Self::Rule(refused),
            NotTaken::Stock(sku, refused) => Self::Stock(sku, refused),
        }
    }
}

/// Reads the state of an order, or lets its payment tell it.
pub(crate) async fn known(tx: &Tx<'_>, order: &OrderRecord) -> Result<Known, StoreError> {
    if order.state_version == 0 {
        let parts = reservation::parts(tx, order.id).await?;
        let told = tell(order, &parts).map_err(|refused| {
            tracing::error!(order.id = %order.id, error = %refused, "an order is not what its payment tells");
            StoreError::Corrupt("order that its payment does not explain")
        })?;
        let version = i64::from(told.steps);
        return Ok(Known { state: told.state, version, told: Some(told.happenings) });
    }
    // By primary key.
    let row = tx
        .query_one(
            "SELECT state_json FROM order_states WHERE order_id = ?1",
            values![order.id.as_bytes()],
        )
        .await?;
    Ok(Known { state: read_state(&row, 0)?, version: order.state_version, told: None })
}

pub(crate) fn read_state(row: &Row, column: usize) -> Result<OrderState, StoreError> {
    serde_json::from_str(&row.get::<String>(column)?)
        .map_err(|_unreadable| StoreError::Corrupt("state of an order"))
}

/// Opens an order for a step, if it has taken as many as the asker thinks.
pub(crate) async fn open(
    tx: &Tx<'_>,
    id: OrderId,
    version: Option<i64>,
) -> Result<Result<(OrderRecord, Known), StepRefused>, StoreError> {
    let Some(order) = order::load(tx, id).await? else {
        return Ok(Err(StepRefused::NotFound));
    };
    let known = known(tx, &order).await?;
    if version.is_some_and(|version| version != known.version) {
        return Ok(Err(StepRefused::Stale { version: known.version }));
    }
    Ok(Ok((order, known)))
}

pub(crate) async fn take_step(
    tx: &Tx<'_>,
    command: &TakeStep,
) -> Result<Result<StepTaken, StepRefused>, StoreError> {
    let (order, known) = match open(tx, command.order, command.version).await? {
        Ok(opened) => opened,
        Err(refused) => return Ok(Err(refused)),
    };
    let turn = Turn { order: &order, actor: command.actor, now: command.now };
    match take(tx, &turn, known, slice::from_ref(&command.command)).await? {
        Ok((version, _status)) => Ok(Ok(StepTaken { version, made: made_by(&command.command) })),
        Err(not_taken) => Ok(Err(not_taken.into())),
    }
}

/// Takes steps, one after the other, with everything that follows from them; all of them or none. Returns how many steps
/// the order has taken then, and where it stands.
pub(crate) async fn take(
    tx: &Tx<'_>,
    turn: &Turn<'_>,
    known: Known,
    commands: &[Command],
) -> Result<Result<(i64, OrderStatus), NotTaken>, StoreError> {
    let (mut state, mut effects) = (known.state.clone(), Vec::new());
    let mut steps = VecDeque::from(commands.to_vec());
    let (mut taken, mut onto_cards) = (0_i64, Vec::new());
    while let Some(command) = steps.pop_front() {
        match state.apply(&command) {
            Ok(applied) => {
                state = applied.state;
                steps.extend(done_at_once(&state, &applied.effects));
                effects.extend(applied.effects);
            }
            Err(refused) => return Ok(Err(NotTaken::Rule(refused))),
        }
        if let Command::RefundSucceeded { id } = command {
            onto_cards.extend(refund_of(&state, id).map(|own| own.gift_card));
        }
        taken = taken.saturating_add(1);
    }
    // What has gone back already is not to be asked for.
    let is_back = |id: &RefundId| commands.contains(&Command::RefundSucceeded { id: *id });
    effects.retain(
        |effect| !matches!(effect, Effect::RefundPayment { refund, .. } if is_back(refund)),
    );
    let movements = movements(&effects);
    for movement in &movements {
        // Staff names the place where pieces come back.
        let place = movement.location();
        if place != MAIN_LOCATION && location::find(tx, place).await?.is_none() {
            return Ok(Err(NotTaken::Rule(Refused::NotFound)));
        }
    }
    if let Some((sku, refused)) = stock::refused(tx, &movements).await? {
        return Ok(Err(NotTaken::Stock(sku, refused)));
    }
    let version = known.version.saturating_add(taken);
    let status = state.status;
    write_state(tx, turn, &known, &state, version).await?;
    if effects.contains(&Effect::ReopenCart) {
        reopen_cart(tx, turn).await?;
        // It came to nothing: what it used may be used again.
        promotion::give_back(tx, turn.order).await?;
    }
    move_stock(tx, turn, &movements, status).await?;
    write_effects(tx, turn, version, &effects).await?;
    for amount in onto_cards.into_iter().filter(|amount| amount.minor > 0) {
        gift_card::refund(tx, turn.order, amount, turn.now).await?;
    }
    Ok(Ok((version, status)))
}

fn refund_of(state: &OrderState, id: RefundId) -> Option<&Refund> {
    state.refunds.iter().find(|own| own.id == id)
}

/// Returns the ends of refunds that go onto gift cards alone: nobody has to be asked for them.
fn done_at_once(state: &OrderState, effects: &[Effect]) -> Vec<Command> {
    let end = |effect: &Effect| match effect {
        Effect::RefundGiftCard { refund, .. } => {
            let is_all = refund_of(state, *refund).is_some_and(|own| own.provider.minor == 0);
            is_all.then_some(Command::RefundSucceeded { id: *refund })
        }
        _ => None,
    };
    effects.iter().filter_map(end).collect()
}

/// Returns the entries of the stock ledger, by SKU: everybody takes stock in that order.
fn movements(effects: &[Effect]) -> Vec<inventory::Movement> {
    let mut movements: Vec<inventory::Movement> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Stock { movement } => Some(movement.clone()),
            _ => None,
        })
        .collect();
    movements
        .sort_by(|one, other| (one.sku(), one.location()).cmp(&(other.sku(), other.location())));
    movements
}

async fn write_state(
    tx: &Tx<'_>,
    turn: &Turn<'_>,
    known: &Known,
    state: &OrderState,
    version: i64,
) -> Result<(), StoreError> {
    let order = turn.order;
    // The order's row first, and always: whoever settles its payment beside this waits for it, and sees the version.
    let moved = tx
        .execute(
            "UPDATE orders SET status = ?3, state_version = ?4, updated_at_ms = ?5
             WHERE id = ?1 AND state_version = ?2",
            values![
                order.id.as_bytes(),
                order.state_version,
                state.status.as_str(),
                version,
                turn.now.unix_ms()
            ],
        )
        .await?;
    if moved != 1 {
        return Err(StoreError::Corrupt("version of an order"));
    }
    invoice::note_moved(tx, order.id, (order.status, state.status)).await?;
    let json = serde_json::to_string(state)
        .map_err(|_unwritable| StoreError::Corrupt("state of an order"))?;
    tx.execute(
        "INSERT INTO order_states (order_id, state_json) VALUES (?1, ?2)
         ON CONFLICT (order_id) DO UPDATE SET state_json = excluded.state_json",
        values![order.id.as_bytes(), json],
    )
    .await?;
    match &known.told {
        Some(told) => begin(tx, turn, known, told).await,
        None => Ok(()),
    }
}

/// Writes down what the payment told until now, and what the books do not have of it: what is held.
async fn begin(
    tx: &Tx<'_>,
    turn: &Turn<'_>,
    known: &Known,
    told: &[Happening],
) -> Result<(), StoreError> {
    for entry in told_entries(tx, turn.order, told).await? {
        write_entry(tx, turn.order.id, &entry).await?;
    }
    let held = ledger::authorized(known.state.tenders.authorized)
        .map_err(|_negative| StoreError::Corrupt("amount that is held"))?;
    let payment = turn.order.payment.id;
    payment::post(tx, payment, &format!("authorized:{payment}:opened"), &held, turn.now).await
}

/// Dates what the payment told: when the order was placed is known, and when the payment last moved.
pub(crate) async fn told_entries(
    tx: &Tx<'_>,
    order: &OrderRecord,
    told: &[Happening],
) -> Result<Vec<TimelineEntry>, StoreError> {
    // By primary key.
    let row = tx
        .query_one(
            "SELECT updated_at_ms FROM payments WHERE id = ?1",
            values![order.payment.id.as_bytes()],
        )
        .await?;
    let moved_at = Timestamp::from_unix_ms(row.get(0)?);
    let entry = |&happening: &Happening| TimelineEntry {
        at: if happening == Happening::Placed { order.created_at } else { moved_at },
        actor: teller(&happening),
        happening,
    };
    Ok(told.iter().map(entry).collect())
}

async fn write_entry(tx: &Tx<'_>, order: OrderId, entry: &TimelineEntry) -> Result<(), StoreError> {
    let json = serde_json::to_string(entry)
        .map_err(|_unwritable| StoreError::Corrupt("entry of a timeline"))?;
    // By primary key.
    tx.execute(
        "INSERT INTO order_timeline (order_id, sequence, at_ms, entry_json)
         VALUES (?1, 1 + coalesce((SELECT max(t.sequence) FROM order_timeline t WHERE t.order_id = ?1), 0), ?2, ?3)",
        values![order.as_bytes(), entry.at.unix_ms(), json],
    )
    .await?;
    Ok(())
}

async fn reopen_cart(tx: &Tx<'_>, turn: &Turn<'_>) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE carts SET order_id = NULL, version = version + 1, updated_at_ms = ?3
         WHERE id = ?1 AND order_id = ?2",
        values![turn.order.cart.as_bytes(), turn.order.id.as_bytes(), turn.now.unix_ms()],
    )
    .await?;
    Ok(())
}

async fn move_stock(
    tx: &Tx<'_>,
    turn: &Turn<'_>,
    movements: &[inventory::Movement],
    status: OrderStatus,
) -> Result<(), StoreError> {
    if movements.is_empty() {
        return Ok(());
    }
    let ends = |kind| movements.iter().any(|movement| movement.kind() == kind);
    for (kind, status) in [(MovementKind::Sold, "consumed"), (MovementKind::Released, "released")] {
        if ends(kind) {
            tx.execute(
                "UPDATE reservations SET status = ?2 WHERE order_id = ?1 AND status = 'held'",
                values![turn.order.id.as_bytes(), status],
            )
            .await?;
        }
    }
    reservation::follow(tx, turn.order.id, movements, status).await?;
    for movement in movements {
        stock::apply_known(tx, movement, None, turn.now).await?;
    }
    reservation::fill_after(tx, movements, turn.now).await?;
    stock::publish(tx, movements.iter().map(inventory::Movement::sku), turn.now).await
}

/// Writes what is left of the effects: books, timeline with its events, and what the provider is to be asked.
async fn write_effects(
    tx: &Tx<'_>,
    turn: &Turn<'_>,
    version: i64,
    effects: &[Effect],
) -> Result<(), StoreError> {
    for (place, effect) in effects.iter().enumerate() {
        match effect {
            // Gift cards get their part once the provider has given back its own.
            Effect::Stock { .. } | Effect::ReopenCart | Effect::RefundGiftCard { .. } => {}
            Effect::Post { posting } => {
                let key = posting_key(turn, version, place, posting);
                payment::post(tx, turn.order.payment.id, &key, posting, turn.now).await?;
            }
            Effect::Record { happening } => record(tx, turn, *happening).await?,
            Effect::CancelPayment => call_off_payment(tx, turn).await?,
            Effect::VoidAuthorization { amount } => {
                let id = PaymentOperationId::v7(turn.now, seed(turn, version, place));
                operation::write(tx, turn, id, OperationKind::Void, *amount).await?;
            }
            Effect::RefundPayment { refund, amount } => {
                let id = PaymentOperationId::from_bytes(*refund.as_bytes());
                operation::write(tx, turn, id, OperationKind::Refund, *amount).await?;
            }
            Effect::RedeemGiftCard { .. } => gift_card::note_redeemed(tx, turn.order).await?,
            Effect::ReleaseGiftCard { .. } => {
                gift_card::release(tx, turn.order, turn.now).await?;
            }
        }
    }
    Ok(())
}

/// Names a posting: once per step, so that one that was written stays the only one.
fn posting_key(turn: &Turn<'_>, version: i64, place: usize, posting: &Posting) -> String {
    let word = match posting.event() {
        LedgerEvent::Captured => "capture",
        LedgerEvent::Refunded => "refund",
        other => other.as_str(),
    };
    format!("{word}:{}:v{version}.{place}", turn.order.payment.id)
}

/// Writes what happened into the timeline, and tells others.
pub(crate) async fn record(
    tx: &Tx<'_>,
    turn: &Turn<'_>,
    happening: Happening,
) -> Result<(), StoreError> {
    let entry = TimelineEntry { at: turn.now, actor: turn.actor, happening };
    write_entry(tx, turn.order.id, &entry).await?;
    match event_kind(&happening) {
        Some(kind) => {
            let subject = event_subject(&happening);
            outbox::append_part(tx, turn.order.id, kind, subject, turn.now).await
        }
        None => Ok(()),
    }
}

/// Has the reconciler tell the provider that nobody may pay any more.
async fn call_off_payment(tx: &Tx<'_>, turn: &Turn<'_>) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE payments SET next_check_at_ms = ?2 WHERE id = ?1
         AND status IN ('created', 'processing', 'requires_action', 'unknown')",
        values![turn.order.payment.id.as_bytes(), turn.now.unix_ms()],
    )
    .await?;
    Ok(())
}

/// Makes the random part of a name: of the payment's own, and of the step and the place in it, so that the same step
/// makes the same names when it is run again.
fn seed(turn: &Turn<'_>, version: i64, place: usize) -> [u8; 10] {
    let [_, _, _, _, _, _, mut seed @ ..] = *turn.order.payment.id.as_bytes();
    let place = u8::try_from(place).unwrap_or(u8::MAX);
    let steps = version.to_be_bytes();
    for (byte, own) in seed.iter_mut().rev().zip([place].iter().chain(steps.iter().rev())) {
        *byte ^= own;
    }
    seed
}

/// Takes the steps that an order with a state of its own is behind its payment. Returns where it stands then.
pub(crate) async fn follow(
    tx: &Tx<'_>,
    order: &OrderRecord,
    payment: Payment,
    now: Timestamp,
) -> Result<OrderStatus, StoreError> {
    let known = known(tx, order).await?;
    let turn = Turn { order, actor: Actor::Provider, now };
    let name = |place| RefundId::v7(now, seed(&turn, known.version, place));
    let mut commands = known
        .state
        .behind(payment, name(0xfe))
        .map_err(|_other| StoreError::Corrupt("currency of a payment"))?;
    let has_captured = commands.iter().any(|command| matches!(command, Command::Capture { .. }));
    if has_captured && known.state.ended.is_some() {
        // Money for an order that had ended goes back, all of it, in the commit that hears of it.
        let (id, of, reason) = (name(0xff), RefundOf::Whole, RefundReason::PaidTooLate);
        commands.push(Command::Refund { id, of, reason });
    }
    if commands.is_empty() {
        return Ok(order.status);
    }
    match take(tx, &turn, known, &commands).await? {
        Ok((_version, status)) => Ok(status),
        Err(not_taken) => {
            // What the provider says stays written with the payment; somebody must look at it.
            tracing::error!(order.id = %order.id, reason = ?not_taken, "an order cannot follow its payment");
            Ok(order.status)
        }
    }
}

/// Gives pieces that came in to an order with a state of its own that was promised them.
pub(crate) async fn fill(
    tx: &Tx<'_>,
    order: &OrderRecord,
    (sku, location, pieces): (&Sku, LocationId, u32),
    now: Timestamp,
) -> Result<(), StoreError> {
    let known = known(tx, order).await?;
    let line = known.state.lines.iter().find(|line| line.sku == *sku);
    let line = line.ok_or(StoreError::Corrupt("line of a promise"))?.id;
    let turn = Turn { order, actor: Actor::System, now };
    match take(tx, &turn, known, &[Command::FillBackorder { line, location, pieces }]).await? {
        Ok(_) => Ok(()),
        Err(_not_taken) => Err(StoreError::Corrupt("promise of an order")),
    }
}

/// Ends an order with a state of its own whose hold ran out.
pub(crate) async fn expire(
    tx: &Tx<'_>,
    order: &OrderRecord,
    now: Timestamp,
) -> Result<(), StoreError> {
    let turn = Turn { order, actor: Actor::System, now };
    let known = known(tx, order).await?;
    match take(tx, &turn, known, &[Command::Expire]).await? {
        Ok(_) => Ok(()),
        Err(_not_taken) => Err(StoreError::Corrupt("order whose hold ran out")),
    }
}

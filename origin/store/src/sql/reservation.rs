//! Statements of reservations: what an order holds, where, and what it was promised.
//!
//! What a plain order holds is at the main location, in `reservations`, as it always was. Everything else is in
//! `reservation_parts`; an order has none unless it has some.

use std::collections::BTreeMap;

use api_types::cart::Line;
use domain::inventory::{Allocation, MAIN_LOCATION, Movement, MovementKind};
use domain::reservation::{Hold, ReservationStatus};
use domain::{LocationId, OrderId, OrderStatus, Sku, Timestamp};

use super::{order, order_state, outbox, stock};
use crate::hold::{TouchHold, Touched};
use crate::stock::Part;
use crate::tx::{Row, Tx, values};
use crate::{OrderRecord, StoreError};

/// Pieces of one SKU at one location, of which some are held and some are promised.
type Places = BTreeMap<(Sku, LocationId), Part>;

/// Gathers what an allocation gives to an order, in the one order in which everybody takes stock.
fn gather(lines: &[Line], allocation: &Allocation) -> Result<Places, StoreError> {
    let mut places = Places::new();
    for hold in &allocation.holds {
        let part = part_at(&mut places, lines, (hold.line, hold.location))?;
        part.held = part.held.saturating_add(hold.pieces);
    }
    for promise in &allocation.backorders {
        let part = part_at(&mut places, lines, (promise.line, promise.location))?;
        part.backordered = part.backordered.saturating_add(promise.pieces);
        part.expected_at = part.expected_at.max(promise.expected_at);
    }
    Ok(places)
}

fn part_at<'a>(
    places: &'a mut Places,
    lines: &[Line],
    (line, location): (usize, LocationId),
) -> Result<&'a mut Part, StoreError> {
    let line = lines.get(line).ok_or(StoreError::Corrupt("line of an allocation"))?;
    let sku = line.sku.clone();
    let empty = Part { sku: sku.clone(), location, held: 0, backordered: 0, expected_at: None };
    Ok(places.entry((sku, location)).or_insert(empty))
}

/// Holds and promises what was given out for a new order.
pub(crate) async fn hold(
    tx: &Tx<'_>,
    order: OrderId,
    (lines, allocation): (&[Line], &Allocation),
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    for part in gather(lines, allocation)?.values() {
        let place = (&part.sku, part.location);
        move_part(tx, place, (MovementKind::Reserved, part.held), order, now).await?;
        move_part(tx, place, (MovementKind::Backordered, part.backordered), order, now).await?;
        let is_main = part.location == MAIN_LOCATION;
        if is_main && part.held > 0 {
            tx.execute(
                "INSERT INTO reservations (order_id, sku, quantity, status, expires_at_ms)
                 VALUES (?1, ?2, ?3, 'held', ?4)",
                values![order.as_bytes(), part.sku.as_str(), part.held, expires_at.unix_ms()],
            )
            .await?;
        }
        write_part(tx, order, &elsewhere(part), "held").await?;
    }
    stock::publish(tx, lines.iter().map(|line| &line.sku), now).await
}

/// Takes what was given out for an order that was paid after its hold had ended.
pub(crate) async fn retake(
    tx: &Tx<'_>,
    order: OrderId,
    (lines, allocation): (&[Line], &Allocation),
    now: Timestamp,
) -> Result<(), StoreError> {
    // By primary key. What it held before was given back.
    tx.execute("DELETE FROM reservation_parts WHERE order_id = ?1", values![order.as_bytes()])
        .await?;
    for part in gather(lines, allocation)?.values() {
        let place = (&part.sku, part.location);
        move_part(tx, place, (MovementKind::Retaken, part.held), order, now).await?;
        move_part(tx, place, (MovementKind::Backordered, part.backordered), order, now).await?;
        write_part(tx, order, &elsewhere(part), "consumed").await?;
    }
    stock::publish(tx, lines.iter().map(|line| &line.sku), now).await
}

/// Returns what of a part is not plainly held at the main location.
fn elsewhere(part: &Part) -> Part {
    let held = if part.location == MAIN_LOCATION { 0 } else { part.held };
    Part { held, ..part.clone() }
}

async fn move_part(
    tx: &Tx<'_>,
    place: (&Sku, LocationId),
    (kind, pieces): (MovementKind, u32),
    order: OrderId,
    now: Timestamp,
) -> Result<(), StoreError> {
    match stock::of_order(kind, place, pieces, order)? {
        // Who gave it out looked in this very transaction.
        Some(movement) => stock::apply_known(tx, &movement, None, now).await,
        None => Ok(()),
    }
}

async fn write_part(
    tx: &Tx<'_>,
    order: OrderId,
    part: &Part,
    status: &str,
) -> Result<(), StoreError> {
    if part.held == 0 && part.backordered == 0 {
        return Ok(());
    }
    tx.execute(
        "INSERT INTO reservation_parts (order_id, sku, location_id, held, backordered, expected_at_ms, status)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        values![
            order.as_bytes(),
            part.sku.as_str(),
            part.location.as_bytes(),
            part.held,
            part.backordered,
            part.expected_at.map(Timestamp::unix_ms),
            status
        ],
    )
    .await?;
    Ok(())
}

/// Ends the holds of an order: its pieces are sold, and what was promised stays so; or everything is given back.
pub(crate) async fn end(
    tx: &Tx<'_>,
    order: OrderId,
    is_sold: bool,
    now: Timestamp,
) -> Result<Vec<Sku>, StoreError> {
    let (status, kind) = if is_sold {
        ("consumed", MovementKind::Sold)
    } else {
        ("released", MovementKind::Released)
    };
    // Both by primary key.
    let main = tx
        .query(
            "UPDATE reservations SET status = ?2 WHERE order_id = ?1 AND status = 'held' RETURNING sku, quantity",
            values![order.as_bytes(), status],
        )
        .await?;
    let others = tx
        .query(
            "UPDATE reservation_parts SET status = ?2 WHERE order_id = ?1 AND status = 'held'
             RETURNING sku, location_id, held, backordered, expected_at_ms",
            values![order.as_bytes(), status],
        )
        .await?;
    let mut places = Places::new();
    for row in &main {
        let sku: Sku = sku_of(row)?;
        let (location, held) = (MAIN_LOCATION, row.get(1)?);
        let part = Part { sku: sku.clone(), location, held, backordered: 0, expected_at: None };
        places.insert((sku, location), part);
    }
    for part in others.iter().map(part_of) {
        let part = part?;
        let key = (part.sku.clone(), part.location);
        let sum =
            places.entry(key).or_insert_with(|| Part { held: 0, backordered: 0, ..part.clone() });
        sum.held = sum.held.saturating_add(part.held);
        sum.backordered = sum.backordered.saturating_add(part.backordered);
    }
    for part in places.values() {
        let place = (&part.sku, part.location);
        move_part(tx, place, (kind, part.held), order, now).await?;
        if !is_sold {
            let cancelled = (MovementKind::BackorderCancelled, part.backordered);
            move_part(tx, place, cancelled, order, now).await?;
        }
    }
    let mut skus: Vec<Sku> = places.into_keys().map(|(sku, _)| sku).collect();
    skus.dedup();
    Ok(skus)
}

/// Reads what an order has elsewhere than at the main location, and what it was promised. All other pieces of its
/// lines are held or sold at the main location.
pub(crate) async fn parts(tx: &Tx<'_>, order: OrderId) -> Result<Vec<Part>, StoreError> {
    // By primary key.
    let rows = tx
        .query(
            "SELECT sku, location_id, held, backordered, expected_at_ms FROM reservation_parts
             WHERE order_id = ?1 AND status <> 'released' ORDER BY sku, location_id",
            values![order.as_bytes()],
        )
        .await?;
    rows.iter().map(part_of).collect()
}

fn sku_of(row: &Row) -> Result<Sku, StoreError> {
    row.get::<String>(0)?.parse().map_err(|_invalid| StoreError::Corrupt("SKU of a reservation"))
}

fn part_of(row: &Row) -> Result<Part, StoreError> {
    Ok(Part {
        sku: sku_of(row)?,
        location: LocationId::from_bytes(row.get(1)?),
        held: row.get(2)?,
        backordered: row.get(3)?,
        expected_at: row.get::<Option<i64>>(4)?.map(Timestamp::from_unix_ms),
    })
}

/// Keeps the parts of an order as a step of its state leaves them.
pub(crate) async fn follow(
    tx: &Tx<'_>,
    order: OrderId,
    movements: &[Movement],
    status: OrderStatus,
) -> Result<(), StoreError> {
    for movement in movements {
        let pieces = i64::from(movement.pieces().get());
        let held = match movement.kind() {
            MovementKind::BackorderHeld => pieces,
            MovementKind::BackorderCancelled => 0,
            _ => continue,
        };
        // By primary key.
        tx.execute(
            "UPDATE reservation_parts SET held = held + ?4, backordered = backordered - ?5
             WHERE order_id = ?1 AND sku = ?2 AND location_id = ?3",
            values![
                order.as_bytes(),
                movement.sku().as_str(),
                movement.location().as_bytes(),
                held,
                pieces
            ],
        )
        .await?;
    }
    let status = match status {
        OrderStatus::PendingPayment => return Ok(()),
        OrderStatus::Confirmed | OrderStatus::Completed => "consumed",
        OrderStatus::Cancelled | OrderStatus::Expired => "released",
    };
    // By primary key.
    tx.execute(
        "UPDATE reservation_parts SET status = ?2 WHERE order_id = ?1 AND status <> ?2",
        values![order.as_bytes(), status],
    )
    .await?;
    Ok(())
}

/// Gives what movements brought in to those who wait for it.
pub(crate) async fn fill_after(
    tx: &Tx<'_>,
    movements: &[Movement],
    now: Timestamp,
) -> Result<(), StoreError> {
    for movement in movements.iter().filter(|movement| movement.effect().on_hand > 0) {
        fill(tx, (movement.sku(), movement.location()), now).await?;
    }
    Ok(())
}

/// Orders that one arrival fills: 200. Whoever waits behind them is served by the next.
const FILLED_MAX: u32 = 200;

/// Gives pieces that came in to the orders that were promised some, oldest first: what is paid is sold, what is not is
/// held.
async fn fill(
    tx: &Tx<'_>,
    (sku, location): (&Sku, LocationId),
    now: Timestamp,
) -> Result<(), StoreError> {
    let counters = stock::counters(tx, sku, location).await?.unwrap_or_default();
    let mut left = u32::try_from(counters.unheld()).unwrap_or(u32::MAX);
    if left == 0 || counters.backordered == 0 {
        return Ok(());
    }
    // By index reservation_parts_owed, in its order.
    let owed = tx
        .query(
            "SELECT order_id, backordered FROM reservation_parts
             WHERE sku = ?1 AND location_id = ?2 AND backordered > 0 AND status <> 'released'
             ORDER BY order_id LIMIT ?3",
            values![sku.as_str(), location.as_bytes(), FILLED_MAX],
        )
        .await?;
    for row in owed {
        let (order, promised): ([u8; 16], u32) = (row.get(0)?, row.get(1)?);
        let pieces = promised.min(left);
        if pieces == 0 {
            break;
        }
        left = left.saturating_sub(pieces);
        let order = order::load(tx, OrderId::from_bytes(order))
            .await?
            .ok_or(StoreError::Corrupt("order of a reservation"))?;
        if order.state_version > 0 {
            // Its state has to know. What it takes brings nothing in, so this comes no deeper.
            Box::pin(order_state::fill(tx, &order, (sku, location, pieces), now)).await?;
        } else {
            fill_plain(tx, &order, (sku, location, pieces), now).await?;
        }
    }
    Ok(())
}

/// Fills an order that its payment alone tells.
async fn fill_plain(
    tx: &Tx<'_>,
    order: &OrderRecord,
    (sku, location, pieces): (&Sku, LocationId, u32),
    now: Timestamp,
) -> Result<(), StoreError> {
    let place = (sku, location);
    move_part(tx, place, (MovementKind::BackorderHeld, pieces), order.id, now).await?;
    if order.status == OrderStatus::Confirmed {
        move_part(tx, place, (MovementKind::Sold, pieces), order.id, now).await?;
    }
    tx.execute(
        "UPDATE reservation_parts SET held = held + ?4, backordered = backordered - ?4
         WHERE order_id = ?1 AND sku = ?2 AND location_id = ?3",
        values![order.id.as_bytes(), sku.as_str(), location.as_bytes(), pieces],
    )
    .await?;
    outbox::append(tx, order.id, "order.backorder_filled", now).await
}

/// Pushes the hold of an order forward, as its rule says. The order's row is who decides between this and its end.
pub(crate) async fn touch(tx: &Tx<'_>, command: TouchHold) -> Result<Touched, StoreError> {
    let TouchHold { order: id, rule, now } = command;
    let Some(order) = order::load(tx, id).await? else { return Ok(Touched::NotFound) };
    if order.status != OrderStatus::PendingPayment || now >= order.expires_at {
        return Ok(Touched::Ended);
    }
    let hold = Hold {
        started_at: order.created_at,
        expires_at: order.expires_at,
        status: ReservationStatus::Held,
    };
    let Some(next) = hold.touched(now, rule) else { return Ok(Touched::Held) };
    let until = next.expires_at.unix_ms();
    let moved = tx
        .execute(
            "UPDATE orders SET expires_at_ms = ?2, updated_at_ms = ?3
             WHERE id = ?1 AND status = 'pending_payment'",
            values![id.as_bytes(), until, now.unix_ms()],
        )
        .await?;
    if moved == 0 {
        return Ok(Touched::Ended);
    }
    // By primary key, and payments by their unique order_id.
    tx.execute(
        "UPDATE reservations SET expires_at_ms = ?2 WHERE order_id = ?1 AND status = 'held'",
        values![id.as_bytes(), until],
    )
    .await?;
    // Who still has to act is asked about when the hold ends, not before.
    tx.execute(
        "UPDATE payments SET next_check_at_ms = ?2 WHERE order_id = ?1 AND status = 'requires_action'",
        values![id.as_bytes(), until],
    )
    .await?;
    Ok(Touched::Held)
}

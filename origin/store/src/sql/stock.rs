//! Counters of stock and their movements.

use std::collections::BTreeMap;

use domain::inventory::{self, Cause, Counters, MAIN_LOCATION, MovementRefused};
use domain::reservation::Stock;
use domain::{OrderId, Quantity, Sku, Timestamp};

use super::{feed, outbox};
use crate::StoreError;
use crate::tx::{Tx, values};

/// A move of both counters, with the word the ledger of movements has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Movement {
    Reserved,
    Released,
    Sold,
    /// Taken without a hold: paid after the hold ended.
    Retaken,
}

impl Movement {
    const fn parts(self, pieces: i64) -> (&'static str, i64, i64) {
        match self {
            Self::Reserved => ("reserved", 0, pieces),
            Self::Released => ("released", 0, -pieces),
            Self::Sold => ("sold", -pieces, -pieces),
            Self::Retaken => ("retaken", -pieces, 0),
        }
    }
}

pub(crate) async fn find(tx: &Tx<'_>, sku: &Sku) -> Result<Option<Stock>, StoreError> {
    // By primary key.
    let row = tx
        .query_opt("SELECT on_hand, reserved FROM stock WHERE sku = ?1", values![sku.as_str()])
        .await?;
    row.map(|row| Ok(Stock { on_hand: row.get(0)?, reserved: row.get(1)? })).transpose()
}

/// Moves the counters in one conditional statement. `false`: the counters do not allow it, nothing happened.
pub(crate) async fn move_pieces(
    tx: &Tx<'_>,
    sku: &Sku,
    quantity: Quantity,
    movement: Movement,
    order: OrderId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (kind, on_hand_delta, reserved_delta) = movement.parts(i64::from(quantity.get()));
    // By primary key.
    let moved = tx.execute("UPDATE stock SET on_hand = on_hand + ?2, reserved = reserved + ?3
             WHERE sku = ?1 AND on_hand + ?2 >= 0 AND reserved + ?3 >= 0 AND reserved + ?3 <= on_hand + ?2", values![sku.as_str(), on_hand_delta, reserved_delta]).await?;
    if moved == 0 {
        return Ok(false);
    }
    tx.execute(
        "INSERT INTO stock_movements (sku, kind, on_hand_delta, reserved_delta, order_id, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![sku.as_str(), kind, on_hand_delta, reserved_delta, order.as_bytes(), now.unix_ms()],
    )
    .await?;
    Ok(true)
}

/// Finds the first entry that the counters do not allow, when all are written in this order.
pub(crate) async fn refused(
    tx: &Tx<'_>,
    movements: &[inventory::Movement],
) -> Result<Option<(Sku, MovementRefused)>, StoreError> {
    let mut counters: BTreeMap<&Sku, Counters> = BTreeMap::new();
    for movement in movements {
        let sku = movement.sku();
        let known = match counters.get(sku) {
            Some(known) => *known,
            None => {
                let stock =
                    find(tx, sku).await?.ok_or(StoreError::Corrupt("stock of a variant"))?;
                let Stock { on_hand, reserved } = stock;
                Counters { on_hand, reserved, ..Counters::default() }
            }
        };
        match known.apply(movement) {
            Ok(next) => counters.insert(sku, next),
            Err(refused) => return Ok(Some((sku.clone(), refused))),
        };
    }
    Ok(None)
}

/// Writes an entry of the stock ledger and moves the counters by it. `false`: they do not allow it, nothing happened.
pub(crate) async fn carry_out(
    tx: &Tx<'_>,
    movement: &inventory::Movement,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let effect = movement.effect();
    if movement.location() != MAIN_LOCATION || effect.incoming != 0 || effect.backordered != 0 {
        // Until other locations and promises have counters, nothing is given out there.
        return Err(StoreError::Corrupt("location of a movement"));
    }
    let order = match movement.cause() {
        Cause::Order(order) => Some(*order.as_bytes()),
        Cause::Staff | Cause::Transfer(_) => None,
    };
    let sku = movement.sku().as_str();
    // By primary key.
    let moved = tx
        .execute(
            "UPDATE stock SET on_hand = on_hand + ?2, reserved = reserved + ?3
             WHERE sku = ?1 AND on_hand + ?2 >= 0 AND reserved + ?3 >= 0 AND reserved + ?3 <= on_hand + ?2",
            values![sku, effect.on_hand, effect.reserved],
        )
        .await?;
    if moved == 0 {
        return Ok(false);
    }
    tx.execute(
        "INSERT INTO stock_movements (sku, kind, on_hand_delta, reserved_delta, order_id, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![
            sku,
            movement.kind().as_str(),
            effect.on_hand,
            effect.reserved,
            order,
            now.unix_ms()
        ],
    )
    .await?;
    Ok(true)
}

/// Sets the pieces in the house to what was counted. No fewer than are held: the caller has looked.
pub(crate) async fn count(
    tx: &Tx<'_>,
    sku: &Sku,
    before: Stock,
    counted: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    let delta = i64::from(counted).saturating_sub(before.on_hand);
    if delta == 0 {
        return Ok(());
    }
    let kind = if delta > 0 { "adjusted_up" } else { "adjusted_down" };
    // By primary key.
    tx.execute(
        "UPDATE stock SET on_hand = on_hand + ?2 WHERE sku = ?1",
        values![sku.as_str(), delta],
    )
    .await?;
    tx.execute(
        "INSERT INTO stock_movements (sku, kind, on_hand_delta, reserved_delta, at_ms)
         VALUES (?1, ?2, ?3, 0, ?4)",
        values![sku.as_str(), kind, delta, now.unix_ms()],
    )
    .await?;
    publish(tx, [sku], now).await?;
    let words = serde_json::json!({ "sku": sku, "type": "stock.adjusted", "at": now }).to_string();
    outbox::append_about(tx, ("stock", sku.as_str()), "stock.adjusted", &words, now).await
}

/// Tells the edges about SKUs whose level may have changed; one whose level did not costs no change.
pub(crate) async fn publish<'a>(
    tx: &Tx<'_>,
    skus: impl IntoIterator<Item = &'a Sku>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows: Vec<_> = skus.into_iter().map(|sku| feed::row("stock", [sku.as_str()])).collect();
    feed::publish(tx, &rows, now).await
}

//! Counters of stock and their movements.

use domain::reservation::Stock;
use domain::{OrderId, Quantity, Sku, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::feed;
use crate::StoreError;

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

pub(crate) fn find(connection: &Connection, sku: &Sku) -> Result<Option<Stock>, StoreError> {
    // By primary key.
    let stock = connection
        .prepare_cached("SELECT on_hand, reserved FROM stock WHERE sku = ?1")?
        .query_row([sku.as_str()], |row| Ok(Stock { on_hand: row.get(0)?, reserved: row.get(1)? }))
        .optional()?;
    Ok(stock)
}

/// Moves the counters in one conditional statement. `false`: the counters do not allow it, nothing happened.
pub(crate) fn move_pieces(
    connection: &Connection,
    sku: &Sku,
    quantity: Quantity,
    movement: Movement,
    order: OrderId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (kind, on_hand_delta, reserved_delta) = movement.parts(i64::from(quantity.get()));
    // By primary key.
    let moved = connection
        .prepare_cached(
            "UPDATE stock SET on_hand = on_hand + ?2, reserved = reserved + ?3
             WHERE sku = ?1 AND on_hand + ?2 >= 0 AND reserved + ?3 >= 0 AND reserved + ?3 <= on_hand + ?2",
        )?
        .execute(params![sku.as_str(), on_hand_delta, reserved_delta])?;
    if moved == 0 {
        return Ok(false);
    }
    connection
        .prepare_cached(
            "INSERT INTO stock_movements (sku, kind, on_hand_delta, reserved_delta, order_id, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![sku.as_str(), kind, on_hand_delta, reserved_delta, order.as_bytes(), now.unix_ms()])?;
    Ok(true)
}

/// Tells the edges about SKUs whose level may have changed; one whose level did not costs no change.
pub(crate) fn publish<'a>(
    connection: &Connection,
    skus: impl IntoIterator<Item = &'a Sku>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows: Vec<_> = skus.into_iter().map(|sku| feed::row("stock", [sku.as_str()])).collect();
    feed::publish(connection, &rows, now)
}

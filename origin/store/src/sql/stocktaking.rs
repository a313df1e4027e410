//! Statements of the staff's work on stock: looking, moving by hand, setting rules.

use domain::inventory::{
    BackorderPolicy, Cause, Counters, Effect, MAIN_LOCATION, Movement, MovementKind,
    MovementReason, PIECES_MAX, SkuStock,
};
use domain::reservation::Level;
use domain::{LocationId, OrderId, Sku, Timestamp, TransferId};

use super::{location, outbox, reservation, stock};
use crate::StoreError;
use crate::stock::{
    ListMovements, ListStock, MoveStock, MovementRow, SetStockRules, StaffMove, StockRefused,
};
use crate::tx::{Row, Tx, values};

pub(crate) async fn page(
    tx: &Tx<'_>,
    query: &ListStock,
) -> Result<Vec<(Sku, SkuStock)>, StoreError> {
    let after = query.after.as_deref().unwrap_or_default();
    // By primary key, in its order. With a level, rows are left out on the way.
    let rows = match query.level {
        None => {
            let sql = "SELECT sku FROM stock WHERE sku > ?1 ORDER BY sku LIMIT ?2";
            tx.query(sql, values![after, query.limit]).await?
        }
        Some(level) => {
            let word = match level {
                Level::InStock => "in_stock",
                Level::Low => "low",
                Level::OutOfStock => "out_of_stock",
            };
            let sql =
                "SELECT sku FROM read_stock WHERE sku > ?1 AND state = ?3 ORDER BY sku LIMIT ?2";
            tx.query(sql, values![after, query.limit, word]).await?
        }
    };
    let mut found = Vec::new();
    for row in rows {
        let sku = sku_of(&row, 0)?;
        if let Some(stock) = stock::everywhere(tx, &sku).await? {
            found.push((sku, stock));
        }
    }
    Ok(found)
}

fn sku_of(row: &Row, index: usize) -> Result<Sku, StoreError> {
    row.get::<String>(index)?.parse().map_err(|_invalid| StoreError::Corrupt("SKU of stock"))
}

pub(crate) async fn movements(
    tx: &Tx<'_>,
    query: &ListMovements,
) -> Result<Option<Vec<MovementRow>>, StoreError> {
    if stock::main(tx, &query.sku).await?.is_none() {
        return Ok(None);
    }
    // By index stock_movements_sku, backwards.
    let sql = "SELECT id, location_id, kind, on_hand_delta, reserved_delta, incoming_delta, backordered_delta, reason,
           order_id, transfer_id, actor, at_ms FROM stock_movements
         WHERE sku = ?1 AND id < ?2 AND (?3 = 0 OR location_id = ?4) ORDER BY id DESC LIMIT ?5";
    let before = query.before.unwrap_or(i64::MAX);
    let location = query.location.unwrap_or(MAIN_LOCATION);
    let rows = tx
        .query(
            sql,
            values![
                query.sku.as_str(),
                before,
                i64::from(query.location.is_some()),
                location.as_bytes(),
                query.limit
            ],
        )
        .await?;
    rows.iter().map(movement_of).collect::<Result<_, _>>().map(Some)
}

fn movement_of(row: &Row) -> Result<MovementRow, StoreError> {
    let corrupt = || StoreError::Corrupt("movement of stock");
    let (kind, reason): (String, Option<String>) = (row.get(2)?, row.get(7)?);
    let reason = match reason {
        Some(word) => Some(MovementReason::parse(&word).ok_or_else(corrupt)?),
        None => None,
    };
    Ok(MovementRow {
        id: row.get(0)?,
        location: LocationId::from_bytes(row.get(1)?),
        kind: kind.parse().map_err(|_unknown| corrupt())?,
        effect: Effect {
            on_hand: row.get(3)?,
            reserved: row.get(4)?,
            incoming: row.get(5)?,
            backordered: row.get(6)?,
        },
        reason,
        order: row.get::<Option<[u8; 16]>>(8)?.map(OrderId::from_bytes),
        transfer: row.get::<Option<[u8; 16]>>(9)?.map(TransferId::from_bytes),
        actor: row.get(10)?,
        at: Timestamp::from_unix_ms(row.get(11)?),
    })
}

/// Makes of what the staff did the movement that it is; none where a count found what was known.
fn movement(command: &MoveStock, counters: Counters) -> Result<Option<Movement>, StockRefused> {
    let (kind, pieces, reason) = match command.change {
        StaffMove::Moved { kind, pieces, reason } => (kind, pieces, reason),
        StaffMove::Counted(on_hand) => {
            let more = i64::from(on_hand).saturating_sub(counters.on_hand);
            let kind = if more < 0 { MovementKind::AdjustedDown } else { MovementKind::AdjustedUp };
            let pieces = match u32::try_from(more.unsigned_abs()) {
                Ok(0) => return Ok(None),
                Ok(pieces) if pieces <= PIECES_MAX => pieces,
                _ => return Err(StockRefused::TooManyPieces),
            };
            let pieces = pieces.try_into().map_err(|_out| StockRefused::TooManyPieces)?;
            (kind, pieces, Some(MovementReason::Count))
        }
    };
    Movement::new(kind, reason, (&command.sku, command.location), pieces, Cause::Staff)
        .map(Some)
        .map_err(StockRefused::Movement)
}

pub(crate) async fn move_by_hand(
    tx: &Tx<'_>,
    command: &MoveStock,
) -> Result<Result<Counters, StockRefused>, StoreError> {
    if let Some(refused) = missing(tx, &command.sku, &[command.location]).await? {
        return Ok(Err(refused));
    }
    let counters = stock::counters(tx, &command.sku, command.location).await?.unwrap_or_default();
    let movement = match movement(command, counters) {
        Ok(Some(movement)) => movement,
        Ok(None) => return Ok(Ok(counters)),
        Err(refused) => return Ok(Err(refused)),
    };
    Ok(carry_out(tx, &[movement], &command.actor, command.now)
        .await?
        .map(|last| last.unwrap_or(counters)))
}

/// Says which of a SKU and locations does not exist.
pub(crate) async fn missing(
    tx: &Tx<'_>,
    sku: &Sku,
    locations: &[LocationId],
) -> Result<Option<StockRefused>, StoreError> {
    if stock::main(tx, sku).await?.is_none() {
        return Ok(Some(StockRefused::UnknownSku));
    }
    for &id in locations {
        if location::find(tx, id).await?.is_none() {
            return Ok(Some(StockRefused::UnknownLocation));
        }
    }
    Ok(None)
}

/// Carries out what the staff does: all movements or none. Gives what came in to those who wait for it, tells the edges
/// and merchants' programs, and returns the counters after the last one.
pub(crate) async fn carry_out(
    tx: &Tx<'_>,
    movements: &[Movement],
    actor: &str,
    now: Timestamp,
) -> Result<Result<Option<Counters>, StockRefused>, StoreError> {
    // Everybody takes stock in the order of names. The movements of one SKU at one place stay in theirs.
    let mut ordered = movements.to_vec();
    ordered.sort_by(|one, other| (one.sku(), one.location()).cmp(&(other.sku(), other.location())));
    // Looked at before anything is written: a refusal keeps nothing.
    if let Some((sku, refused)) = stock::refused(tx, &ordered).await? {
        return Ok(Err(StockRefused::Counters(sku, refused)));
    }
    for movement in &ordered {
        stock::apply_known(tx, movement, Some(actor), now).await?;
        tell(tx, movement, now).await?;
    }
    reservation::fill_after(tx, &ordered, now).await?;
    stock::publish(tx, ordered.iter().map(Movement::sku), now).await?;
    match movements.last() {
        Some(last) => Ok(Ok(stock::counters(tx, last.sku(), last.location()).await?)),
        None => Ok(Ok(None)),
    }
}

/// Tells merchants' programs of a movement by hand.
async fn tell(tx: &Tx<'_>, movement: &Movement, now: Timestamp) -> Result<(), StoreError> {
    let words = serde_json::json!({
        "sku": movement.sku(),
        "location_id": movement.location(),
        "movement": movement.kind(),
        "pieces": movement.pieces(),
        "reason": movement.reason(),
        "type": "stock.adjusted",
        "at": now,
    });
    let sku = movement.sku().as_str();
    outbox::append_about(tx, ("stock", sku), "stock.adjusted", &words.to_string(), now).await
}

pub(crate) async fn set_rules(
    tx: &Tx<'_>,
    command: &SetStockRules,
) -> Result<Result<(), StockRefused>, StoreError> {
    let sku = command.sku.as_str();
    let locations: Vec<LocationId> = command.safety.keys().copied().collect();
    if let Some(refused) = missing(tx, &command.sku, &locations).await? {
        return Ok(Err(refused));
    }
    if let Some(backorder) = command.backorder {
        let (word, pieces_max, until) = match backorder {
            BackorderPolicy::Deny => ("deny", 0, None),
            BackorderPolicy::Allow { pieces_max } => ("allow", pieces_max, None),
            BackorderPolicy::PreOrder { until, pieces_max } => {
                ("pre_order", pieces_max, Some(until.unix_ms()))
            }
        };
        tx.execute(
            "UPDATE stock SET backorder = ?2, backorder_max = ?3, backorder_until_ms = ?4 WHERE sku = ?1",
            values![sku, word, pieces_max, until],
        )
        .await?;
    }
    if let Some(max) = command.per_order_max {
        tx.execute("UPDATE stock SET per_order_max = ?2 WHERE sku = ?1", values![sku, max]).await?;
    }
    for (&id, &safety) in &command.safety {
        if id == MAIN_LOCATION {
            tx.execute("UPDATE stock SET safety = ?2 WHERE sku = ?1", values![sku, safety]).await?;
        } else {
            tx.execute(
                "INSERT INTO stock_at (sku, location_id, safety) VALUES (?1, ?2, ?3)
                 ON CONFLICT (sku, location_id) DO UPDATE SET safety = excluded.safety",
                values![sku, id.as_bytes(), safety],
            )
            .await?;
        }
    }
    stock::publish(tx, [&command.sku], command.now).await?;
    let (kind, actor) = ("stock.rules_changed", &command.actor);
    let words = serde_json::json!({ "sku": sku, "actor": actor, "type": kind, "at": command.now });
    outbox::append_about(tx, ("stock", sku), kind, &words.to_string(), command.now).await?;
    Ok(Ok(()))
}

pub(crate) async fn publish_levels(
    tx: &Tx<'_>,
    location: LocationId,
    (after, limit): (&str, u32),
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    // By primary key, and by index stock_at_location.
    let rows = if location == MAIN_LOCATION {
        let sql = "SELECT sku FROM stock WHERE sku > ?1 ORDER BY sku LIMIT ?2";
        tx.query(sql, values![after, limit]).await?
    } else {
        let sql =
            "SELECT sku FROM stock_at WHERE location_id = ?3 AND sku > ?1 ORDER BY sku LIMIT ?2";
        tx.query(sql, values![after, limit, location.as_bytes()]).await?
    };
    let skus: Vec<Sku> = rows.iter().map(|row| sku_of(row, 0)).collect::<Result<_, _>>()?;
    stock::publish(tx, &skus, now).await?;
    let is_full = u32::try_from(skus.len()).is_ok_and(|count| count >= limit);
    Ok(skus.last().filter(|_| is_full).map(|sku| sku.as_str().to_owned()))
}

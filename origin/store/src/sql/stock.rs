//! Counters of stock at every location, and the movements that alone change them.

use std::collections::BTreeMap;

use api_types::feed::{FeedChange, FeedValue};
use domain::inventory::{
    BackorderPolicy, Cause, Counters, Effect, Expected, Location, LocationStock, MAIN_LOCATION,
    Movement, MovementKind, MovementRefused, SkuPolicy, SkuStock,
};
use domain::reservation::Level;
use domain::{LocationId, OrderId, Sku, Timestamp};

use super::{feed, location, outbox};
use crate::StoreError;
use crate::stock::MainStock;
use crate::tx::{Row, Tx, values};

/// A SKU `s` as [`main_of`] reads it: counters at the main location, rules, and whether it has been anywhere else.
pub(crate) const MAIN: &str =
    "s.on_hand, s.reserved, s.incoming, s.backordered, s.safety, s.per_order_max,
  s.backorder, s.backorder_max, s.backorder_until_ms, EXISTS (SELECT 1 FROM stock_at a WHERE a.sku = s.sku)";

/// Reads what [`MAIN`] names, from a column on.
pub(crate) fn main_of(row: &Row, from: usize) -> Result<MainStock, StoreError> {
    let number = |index: usize| row.get::<i64>(from.saturating_add(index));
    Ok(MainStock {
        counters: Counters {
            on_hand: number(0)?,
            reserved: number(1)?,
            incoming: number(2)?,
            backordered: number(3)?,
        },
        safety: number(4)?,
        policy: SkuPolicy {
            per_order_max: row.get(from.saturating_add(5))?,
            backorder: policy_of(row, from.saturating_add(6))?,
        },
        is_spread: row.get(from.saturating_add(9))?,
    })
}

fn policy_of(row: &Row, from: usize) -> Result<BackorderPolicy, StoreError> {
    let (word, pieces_max): (String, u32) = (row.get(from)?, row.get(from.saturating_add(1))?);
    let until: Option<i64> = row.get(from.saturating_add(2))?;
    match (word.as_str(), until) {
        ("deny", _) => Ok(BackorderPolicy::Deny),
        ("allow", _) => Ok(BackorderPolicy::Allow { pieces_max }),
        ("pre_order", Some(until)) => {
            Ok(BackorderPolicy::PreOrder { until: Timestamp::from_unix_ms(until), pieces_max })
        }
        _ => Err(StoreError::Corrupt("rule of a SKU")),
    }
}

/// Reads a SKU at the main location.
pub(crate) async fn main(tx: &Tx<'_>, sku: &Sku) -> Result<Option<MainStock>, StoreError> {
    // By primary key, and stock_at by the first column of its own.
    let sql = format!("SELECT {MAIN} FROM stock s WHERE s.sku = ?1");
    let row = tx.query_opt(&sql, values![sku.as_str()]).await?;
    row.map(|row| main_of(&row, 0)).transpose()
}

/// A SKU `a` elsewhere than at the main location, as [`elsewhere`] reads it.
pub(crate) const ELSEWHERE: &str =
    "a.location_id, a.on_hand, a.reserved, a.incoming, a.backordered, a.safety";

/// Reads what [`ELSEWHERE`] names, from a column on.
pub(crate) fn elsewhere(row: &Row, from: usize) -> Result<(LocationId, LocationStock), StoreError> {
    let number = |index: usize| row.get::<i64>(from.saturating_add(index));
    let counters = Counters {
        on_hand: number(1)?,
        reserved: number(2)?,
        incoming: number(3)?,
        backordered: number(4)?,
    };
    let stock = LocationStock { counters, safety: number(5)?, expected: Vec::new() };
    Ok((LocationId::from_bytes(row.get(from)?), stock))
}

/// A delivery `u` as [`awaited`] reads it, and which of them are: those that are open and have a day.
pub(crate) const AWAITED: &str =
    "u.location_id, u.pieces - u.arrived - u.cancelled, u.expected_at_ms";
pub(crate) const IS_AWAITED: &str =
    "u.pieces > u.arrived + u.cancelled AND u.expected_at_ms IS NOT NULL";

/// Reads what [`AWAITED`] names, from a column on.
pub(crate) fn awaited(row: &Row, from: usize) -> Result<(LocationId, Expected), StoreError> {
    let open: u32 = row.get(from.saturating_add(1))?;
    let pieces = open.try_into().map_err(|_out| StoreError::Corrupt("pieces of a supply"))?;
    let at = Timestamp::from_unix_ms(row.get(from.saturating_add(2))?);
    Ok((LocationId::from_bytes(row.get(from)?), Expected { at, pieces }))
}

/// Reads everything known about a SKU.
pub(crate) async fn everywhere(tx: &Tx<'_>, sku: &Sku) -> Result<Option<SkuStock>, StoreError> {
    let Some(main) = main(tx, sku).await? else { return Ok(None) };
    let mut at = BTreeMap::from([(MAIN_LOCATION, main.here())]);
    if main.is_spread {
        // By primary key.
        let sql = format!("SELECT {ELSEWHERE} FROM stock_at a WHERE a.sku = ?1");
        for row in tx.query(&sql, values![sku.as_str()]).await? {
            let (location, stock) = elsewhere(&row, 0)?;
            at.insert(location, stock);
        }
    }
    // By index supplies_open.
    let sql = format!("SELECT {AWAITED} FROM supplies u WHERE u.sku = ?1 AND {IS_AWAITED}");
    for row in tx.query(&sql, values![sku.as_str()]).await? {
        let (location, expected) = awaited(&row, 0)?;
        at.entry(location).or_default().expected.push(expected);
    }
    Ok(Some(SkuStock { policy: main.policy, at }))
}

/// Reads the counters of a SKU at a location; empty where it never was.
pub(crate) async fn counters(
    tx: &Tx<'_>,
    sku: &Sku,
    location: LocationId,
) -> Result<Option<Counters>, StoreError> {
    let Some(main) = main(tx, sku).await? else { return Ok(None) };
    if location == MAIN_LOCATION {
        return Ok(Some(main.counters));
    }
    // By primary key.
    let row = tx
        .query_opt(
            "SELECT on_hand, reserved, incoming, backordered FROM stock_at WHERE sku = ?1 AND location_id = ?2",
            values![sku.as_str(), location.as_bytes()],
        )
        .await?;
    let read = |row: Row| {
        Ok(Counters {
            on_hand: row.get(0)?,
            reserved: row.get(1)?,
            incoming: row.get(2)?,
            backordered: row.get(3)?,
        })
    };
    row.map(read).transpose().map(|found: Option<Counters>| Some(found.unwrap_or_default()))
}

const MOVE_MAIN: &str = "UPDATE stock SET on_hand = on_hand + ?2, reserved = reserved + ?3,
   incoming = incoming + ?4, backordered = backordered + ?5
 WHERE sku = ?1 AND on_hand + ?2 >= 0 AND reserved + ?3 >= 0 AND reserved + ?3 <= on_hand + ?2
   AND incoming + ?4 >= 0 AND backordered + ?5 >= 0";
const MOVE_ELSEWHERE: &str = "UPDATE stock_at SET on_hand = on_hand + ?2, reserved = reserved + ?3,
   incoming = incoming + ?4, backordered = backordered + ?5
 WHERE sku = ?1 AND location_id = ?6 AND on_hand + ?2 >= 0 AND reserved + ?3 >= 0
   AND reserved + ?3 <= on_hand + ?2 AND incoming + ?4 >= 0 AND backordered + ?5 >= 0";

/// Carries out a movement: moves the counters in one conditional statement and writes it into the ledger. `false`: the
/// counters do not allow it, nothing happened.
///
/// `actor` is who of the staff did it, where somebody did.
pub(crate) async fn apply(
    tx: &Tx<'_>,
    movement: &Movement,
    actor: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Effect { on_hand, reserved, incoming, backordered } = movement.effect();
    let (sku, location) = (movement.sku().as_str(), movement.location());
    // By primary key.
    let moved = if location == MAIN_LOCATION {
        tx.execute(MOVE_MAIN, values![sku, on_hand, reserved, incoming, backordered]).await?
    } else {
        let brings = reserved == 0 && on_hand >= 0 && incoming >= 0 && backordered >= 0;
        if brings {
            tx.execute(
                "INSERT INTO stock_at (sku, location_id) VALUES (?1, ?2) ON CONFLICT (sku, location_id) DO NOTHING",
                values![sku, location.as_bytes()],
            )
            .await?;
        }
        let id = location.as_bytes();
        tx.execute(MOVE_ELSEWHERE, values![sku, on_hand, reserved, incoming, backordered, id])
            .await?
    };
    if moved == 0 {
        return Ok(false);
    }
    write(tx, movement, actor, now).await?;
    Ok(true)
}

/// Finds the first movement that the counters do not allow, when all are carried out in this order. Nothing is written.
pub(crate) async fn refused(
    tx: &Tx<'_>,
    movements: &[Movement],
) -> Result<Option<(Sku, MovementRefused)>, StoreError> {
    let mut known: BTreeMap<(&Sku, LocationId), Counters> = BTreeMap::new();
    for movement in movements {
        let (sku, location) = (movement.sku(), movement.location());
        let before = match known.get(&(sku, location)) {
            Some(&before) => before,
            None => counters(tx, sku, location)
                .await?
                .ok_or(StoreError::Corrupt("stock of a variant"))?,
        };
        match before.apply(movement) {
            Ok(after) => known.insert((sku, location), after),
            Err(refused) => return Ok(Some((sku.clone(), refused))),
        };
    }
    Ok(None)
}

/// Carries out a movement that was looked at in this very transaction.
pub(crate) async fn apply_known(
    tx: &Tx<'_>,
    movement: &Movement,
    actor: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if apply(tx, movement, actor, now).await? {
        return Ok(());
    }
    Err(StoreError::Corrupt("stock counter"))
}

/// Makes a movement of an order; none for no pieces.
pub(crate) fn of_order(
    kind: MovementKind,
    (sku, location): (&Sku, LocationId),
    pieces: u32,
    order: OrderId,
) -> Result<Option<Movement>, StoreError> {
    if pieces == 0 {
        return Ok(None);
    }
    let corrupt = StoreError::Corrupt("pieces of a reservation");
    let Ok(pieces) = pieces.try_into() else { return Err(corrupt) };
    match Movement::new(kind, None, (sku, location), pieces, Cause::Order(order)) {
        Ok(movement) => Ok(Some(movement)),
        Err(_invalid) => Err(corrupt),
    }
}

async fn write(
    tx: &Tx<'_>,
    movement: &Movement,
    actor: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Effect { on_hand, reserved, incoming, backordered } = movement.effect();
    let (order, transfer) = match movement.cause() {
        Cause::Staff => (None, None),
        Cause::Order(order) => (Some(order), None),
        Cause::Transfer(transfer) => (None, Some(transfer)),
    };
    tx.execute(
        "INSERT INTO stock_movements (sku, location_id, kind, on_hand_delta, reserved_delta, incoming_delta,
           backordered_delta, reason, order_id, transfer_id, actor, at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        values![
            movement.sku().as_str(),
            movement.location().as_bytes(),
            movement.kind().as_str(),
            on_hand,
            reserved,
            incoming,
            backordered,
            movement.reason().map(|reason| reason.as_str()),
            order.as_ref().map(|order| order.as_bytes()),
            transfer.as_ref().map(|transfer| transfer.as_bytes()),
            actor,
            now.unix_ms()
        ],
    )
    .await?;
    Ok(())
}

/// Tells the edges about SKUs of which the level or what may be promised may have changed, and the merchant's programs
/// where the level has; one that can be bought as before costs no change.
pub(crate) async fn publish<'a>(
    tx: &Tx<'_>,
    skus: impl IntoIterator<Item = &'a Sku>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows: Vec<_> = skus.into_iter().map(|sku| feed::row("stock", [sku.as_str()])).collect();
    for differs in feed::publish_changes(tx, &rows, now).await? {
        if let Some((sku, kind)) = level_event(&differs.change, differs.told.as_deref()) {
            let words = level_words(sku, kind, now);
            outbox::append_about(tx, ("stock", sku), kind, &words, now).await?;
        }
    }
    Ok(())
}

/// Returns what a change of the read model's stock is called among events, and of which SKU it is; nothing where the level
/// is what was told last.
pub(crate) fn level_event<'a>(
    change: &'a FeedChange,
    told: Option<&str>,
) -> Option<(&'a str, &'static str)> {
    let FeedChange::Put { values, .. } = change else { return None };
    let [FeedValue::Text(sku), _, state, ..] = values.as_slice() else { return None };
    let told: Option<Vec<FeedValue>> = told.and_then(|told| serde_json::from_str(told).ok());
    if told.as_ref().and_then(|told| told.get(2)) == Some(state) {
        return None;
    }
    let FeedValue::Text(state) = state else { return None };
    let kind = match state.as_str() {
        "out_of_stock" => "stock.sold_out",
        "low" => "stock.low",
        _ => "stock.replenished",
    };
    Some((sku, kind))
}

/// Writes the words of such an event: the level, never the count.
pub(crate) fn level_words(sku: &str, kind: &str, now: Timestamp) -> String {
    let level = match kind {
        "stock.sold_out" => Level::OutOfStock,
        "stock.low" => Level::Low,
        _ => Level::InStock,
    };
    serde_json::json!({ "sku": sku, "level": level, "type": kind, "at": now }).to_string()
}

/// Reads everything known about a SKU, and every location.
pub(crate) async fn with_locations(
    tx: &Tx<'_>,
    sku: &Sku,
) -> Result<Option<(SkuStock, Vec<Location>)>, StoreError> {
    let Some(stock) = everywhere(tx, sku).await? else { return Ok(None) };
    let locations = location::all(tx).await?;
    Ok(Some((stock, locations.into_iter().map(|row| row.location).collect())))
}

//! Statements of the proof that counters are what their movements say.

use std::collections::BTreeMap;

use domain::inventory::{
    Counters, Drift, Effect, MAIN_LOCATION, MovementKind, PIECES_MAX, StockKey,
};
use domain::{LocationId, Sku};

use super::stock;
use crate::StoreError;
use crate::stock::{FAULTS_MAX, StockFault, StockProof};
use crate::tx::{Row, Tx, values};

/// SKUs that are read at once: 500.
const SKUS_AT_ONCE: u32 = 500;
/// Movements of one SKU that are read at once: 10 000, about 2 MB.
const MOVEMENTS_AT_ONCE: u32 = 10_000;

/// Replays every SKU's movements, one page after the other, so that a long history needs no more memory than a short one.
pub(crate) async fn prove(tx: &Tx<'_>) -> Result<StockProof, StoreError> {
    let mut proof = StockProof::default();
    let mut after = String::new();
    loop {
        // By primary key, in its order.
        let sql = "SELECT sku FROM stock WHERE sku > ?1 ORDER BY sku LIMIT ?2";
        let rows = tx.query(sql, values![after, SKUS_AT_ONCE]).await?;
        let Some(last) = rows.last() else { return Ok(proof) };
        after = last.get(0)?;
        for row in &rows {
            let text: String = row.get(0)?;
            let sku = text.parse().map_err(|_invalid| StoreError::Corrupt("SKU of stock"))?;
            prove_sku(tx, &sku, &mut proof).await?;
            if proof.faults.len() >= FAULTS_MAX {
                return Ok(proof);
            }
        }
    }
}

async fn prove_sku(tx: &Tx<'_>, sku: &Sku, proof: &mut StockProof) -> Result<(), StoreError> {
    proof.skus = proof.skus.saturating_add(1);
    let stored = stock::everywhere(tx, sku).await?.unwrap_or_default();
    let mut replayed: BTreeMap<LocationId, Counters> = BTreeMap::new();
    let mut after = 0_i64;
    loop {
        // By index stock_movements_sku, in its order.
        let rows = tx
            .query(
                "SELECT id, location_id, kind, on_hand_delta, reserved_delta, incoming_delta, backordered_delta
                 FROM stock_movements WHERE sku = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
                values![sku.as_str(), after, MOVEMENTS_AT_ONCE],
            )
            .await?;
        let Some(last) = rows.last() else { break };
        after = last.get(0)?;
        for row in &rows {
            proof.movements = proof.movements.saturating_add(1);
            if let Err(fault) = replay(sku, row, &mut replayed)? {
                if proof.faults.len() < FAULTS_MAX {
                    proof.faults.push(fault);
                }
                // What follows an impossible movement proves nothing.
                return Ok(());
            }
        }
    }
    let mut places: Vec<LocationId> = stored.at.keys().chain(replayed.keys()).copied().collect();
    places.push(MAIN_LOCATION);
    places.sort();
    places.dedup();
    for place in places {
        let stored = stored.at.get(&place).map(|here| here.counters).unwrap_or_default();
        let replayed = replayed.get(&place).copied().unwrap_or_default();
        if stored != replayed && proof.faults.len() < FAULTS_MAX {
            let key: StockKey = (place, sku.clone());
            proof.faults.push(StockFault::Drift(Drift { key, replayed, stored }));
        }
    }
    Ok(())
}

fn replay(
    sku: &Sku,
    row: &Row,
    replayed: &mut BTreeMap<LocationId, Counters>,
) -> Result<Result<(), StockFault>, StoreError> {
    let (id, location) = (row.get(0)?, LocationId::from_bytes(row.get(1)?));
    let effect = Effect {
        on_hand: row.get(3)?,
        reserved: row.get(4)?,
        incoming: row.get(5)?,
        backordered: row.get(6)?,
    };
    if !is_its_word(&row.get::<String>(2)?, effect) {
        return Ok(Err(StockFault::NotItsWord { sku: sku.clone(), location, id }));
    }
    let counters = replayed.entry(location).or_default();
    match counters.after(effect) {
        Ok(after) => {
            *counters = after;
            Ok(Ok(()))
        }
        Err(cause) => Ok(Err(StockFault::Impossible { sku: sku.clone(), location, id, cause })),
    }
}

/// Tells whether a kind's word moves the counters so. What a catalogue began with may be nothing, or more than one
/// movement takes.
fn is_its_word(word: &str, effect: Effect) -> bool {
    let Ok(kind) = word.parse::<MovementKind>() else { return false };
    let changes = [effect.on_hand, effect.reserved, effect.incoming, effect.backordered];
    let pieces = changes.into_iter().map(i64::unsigned_abs).max().unwrap_or(0);
    match u32::try_from(pieces).ok().and_then(|pieces| pieces.try_into().ok()) {
        Some(pieces) => kind.effect(pieces) == effect,
        None => {
            let is_beginning = kind == MovementKind::Received
                && (effect.reserved, effect.incoming, effect.backordered) == (0, 0, 0);
            is_beginning && (pieces == 0 || pieces > u64::from(PIECES_MAX)) && effect.on_hand >= 0
        }
    }
}

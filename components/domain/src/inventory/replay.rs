//! Proof that counters are what their movements say.

use std::collections::BTreeMap;

use super::{Counters, Movement, MovementRefused};
use crate::{LocationId, Sku};

/// Names one set of counters.
pub type StockKey = (LocationId, Sku);

/// A ledger that contradicts itself: a movement that its own past does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("replay movement {place} of {sku}")]
pub struct ReplayError {
    /// Place of the movement, from 0.
    pub place: usize,
    /// Of what.
    pub sku: Sku,
    /// Why.
    #[source]
    pub cause: MovementRefused,
}

/// Counters that are not what their movements say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// Which counters.
    pub key: StockKey,
    /// What the movements say.
    pub replayed: Counters,
    /// What is stored.
    pub stored: Counters,
}

/// Replays movements, oldest first, from empty counters.
///
/// # Errors
/// [`ReplayError`] at the first movement that its past does not allow.
pub fn replay<'a>(
    movements: impl IntoIterator<Item = &'a Movement>,
) -> Result<BTreeMap<StockKey, Counters>, ReplayError> {
    let mut counters: BTreeMap<StockKey, Counters> = BTreeMap::new();
    for (place, movement) in movements.into_iter().enumerate() {
        let entry = counters.entry((movement.location(), movement.sku().clone())).or_default();
        *entry = entry.apply(movement).map_err(|cause| ReplayError {
            place,
            sku: movement.sku().clone(),
            cause,
        })?;
    }
    Ok(counters)
}

/// Compares stored counters with the replay of all movements; an empty answer is the proof that they agree.
///
/// Counters without a movement count as empty, on either side.
///
/// # Errors
/// As [`replay`].
pub fn prove<'a>(
    movements: impl IntoIterator<Item = &'a Movement>,
    stored: &BTreeMap<StockKey, Counters>,
) -> Result<Vec<Drift>, ReplayError> {
    let replayed = replay(movements)?;
    let mut keys: Vec<&StockKey> = replayed.keys().chain(stored.keys()).collect();
    keys.sort();
    keys.dedup();
    let of = |counters: &BTreeMap<StockKey, Counters>, key: &StockKey| {
        counters.get(key).copied().unwrap_or_default()
    };
    Ok(keys
        .into_iter()
        .map(|key| Drift {
            key: key.clone(),
            replayed: of(&replayed, key),
            stored: of(stored, key),
        })
        .filter(|drift| drift.replayed != drift.stored)
        .collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::inventory::{Cause, MovementKind, MovementReason};

    fn movement(kind: MovementKind, pieces: u32, location: u8) -> Movement {
        let reason = kind.has_reason().then_some(MovementReason::Count);
        let place = (&"A".parse().unwrap(), LocationId::v4([location; 16]));
        Movement::new(kind, reason, place, pieces.try_into().unwrap(), Cause::Staff).unwrap()
    }

    #[test]
    fn finds_counters_that_drifted_and_ledgers_that_cannot_be() {
        let ledger = [
            movement(MovementKind::Received, 5, 1),
            movement(MovementKind::Reserved, 2, 1),
            movement(MovementKind::Sold, 2, 1),
        ];
        let key = (LocationId::v4([1; 16]), "A".parse::<Sku>().unwrap());
        let three = Counters { on_hand: 3, ..Counters::default() };
        let mut stored = BTreeMap::from([(key.clone(), three)]);
        assert_eq!(prove(&ledger, &stored), Ok(vec![]));
        let four = Counters { on_hand: 4, ..three };
        stored.insert(key.clone(), four);
        assert_eq!(prove(&ledger, &stored), Ok(vec![Drift { key, replayed: three, stored: four }]));
        stored.clear();
        assert_eq!(prove(&ledger, &stored).unwrap().len(), 1);
        let impossible = [movement(MovementKind::Sold, 1, 1)];
        assert_eq!(replay(&impossible).unwrap_err().place, 0);
    }

    proptest! {
        #[test]
        fn counters_kept_move_by_move_are_what_the_ledger_replays(moves in prop::collection::vec((0..MovementKind::ALL.len(), 1_u32..9, 1_u8..4), 0..120)) {
            let mut stored: BTreeMap<StockKey, Counters> = BTreeMap::new();
            let mut ledger = Vec::new();
            for (kind, pieces, location) in moves {
                let movement = movement(MovementKind::ALL[kind], pieces, location);
                let key = (movement.location(), movement.sku().clone());
                let counters = stored.get(&key).copied().unwrap_or_default();
                if let Ok(next) = counters.apply(&movement) {
                    prop_assert!(0 <= next.reserved && next.reserved <= next.on_hand);
                    prop_assert!(0 <= next.incoming && 0 <= next.backordered);
                    stored.insert(key, next);
                    ledger.push(movement);
                }
            }
            prop_assert_eq!(prove(&ledger, &stored), Ok(vec![]));
        }
    }
}

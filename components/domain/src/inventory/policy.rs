//! What may be sold beyond what is there, how much one order may take, and what shoppers are told.

use serde::{Deserialize, Serialize};

use super::{Location, SkuStock};
use crate::Timestamp;
use crate::reservation::Level;

/// Whether pieces are promised that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum BackorderPolicy {
    /// Never.
    #[default]
    Deny,
    /// Until so many are promised over all locations.
    Allow {
        /// Most pieces promised at any time.
        pieces_max: u32,
    },
    /// Before it comes out, until so many are promised; on that day and later as [`Self::Deny`].
    PreOrder {
        /// When it comes out; nothing promised ships before.
        until: Timestamp,
        /// Most pieces promised at any time.
        pieces_max: u32,
    },
}

impl BackorderPolicy {
    /// Returns how many more may be promised when so many are promised already.
    #[must_use]
    pub fn left(self, promised: i64, now: Timestamp) -> u32 {
        let pieces_max = match self {
            Self::Allow { pieces_max } => pieces_max,
            Self::PreOrder { until, pieces_max } if now < until => pieces_max,
            Self::Deny | Self::PreOrder { .. } => 0,
        };
        u32::try_from(i64::from(pieces_max).saturating_sub(promised.max(0))).unwrap_or(0)
    }

    /// Returns when a promise is kept that stock alone would keep at `covered_at`.
    pub(super) fn kept_at(self, covered_at: Option<Timestamp>) -> Option<Timestamp> {
        match self {
            Self::PreOrder { until, .. } => Some(covered_at.map_or(until, |at| at.max(until))),
            Self::Deny | Self::Allow { .. } => covered_at,
        }
    }
}

/// Rules of one SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SkuPolicy {
    /// Selling what is not there. Default: never.
    #[serde(default)]
    pub backorder: BackorderPolicy,
    /// Most pieces in one order, over all its lines. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_order_max: Option<u32>,
}

/// How a SKU can be bought now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Sale {
    /// From stock.
    FromStock,
    /// Promised; ships once it has come in.
    Backorder {
        /// By when the next piece can be promised, if that is known. Never a day that has passed: a delivery that is late
        /// comes at no known day.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected_at: Option<Timestamp>,
    },
    /// Promised before it comes out.
    PreOrder {
        /// By when the next piece can be promised.
        expected_at: Timestamp,
    },
    /// Not at all.
    SoldOut,
}

/// What shoppers are told about a SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Availability {
    /// How much is left, without the count.
    pub level: Level,
    /// How it can be bought.
    pub sale: Sale,
}

/// Tells what shoppers may know: the level of all active locations together, and how the SKU can be bought.
#[must_use]
pub fn availability(stock: &SkuStock, locations: &[Location], now: Timestamp) -> Availability {
    let here = || {
        let active = locations.iter().filter(|location| location.is_active);
        active.filter_map(|location| stock.at.get(&location.id))
    };
    let available = here().fold(0_i64, |sum, stock| sum.saturating_add(stock.available()));
    let left = stock.policy.backorder.left(stock.backordered(), now);
    let covered_at = here().filter_map(|stock| stock.expected_for(1)).min();
    let covered_at = covered_at.filter(|&at| now < at);
    let kept_at = stock.policy.backorder.kept_at(covered_at);
    let sale = match (available, left, stock.policy.backorder) {
        (1.., _, _) => Sale::FromStock,
        (_, 1.., BackorderPolicy::Allow { .. }) => Sale::Backorder { expected_at: kept_at },
        (_, 1.., BackorderPolicy::PreOrder { until, .. }) => {
            Sale::PreOrder { expected_at: kept_at.unwrap_or(until) }
        }
        _ => Sale::SoldOut,
    };
    Availability { level: Level::of(available), sale }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LocationId;
    use crate::inventory::{Counters, Expected, LocationStock};

    const fn day(day: i64) -> Timestamp {
        Timestamp::from_unix_ms(day.saturating_mul(86_400_000))
    }

    #[test]
    fn promises_end_at_their_limit_and_pre_orders_at_their_date() {
        let allow = BackorderPolicy::Allow { pieces_max: 5 };
        let pre_order = BackorderPolicy::PreOrder { until: day(10), pieces_max: 5 };
        for (policy, promised, now, left) in [
            (BackorderPolicy::Deny, 0, day(1), 0),
            (allow, 0, day(1), 5),
            (allow, 4, day(99), 1),
            (allow, 5, day(1), 0),
            (allow, 9, day(1), 0),
            (pre_order, 2, day(9), 3),
            (pre_order, 2, day(10), 0),
        ] {
            assert_eq!(policy.left(promised, now), left, "{policy:?} {promised}");
        }
    }

    #[test]
    fn shoppers_read_the_level_of_all_active_locations_and_how_to_buy() {
        let location = |seed: u8, is_active| Location {
            id: LocationId::v4([seed; 16]),
            name: String::new(),
            priority: 0,
            country: "DE".parse().unwrap(),
            serves: [].into(),
            is_active,
        };
        let locations = [location(1, true), location(2, true), location(3, false)];
        let at = |on_hand: i64| LocationStock {
            counters: Counters { on_hand, ..Counters::default() },
            expected: vec![Expected { at: day(3), pieces: 9.try_into().unwrap() }],
            safety: 1,
        };
        let allow = BackorderPolicy::Allow { pieces_max: 1 };
        let early = BackorderPolicy::PreOrder { until: day(5), pieces_max: 1 };
        let soon = Sale::Backorder { expected_at: Some(day(3)) };
        for (counts, backorder, level, sale) in [
            ([4, 5, 0], BackorderPolicy::Deny, Level::InStock, Sale::FromStock),
            ([3, 4, 99], BackorderPolicy::Deny, Level::Low, Sale::FromStock),
            ([1, 1, 99], BackorderPolicy::Deny, Level::OutOfStock, Sale::SoldOut),
            ([1, 1, 99], allow, Level::OutOfStock, soon),
            ([1, 1, 99], early, Level::OutOfStock, Sale::PreOrder { expected_at: day(5) }),
        ] {
            let stock = SkuStock {
                policy: SkuPolicy { backorder, per_order_max: None },
                at: locations.iter().map(|place| place.id).zip(counts.map(at)).collect(),
            };
            let expected = Availability { level, sale };
            assert_eq!(availability(&stock, &locations, day(1)), expected, "{counts:?}");
        }
    }

    #[test]
    fn a_delivery_that_is_late_dates_no_promise() {
        let delivery = Expected { at: day(3), pieces: 9.try_into().unwrap() };
        let here = LocationStock { expected: vec![delivery], ..LocationStock::default() };
        let place = Location {
            id: LocationId::v4([1; 16]),
            name: String::new(),
            priority: 0,
            country: "DE".parse().unwrap(),
            serves: [].into(),
            is_active: true,
        };
        let backorder = BackorderPolicy::Allow { pieces_max: 1 };
        let stock = SkuStock {
            policy: SkuPolicy { backorder, per_order_max: None },
            at: [(place.id, here)].into(),
        };
        for (now, expected_at) in [(day(2), Some(day(3))), (day(3), None), (day(4), None)] {
            let told = availability(&stock, std::slice::from_ref(&place), now);
            assert_eq!(told.sale, Sale::Backorder { expected_at }, "{now}");
        }
    }
}

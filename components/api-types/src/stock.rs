//! Stock as the staff and the merchant's programs see it, under `/admin/v1`: locations, counters, movements, deliveries
//! from suppliers and transfers.

use std::collections::BTreeSet;

use domain::inventory::{
    BackorderPolicy, Expected, MovementKind, MovementReason, Receipt, Sale, TransferLine,
    TransferStatus, TransferStep,
};
use domain::reservation::Level;
use domain::{Country, LocationId, OrderId, Sku, SupplyId, Timestamp, TransferId};
use serde::{Deserialize, Deserializer, Serialize};

/// A place where stock lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Its name to us.
    pub id: LocationId,
    /// Its name to people.
    pub name: String,
    /// Which is asked first: the lowest number.
    pub priority: u32,
    /// Where it stands; `ZZ`: nobody has said.
    pub country: Country,
    /// Countries it ships to; empty: all.
    pub serves: BTreeSet<Country>,
    /// Whether it takes part in giving out stock.
    pub active: bool,
    /// Whether it is the main location, which every shop has.
    pub main: bool,
    /// How often it was written; also the `ETag`.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Answer of `GET /admin/v1/locations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locations {
    /// Every location, the main one first.
    pub items: Vec<Location>,
}

/// Body of `POST /admin/v1/locations`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewLocation {
    /// What people call it: 1 to 100 bytes.
    #[serde(default)]
    pub name: String,
    /// Where it stands.
    #[serde(default)]
    pub country: String,
    /// Countries it ships to; empty or absent: all.
    #[serde(default)]
    pub serves: Vec<String>,
    /// Which is asked first: the lowest number. 0 unless said otherwise.
    #[serde(default)]
    pub priority: u32,
    /// Whether it takes part; unless said otherwise it does.
    #[serde(default)]
    pub active: Option<bool>,
}

/// Body of `PATCH /admin/v1/locations/{id}`; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocationChange {
    /// What people call it.
    #[serde(default)]
    pub name: Option<String>,
    /// Where it stands.
    #[serde(default)]
    pub country: Option<String>,
    /// Countries it ships to.
    #[serde(default)]
    pub serves: Option<Vec<String>>,
    /// Which is asked first.
    #[serde(default)]
    pub priority: Option<u32>,
    /// Whether it takes part.
    #[serde(default)]
    pub active: Option<bool>,
}

/// Answer of `GET /admin/v1/stock-strategy` and body of `PUT`: whom an order is given stock by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockStrategy {
    /// `main_first`, `priority`, `nearest`, `most_stock` or `fewest_parcels`.
    #[serde(default)]
    pub strategy: String,
}

/// One SKU at one location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockHere {
    /// Where.
    pub location_id: LocationId,
    /// Pieces in the house, held ones included.
    pub on_hand: i64,
    /// Pieces held for checkouts.
    pub reserved: i64,
    /// Pieces ordered from a supplier or under way from another location.
    pub incoming: i64,
    /// Pieces promised that are not there yet.
    pub backordered: i64,
    /// Pieces that are never sold.
    pub safety: i64,
    /// Pieces that may be sold now.
    pub available: i64,
    /// Dated deliveries that are awaited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected: Vec<Expected>,
}

/// One SKU wherever it lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockItem {
    /// What.
    pub sku: Sku,
    /// What shoppers read.
    pub level: Level,
    /// How it can be bought.
    pub sale: Sale,
    /// Selling what is not there.
    pub backorder: BackorderPolicy,
    /// Most pieces in one order.
    pub per_order_max: Option<u32>,
    /// Where it lies.
    pub locations: Vec<StockHere>,
}

/// Answer of `GET /admin/v1/stock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockList {
    /// SKUs by name.
    pub items: Vec<StockItem>,
    /// Where the next page begins; absent on the last one.
    pub next_after: Option<Sku>,
}

/// Body of `PATCH /admin/v1/stock/{sku}`; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockRules {
    /// Selling what is not there: `{"kind": "deny"}`, `{"kind": "allow", "pieces_max": 20}` or
    /// `{"kind": "pre_order", "pieces_max": 20, "until": "…"}`.
    #[serde(default)]
    pub backorder: Option<BackorderPolicy>,
    /// Most pieces in one order; `null` takes the limit away.
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub per_order_max: Option<Option<u32>>,
    /// Pieces that are never sold, by location.
    #[serde(default)]
    pub safety: Vec<SafetyStock>,
}

/// Reads a member that is there, also where it is `null`.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Pieces that a location never sells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafetyStock {
    /// Where.
    pub location_id: LocationId,
    /// How many.
    pub pieces: u32,
}

/// Body of `POST /admin/v1/stock/{sku}/adjustments`: a movement, or what was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockAdjustment {
    /// Where; the main location unless said otherwise.
    #[serde(default)]
    pub location_id: Option<LocationId>,
    /// `received`, `adjusted_up`, `adjusted_down` or `written_off`.
    #[serde(default)]
    pub kind: String,
    /// How many: 1 to 1 000 000.
    #[serde(default)]
    pub pieces: u32,
    /// Why, for adjustments and what is written off: `count`, `correction`, `damaged`, `past_date`, `lost`, `sample` or
    /// `stolen`.
    #[serde(default)]
    pub reason: Option<String>,
    /// Instead of the three: how many there are, held ones included.
    #[serde(default)]
    pub counted: Option<u32>,
}

/// Counters after a movement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockCounters {
    /// What.
    pub sku: Sku,
    /// Where.
    pub location_id: LocationId,
    /// Pieces in the house, held ones included.
    pub on_hand: i64,
    /// Pieces held for checkouts.
    pub reserved: i64,
    /// Pieces ordered or under way.
    pub incoming: i64,
    /// Pieces promised that are not there yet.
    pub backordered: i64,
}

/// A movement of the stock ledger: what it added to each counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockMovement {
    /// Its place in the ledger.
    pub id: i64,
    /// Where.
    pub location_id: LocationId,
    /// What happened.
    pub kind: MovementKind,
    /// Change of pieces on hand.
    pub on_hand: i64,
    /// Change of pieces held.
    pub reserved: i64,
    /// Change of pieces incoming.
    pub incoming: i64,
    /// Change of pieces promised.
    pub backordered: i64,
    /// Why, for the kinds that say it.
    pub reason: Option<MovementReason>,
    /// Of which order.
    pub order_id: Option<OrderId>,
    /// Of which transfer.
    pub transfer_id: Option<TransferId>,
    /// Who of the staff: `account …` or `key …`.
    pub actor: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Answer of `GET /admin/v1/stock/{sku}/movements`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockMovements {
    /// Movements, newest first.
    pub items: Vec<StockMovement>,
    /// Where the next page begins; absent on the last one.
    pub next_before: Option<i64>,
}

/// A delivery that was ordered from a supplier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supply {
    /// Its name.
    pub id: SupplyId,
    /// What.
    pub sku: Sku,
    /// Where it goes.
    pub location_id: LocationId,
    /// How many were ordered.
    pub pieces: u32,
    /// How many came.
    pub arrived: u32,
    /// How many will not come.
    pub cancelled: u32,
    /// How many are awaited.
    pub open: u32,
    /// When it is expected, if that is known.
    pub expected_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Answer of `GET /admin/v1/supplies`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supplies {
    /// Deliveries, newest first.
    pub items: Vec<Supply>,
    /// Where the next page begins; absent on the last one.
    pub next_before: Option<SupplyId>,
}

/// Body of `POST /admin/v1/supplies`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSupply {
    /// What.
    #[serde(default)]
    pub sku: String,
    /// Where it goes; the main location unless said otherwise.
    #[serde(default)]
    pub location_id: Option<LocationId>,
    /// How many: 1 to 1 000 000.
    #[serde(default)]
    pub pieces: u32,
    /// When, if that is known.
    #[serde(default)]
    pub expected_at: Option<Timestamp>,
}

/// Body of `POST /admin/v1/supplies/{id}/steps`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupplyStep {
    /// `arrive`, `cancel` or `redate`.
    #[serde(default)]
    pub step: String,
    /// How many arrive, or will not come; `cancel` without it means all that are awaited.
    #[serde(default)]
    pub pieces: Option<u32>,
    /// For `redate`: when it is expected now; absent: nobody knows.
    #[serde(default)]
    pub expected_at: Option<Timestamp>,
}

/// Stock on its way from one location to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Its name.
    pub id: TransferId,
    /// Where it comes from.
    pub from_id: LocationId,
    /// Where it goes.
    pub to_id: LocationId,
    /// Where it stands.
    pub status: TransferStatus,
    /// What it carries.
    pub lines: Vec<TransferLine>,
    /// Steps that may be taken now.
    pub next_steps: Vec<TransferStep>,
    /// How often it was written; also the `ETag`.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Answer of `GET /admin/v1/transfers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfers {
    /// Transfers, newest first.
    pub items: Vec<Transfer>,
    /// Where the next page begins; absent on the last one.
    pub next_before: Option<TransferId>,
}

/// Body of `POST /admin/v1/transfers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTransfer {
    /// Where it comes from.
    pub from_id: LocationId,
    /// Where it goes.
    pub to_id: LocationId,
    /// What it shall carry: 1 to 500 lines of different SKUs.
    #[serde(default)]
    pub lines: Vec<Receipt>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_null_is_not_a_limit_that_is_absent() {
        for (text, said) in [
            ("{}", None),
            (r#"{"per_order_max":null}"#, Some(None)),
            (r#"{"per_order_max":2}"#, Some(Some(2))),
        ] {
            let rules: StockRules = serde_json::from_str(text).unwrap();
            assert_eq!(rules.per_order_max, said, "{text}");
        }
    }
}

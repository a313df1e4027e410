//! Exact stock on the wire.

use domain::Sku;
use domain::inventory::Sale;
use domain::reservation::Level;
use serde::{Deserialize, Serialize};

/// Answer of `GET /v1/inventory/{sku}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// What.
    pub sku: Sku,
    /// Pieces that may be bought now: in the house, not held, and above the safety stock.
    pub available: i64,
    /// How much is left, as the catalogue says it.
    pub level: Level,
    /// How it can be bought: from stock, promised with or without a date, before it comes out, or not at all.
    pub sale: Sale,
    /// Most pieces in one order, where there is a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_order_max: Option<u32>,
}

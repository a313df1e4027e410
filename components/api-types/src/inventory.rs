//! Exact stock on the wire.

use domain::Sku;
use serde::{Deserialize, Serialize};

/// Answer of `GET /v1/inventory/{sku}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// What.
    pub sku: Sku,
    /// Pieces that may be bought now: in the house and not held.
    pub available: i64,
}

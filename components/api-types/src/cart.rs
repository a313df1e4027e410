//! Carts on the wire.

use domain::cart::CartStatus;
use domain::{CartId, Currency, Handle, LineId, Money, Sku};
use serde::{Deserialize, Serialize};

/// Body of `POST /v1/carts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCart {
    /// ISO 4217 code; the shop's default currency when absent.
    #[serde(default)]
    pub currency: Option<String>,
}

/// Body of `POST /v1/carts/{id}/lines`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewLine {
    /// What to add. A SKU that is in the cart already gets more pieces.
    #[serde(default)]
    pub sku: String,
    /// Pieces, 1 to 99; 1 when absent.
    #[serde(default = "one")]
    pub quantity: i64,
}

/// Body of `PATCH /v1/carts/{id}/lines/{line_id}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineChange {
    /// Pieces from now on, 1 to 99.
    pub quantity: i64,
}

const fn one() -> i64 {
    1
}

/// One line of a cart or an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Name of the line within its cart or order.
    pub id: LineId,
    /// What.
    pub sku: Sku,
    /// Name of the product in URLs.
    pub handle: Handle,
    /// Title of the product.
    pub title: String,
    /// Title of the variant.
    pub variant_title: String,
    /// Picture of the variant.
    pub image_url: String,
    /// Pieces.
    pub quantity: u32,
    /// Price of one piece.
    pub unit_price: Money,
    /// Price of all pieces.
    pub line_total: Money,
}

/// What a cart or an order costs. Prices contain their tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Currency of all amounts.
    pub currency: Currency,
    /// The lines together.
    pub subtotal: Money,
    /// Shipping.
    pub shipping: Money,
    /// Tax contained in `total`.
    pub tax: Money,
    /// What is paid.
    pub total: Money,
}

impl From<domain::cart::Totals> for Totals {
    fn from(totals: domain::cart::Totals) -> Self {
        let domain::cart::Totals { subtotal, shipping, tax, total } = totals;
        Self { currency: total.currency, subtotal, shipping, tax, total }
    }
}

/// A cart. Whoever knows its id may change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cart {
    /// Unguessable name.
    pub id: CartId,
    /// Raised by every change; also the ETag.
    pub version: i64,
    /// Whether it may still be changed.
    pub status: CartStatus,
    /// Currency of its prices.
    pub currency: Currency,
    /// What is in it, oldest first.
    pub lines: Vec<Line>,
    /// What it costs now.
    pub totals: Totals,
}

//! Carts on the wire.

use domain::cart::CartStatus;
use domain::cart::merge::{MergeNote, MergeRule};
use domain::inventory::Promise;
use domain::pricing::{Code, Destination, PriceChange, Quote};
use domain::{CartId, Currency, GiftCardId, Handle, LineId, Money, Sku};
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
    /// Pieces of it that are not there yet: in a cart as they would be promised now, in an order as they were promised to
    /// its shopper. Absent where all are there, and where they cannot be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promise: Option<Promise>,
}

/// What a line is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinePromise {
    /// Which line.
    pub line: LineId,
    /// What.
    #[serde(flatten)]
    pub promise: Promise,
}

/// Returns what lines are promised; those of which everything is there are not among them.
#[must_use]
pub fn promises_of(lines: &[Line]) -> Vec<LinePromise> {
    lines
        .iter()
        .filter_map(|line| Some(LinePromise { line: line.id, promise: line.promise? }))
        .collect()
}

/// What a cart or an order costs.
///
/// `total = subtotal + shipping − discount`, less the tax that an exempt buyer does not pay, plus `tax` where prices do not
/// contain it; `due = total − gift_cards`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredTotals")]
pub struct Totals {
    /// Currency of all amounts.
    pub currency: Currency,
    /// The lines together, before discounts.
    pub subtotal: Money,
    /// Shipping, before discounts.
    pub shipping: Money,
    /// What promotions take off lines and shipping.
    pub discount: Money,
    /// Tax contained in `total`.
    pub tax: Money,
    /// What it costs.
    pub total: Money,
    /// What gift cards pay of it.
    pub gift_cards: Money,
    /// What is left to pay.
    pub due: Money,
}

/// Totals as an answer of an earlier program may have kept them: without discounts and gift cards.
#[derive(Deserialize)]
struct StoredTotals {
    currency: Currency,
    subtotal: Money,
    shipping: Money,
    #[serde(default)]
    discount: Option<Money>,
    tax: Money,
    total: Money,
    #[serde(default)]
    gift_cards: Option<Money>,
    #[serde(default)]
    due: Option<Money>,
}

impl From<StoredTotals> for Totals {
    fn from(stored: StoredTotals) -> Self {
        let StoredTotals { currency, subtotal, shipping, tax, total, .. } = stored;
        let zero = Money::zero(currency);
        Self {
            currency,
            subtotal,
            shipping,
            discount: stored.discount.unwrap_or(zero),
            tax,
            total,
            gift_cards: stored.gift_cards.unwrap_or(zero),
            due: stored.due.unwrap_or(total),
        }
    }
}

impl From<domain::cart::Totals> for Totals {
    fn from(totals: domain::cart::Totals) -> Self {
        let domain::cart::Totals { subtotal, shipping, tax, total } = totals;
        let zero = Money::zero(total.currency);
        Self {
            currency: total.currency,
            subtotal,
            shipping,
            discount: zero,
            tax,
            total,
            gift_cards: zero,
            due: total,
        }
    }
}

impl From<&domain::pricing::QuoteTotals> for Totals {
    fn from(totals: &domain::pricing::QuoteTotals) -> Self {
        Self {
            currency: totals.total.currency,
            subtotal: totals.subtotal,
            shipping: totals.shipping,
            discount: totals.discounts,
            tax: totals.tax,
            total: totals.total,
            gift_cards: totals.gift_cards,
            due: totals.due,
        }
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
    /// Where it shall go, if the shopper has said.
    #[serde(default)]
    pub destination: Option<Destination>,
    /// The shipping method that the shopper has chosen.
    #[serde(default)]
    pub shipping_method: Option<Handle>,
    /// Codes that the shopper entered; which of them take something off, `quote` says.
    #[serde(default)]
    pub codes: Vec<Code>,
    /// Gift cards that the shopper entered.
    #[serde(default)]
    pub gift_cards: Vec<CartGiftCard>,
    /// Lines that cost something else than when the shopper was told last. A checkout is refused once for them.
    #[serde(default)]
    pub price_changes: Vec<PriceChange>,
    /// Everything that led to the totals; absent where the shop has no promotions, methods or zones and the cart neither
    /// codes nor gift cards.
    #[serde(default)]
    pub quote: Option<Box<Quote>>,
}

/// A gift card that was entered for a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartGiftCard {
    /// Which one.
    pub id: GiftCardId,
    /// The last four characters of its code.
    pub last4: String,
}

/// Body of `PUT /v1/carts/{id}/gift-cards`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftCardEntry {
    /// The gift card's code. Never kept.
    #[serde(default)]
    pub code: String,
}

impl core::fmt::Debug for GiftCardEntry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("GiftCardEntry(***)")
    }
}

/// Body of `PUT /v1/carts/{id}/destination`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationChoice {
    /// ISO 3166-1 alpha-2 code.
    #[serde(default)]
    pub country: String,
    /// Second half of an ISO 3166-2 code: `NY` of `US-NY`.
    #[serde(default)]
    pub region: Option<String>,
    /// Postal code.
    #[serde(default)]
    pub postal_code: Option<String>,
}

/// Body of `PUT /v1/carts/{id}/shipping-method`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodChoice {
    /// Name of the method, as the quote lists it.
    #[serde(default)]
    pub method: String,
}

/// Body of `POST /v1/carts/{id}/merge`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartMerge {
    /// Which cart goes on; the shop's rule when absent.
    #[serde(default)]
    pub rule: Option<MergeRule>,
}

/// Answer of `POST /v1/carts/{id}/merge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedCart {
    /// The account's cart from now on.
    pub cart: Cart,
    /// What did not fit.
    pub notes: Vec<MergeNote>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_of_an_earlier_program_are_all_due() {
        let text = r#"{"currency":"EUR","subtotal":{"minor":100,"currency":"EUR"},
            "shipping":{"minor":20,"currency":"EUR"},"tax":{"minor":19,"currency":"EUR"},
            "total":{"minor":120,"currency":"EUR"}}"#;
        let totals: Totals = serde_json::from_str(text).unwrap();
        let zero = Money::zero(Currency::Eur);
        assert_eq!((totals.discount, totals.gift_cards, totals.due), (zero, zero, totals.total));
        let again: Totals = serde_json::from_value(serde_json::to_value(totals).unwrap()).unwrap();
        assert_eq!(again, totals);
    }
}

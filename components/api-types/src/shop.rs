//! The shop's settings as the staff sees them, under `/admin/v1/shop`.

use std::collections::BTreeMap;

use domain::cart::merge::MergeRule;
use domain::numbers::{InvoiceRule, NumberRule};
use domain::{Country, Currency};
use serde::{Deserialize, Serialize};

/// Answer of `GET /admin/v1/shop`: what holds from the next request on, at every instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shop {
    /// Where the shop is: where carts go until the shopper has said. `DE` unless said otherwise.
    pub country: Country,
    /// What becomes of a guest's cart at sign-in.
    pub cart_merge_rule: MergeRule,
    /// What the shop sells in; comes with the catalogue.
    pub currencies: Vec<Currency>,
    /// The currency that every variant has a price in; comes with the catalogue.
    pub default_currency: Currency,
    /// Rate of the tax that prices contain, in hundredths of a percent; of a shop that has no tax policy.
    pub tax_basis_points: u32,
    /// What shipping costs in each currency; of a shop that has no shipping policy.
    pub shipping: BTreeMap<Currency, FlatShipping>,
    /// How orders are numbered from the next one on. What was given stays.
    pub order_numbers: NumberRule,
    /// How invoices are numbered, of orders that are accepted from now on. What was given stays.
    #[serde(default)]
    pub invoice_numbers: InvoiceRule,
    /// Raised by every change; 0 while nothing was said. Also the `ETag`.
    pub version: i64,
}

/// Flat shipping, waived from a subtotal on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlatShipping {
    /// What it costs below, in minor units.
    pub flat_minor: i64,
    /// Subtotal from which it costs nothing, in minor units.
    pub free_from_minor: i64,
}

/// Body of `PATCH /admin/v1/shop`; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShopChange {
    /// Where the shop is.
    pub country: Option<String>,
    /// `merge`, `keep_account`, `keep_guest` or `keep_guest_if_account_empty`.
    pub cart_merge_rule: Option<String>,
    /// Rate of the tax that prices contain: 0 to 10 000.
    pub tax_basis_points: Option<i64>,
    /// What shipping costs; currencies that are not named stay.
    pub shipping: Option<BTreeMap<String, FlatShipping>>,
    /// How orders are numbered.
    pub order_numbers: Option<NumbersChange>,
    /// How invoices are numbered.
    pub invoice_numbers: Option<InvoiceNumbersChange>,
}

/// How orders are numbered from now on; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NumbersChange {
    /// Before the digits: up to 12 of A-Z, 0-9, hyphen and slash, no digit last.
    pub prefix: Option<String>,
    /// Digits that a number is padded to: 0 to 12.
    pub digits: Option<i64>,
    /// Where numbers go on, unless they are beyond it.
    pub first: Option<i64>,
    /// Where they are drawn.
    pub drawing: Option<DrawingChange>,
}

/// Where numbers are drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DrawingChange {
    /// `gapless` or `blocks`.
    pub kind: String,
    /// Numbers per block: 1 to 1 000; of blocks only.
    pub size: Option<i64>,
}

/// How invoices are numbered from now on; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InvoiceNumbersChange {
    /// `order` or `own`.
    pub series: Option<String>,
    /// Before the digits: up to 12 of A-Z, 0-9, hyphen and slash, no digit last.
    pub prefix: Option<String>,
    /// Digits that a number is padded to: 0 to 12.
    pub digits: Option<i64>,
    /// Where numbers go on, unless they are beyond it.
    pub first: Option<i64>,
}

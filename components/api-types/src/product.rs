//! Products as the staff keeps them, under `/admin/v1/products`.

use std::collections::BTreeMap;

use domain::{Handle, Money, Sku, Timestamp};
use serde::{Deserialize, Serialize};

use crate::catalogue::{Image, ProductOption};

/// An amount as it is written, checked when it is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPrice {
    /// Minor units, 0 or more.
    #[serde(default)]
    pub minor: i64,
    /// One of the shop's currencies.
    #[serde(default)]
    pub currency: String,
}

/// Files of a variant that can be placed in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantModel {
    /// Name of the variant inside the web GLB; may be empty.
    #[serde(default)]
    pub material_variant: String,
    /// GLB for the page.
    #[serde(default)]
    pub web_glb_url: String,
    /// GLB without extensions.
    #[serde(default)]
    pub plain_glb_url: String,
    /// USDZ.
    #[serde(default)]
    pub usdz_url: String,
    /// Picture until the model is there.
    #[serde(default)]
    pub poster_url: String,
    /// Width, height, depth in millimetres.
    #[serde(default)]
    pub dimensions_mm: [i64; 3],
}

/// Body of `PUT /admin/v1/products/{handle}/variants/{sku}`, and a variant of a new product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewVariant {
    /// What is counted and sold. In the path of a `PUT`; there it may be left out here.
    #[serde(default)]
    pub sku: String,
    /// Title for people.
    #[serde(default)]
    pub title: String,
    /// Option name → chosen value.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Picture: a path of this shop, or an `https` URL.
    #[serde(default)]
    pub image_url: String,
    /// What it shows.
    #[serde(default)]
    pub image_alt: String,
    /// Files to place it in a room, if there are any.
    #[serde(default)]
    pub model: Option<VariantModel>,
    /// All its prices: one in the shop's default currency at least.
    #[serde(default)]
    pub prices: Vec<NewPrice>,
    /// Pieces to receive if the SKU is new.
    #[serde(default)]
    pub initial_stock: u32,
}

/// Body of `POST /admin/v1/products`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewProduct {
    /// Name in URLs; it never changes.
    #[serde(default)]
    pub handle: String,
    /// Title for people.
    #[serde(default)]
    pub title: String,
    /// One line below it.
    #[serde(default)]
    pub subtitle: String,
    /// Several sentences.
    #[serde(default)]
    pub description: String,
    /// Handle of its category.
    #[serde(default)]
    pub category: String,
    /// Words it is also found by, separated by spaces.
    #[serde(default)]
    pub search_words: String,
    /// Whether the home page shows it.
    #[serde(default)]
    pub featured: bool,
    /// Words it is sorted by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Pictures.
    #[serde(default)]
    pub images: Vec<Image>,
    /// What a shopper chooses.
    #[serde(default)]
    pub options: Vec<ProductOption>,
    /// Buyable forms, default first; one at least.
    #[serde(default)]
    pub variants: Vec<NewVariant>,
}

/// Body of `PATCH /admin/v1/products/{handle}`: what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductChange {
    /// Title for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// One line below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<String>,
    /// Several sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Handle of its category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Words it is also found by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_words: Option<String>,
    /// Whether the home page shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub featured: Option<bool>,
    /// Words it is sorted by, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Pictures, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<Image>>,
    /// What a shopper chooses, all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<ProductOption>>,
}

/// Body of `PUT /admin/v1/variants/{sku}/prices`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPrices {
    /// All prices of the variant.
    #[serde(default)]
    pub prices: Vec<NewPrice>,
}

/// A variant as the staff sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminVariant {
    /// What is counted and sold.
    pub sku: Sku,
    /// Title for people.
    pub title: String,
    /// Option name → chosen value.
    pub options: BTreeMap<String, String>,
    /// Picture.
    pub image_url: String,
    /// What it shows.
    pub image_alt: String,
    /// Files to place it in a room.
    pub model: Option<VariantModel>,
    /// Its prices, by currency.
    pub prices: Vec<Money>,
    /// Pieces in the house.
    pub on_hand: i64,
    /// Pieces held for orders.
    pub reserved: i64,
}

/// A product as the staff sees it. `ETag` is its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminProduct {
    /// Name in URLs.
    pub handle: Handle,
    /// Title for people.
    pub title: String,
    /// One line below it.
    pub subtitle: String,
    /// Several sentences.
    pub description: String,
    /// Handle of its category.
    pub category: Handle,
    /// Words it is also found by.
    pub search_words: String,
    /// Whether the home page shows it.
    pub featured: bool,
    /// Words it is sorted by.
    pub tags: Vec<String>,
    /// Pictures.
    pub images: Vec<Image>,
    /// What a shopper chooses.
    pub options: Vec<ProductOption>,
    /// Buyable forms, default first.
    pub variants: Vec<AdminVariant>,
    /// Grows with every change.
    pub version: i64,
    /// When it came into the shop.
    pub created_at: Timestamp,
    /// Since when it is not sold any more.
    pub archived_at: Option<Timestamp>,
}

/// A product in a list of the staff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminProductSummary {
    /// Name in URLs.
    pub handle: Handle,
    /// Title for people.
    pub title: String,
    /// Handle of its category.
    pub category: Handle,
    /// Whether the home page shows it.
    pub featured: bool,
    /// How many variants it has.
    pub variants: u32,
    /// Grows with every change.
    pub version: i64,
    /// Since when it is not sold any more.
    pub archived_at: Option<Timestamp>,
}

/// Answer of `GET /admin/v1/products`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminProducts {
    /// By handle.
    pub items: Vec<AdminProductSummary>,
    /// Give it back as `after` for the next page; absent on the last one.
    pub next_after: Option<Handle>,
}

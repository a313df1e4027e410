//! What shoppers read: categories, products, variants, and whether there is any left.

use std::collections::BTreeMap;

use domain::{Handle, Money, Sku, Timestamp};
use serde::{Deserialize, Serialize};

/// One page of a list. `next_cursor` is absent on the last page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items, in the order asked for.
    pub items: Vec<T>,
    /// Opaque; hand it back as `cursor` with the same other parameters.
    pub next_cursor: Option<String>,
}

/// A product as lists show it: with its default variant's SKU, and the lowest price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductSummary {
    /// SKU of the default variant.
    pub sku: Sku,
    /// Name in URLs.
    pub handle: Handle,
    /// Title for people.
    pub title: String,
    /// One line below the title.
    pub subtitle: String,
    /// Handle of its category.
    pub category: Handle,
    /// Lowest price among its variants, in the currency asked for.
    pub price: Money,
    /// Picture of the default variant.
    pub image_url: String,
    /// What the picture shows.
    pub image_alt: String,
    /// Whether it can be placed in a room.
    pub has_ar: bool,
    /// Whether any variant can be bought; may be seconds old.
    pub available: bool,
    /// How the best of its variants can be bought: one on the shelf before one that is promised.
    pub availability: Availability,
}

/// A picture and what it shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Content-addressed path on this host.
    pub url: String,
    /// What it shows, for who does not see it.
    pub alt: String,
}

/// One choice a shopper makes, for instance the material.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductOption {
    /// Name of the choice.
    pub name: String,
    /// What there is to choose from.
    pub values: Vec<String>,
}

/// Whether and how it can be bought, without the exact count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// More than a few are on the shelf.
    InStock,
    /// Few are.
    Low,
    /// None is; promised before it comes out.
    Preorder,
    /// None is; promised, and shipped once it has come in.
    Backorder,
    /// Not at all.
    OutOfStock,
}

/// One buyable form of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// What goes into the cart.
    pub sku: Sku,
    /// Title for people, for instance `Oak`.
    pub title: String,
    /// Option name → chosen value.
    pub options: BTreeMap<String, String>,
    /// Price in the currency asked for.
    pub price: Money,
    /// Whether and how it can be bought; may be seconds old.
    pub availability: Availability,
    /// From when on what is promised ships, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ships_at: Option<Timestamp>,
    /// Picture.
    pub image_url: String,
    /// What the picture shows.
    pub image_alt: String,
    /// Whether it can be placed in a room.
    pub has_ar: bool,
}

/// The product's 3D model for the page, with every material variant inside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Content-addressed GLB with `KHR_materials_variants`.
    pub web_glb_url: String,
    /// Width, height, depth in metres.
    pub dimensions_m: [f64; 3],
    /// Triangles drawn.
    pub triangles: u32,
    /// Size of the file.
    pub bytes: u64,
}

/// Where a variant's AR manifest is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArReference {
    /// `/v1/ar/{sku}` of the default variant.
    pub manifest_url: String,
    /// SKU → its own manifest.
    pub manifests: BTreeMap<String, String>,
}

/// A product with everything its page shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Product {
    /// SKU of the default variant.
    pub sku: Sku,
    /// Name in URLs.
    pub handle: Handle,
    /// Title for people.
    pub title: String,
    /// One line below the title.
    pub subtitle: String,
    /// Several sentences.
    pub description: String,
    /// Handle of its category.
    pub category: Handle,
    /// Words it is also found by.
    pub tags: Vec<String>,
    /// Lowest price among its variants, in the currency asked for.
    pub price: Money,
    /// Pictures, best first.
    pub images: Vec<Image>,
    /// What there is to choose.
    pub options: Vec<ProductOption>,
    /// Buyable forms, default first.
    pub variants: Vec<Variant>,
    /// The model for the page, where there is one.
    pub model: Option<Model>,
    /// The way to AR, where there is one.
    pub ar: Option<ArReference>,
}

/// A category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// Name in URLs.
    pub handle: Handle,
    /// Title for people.
    pub title: String,
    /// One or two sentences.
    pub description: String,
    /// Picture.
    pub image_url: String,
    /// How many products it holds.
    pub product_count: u32,
}

//! The catalogue: as written by hand in `assets/seed`, and as `vitrine-origin seed` reads it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;
use serde::Serialize;

/// `assets/seed/catalogue.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    /// The shop's categories.
    pub category: Vec<SeedCategory>,
    /// The shop's products.
    pub product: Vec<SeedProduct>,
}

/// A category as written by hand.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedCategory {
    /// In addresses.
    pub handle: String,
    /// For shoppers.
    pub title: String,
    /// For shoppers.
    pub description: String,
    /// The product whose picture stands for the category.
    pub picture_of: String,
}

/// A product as written by hand.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedProduct {
    /// In addresses; the design in `products` with this name makes the model.
    pub handle: String,
    /// For shoppers.
    pub title: String,
    /// One line.
    pub subtitle: String,
    /// A paragraph or two.
    pub description: String,
    /// The category's handle.
    pub category: String,
    /// For search.
    pub tags: Vec<String>,
    /// What it is made of and how to care for it.
    pub materials: String,
    /// Shown on the home page.
    #[serde(default)]
    pub featured: bool,
    /// RFC 3339.
    pub created_at: String,
    /// What the variants differ in.
    pub option: String,
    /// The variants.
    pub variant: Vec<SeedVariant>,
}

/// A variant as written by hand.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedVariant {
    /// The option's value; the model's look with this name is used.
    pub name: String,
    /// Upper case letters, digits, hyphens.
    pub sku: String,
    /// Cents.
    pub eur: i64,
    /// Cents.
    pub usd: i64,
    /// Yen.
    pub jpy: i64,
    /// Pieces.
    pub stock: u32,
}

impl Seed {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is not there or not in order.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("read catalogue {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("parse catalogue {}", path.display()))
    }
}

/// `catalogue.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Catalogue {
    /// ISO 4217.
    pub currencies: Vec<String>,
    /// The wide picture of the home page.
    pub hero_image_url: Option<String>,
    /// In order of position.
    pub categories: Vec<Category>,
    /// In the seed's order.
    pub products: Vec<Product>,
}

/// A category for the origin.
#[derive(Clone, Debug, Serialize)]
pub struct Category {
    /// In addresses.
    pub handle: String,
    /// For shoppers.
    pub title: String,
    /// For shoppers.
    pub description: String,
    /// From 1.
    pub position: usize,
    /// A square picture.
    pub image_url: Option<String>,
}

/// A product for the origin.
#[derive(Clone, Debug, Serialize)]
pub struct Product {
    /// In addresses.
    pub handle: String,
    /// For shoppers.
    pub title: String,
    /// One line.
    pub subtitle: String,
    /// Paragraphs.
    pub description: String,
    /// The category's handle.
    pub category: String,
    /// For search.
    pub tags: Vec<String>,
    /// What it is made of.
    pub materials: String,
    /// Shown on the home page.
    pub featured: bool,
    /// RFC 3339.
    pub created_at: String,
    /// One option here.
    pub options: Vec<ProductOption>,
    /// First is the main one.
    pub images: Vec<Image>,
    /// The model with all variants.
    pub model: ModelEntry,
    /// What can be bought.
    pub variants: Vec<Variant>,
}

/// What variants differ in.
#[derive(Clone, Debug, Serialize)]
pub struct ProductOption {
    /// For shoppers.
    pub name: String,
    /// For shoppers.
    pub values: Vec<String>,
}

/// A picture with its description.
#[derive(Clone, Debug, Serialize)]
pub struct Image {
    /// `/m/…`.
    pub url: String,
    /// For those who cannot see it.
    pub alt: String,
}

/// The model of a product.
#[derive(Clone, Debug, Serialize)]
pub struct ModelEntry {
    /// With `KHR_materials_variants`.
    pub web_glb_url: String,
    /// In all.
    pub triangles: usize,
    /// Of the web GLB.
    pub bytes: usize,
    /// Width, height, depth.
    pub dimensions_mm: [u32; 3],
}

/// A variant for the origin.
#[derive(Clone, Debug, Serialize)]
pub struct Variant {
    /// The stock keeping unit.
    pub sku: String,
    /// The option's value.
    pub title: String,
    /// Option name to value.
    pub options: BTreeMap<String, String>,
    /// One per currency.
    pub prices: Vec<Price>,
    /// Pieces.
    pub stock: u32,
    /// The variant's own picture.
    pub image_url: String,
    /// For those who cannot see it.
    pub image_alt: String,
    /// Files for AR.
    pub ar: ArEntry,
}

/// An amount of money.
#[derive(Clone, Debug, Serialize)]
pub struct Price {
    /// ISO 4217.
    pub currency: String,
    /// In the currency's smallest unit.
    pub minor: i64,
}

/// A variant's files for AR.
#[derive(Clone, Debug, Serialize)]
pub struct ArEntry {
    /// Its name in the web GLB.
    pub material_variant: String,
    /// With `KHR_materials_variants`.
    pub web_glb_url: String,
    /// This variant alone, without extensions.
    pub plain_glb_url: String,
    /// This variant alone, for Quick Look.
    pub usdz_url: String,
    /// Shown while the model loads.
    pub poster_url: String,
    /// Width, height, depth.
    pub dimensions_mm: [u32; 3],
    /// In all.
    pub triangles: usize,
    /// Of the plain GLB.
    pub bytes_glb: usize,
    /// Of the USDZ.
    pub bytes_usdz: usize,
}

//! Reads a catalogue file: `catalogue.json`, as the demo shop's generator writes it.

use std::collections::BTreeMap;

use api_types::catalogue::{Image, Model, ProductOption};
use domain::pricing::TaxClass;
use domain::{Currency, Money, Timestamp};
use serde::Deserialize;
use store::{Catalogue, CategoryRow, ProductRow, ProductTraits, VariantRow};

use crate::Error;

#[derive(Deserialize)]
struct File {
    currencies: Vec<Currency>,
    #[serde(default)]
    default_currency: Option<Currency>,
    #[serde(default)]
    hero_image_url: Option<String>,
    categories: Vec<Category>,
    products: Vec<Product>,
}

#[derive(Deserialize)]
struct Category {
    handle: domain::Handle,
    title: String,
    description: String,
    position: i64,
    #[serde(default)]
    image_url: Option<String>,
    /// The category it lies below.
    #[serde(default)]
    parent: Option<domain::Handle>,
}

#[derive(Deserialize)]
struct Product {
    handle: domain::Handle,
    title: String,
    subtitle: String,
    description: String,
    category: domain::Handle,
    #[serde(default)]
    tags: Vec<String>,
    /// What it is made of: goes below the description.
    #[serde(default)]
    materials: String,
    #[serde(default)]
    featured: bool,
    created_at: Timestamp,
    #[serde(default)]
    options: Vec<ProductOption>,
    #[serde(default)]
    images: Vec<Image>,
    #[serde(default)]
    model: Option<ModelFile>,
    #[serde(default)]
    tax_class: Option<TaxClass>,
    #[serde(default)]
    shippable: Option<bool>,
    #[serde(default)]
    discountable: Option<bool>,
    variants: Vec<Variant>,
}

#[derive(Deserialize)]
struct ModelFile {
    web_glb_url: String,
    triangles: u32,
    bytes: u64,
    dimensions_mm: [i64; 3],
}

#[derive(Deserialize)]
struct Variant {
    sku: domain::Sku,
    title: String,
    #[serde(default)]
    options: BTreeMap<String, String>,
    prices: Vec<Price>,
    stock: u32,
    image_url: String,
    #[serde(default)]
    image_alt: String,
    #[serde(default)]
    ar: Option<Ar>,
    #[serde(default)]
    grams: Option<u32>,
}

#[derive(Deserialize)]
struct Price {
    currency: Currency,
    minor: u32,
}

#[derive(Deserialize, Default)]
struct Ar {
    material_variant: String,
    web_glb_url: String,
    plain_glb_url: String,
    usdz_url: String,
    poster_url: String,
    dimensions_mm: [i64; 3],
}

/// Reads and checks a catalogue file.
///
/// # Errors
/// When it is not in its format, or a product names a category that is not there or has no variant.
pub fn parse_catalogue(json: &[u8]) -> Result<Catalogue, Error> {
    let file: File = serde_json::from_slice(json).map_err(|error| fault(error.to_string()))?;
    let default = file.default_currency.or_else(|| file.currencies.first().copied());
    let default = default.ok_or_else(|| fault("there is no currency".to_owned()))?;
    let settings = [
        ("currencies", write(&file.currencies)?),
        ("default_currency", default.code().to_owned()),
        ("hero_image_url", file.hero_image_url.unwrap_or_default()),
    ];
    check_parents(&file.categories)?;
    for product in &file.products {
        if product.variants.is_empty() {
            return Err(fault(format!("{} has no variant", product.handle)));
        }
        if !file.categories.iter().any(|category| category.handle == product.category) {
            return Err(fault(format!("{} is in an unknown category", product.handle)));
        }
        for variant in &product.variants {
            let is_priced =
                |currency| variant.prices.iter().any(|price| price.currency == currency);
            if !file.currencies.iter().copied().all(is_priced) {
                return Err(fault(format!("{} lacks a price", variant.sku)));
            }
        }
    }
    Ok(Catalogue {
        settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
        categories: file.categories.into_iter().map(category).collect(),
        products: file.products.into_iter().map(product).collect::<Result<_, _>>()?,
    })
}

/// Refuses a category below one that is not in the file, or below itself.
fn check_parents(categories: &[Category]) -> Result<(), Error> {
    let parents: BTreeMap<_, _> =
        categories.iter().map(|category| (&category.handle, category.parent.as_ref())).collect();
    for category in categories {
        let mut above = category.parent.as_ref();
        // As many steps as there are categories lead to the top, or in a ring.
        for _ in categories {
            let Some(handle) = above else { break };
            above = *parents.get(handle).ok_or_else(|| {
                fault(format!("{} is below an unknown category", category.handle))
            })?;
        }
        if above.is_some() {
            return Err(fault(format!("{} lies below itself", category.handle)));
        }
    }
    Ok(())
}

fn category(file: Category) -> CategoryRow {
    let Category { handle, title, description, position, image_url, parent } = file;
    let image_url = image_url.unwrap_or_default();
    CategoryRow { handle, title, description, position, image_url, parent }
}

fn product(file: Product) -> Result<ProductRow, Error> {
    let model = file.model.map(|model| Model {
        web_glb_url: model.web_glb_url,
        dimensions_m: model.dimensions_mm.map(metres),
        triangles: model.triangles,
        bytes: model.bytes,
    });
    let mut words: Vec<&str> = file.tags.iter().map(String::as_str).collect();
    for variant in &file.variants {
        words.push(&variant.title);
        words.extend(variant.options.values().map(String::as_str));
    }
    words.sort_unstable();
    words.dedup();
    let search_words = words.join(" ");
    let description = match file.materials.trim() {
        "" => file.description,
        materials => format!("{}\n\n{materials}", file.description.trim_end()),
    };
    Ok(ProductRow {
        search_words,
        description,
        tags_json: write(&file.tags)?,
        images_json: write(&file.images)?,
        options_json: write(&file.options)?,
        model_json: model.as_ref().map(write).transpose()?,
        traits: ProductTraits {
            tax_class: file.tax_class,
            is_shippable: file.shippable,
            is_discountable: file.discountable,
        },
        variants: file.variants.into_iter().map(variant).collect::<Result<_, _>>()?,
        handle: file.handle,
        title: file.title,
        subtitle: file.subtitle,
        category: file.category,
        is_featured: file.featured,
        created_at: file.created_at,
    })
}

fn variant(file: Variant) -> Result<VariantRow, Error> {
    let ar = file.ar.unwrap_or_default();
    let money = |price: &Price| Money::new(i64::from(price.minor), price.currency);
    Ok(VariantRow {
        sku: file.sku,
        title: file.title,
        options_json: write(&file.options)?,
        image_url: file.image_url,
        image_alt: file.image_alt,
        material_variant: ar.material_variant,
        web_glb_url: ar.web_glb_url,
        plain_glb_url: ar.plain_glb_url,
        usdz_url: ar.usdz_url,
        poster_url: ar.poster_url,
        dimensions_mm: ar.dimensions_mm,
        prices: file.prices.iter().map(money).collect(),
        initial_stock: i64::from(file.stock),
        grams: file.grams,
    })
}

/// Millimetres to metres. Models are below 100 m, far inside what a double holds exactly in thousandths.
fn metres(millimetres: i64) -> f64 {
    f64::from(i32::try_from(millimetres).unwrap_or(i32::MAX)) / 1_000.0
}

fn write<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| fault(error.to_string()))
}

fn fault(why: String) -> Error {
    Error::Fault("read the catalogue", why.into())
}

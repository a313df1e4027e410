//! The catalogue as its owner writes it.

use std::collections::BTreeMap;

use domain::pricing::TaxClass;
use domain::{Currency, Handle, Money, Sku, Timestamp};

use crate::pricing::Attributes;
use crate::{Store, StoreError, sql};

/// Everything that is for sale, checked.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// Settings that shoppers may read: name → value.
    pub settings: BTreeMap<String, String>,
    /// Categories, in order.
    pub categories: Vec<CategoryRow>,
    /// Products.
    pub products: Vec<ProductRow>,
}

/// A category.
#[derive(Debug, Clone)]
pub struct CategoryRow {
    /// Name in URLs.
    pub handle: Handle,
    /// Title for people.
    pub title: String,
    /// One or two sentences.
    pub description: String,
    /// Place in lists.
    pub position: i64,
    /// Picture.
    pub image_url: String,
    /// The category it lies below, if that is said: of one that is there, what is absent stays.
    pub parent: Option<Handle>,
}

/// What pricing looks at in a product; what is absent stays, or is as usual where the product is new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProductTraits {
    /// How it is taxed. Usually `standard`.
    pub tax_class: Option<TaxClass>,
    /// Whether it is sent. Usually so.
    pub is_shippable: Option<bool>,
    /// Whether promotions may touch it. Usually so.
    pub is_discountable: Option<bool>,
}

/// A product.
#[derive(Debug, Clone)]
pub struct ProductRow {
    /// Name in URLs.
    pub handle: Handle,
    /// Title for people.
    pub title: String,
    /// One line below it.
    pub subtitle: String,
    /// Several sentences.
    pub description: String,
    /// Its category.
    pub category: Handle,
    /// Words it is also found by.
    pub search_words: String,
    /// Whether the home page shows it.
    pub is_featured: bool,
    /// When it came into the shop.
    pub created_at: Timestamp,
    /// JSON list of words.
    pub tags_json: String,
    /// JSON list of `{url, alt}`.
    pub images_json: String,
    /// JSON list of `{name, values}`.
    pub options_json: String,
    /// JSON of the model for the page.
    pub model_json: Option<String>,
    /// What pricing looks at.
    pub traits: ProductTraits,
    /// Buyable forms, default first.
    pub variants: Vec<VariantRow>,
}

/// A variant.
#[derive(Debug, Clone)]
pub struct VariantRow {
    /// What is counted and sold.
    pub sku: Sku,
    /// Title for people.
    pub title: String,
    /// JSON object, option → value.
    pub options_json: String,
    /// Picture.
    pub image_url: String,
    /// What it shows.
    pub image_alt: String,
    /// Name of the variant inside the web GLB.
    pub material_variant: String,
    /// GLB for the page; empty without a model, as the next three.
    pub web_glb_url: String,
    /// GLB without extensions.
    pub plain_glb_url: String,
    /// USDZ.
    pub usdz_url: String,
    /// Picture until the model is there.
    pub poster_url: String,
    /// Width, height, depth in millimetres.
    pub dimensions_mm: [i64; 3],
    /// Prices, one per currency.
    pub prices: Vec<Money>,
    /// Pieces to receive when the SKU is new.
    pub initial_stock: i64,
    /// Weight of one piece in grams; what is absent stays, or is 0 where the SKU is new.
    pub grams: Option<u32>,
}

/// A variant with its price, as carts and orders copy it.
#[derive(Debug, Clone)]
pub struct PriceRow {
    /// What.
    pub sku: Sku,
    /// Its product's name in URLs.
    pub handle: Handle,
    /// Its product's title.
    pub title: String,
    /// Its own title.
    pub variant_title: String,
    /// Its picture.
    pub image_url: String,
    /// Its price, where it is sold in the currency asked for.
    pub price: Option<Money>,
    /// What pricing looks at.
    pub attributes: Attributes,
}

impl Store {
    /// Writes the catalogue over what is there. Products and variants that it does not name stay as they are; stock of
    /// SKUs that exist is never touched.
    ///
    /// # Errors
    /// As every write.
    pub async fn upsert_catalogue(
        &self,
        catalogue: Catalogue,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write((catalogue, now), |tx, (catalogue, now)| {
            Box::pin(sql::catalogue::upsert(tx, catalogue, *now))
        })
        .await
    }

    /// Reads the default currency and the currencies that the shop sells in.
    ///
    /// # Errors
    /// As every read.
    pub async fn currencies(&self) -> Result<(Currency, Vec<Currency>), StoreError> {
        self.read((), |tx, ()| Box::pin(sql::catalogue::currencies(tx))).await
    }
}

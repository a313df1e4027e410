//! Products as the staff keeps them.

use api_types::catalogue::{Image, ProductOption};
use domain::{Handle, Money, Sku, Timestamp};

use crate::{Claim, Once, ProductRow, ProductTraits, Store, StoreError, VariantRow, sql};

/// A product with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct StoredProduct {
    /// The product, without its variants.
    pub product: ProductRow,
    /// Its version, from 1; grows with every change.
    pub version: i64,
    /// Since when it is not sold any more.
    pub archived_at: Option<Timestamp>,
    /// Its variants, default first.
    pub variants: Vec<StoredVariant>,
}

/// A variant with its prices and counters.
#[derive(Debug, Clone)]
pub struct StoredVariant {
    /// The variant with its prices.
    pub variant: VariantRow,
    /// Pieces in the house.
    pub on_hand: i64,
    /// Pieces held for orders.
    pub reserved: i64,
}

/// A product in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductSummary {
    /// Name in URLs.
    pub handle: Handle,
    /// Title for people.
    pub title: String,
    /// Its category.
    pub category: Handle,
    /// Whether the home page shows it.
    pub is_featured: bool,
    /// How many variants it has.
    pub variants: u32,
    /// Its version.
    pub version: i64,
    /// Since when it is not sold any more.
    pub archived_at: Option<Timestamp>,
}

/// Lists products by handle.
#[derive(Debug, Clone, Default)]
pub struct ListProducts {
    /// Only those after this one.
    pub after: Option<Handle>,
    /// Only those of this category.
    pub category: Option<Handle>,
    /// Only those that are archived, or are not.
    pub is_archived: Option<bool>,
    /// How many at most.
    pub limit: u32,
}

/// Makes a product with its variants.
#[derive(Debug, Clone)]
pub struct CreateProduct {
    /// The product.
    pub product: ProductRow,
    /// Now.
    pub now: Timestamp,
}

/// Changes what is named of a product.
#[derive(Debug, Clone)]
pub struct ChangeProduct {
    /// Which product.
    pub handle: Handle,
    /// The version that the caller has seen, if it insists on it.
    pub version: Option<i64>,
    /// What becomes of it.
    pub edit: ProductEdit,
    /// Now.
    pub now: Timestamp,
}

/// What a product has from now on; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct ProductEdit {
    /// Title for people.
    pub title: Option<String>,
    /// One line below it.
    pub subtitle: Option<String>,
    /// Several sentences.
    pub description: Option<String>,
    /// Its category.
    pub category: Option<Handle>,
    /// Words it is also found by.
    pub search_words: Option<String>,
    /// Whether the home page shows it.
    pub is_featured: Option<bool>,
    /// Words it is sorted by.
    pub tags: Option<Vec<String>>,
    /// Pictures.
    pub images: Option<Vec<Image>>,
    /// What a shopper chooses.
    pub options: Option<Vec<ProductOption>>,
    /// What pricing looks at.
    pub traits: ProductTraits,
}

/// Takes a product out of the shop, or brings it back.
#[derive(Debug, Clone)]
pub struct ArchiveProduct {
    /// Which product.
    pub handle: Handle,
    /// The version that the caller has seen, if it insists on it.
    pub version: Option<i64>,
    /// Whether it is taken out.
    pub is_archived: bool,
    /// Now.
    pub now: Timestamp,
}

/// Writes a variant of a product, new or over the one that is there. Stock of a SKU that exists is not touched.
#[derive(Debug, Clone)]
pub struct PutVariant {
    /// Of which product.
    pub handle: Handle,
    /// The version of the product that the caller has seen, if it insists on it.
    pub version: Option<i64>,
    /// The variant.
    pub variant: VariantRow,
    /// Now.
    pub now: Timestamp,
}

/// Sets all prices of a variant.
#[derive(Debug, Clone)]
pub struct SetPrices {
    /// Of which variant.
    pub sku: Sku,
    /// The prices, one for each currency.
    pub prices: Vec<Money>,
    /// Now.
    pub now: Timestamp,
}

/// Why a product was not changed. Nothing was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProductRefusal {
    /// There is no such product or variant.
    NotFound,
    /// Another version than the caller has seen.
    Stale {
        /// The version it is at.
        version: i64,
    },
    /// Another product has this handle.
    HandleTaken,
    /// Another variant has this SKU.
    SkuTaken(Sku),
    /// There is no such category.
    UnknownCategory,
}

impl Store {
    /// Lists products by handle.
    ///
    /// # Errors
    /// As every read.
    pub async fn products(&self, query: ListProducts) -> Result<Vec<ProductSummary>, StoreError> {
        self.read(query, |tx, query| Box::pin(sql::product::list(tx, query))).await
    }

    /// Reads a product.
    ///
    /// # Errors
    /// As every read.
    pub async fn product(&self, handle: Handle) -> Result<Option<StoredProduct>, StoreError> {
        self.read(handle, |tx, handle| Box::pin(sql::product::load(tx, handle))).await
    }

    /// Makes a product; once per claim.
    ///
    /// # Errors
    /// As every write.
    pub async fn create_product(
        &self,
        command: CreateProduct,
        claim: Option<Claim>,
    ) -> Result<Result<Once<Handle>, ProductRefusal>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::product::create(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }

    /// Changes a product.
    ///
    /// # Errors
    /// As every write.
    pub async fn change_product(
        &self,
        command: ChangeProduct,
    ) -> Result<Result<(), ProductRefusal>, StoreError> {
        self.write(command, |tx, command| Box::pin(sql::product::change(tx, command))).await
    }

    /// Takes a product out of the shop, or brings it back; one that is there already stays as it is.
    ///
    /// # Errors
    /// As every write.
    pub async fn archive_product(
        &self,
        command: ArchiveProduct,
    ) -> Result<Result<(), ProductRefusal>, StoreError> {
        self.write(command, |tx, command| Box::pin(sql::product::archive(tx, command))).await
    }

    /// Writes a variant.
    ///
    /// # Errors
    /// As every write.
    pub async fn put_variant(
        &self,
        command: PutVariant,
    ) -> Result<Result<(), ProductRefusal>, StoreError> {
        self.write(command, |tx, command| Box::pin(sql::product::put_variant(tx, command))).await
    }

    /// Sets all prices of a variant; returns the product that it belongs to.
    ///
    /// # Errors
    /// As every write.
    pub async fn set_prices(
        &self,
        command: SetPrices,
    ) -> Result<Result<Handle, ProductRefusal>, StoreError> {
        self.write(command, |tx, command| Box::pin(sql::product::set_prices(tx, command))).await
    }
}

//! Products and prices, as the staff keeps them.

use api_types::product::{
    AdminProduct, AdminProductSummary, AdminProducts, AdminVariant, NewPrices, NewProduct,
    NewVariant, ProductChange, VariantModel,
};
use domain::{ErrorKind, Handle, Sku};
use serde::de::DeserializeOwned;
use store::{
    ArchiveProduct, ChangeProduct, Claim, CreateProduct, ListProducts, ProductRefusal,
    ProductSummary, PutVariant, SetPrices, StoredProduct, StoredVariant, VariantRow,
};

use crate::error::answered;
use crate::listing::{self, Currencies};
use crate::{Answered, App, Error, Precondition, Refusal};

/// Products on one page, and at most: 50 and 200.
const PAGE_DEFAULT: u32 = 50;
const PAGE_MAX: u32 = 200;

/// What a list of products is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct ProductsQuery {
    /// Only those after this handle.
    pub after: Option<Handle>,
    /// Only those of this category.
    pub category: Option<Handle>,
    /// Only those that are archived, or are not.
    pub archived: Option<bool>,
    /// How many on the page.
    pub limit: Option<u32>,
}

impl App {
    /// Lists products by handle.
    ///
    /// # Errors
    /// As every read.
    pub async fn products(&self, query: ProductsQuery) -> Result<AdminProducts, Error> {
        let limit = query.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let ProductsQuery { after, category, archived, .. } = query;
        let query = ListProducts { after, category, is_archived: archived, limit };
        let items: Vec<_> = self.store.products(query).await?.into_iter().map(summary).collect();
        let is_full = u32::try_from(items.len()).is_ok_and(|count| count >= limit);
        let next_after = items.last().map(|last| last.handle.clone()).filter(|_| is_full);
        Ok(AdminProducts { items, next_after })
    }

    /// Reads a product with its variants, prices and counters.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn product(&self, handle: Handle) -> Result<AdminProduct, Error> {
        let found = self.store.product(handle).await?.ok_or_else(Refusal::not_found)?;
        wire(found)
    }

    /// Makes a product.
    ///
    /// # Errors
    /// `invalid-input`, `handle-taken`, `sku-taken`, and what a key may refuse.
    pub async fn create_product(
        &self,
        request: NewProduct,
        claim: Option<Claim>,
    ) -> Result<Answered<AdminProduct>, Error> {
        let now = self.clock.now();
        let product = listing::product(request, &self.sold_in().await?, now)?;
        let once = self.store.create_product(CreateProduct { product, now }, claim).await?;
        let Answered { value: handle, is_replay } = answered(once.map_err(refuse)?)?;
        Ok(Answered { value: self.product(handle).await?, is_replay })
    }

    /// Changes what is named of a product.
    ///
    /// # Errors
    /// `not-found`, `precondition-failed`, `invalid-input`.
    pub async fn change_product(
        &self,
        handle: Handle,
        request: ProductChange,
        version: Precondition,
    ) -> Result<AdminProduct, Error> {
        let edit = listing::change(request)?;
        let now = self.clock.now();
        let command = ChangeProduct { handle: handle.clone(), version, edit, now };
        self.store.change_product(command).await?.map_err(refuse)?;
        self.product(handle).await
    }

    /// Takes a product out of the shop, or brings it back.
    ///
    /// # Errors
    /// `not-found`, `precondition-failed`.
    pub async fn archive_product(
        &self,
        handle: Handle,
        is_archived: bool,
        version: Precondition,
    ) -> Result<AdminProduct, Error> {
        let now = self.clock.now();
        let command = ArchiveProduct { handle: handle.clone(), version, is_archived, now };
        self.store.archive_product(command).await?.map_err(refuse)?;
        self.product(handle).await
    }

    /// Writes a variant, new or over the one that is there.
    ///
    /// # Errors
    /// `not-found`, `precondition-failed`, `invalid-input`, `sku-taken`.
    pub async fn put_variant(
        &self,
        handle: Handle,
        sku: &Sku,
        mut request: NewVariant,
        version: Precondition,
    ) -> Result<AdminProduct, Error> {
        if request.sku.is_empty() {
            sku.as_str().clone_into(&mut request.sku);
        }
        let mut refusal = Refusal::invalid();
        if request.sku != sku.as_str() {
            refusal = refusal.field("/sku", "invalid", "must be the one of the path");
        }
        let variant = listing::variant("", request, &self.sold_in().await?, &mut refusal);
        let (Some(variant), true) = (variant, refusal.fields.is_empty()) else {
            return Err(refusal.into());
        };
        let now = self.clock.now();
        let command = PutVariant { handle: handle.clone(), version, variant, now };
        self.store.put_variant(command).await?.map_err(refuse)?;
        self.product(handle).await
    }

    /// Sets all prices of a variant; returns its product.
    ///
    /// # Errors
    /// `not-found`, `invalid-input`.
    pub async fn set_prices(&self, sku: Sku, request: NewPrices) -> Result<AdminProduct, Error> {
        let mut refusal = Refusal::invalid();
        let prices =
            listing::prices("/prices", &request.prices, &self.sold_in().await?, &mut refusal);
        if !refusal.fields.is_empty() {
            return Err(refusal.into());
        }
        let command = SetPrices { sku, prices, now: self.clock.now() };
        let handle = self.store.set_prices(command).await?.map_err(refuse)?;
        self.product(handle).await
    }

    pub(crate) async fn sold_in(&self) -> Result<Currencies, Error> {
        let (default, all) = self.store.currencies().await?;
        Ok(Currencies { default, all })
    }
}

/// Says why a product could not be changed.
fn refuse(refusal: ProductRefusal) -> Refusal {
    match refusal {
        ProductRefusal::NotFound => Refusal::not_found(),
        ProductRefusal::Stale { version } => {
            let title = "The version is stale";
            Refusal::new(ErrorKind::PreconditionFailed, "precondition-failed", title)
                .detail(format!("the product is at version {version}"))
        }
        ProductRefusal::HandleTaken => {
            Refusal::new(ErrorKind::Conflict, "handle-taken", "There is a product with this handle")
        }
        ProductRefusal::SkuTaken(sku) => {
            Refusal::new(ErrorKind::Conflict, "sku-taken", "There is a variant with this SKU")
                .detail(format!("{sku} belongs to another product"))
        }
        ProductRefusal::UnknownCategory => Refusal::invalid().field(
            "/category",
            "unknown",
            "must be the handle of a category of this shop",
        ),
    }
}

fn summary(product: ProductSummary) -> AdminProductSummary {
    AdminProductSummary {
        handle: product.handle,
        title: product.title,
        category: product.category,
        featured: product.is_featured,
        variants: product.variants,
        version: product.version,
        archived_at: product.archived_at,
    }
}

fn wire(stored: StoredProduct) -> Result<AdminProduct, Error> {
    let StoredProduct { product, version, archived_at, variants } = stored;
    Ok(AdminProduct {
        tags: read(&product.tags_json)?,
        images: read(&product.images_json)?,
        options: read(&product.options_json)?,
        variants: variants.into_iter().map(wire_variant).collect::<Result<_, _>>()?,
        handle: product.handle,
        title: product.title,
        subtitle: product.subtitle,
        description: product.description,
        category: product.category,
        search_words: product.search_words,
        featured: product.is_featured,
        version,
        created_at: product.created_at,
        archived_at,
    })
}

fn wire_variant(stored: StoredVariant) -> Result<AdminVariant, Error> {
    let StoredVariant { variant, on_hand, reserved } = stored;
    Ok(AdminVariant {
        options: read(&variant.options_json)?,
        model: model(&variant),
        sku: variant.sku,
        title: variant.title,
        image_url: variant.image_url,
        image_alt: variant.image_alt,
        prices: variant.prices,
        on_hand,
        reserved,
    })
}

fn model(variant: &VariantRow) -> Option<VariantModel> {
    let model = VariantModel {
        material_variant: variant.material_variant.clone(),
        web_glb_url: variant.web_glb_url.clone(),
        plain_glb_url: variant.plain_glb_url.clone(),
        usdz_url: variant.usdz_url.clone(),
        poster_url: variant.poster_url.clone(),
        dimensions_mm: variant.dimensions_mm,
    };
    (model != VariantModel::default()).then_some(model)
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|error| Error::Fault("read a product", Box::new(error)))
}

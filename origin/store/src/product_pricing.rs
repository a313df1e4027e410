//! What pricing looks at in a product, as the staff writes it.

use api_types::pricing::ProductPricing;
use domain::{Handle, Sku, Timestamp};

use crate::{Store, StoreError, sql};

/// Writes what pricing looks at in a product.
#[derive(Debug, Clone)]
pub struct WriteProductPricing {
    /// Which product.
    pub product: Handle,
    /// What is to be so.
    pub pricing: ProductPricing,
    /// Now.
    pub now: Timestamp,
}

/// Why it was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProductPricingRefused {
    /// No such product.
    NotFound,
    /// The product has no such SKU.
    OtherSku(Sku),
}

impl Store {
    /// Writes what pricing looks at in a product; returns all of it.
    ///
    /// # Errors
    /// As every write.
    pub async fn write_product_pricing(
        &self,
        command: WriteProductPricing,
    ) -> Result<Result<ProductPricing, ProductPricingRefused>, StoreError> {
        self.write(command, |tx, command| Box::pin(sql::product_pricing::write(tx, command))).await
    }
}

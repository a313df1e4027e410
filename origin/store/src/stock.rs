//! Exact stock.

use domain::Sku;
use domain::reservation::Stock;

use crate::{Store, StoreError, sql};

impl Store {
    /// Reads the counters of a SKU.
    ///
    /// # Errors
    /// As every read.
    pub async fn stock(&self, sku: Sku) -> Result<Option<Stock>, StoreError> {
        self.read(sku, |tx, sku| Box::pin(sql::stock::find(tx, sku))).await
    }
}

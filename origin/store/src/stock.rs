//! Exact stock.

use domain::Sku;
use domain::reservation::Stock;

use crate::{Store, StoreError, sqlite};

impl Store {
    /// Reads the counters of a SKU.
    ///
    /// # Errors
    /// As every read.
    pub async fn stock(&self, sku: Sku) -> Result<Option<Stock>, StoreError> {
        self.read(move |connection| sqlite::stock::find(connection, &sku)).await
    }
}

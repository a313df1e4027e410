//! Exact stock.

use api_types::inventory::Inventory;
use domain::Sku;

use crate::{App, Error, Refusal};

impl App {
    /// Says how many pieces may be bought now.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn inventory(&self, sku: Sku) -> Result<Inventory, Error> {
        let stock = self.store.stock(sku.clone()).await?.ok_or_else(Refusal::not_found)?;
        Ok(Inventory { sku, available: stock.available() })
    }
}

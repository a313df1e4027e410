//! Exact stock, as shoppers may know it.

use api_types::inventory::Inventory;
use domain::Sku;
use domain::inventory::availability;

use crate::{App, Error, Refusal};

impl App {
    /// Says how many pieces may be bought now, and how.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn inventory(&self, sku: Sku) -> Result<Inventory, Error> {
        let found = self.store.sku_stock(sku.clone()).await?;
        let (stock, locations) = found.ok_or_else(Refusal::not_found)?;
        let told = availability(&stock, &locations, self.clock.now());
        let active = locations.iter().filter(|location| location.is_active);
        let available = active
            .filter_map(|location| stock.at.get(&location.id))
            .fold(0_i64, |sum, here| sum.saturating_add(here.available()));
        let per_order_max = stock.policy.per_order_max;
        Ok(Inventory { sku, available, level: told.level, sale: told.sale, per_order_max })
    }
}

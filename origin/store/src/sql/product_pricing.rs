//! Statements of what pricing looks at in a product.

use std::collections::BTreeMap;

use api_types::pricing::ProductPricing;
use domain::Sku;

use super::outbox;
use crate::StoreError;
use crate::product_pricing::{ProductPricingRefused, WriteProductPricing};
use crate::tx::{Tx, values};

pub(crate) async fn write(
    tx: &Tx<'_>,
    command: &WriteProductPricing,
) -> Result<Result<ProductPricing, ProductPricingRefused>, StoreError> {
    let WriteProductPricing { product, pricing, now } = command;
    // By the unique handle.
    let row = tx
        .query_opt("SELECT id FROM products WHERE handle = ?1", values![product.as_str()])
        .await?;
    let Some(row) = row else { return Ok(Err(ProductPricingRefused::NotFound)) };
    let id: i64 = row.get(0)?;
    let known = grams(tx, id).await?;
    if let Some(other) = pricing.grams.keys().find(|sku| !known.contains_key(sku)) {
        return Ok(Err(ProductPricingRefused::OtherSku(other.clone())));
    }
    tx.execute(
        "UPDATE products SET tax_class = ?2, is_shippable = ?3, is_discountable = ?4 WHERE id = ?1",
        values![id, pricing.tax_class.0.as_str(), pricing.shippable, pricing.discountable],
    )
    .await?;
    for (sku, grams) in &pricing.grams {
        tx.execute("UPDATE variants SET grams = ?2 WHERE sku = ?1", values![sku.as_str(), *grams])
            .await?;
    }
    let kind = "product.pricing_updated";
    let words = serde_json::json!({ "handle": product, "type": kind, "at": now }).to_string();
    outbox::append_about(tx, ("product", product.as_str()), kind, &words, *now).await?;
    Ok(Ok(ProductPricing { grams: grams(tx, id).await?, ..pricing.clone() }))
}

async fn grams(tx: &Tx<'_>, product: i64) -> Result<BTreeMap<Sku, u32>, StoreError> {
    // By index variants_product.
    let rows =
        tx.query("SELECT sku, grams FROM variants WHERE product_id = ?1", values![product]).await?;
    rows.iter()
        .map(|row| {
            let sku: String = row.get(0)?;
            let sku = sku.parse().map_err(|_invalid| StoreError::Corrupt("SKU of a variant"))?;
            Ok((sku, row.get(1)?))
        })
        .collect()
}

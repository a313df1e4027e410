//! Statements of the catalogue.

use domain::cart::ShippingRule;
use domain::pricing::TaxClass;
use domain::{Currency, Handle, Money, Sku, Timestamp};

use super::feed;
use crate::StoreError;
use crate::catalogue::{Catalogue, CategoryRow, PriceRow, ProductRow, VariantRow};
use crate::pricing::Attributes;
use crate::tx::{Row, Tx, values};

/// Tax rate of a shop that has set none: 19 %.
pub(crate) const TAX_BASIS_POINTS_DEFAULT: u32 = 1_900;

pub(crate) async fn setting(tx: &Tx<'_>, name: &str) -> Result<Option<String>, StoreError> {
    let value = tx
        .query_opt("SELECT value FROM settings WHERE name = ?1", values![name])
        .await?
        .map(|row| row.get(0))
        .transpose()?;
    Ok(value)
}

pub(crate) async fn currencies(tx: &Tx<'_>) -> Result<(Currency, Vec<Currency>), StoreError> {
    let corrupt = || StoreError::Corrupt("currencies");
    let default = setting(tx, "default_currency").await?.ok_or_else(corrupt)?;
    let all = setting(tx, "currencies").await?.ok_or_else(corrupt)?;
    let all = serde_json::from_str(&all).map_err(|_unreadable| corrupt())?;
    Ok((default.parse().map_err(|_unknown| corrupt())?, all))
}

/// Name of the setting with the tax rate in basis points.
pub(crate) const TAX_RATE: &str = "tax_rate_basis_points";

/// Returns the name of a currency's shipping rule: `shipping.EUR` is for instance `490,10000`.
pub(crate) fn shipping_setting(currency: Currency) -> String {
    format!("shipping.{currency}")
}

/// Reads the settings of how totals are made.
pub(crate) fn rules_of(
    tax: Option<&str>,
    shipping: Option<&str>,
    currency: Currency,
) -> Result<(ShippingRule, u32), StoreError> {
    let tax = match tax {
        None => TAX_BASIS_POINTS_DEFAULT,
        Some(text) => text.parse().map_err(|_unreadable| StoreError::Corrupt("tax rate"))?,
    };
    let shipping = match shipping {
        None => ShippingRule::standard(currency),
        Some(text) => {
            let (flat, free) = text.split_once(',').ok_or(StoreError::Corrupt("shipping rule"))?;
            let minor = |text: &str| {
                text.trim().parse().map_err(|_unreadable| StoreError::Corrupt("shipping rule"))
            };
            ShippingRule { flat_minor: minor(flat)?, free_from_minor: minor(free)? }
        }
    };
    Ok((shipping, tax))
}

pub(crate) async fn priced(
    tx: &Tx<'_>,
    sku: &Sku,
    currency: Currency,
) -> Result<Option<PriceRow>, StoreError> {
    // By primary keys of variants, products, prices.
    let row = tx
        .query_opt(
            "SELECT p.handle, p.title, v.title, v.image_url, r.minor, p.category, p.tags_json, p.tax_class, v.grams,
               p.is_shippable, p.is_discountable
             FROM variants v JOIN products p ON p.id = v.product_id
             LEFT JOIN prices r ON r.sku = v.sku AND r.currency = ?2 AND p.archived_at_ms IS NULL
             WHERE v.sku = ?1",
            values![sku.as_str(), currency.code()],
        )
        .await?;
    row.map(|row| price_row(&row, 0, (sku, currency))).transpose()
}

/// Reads a variant with its price, from a column on: handle, both titles, picture, price, and what pricing looks at.
pub(crate) fn price_row(
    row: &Row,
    from: usize,
    (sku, currency): (&Sku, Currency),
) -> Result<PriceRow, StoreError> {
    let column = |more: usize| from.saturating_add(more);
    let (handle, minor): (String, Option<i64>) = (row.get(from)?, row.get(column(4))?);
    Ok(PriceRow {
        sku: sku.clone(),
        handle: handle.parse().map_err(|_invalid| StoreError::Corrupt("handle"))?,
        title: row.get(column(1))?,
        variant_title: row.get(column(2))?,
        image_url: row.get(column(3))?,
        price: minor.map(|minor| Money::new(minor, currency)),
        attributes: attributes(row, column(5))?,
    })
}

/// Reads what pricing looks at: category, tags, tax class, weight, and whether it is shipped and may be discounted.
fn attributes(row: &Row, first: usize) -> Result<Attributes, StoreError> {
    let column = |more: usize| first.saturating_add(more);
    let (category, class): (String, String) = (row.get(column(0))?, row.get(column(2))?);
    let class = class.parse().map_err(|_invalid| StoreError::Corrupt("tax class"))?;
    Ok(Attributes {
        category: category.parse().map_err(|_invalid| StoreError::Corrupt("category"))?,
        tags_json: row.get(column(1))?,
        tax_class: TaxClass(class),
        grams: row.get(column(3))?,
        is_shippable: row.get(column(4))?,
        is_discountable: row.get(column(5))?,
    })
}

pub(crate) async fn upsert(
    tx: &Tx<'_>,
    catalogue: &Catalogue,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut touched = Vec::new();
    for (name, value) in &catalogue.settings {
        tx.execute(
            "INSERT INTO settings (name, value, is_public) VALUES (?1, ?2, 1)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value, is_public = 1",
            values![name, value],
        )
        .await?;
        touched.push(feed::row("settings", [name.as_str()]));
    }
    for category in &catalogue.categories {
        upsert_category(tx, category).await?;
    }
    for product in &catalogue.products {
        let id = upsert_product(tx, product).await?;
        touched.push(feed::row("products", [id]));
        for (position, variant) in (0_i64..).zip(&product.variants) {
            if let Some(old) = product_of(tx, &variant.sku).await?.filter(|&old| old != id) {
                // It leaves another product, whose own rows are made of its variants.
                touched.push(feed::row("products", [old]));
                touched.extend(price_rows(tx, &variant.sku, old).await?);
            }
            upsert_variant(tx, id, position, variant, now).await?;
            touched.push(feed::row("variants", [variant.sku.as_str()]));
            touched.push(feed::row("stock", [variant.sku.as_str()]));
            touched.extend(price_rows(tx, &variant.sku, id).await?);
        }
    }
    // After the products: a category's row holds their count.
    touched.extend(
        catalogue
            .categories
            .iter()
            .map(|category| feed::row("categories", [category.handle.as_str()])),
    );
    feed::publish(tx, &touched, now).await
}

pub(crate) async fn upsert_category(tx: &Tx<'_>, category: &CategoryRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO categories (handle, title, description, position, image_url, parent)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (handle) DO UPDATE SET title = excluded.title, description = excluded.description,
           position = excluded.position, image_url = excluded.image_url,
           parent = coalesce(excluded.parent, categories.parent)",
        values![
            category.handle.as_str(),
            category.title,
            category.description,
            category.position,
            category.image_url,
            category.parent.as_ref().map(Handle::as_str)
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn product_of(tx: &Tx<'_>, sku: &Sku) -> Result<Option<i64>, StoreError> {
    let product = tx
        .query_opt("SELECT product_id FROM variants WHERE sku = ?1", values![sku.as_str()])
        .await?
        .map(|row| row.get(0))
        .transpose()?;
    Ok(product)
}

/// Names the rows that a variant's prices go into: its own, and the least of each currency of a product.
pub(crate) async fn price_rows(
    tx: &Tx<'_>,
    sku: &Sku,
    product: i64,
) -> Result<Vec<feed::RowKey>, StoreError> {
    let currencies: Vec<String> = tx
        .query("SELECT currency FROM prices WHERE sku = ?1", values![sku.as_str()])
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect::<Result<_, StoreError>>()?;
    let rows = currencies.into_iter().flat_map(|code| {
        let least: [api_types::feed::FeedValue; 2] = [code.clone().into(), product.into()];
        [
            feed::row("variant_prices", [code.as_str(), sku.as_str()]),
            feed::row("product_prices", least),
        ]
    });
    Ok(rows.collect())
}

pub(crate) async fn upsert_product(tx: &Tx<'_>, product: &ProductRow) -> Result<i64, StoreError> {
    let row = tx
        .query_one(
            "INSERT INTO products (handle, title, subtitle, description, category, search_words, featured,
               created_at_ms, tags_json, images_json, options_json, model_json, tax_class, is_shippable,
               is_discountable)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, coalesce(CAST(?13 AS TEXT), 'standard'),
               coalesce(CAST(?14 AS BIGINT), 1), coalesce(CAST(?15 AS BIGINT), 1))
             ON CONFLICT (handle) DO UPDATE SET title = excluded.title, subtitle = excluded.subtitle,
               description = excluded.description, category = excluded.category,
               search_words = excluded.search_words, featured = excluded.featured,
               created_at_ms = excluded.created_at_ms, tags_json = excluded.tags_json,
               images_json = excluded.images_json, options_json = excluded.options_json,
               model_json = excluded.model_json, tax_class = coalesce(CAST(?13 AS TEXT), products.tax_class),
               is_shippable = coalesce(CAST(?14 AS BIGINT), products.is_shippable),
               is_discountable = coalesce(CAST(?15 AS BIGINT), products.is_discountable),
               version = products.version + 1
             RETURNING id",
            values![
                product.handle.as_str(),
                product.title,
                product.subtitle,
                product.description,
                product.category.as_str(),
                product.search_words,
                product.is_featured,
                product.created_at.unix_ms(),
                product.tags_json,
                product.images_json,
                product.options_json,
                product.model_json,
                product.traits.tax_class.as_ref().map(|class| class.0.as_str()),
                product.traits.is_shippable,
                product.traits.is_discountable
            ],
        )
        .await?;
    row.get(0)
}

pub(crate) async fn upsert_variant(
    tx: &Tx<'_>,
    product_id: i64,
    position: i64,
    variant: &VariantRow,
    now: Timestamp,
) -> Result<(), StoreError> {
    let [width_mm, height_mm, depth_mm] = variant.dimensions_mm;
    tx.execute("INSERT INTO variants (sku, product_id, position, title, options_json, image_url, image_alt,
               material_variant, web_glb_url, plain_glb_url, usdz_url, poster_url, width_mm, height_mm, depth_mm, grams)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,
               coalesce(CAST(?16 AS BIGINT), 0))
             ON CONFLICT (sku) DO UPDATE SET product_id = excluded.product_id, position = excluded.position,
               title = excluded.title, options_json = excluded.options_json, image_url = excluded.image_url,
               image_alt = excluded.image_alt, material_variant = excluded.material_variant,
               web_glb_url = excluded.web_glb_url, plain_glb_url = excluded.plain_glb_url,
               usdz_url = excluded.usdz_url, poster_url = excluded.poster_url, width_mm = excluded.width_mm,
               height_mm = excluded.height_mm, depth_mm = excluded.depth_mm,
               grams = coalesce(CAST(?16 AS BIGINT), variants.grams)", values![
            variant.sku.as_str(),
            product_id,
            position,
            variant.title,
            variant.options_json,
            variant.image_url,
            variant.image_alt,
            variant.material_variant,
            variant.web_glb_url,
            variant.plain_glb_url,
            variant.usdz_url,
            variant.poster_url,
            width_mm,
            height_mm,
            depth_mm,
            variant.grams
        ]).await?;
    for price in &variant.prices {
        tx.execute(
            "INSERT INTO prices (sku, currency, minor) VALUES (?1, ?2, ?3)
                 ON CONFLICT (sku, currency) DO UPDATE SET minor = excluded.minor",
            values![variant.sku.as_str(), price.currency.code(), price.minor],
        )
        .await?;
    }
    receive_if_new(tx, variant, now).await
}

async fn receive_if_new(
    tx: &Tx<'_>,
    variant: &VariantRow,
    now: Timestamp,
) -> Result<(), StoreError> {
    let is_new = tx.execute("INSERT INTO stock (sku, on_hand, reserved) VALUES (?1, ?2, 0) ON CONFLICT (sku) DO NOTHING", values![variant.sku.as_str(), variant.initial_stock]).await?
        == 1;
    if is_new {
        tx.execute(
            "INSERT INTO stock_movements (sku, kind, on_hand_delta, reserved_delta, at_ms)
                 VALUES (?1, 'received', ?2, 0, ?3)",
            values![variant.sku.as_str(), variant.initial_stock, now.unix_ms()],
        )
        .await?;
    }
    Ok(())
}

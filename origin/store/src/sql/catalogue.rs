//! Statements of the catalogue.

use domain::cart::ShippingRule;
use domain::{Currency, Money, Sku, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::feed;
use crate::StoreError;
use crate::catalogue::{Catalogue, PriceRow, ProductRow, VariantRow};

/// Tax rate of a shop that has set none: 19 %.
const TAX_BASIS_POINTS_DEFAULT: u32 = 1_900;

pub(crate) fn setting(connection: &Connection, name: &str) -> Result<Option<String>, StoreError> {
    let value = connection
        .prepare_cached("SELECT value FROM settings WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(value)
}

pub(crate) fn currencies(connection: &Connection) -> Result<(Currency, Vec<Currency>), StoreError> {
    let corrupt = || StoreError::Corrupt("currencies");
    let default = setting(connection, "default_currency")?.ok_or_else(corrupt)?;
    let all = setting(connection, "currencies")?.ok_or_else(corrupt)?;
    let all = serde_json::from_str(&all).map_err(|_unreadable| corrupt())?;
    Ok((default.parse().map_err(|_unknown| corrupt())?, all))
}

/// Reads how totals are made: tax rate, and the shipping rule of a currency (`shipping.EUR` = `490,10000`).
pub(crate) fn price_rules(
    connection: &Connection,
    currency: Currency,
) -> Result<(ShippingRule, u32), StoreError> {
    let tax = match setting(connection, "tax_rate_basis_points")? {
        None => TAX_BASIS_POINTS_DEFAULT,
        Some(text) => text.parse().map_err(|_unreadable| StoreError::Corrupt("tax rate"))?,
    };
    let shipping = match setting(connection, &format!("shipping.{currency}"))? {
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

pub(crate) fn priced(
    connection: &Connection,
    sku: &Sku,
    currency: Currency,
) -> Result<Option<PriceRow>, StoreError> {
    // By primary keys of variants, products, prices.
    let row = connection
        .prepare_cached(
            "SELECT p.handle, p.title, v.title, v.image_url, r.minor
             FROM variants v JOIN products p ON p.id = v.product_id
             LEFT JOIN prices r ON r.sku = v.sku AND r.currency = ?2
             WHERE v.sku = ?1",
        )?
        .query_row(params![sku.as_str(), currency.code()], |row| {
            let minor: Option<i64> = row.get(4)?;
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?, minor))
        })
        .optional()?;
    row.map(|(handle, title, variant_title, image_url, minor)| {
        Ok(PriceRow {
            sku: sku.clone(),
            handle: handle.parse().map_err(|_invalid| StoreError::Corrupt("handle"))?,
            title,
            variant_title,
            image_url,
            price: minor.map(|minor| Money::new(minor, currency)),
        })
    })
    .transpose()
}

pub(crate) fn upsert(
    connection: &Connection,
    catalogue: &Catalogue,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut touched = Vec::new();
    for (name, value) in &catalogue.settings {
        connection
            .prepare_cached(
                "INSERT INTO settings (name, value, is_public) VALUES (?1, ?2, 1)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value, is_public = 1",
            )?
            .execute(params![name, value])?;
        touched.push(feed::row("settings", [name.as_str()]));
    }
    for category in &catalogue.categories {
        connection
            .prepare_cached(
                "INSERT INTO categories (handle, title, description, position, image_url) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (handle) DO UPDATE SET title = excluded.title, description = excluded.description,
                   position = excluded.position, image_url = excluded.image_url",
            )?
            .execute(params![
                category.handle.as_str(),
                category.title,
                category.description,
                category.position,
                category.image_url
            ])?;
    }
    for product in &catalogue.products {
        let id = upsert_product(connection, product)?;
        touched.push(feed::row("products", [id]));
        for (position, variant) in (0_i64..).zip(&product.variants) {
            if let Some(old) = product_of(connection, &variant.sku)?.filter(|&old| old != id) {
                // It leaves another product, whose own rows are made of its variants.
                touched.push(feed::row("products", [old]));
                touched.extend(price_rows(connection, &variant.sku, old)?);
            }
            upsert_variant(connection, id, position, variant, now)?;
            touched.push(feed::row("variants", [variant.sku.as_str()]));
            touched.push(feed::row("stock", [variant.sku.as_str()]));
            touched.extend(price_rows(connection, &variant.sku, id)?);
        }
    }
    // After the products: a category's row holds their count.
    touched.extend(
        catalogue
            .categories
            .iter()
            .map(|category| feed::row("categories", [category.handle.as_str()])),
    );
    feed::publish(connection, &touched, now)
}

fn product_of(connection: &Connection, sku: &Sku) -> Result<Option<i64>, StoreError> {
    let product = connection
        .prepare_cached("SELECT product_id FROM variants WHERE sku = ?1")?
        .query_row([sku.as_str()], |row| row.get(0))
        .optional()?;
    Ok(product)
}

/// Names the rows that a variant's prices go into: its own, and the least of each currency of a product.
fn price_rows(
    connection: &Connection,
    sku: &Sku,
    product: i64,
) -> Result<Vec<feed::RowKey>, StoreError> {
    let currencies: Vec<String> = connection
        .prepare_cached("SELECT currency FROM prices WHERE sku = ?1")?
        .query_map([sku.as_str()], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let rows = currencies.into_iter().flat_map(|code| {
        let least: [api_types::feed::FeedValue; 2] = [code.clone().into(), product.into()];
        [
            feed::row("variant_prices", [code.as_str(), sku.as_str()]),
            feed::row("product_prices", least),
        ]
    });
    Ok(rows.collect())
}

fn upsert_product(connection: &Connection, product: &ProductRow) -> Result<i64, StoreError> {
    let id = connection
        .prepare_cached(
            "INSERT INTO products (handle, title, subtitle, description, category, search_words, featured,
               created_at_ms, tags_json, images_json, options_json, model_json)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (handle) DO UPDATE SET title = excluded.title, subtitle = excluded.subtitle,
               description = excluded.description, category = excluded.category,
               search_words = excluded.search_words, featured = excluded.featured,
               created_at_ms = excluded.created_at_ms, tags_json = excluded.tags_json,
               images_json = excluded.images_json, options_json = excluded.options_json,
               model_json = excluded.model_json
             RETURNING id",
        )?
        .query_row(
            params![
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
                product.model_json
            ],
            |row| row.get(0),
        )?;
    Ok(id)
}

fn upsert_variant(
    connection: &Connection,
    product_id: i64,
    position: i64,
    variant: &VariantRow,
    now: Timestamp,
) -> Result<(), StoreError> {
    let [width_mm, height_mm, depth_mm] = variant.dimensions_mm;
    connection
        .prepare_cached(
            "INSERT INTO variants (sku, product_id, position, title, options_json, image_url, image_alt,
               material_variant, web_glb_url, plain_glb_url, usdz_url, poster_url, width_mm, height_mm, depth_mm)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
             ON CONFLICT (sku) DO UPDATE SET product_id = excluded.product_id, position = excluded.position,
               title = excluded.title, options_json = excluded.options_json, image_url = excluded.image_url,
               image_alt = excluded.image_alt, material_variant = excluded.material_variant,
               web_glb_url = excluded.web_glb_url, plain_glb_url = excluded.plain_glb_url,
               usdz_url = excluded.usdz_url, poster_url = excluded.poster_url, width_mm = excluded.width_mm,
               height_mm = excluded.height_mm, depth_mm = excluded.depth_mm",
        )?
        .execute(params![
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
            depth_mm
        ])?;
    for price in &variant.prices {
        connection
            .prepare_cached(
                "INSERT INTO prices (sku, currency, minor) VALUES (?1, ?2, ?3)
                 ON CONFLICT (sku, currency) DO UPDATE SET minor = excluded.minor",
            )?
            .execute(params![variant.sku.as_str(), price.currency.code(), price.minor])?;
    }
    receive_if_new(connection, variant, now)
}

fn receive_if_new(
    connection: &Connection,
    variant: &VariantRow,
    now: Timestamp,
) -> Result<(), StoreError> {
    let is_new = connection
        .prepare_cached("INSERT INTO stock (sku, on_hand, reserved) VALUES (?1, ?2, 0) ON CONFLICT (sku) DO NOTHING")?
        .execute(params![variant.sku.as_str(), variant.initial_stock])?
        == 1;
    if is_new {
        connection
            .prepare_cached(
                "INSERT INTO stock_movements (sku, kind, on_hand_delta, reserved_delta, at_ms)
                 VALUES (?1, 'received', ?2, 0, ?3)",
            )?
            .execute(params![variant.sku.as_str(), variant.initial_stock, now.unix_ms()])?;
    }
    Ok(())
}

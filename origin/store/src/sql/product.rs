//! Statements of products as the staff keeps them. Each change tells the edges and the outbox in its own commit.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Currency, Handle, Money, Sku, Timestamp};

use super::{catalogue, feed, outbox};
use crate::StoreError;
use crate::catalogue::{ProductRow, ProductTraits, VariantRow};
use crate::product::{
    ArchiveProduct, ChangeProduct, CreateProduct, ListProducts, ProductRefusal, ProductSummary,
    PutVariant, SetPrices, StoredProduct, StoredVariant,
};
use crate::tx::{Row, Tx, values};

type Refusable<T> = Result<Result<T, ProductRefusal>, StoreError>;

/// Names a product of the database.
struct Known {
    id: i64,
    handle: Handle,
    category: String,
    version: i64,
    is_archived: bool,
}

async fn known(tx: &Tx<'_>, handle: &Handle) -> Result<Option<Known>, StoreError> {
    // By the unique index of handles.
    let row = tx
        .query_opt(
            "SELECT id, category, version, archived_at_ms IS NOT NULL FROM products WHERE handle = ?1",
            values![handle.as_str()],
        )
        .await?;
    row.map(|row| {
        Ok(Known {
            id: row.get(0)?,
            handle: handle.clone(),
            category: row.get(1)?,
            version: row.get(2)?,
            is_archived: row.get(3)?,
        })
    })
    .transpose()
}

/// Finds a product at the version that the caller has seen.
async fn seen(tx: &Tx<'_>, handle: &Handle, version: Option<i64>) -> Refusable<Known> {
    Ok(match known(tx, handle).await? {
        None => Err(ProductRefusal::NotFound),
        Some(known) if version.is_some_and(|version| version != known.version) => {
            Err(ProductRefusal::Stale { version: known.version })
        }
        Some(known) => Ok(known),
    })
}

/// Finds the number that a product has in the database.
pub(crate) async fn id_of(tx: &Tx<'_>, handle: &Handle) -> Result<Option<i64>, StoreError> {
    Ok(known(tx, handle).await?.map(|known| known.id))
}

pub(crate) async fn has_category(tx: &Tx<'_>, handle: &Handle) -> Result<bool, StoreError> {
    let found = tx
        .query_opt("SELECT 1 FROM categories WHERE handle = ?1", values![handle.as_str()])
        .await?;
    Ok(found.is_some())
}

pub(crate) async fn create(tx: &Tx<'_>, command: &CreateProduct) -> Refusable<Handle> {
    let (product, now) = (&command.product, command.now);
    if known(tx, &product.handle).await?.is_some() {
        return Ok(Err(ProductRefusal::HandleTaken));
    }
    if !has_category(tx, &product.category).await? {
        return Ok(Err(ProductRefusal::UnknownCategory));
    }
    for variant in &product.variants {
        if catalogue::product_of(tx, &variant.sku).await?.is_some() {
            return Ok(Err(ProductRefusal::SkuTaken(variant.sku.clone())));
        }
    }
    let id = catalogue::upsert_product(tx, product).await?;
    for (position, variant) in (0_i64..).zip(&product.variants) {
        catalogue::upsert_variant(tx, id, position, variant, now).await?;
    }
    let mut rows = rows_of(tx, id).await?;
    rows.push(feed::row("categories", [product.category.as_str()]));
    feed::publish(tx, &rows, now).await?;
    tell(tx, &product.handle, "product.created", now).await?;
    Ok(Ok(product.handle.clone()))
}

pub(crate) async fn change(tx: &Tx<'_>, command: &ChangeProduct) -> Refusable<()> {
    let known = match seen(tx, &command.handle, command.version).await? {
        Ok(known) => known,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let edit = &command.edit;
    if let Some(category) = &edit.category
        && !has_category(tx, category).await?
    {
        return Ok(Err(ProductRefusal::UnknownCategory));
    }
    // By primary key.
    tx.execute(
        "UPDATE products SET title = coalesce(?2, title), subtitle = coalesce(?3, subtitle),
           description = coalesce(?4, description), category = coalesce(?5, category),
           search_words = coalesce(?6, search_words), featured = coalesce(?7, featured),
           tags_json = coalesce(?8, tags_json), images_json = coalesce(?9, images_json),
           options_json = coalesce(?10, options_json), tax_class = coalesce(?11, tax_class),
           is_shippable = coalesce(?12, is_shippable), is_discountable = coalesce(?13, is_discountable),
           version = version + 1 WHERE id = ?1",
        values![
            known.id,
            edit.title,
            edit.subtitle,
            edit.description,
            edit.category.as_ref().map(Handle::as_str),
            edit.search_words,
            edit.is_featured,
            edit.tags.as_ref().map(feed::json).transpose()?,
            edit.images.as_ref().map(feed::json).transpose()?,
            edit.options.as_ref().map(feed::json).transpose()?,
            edit.traits.tax_class.as_ref().map(|class| class.0.as_str()),
            edit.traits.is_shippable,
            edit.traits.is_discountable
        ],
    )
    .await?;
    let mut rows = vec![feed::row("products", [known.id])];
    if let Some(category) = &edit.category {
        rows.extend(
            [known.category.as_str(), category.as_str()]
                .map(|handle| feed::row("categories", [handle])),
        );
    }
    feed::publish(tx, &rows, command.now).await?;
    tell(tx, &known.handle, "product.updated", command.now).await?;
    Ok(Ok(()))
}

pub(crate) async fn archive(tx: &Tx<'_>, command: &ArchiveProduct) -> Refusable<()> {
    let known = match seen(tx, &command.handle, command.version).await? {
        Ok(known) => known,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if known.is_archived == command.is_archived {
        return Ok(Ok(()));
    }
    let since = command.is_archived.then(|| command.now.unix_ms());
    tx.execute(
        "UPDATE products SET archived_at_ms = ?2, version = version + 1 WHERE id = ?1",
        values![known.id, since],
    )
    .await?;
    let mut rows = rows_of(tx, known.id).await?;
    rows.push(feed::row("categories", [known.category.as_str()]));
    feed::publish(tx, &rows, command.now).await?;
    let kind = if command.is_archived { "product.archived" } else { "product.restored" };
    tell(tx, &known.handle, kind, command.now).await?;
    Ok(Ok(()))
}

pub(crate) async fn put_variant(tx: &Tx<'_>, command: &PutVariant) -> Refusable<()> {
    let known = match seen(tx, &command.handle, command.version).await? {
        Ok(known) => known,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (variant, now) = (&command.variant, command.now);
    // By primary key; the next place by index variants_product.
    let found = tx
        .query_opt(
            "SELECT product_id, position FROM variants WHERE sku = ?1",
            values![variant.sku.as_str()],
        )
        .await?;
    let position = match found {
        Some(row) if row.get::<i64>(0)? != known.id => {
            return Ok(Err(ProductRefusal::SkuTaken(variant.sku.clone())));
        }
        Some(row) => row.get(1)?,
        None => {
            let next = "SELECT coalesce(max(position) + 1, 0) FROM variants WHERE product_id = ?1";
            tx.query_one(next, values![known.id]).await?.get(0)?
        }
    };
    let mut rows = catalogue::price_rows(tx, &variant.sku, known.id).await?;
    let before = prices(tx, &variant.sku).await?;
    catalogue::upsert_variant(tx, known.id, position, variant, now).await?;
    drop_other_prices(tx, &variant.sku, &before, &variant.prices).await?;
    bump(tx, known.id).await?;
    rows.extend(rows_of(tx, known.id).await?);
    feed::publish(tx, &rows, now).await?;
    tell(tx, &known.handle, "product.updated", now).await?;
    tell_prices(tx, &known.handle, &variant.sku, &before, &variant.prices, now).await?;
    Ok(Ok(()))
}

pub(crate) async fn set_prices(tx: &Tx<'_>, command: &SetPrices) -> Refusable<Handle> {
    let (sku, now) = (&command.sku, command.now);
    // By primary keys.
    let found = tx
        .query_opt(
            "SELECT p.id, p.handle FROM variants v JOIN products p ON p.id = v.product_id WHERE v.sku = ?1",
            values![sku.as_str()],
        )
        .await?;
    let Some(row) = found else { return Ok(Err(ProductRefusal::NotFound)) };
    let (id, handle): (i64, String) = (row.get(0)?, row.get(1)?);
    let handle: Handle = handle.parse().map_err(|_invalid| StoreError::Corrupt("handle"))?;
    let mut rows = catalogue::price_rows(tx, sku, id).await?;
    let before = prices(tx, sku).await?;
    for price in &command.prices {
        write_price(tx, sku, *price).await?;
    }
    drop_other_prices(tx, sku, &before, &command.prices).await?;
    if tell_prices(tx, &handle, sku, &before, &command.prices, now).await? {
        bump(tx, id).await?;
        rows.extend(catalogue::price_rows(tx, sku, id).await?);
        feed::publish(tx, &rows, now).await?;
    }
    Ok(Ok(handle))
}

async fn bump(tx: &Tx<'_>, id: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE products SET version = version + 1 WHERE id = ?1", values![id]).await?;
    Ok(())
}

async fn write_price(tx: &Tx<'_>, sku: &Sku, price: Money) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO prices (sku, currency, minor) VALUES (?1, ?2, ?3)
         ON CONFLICT (sku, currency) DO UPDATE SET minor = excluded.minor",
        values![sku.as_str(), price.currency.code(), price.minor],
    )
    .await?;
    Ok(())
}

/// Reads the prices of a variant by currency.
pub(crate) async fn prices(tx: &Tx<'_>, sku: &Sku) -> Result<BTreeMap<Currency, i64>, StoreError> {
    // By primary key.
    let rows = tx
        .query("SELECT currency, minor FROM prices WHERE sku = ?1", values![sku.as_str()])
        .await?;
    rows.iter().map(|row| Ok((currency_of(row, 0)?, row.get(1)?))).collect()
}

fn currency_of(row: &Row, index: usize) -> Result<Currency, StoreError> {
    row.get::<String>(index)?.parse().map_err(|_unknown| StoreError::Corrupt("currency of a price"))
}

async fn drop_other_prices(
    tx: &Tx<'_>,
    sku: &Sku,
    before: &BTreeMap<Currency, i64>,
    kept: &[Money],
) -> Result<(), StoreError> {
    for currency in before.keys().filter(|code| kept.iter().all(|price| price.currency != **code)) {
        tx.execute(
            "DELETE FROM prices WHERE sku = ?1 AND currency = ?2",
            values![sku.as_str(), currency.code()],
        )
        .await?;
    }
    Ok(())
}

/// Names every row that edges have of a product and its variants.
async fn rows_of(tx: &Tx<'_>, id: i64) -> Result<Vec<feed::RowKey>, StoreError> {
    let mut rows = vec![feed::row("products", [id])];
    // By index variants_product.
    let skus = tx.query("SELECT sku FROM variants WHERE product_id = ?1", values![id]).await?;
    for row in skus {
        let sku: String = row.get(0)?;
        let sku: Sku = sku.parse().map_err(|_invalid| StoreError::Corrupt("SKU"))?;
        rows.push(feed::row("variants", [sku.as_str()]));
        rows.push(feed::row("stock", [sku.as_str()]));
        rows.extend(catalogue::price_rows(tx, &sku, id).await?);
    }
    Ok(rows)
}

/// Writes an event about a product.
async fn tell(tx: &Tx<'_>, handle: &Handle, kind: &str, now: Timestamp) -> Result<(), StoreError> {
    let words = serde_json::json!({ "product": handle, "type": kind, "at": now }).to_string();
    outbox::append_about(tx, ("product", handle.as_str()), kind, &words, now).await
}

/// Writes an event about prices, if any of them is another now. Says whether one is.
async fn tell_prices(
    tx: &Tx<'_>,
    handle: &Handle,
    sku: &Sku,
    before: &BTreeMap<Currency, i64>,
    after: &[Money],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let after: BTreeMap<Currency, i64> =
        after.iter().map(|price| (price.currency, price.minor)).collect();
    let changed: BTreeSet<&str> = before
        .keys()
        .chain(after.keys())
        .filter(|currency| before.get(*currency) != after.get(*currency))
        .map(|currency| currency.code())
        .collect();
    // A variant that is new has had no price that could change.
    if changed.is_empty() || before.is_empty() {
        return Ok(!changed.is_empty());
    }
    let kind = "price.changed";
    let words = serde_json::json!({ "sku": sku, "product": handle, "currencies": changed, "type": kind, "at": now });
    outbox::append_about(tx, ("variant", sku.as_str()), kind, &words.to_string(), now).await?;
    Ok(true)
}

pub(crate) async fn list(
    tx: &Tx<'_>,
    query: &ListProducts,
) -> Result<Vec<ProductSummary>, StoreError> {
    // By the unique index of handles; the other conditions are looked at on the way.
    let rows = tx
        .query(
            "SELECT p.handle, p.title, p.category, p.featured,
               (SELECT CAST(count(*) AS BIGINT) FROM variants v WHERE v.product_id = p.id), p.version, p.archived_at_ms
             FROM products p
             WHERE p.handle > ?1 AND (?2 = '' OR p.category = ?2)
               AND (?3 < 0 OR (p.archived_at_ms IS NOT NULL) = (?3 = 1))
             ORDER BY p.handle LIMIT ?4",
            values![
                query.after.as_ref().map_or("", Handle::as_str),
                query.category.as_ref().map_or("", Handle::as_str),
                query.is_archived.map_or(-1_i64, i64::from),
                query.limit
            ],
        )
        .await?;
    let summary = |row: &Row| {
        Ok(ProductSummary {
            handle: handle_of(row, 0)?,
            title: row.get(1)?,
            category: handle_of(row, 2)?,
            is_featured: row.get(3)?,
            variants: row.get(4)?,
            version: row.get(5)?,
            archived_at: row.get::<Option<i64>>(6)?.map(Timestamp::from_unix_ms),
        })
    };
    rows.iter().map(summary).collect()
}

fn handle_of(row: &Row, index: usize) -> Result<Handle, StoreError> {
    row.get::<String>(index)?.parse().map_err(|_invalid| StoreError::Corrupt("handle"))
}

pub(crate) async fn load(
    tx: &Tx<'_>,
    handle: &Handle,
) -> Result<Option<StoredProduct>, StoreError> {
    // By the unique index of handles.
    let row = tx
        .query_opt(
            "SELECT id, handle, title, subtitle, description, category, search_words, featured, created_at_ms, tags_json,
               images_json, options_json, model_json, version, archived_at_ms FROM products WHERE handle = ?1",
            values![handle.as_str()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let product = ProductRow {
        handle: handle_of(&row, 1)?,
        title: row.get(2)?,
        subtitle: row.get(3)?,
        description: row.get(4)?,
        category: handle_of(&row, 5)?,
        search_words: row.get(6)?,
        is_featured: row.get(7)?,
        created_at: Timestamp::from_unix_ms(row.get(8)?),
        tags_json: row.get(9)?,
        images_json: row.get(10)?,
        options_json: row.get(11)?,
        model_json: row.get(12)?,
        // What is not named stays: whoever writes it back changes none of it.
        traits: ProductTraits::default(),
        variants: Vec::new(),
    };
    Ok(Some(StoredProduct {
        product,
        version: row.get(13)?,
        archived_at: row.get::<Option<i64>>(14)?.map(Timestamp::from_unix_ms),
        variants: variants(tx, row.get(0)?).await?,
    }))
}

async fn variants(tx: &Tx<'_>, product: i64) -> Result<Vec<StoredVariant>, StoreError> {
    // By index variants_product, and primary keys.
    let rows = tx
        .query(
            "SELECT v.sku, v.title, v.options_json, v.image_url, v.image_alt, v.material_variant, v.web_glb_url,
               v.plain_glb_url, v.usdz_url, v.poster_url, v.width_mm, v.height_mm, v.depth_mm, s.on_hand, s.reserved
             FROM variants v JOIN stock s ON s.sku = v.sku WHERE v.product_id = ?1 ORDER BY v.position",
            values![product],
        )
        .await?;
    let mut variants = Vec::with_capacity(rows.len());
    for row in rows {
        let sku: String = row.get(0)?;
        let sku: Sku = sku.parse().map_err(|_invalid| StoreError::Corrupt("SKU"))?;
        let prices = prices(tx, &sku).await?;
        let variant = VariantRow {
            sku,
            title: row.get(1)?,
            options_json: row.get(2)?,
            image_url: row.get(3)?,
            image_alt: row.get(4)?,
            material_variant: row.get(5)?,
            web_glb_url: row.get(6)?,
            plain_glb_url: row.get(7)?,
            usdz_url: row.get(8)?,
            poster_url: row.get(9)?,
            dimensions_mm: [row.get(10)?, row.get(11)?, row.get(12)?],
            prices: prices.into_iter().map(|(code, minor)| Money::new(minor, code)).collect(),
            initial_stock: 0,
            grams: None,
        };
        variants.push(StoredVariant { variant, on_hand: row.get(13)?, reserved: row.get(14)? });
    }
    Ok(variants)
}

//! Carts that lie ready, and orders that were placed long ago: written past the shop, for it would take hours.

use anyhow::{Context as _, Result};
use domain::{CartId, Currency, Money};
use store::{Catalogue, CategoryRow, ProductRow, ProductTraits, VariantRow};

use super::place::{Backdoor, Shop};
use super::sale::{Goods, NOW};

/// Puts goods on sale, and one cart for each piece; returns the carts.
pub(crate) async fn open_for_sale(shop: &Shop, goods: Goods, pieces: u32) -> Result<Vec<CartId>> {
    let skus = match goods {
        Goods::One => 1,
        Goods::Many(count) => count,
    };
    // Every sale has goods of its own: a shop may have had one before.
    let sale: u32 = {
        let taken = shop.backdoor.number("SELECT count(*) FROM products").await?;
        u32::try_from(taken).unwrap_or(0)
    };
    shop.store
        .upsert_catalogue(catalogue(sale, skus, i64::from(pieces.div_ceil(skus))), NOW)
        .await
        .context("put goods on sale")?;
    let carts: Vec<CartId> = (0..pieces).map(|number| cart_id(sale, number)).collect();
    let rows: Vec<(CartId, String)> = (0..pieces)
        .zip(&carts)
        .map(|(number, cart)| (*cart, sku(sale, number.checked_rem(skus).unwrap_or(0))))
        .collect();
    shop.backdoor.carts(rows).await?;
    Ok(carts)
}

/// Lets the shop have had so many orders; returns how many it has.
pub(crate) async fn to(shop: &Shop, there: u32, many: u32) -> Result<u32> {
    if many <= there {
        return Ok(there);
    }
    crate::say(&format!("write orders up to {many}"))?;
    shop.backdoor.old_orders(there, many).await?;
    Ok(many)
}

fn cart_id(sale: u32, number: u32) -> CartId {
    let mut name = [0; 16];
    name[..4].copy_from_slice(&sale.to_be_bytes());
    // Random ids come in no order, and lie all over an index; so do these.
    name[4..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b1).to_be_bytes());
    name[8..12].copy_from_slice(&number.to_be_bytes());
    name[12] = 0xca;
    CartId::from_bytes(name)
}

fn sku(sale: u32, number: u32) -> String {
    format!("SALE-{sale}-{number}")
}

fn catalogue(sale: u32, skus: u32, stock: i64) -> Catalogue {
    let variant = |number| VariantRow {
        sku: sku(sale, number).parse().expect("letters, digits and hyphens"),
        title: "Plain".to_owned(),
        options_json: "{}".to_owned(),
        image_url: "/m/cup.webp".to_owned(),
        image_alt: String::new(),
        material_variant: String::new(),
        web_glb_url: String::new(),
        plain_glb_url: String::new(),
        usdz_url: String::new(),
        poster_url: String::new(),
        dimensions_mm: [1, 2, 3],
        prices: vec![Money::new(1_900, Currency::Eur)],
        initial_stock: stock,
        grams: None,
    };
    let handle = format!("sale-{sale}");
    Catalogue {
        settings: [("currencies".to_owned(), "[\"EUR\"]".to_owned())].into(),
        categories: vec![CategoryRow {
            handle: "all".parse().expect("letters"),
            title: "All".to_owned(),
            description: String::new(),
            position: 1,
            image_url: String::new(),
            parent: None,
        }],
        products: vec![ProductRow {
            handle: handle.parse().expect("letters, digits and hyphens"),
            title: "Cup".to_owned(),
            subtitle: String::new(),
            description: String::new(),
            category: "all".parse().expect("letters"),
            search_words: String::new(),
            is_featured: false,
            created_at: NOW,
            tags_json: "[]".to_owned(),
            images_json: "[]".to_owned(),
            options_json: "[]".to_owned(),
            model_json: None,
            traits: ProductTraits::default(),
            variants: (0..skus).map(variant).collect(),
        }],
    }
}

/// An old order, its name made of its number `n`: cart, order, line, hold, payment, ledger, event, key. `{id}` makes 16
/// bytes of a number, `{series}` counts from `?1` below `?2`.
const OLD_ORDERS: [&str; 8] = [
    "INSERT INTO carts (id, currency, version, order_id, created_at_ms, updated_at_ms)
     SELECT {id}, 'EUR', 2, {id}, 0, 0 FROM {series}",
    "INSERT INTO orders (id, number, cart_id, cart_version, token_hash, email, address_json, status, currency,
       subtotal_minor, shipping_minor, tax_minor, total_minor, created_at_ms, updated_at_ms, expires_at_ms)
     SELECT {id}, -n - 1, {id}, 2, {id}, 'ada@example.org', '{}', 'confirmed', 'EUR', 1900, 490, 382, 2390, n, n, n FROM {series}",
    "INSERT INTO order_lines (order_id, position, id, sku, handle, title, variant_title, image_url, quantity, unit_minor,
       total_minor)
     SELECT {id}, 0, {id}, 'OLD', 'old', 'Old', 'Plain', '/m/old.webp', 1, 1900, 1900 FROM {series}",
    "INSERT INTO reservations (order_id, sku, quantity, status, expires_at_ms)
     SELECT {id}, 'OLD', 1, 'consumed', n FROM {series}",
    "INSERT INTO payments (id, order_id, provider, method, status, currency, amount_minor, provider_ref, created_at_ms,
       updated_at_ms)
     SELECT {id}, {id}, 'test', 'success', 'captured', 'EUR', 2390, 'pi', n, n FROM {series}",
    "INSERT INTO ledger_entries (key, account, currency, minor, payment_id, at_ms)
     SELECT 'old:' || n, a.account, 'EUR', a.minor, {id}, n FROM {series}
     CROSS JOIN (SELECT 'provider_clearing' AS account, 2390 AS minor UNION ALL SELECT 'revenue', -2390) a",
    "INSERT INTO outbox (aggregate, aggregate_id, sequence, kind, payload_json, created_at_ms, delivered_at_ms)
     SELECT 'order', 'old-' || n, 1, 'order.placed', '{}', n, n FROM {series}",
    "INSERT INTO idempotency (scope, key, fingerprint, answer, lease_until_ms, created_at_ms)
     SELECT 'old', 'old-' || n, {id}, '{}', 0, 1795348800000 FROM {series}",
];
const OLD_GOODS: [&str; 5] = [
    "INSERT INTO categories (handle, title, description, position, image_url) VALUES ('old', 'Old', '', 1, '')
     ON CONFLICT DO NOTHING",
    "INSERT INTO products (id, handle, title, subtitle, description, category, search_words, featured, created_at_ms,
       tags_json, images_json, options_json, model_json)
     VALUES (1000000, 'old', 'Old', '', '', 'old', '', 0, 0, '[]', '[]', '[]', NULL) ON CONFLICT DO NOTHING",
    "INSERT INTO variants (sku, product_id, position, title, options_json, image_url, image_alt, material_variant, web_glb_url,
       plain_glb_url, usdz_url, poster_url, width_mm, depth_mm, height_mm)
     VALUES ('OLD', 1000000, 0, 'Plain', '{}', '', '', '', '', '', '', '', 1, 1, 1) ON CONFLICT DO NOTHING",
    "INSERT INTO stock (sku, on_hand, reserved) VALUES ('OLD', 0, 0) ON CONFLICT DO NOTHING",
    "INSERT INTO prices (sku, currency, minor) VALUES ('OLD', 'EUR', 1900) ON CONFLICT DO NOTHING",
];

impl Backdoor {
    async fn number(&self, sql: &'static str) -> Result<i64> {
        match self {
            Self::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path).context("open the database")?;
                connection.query_row(sql, [], |row| row.get(0)).context("read a number")
            }
            Self::Postgres(url) => {
                let client = connect(url).await?;
                Ok(client.query_one(sql, &[]).await.context("read a number")?.get(0))
            }
        }
    }

    /// Opens a cart with one line for each row.
    async fn carts(&self, rows: Vec<(CartId, String)>) -> Result<()> {
        let now = NOW.unix_ms();
        match self {
            Self::Sqlite(path) => {
                let mut connection =
                    rusqlite::Connection::open(path).context("open the database")?;
                connection.busy_timeout(std::time::Duration::from_secs(60))?;
                let transaction = connection.transaction()?;
                for (cart, sku) in &rows {
                    transaction.prepare_cached(
                        "INSERT INTO carts (id, currency, version, created_at_ms, updated_at_ms) VALUES (?1, 'EUR', 2, ?2, ?2)",
                    )?.execute((cart.as_bytes(), now))?;
                    transaction.prepare_cached(
                        "INSERT INTO cart_lines (cart_id, id, sku, quantity) VALUES (?1, ?1, ?2, 1)",
                    )?.execute((cart.as_bytes(), sku))?;
                }
                transaction.commit().context("open carts")
            }
            Self::Postgres(url) => {
                let client = connect(url).await?;
                let ids: Vec<&[u8]> =
                    rows.iter().map(|(cart, _)| cart.as_bytes().as_slice()).collect();
                let skus: Vec<&str> = rows.iter().map(|(_, sku)| sku.as_str()).collect();
                client
                    .execute(
                        "INSERT INTO orders.carts (id, currency, version, created_at_ms, updated_at_ms)
                         SELECT id, 'EUR', 2, $2, $2 FROM unnest($1::bytea[]) AS c (id)",
                        &[&ids, &now],
                    )
                    .await
                    .context("open carts")?;
                client
                    .execute(
                        "INSERT INTO orders.cart_lines (cart_id, id, sku, quantity)
                         SELECT id, id, sku, 1 FROM unnest($1::bytea[], $2::text[]) AS c (id, sku)",
                        &[&ids, &skus],
                    )
                    .await
                    .context("fill carts")?;
                client
                    .batch_execute("VACUUM ANALYZE")
                    .await
                    .context("let the database look at itself")
            }
        }
    }

    async fn old_orders(&self, from: u32, to: u32) -> Result<()> {
        match self {
            Self::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path).context("open the database")?;
                connection.busy_timeout(std::time::Duration::from_secs(60))?;
                for sql in OLD_GOODS {
                    connection.execute(sql, []).context("sell old goods")?;
                }
                let series = format!(
                    "(WITH RECURSIVE s (n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM s WHERE n + 1 < {to}) SELECT n FROM s) s"
                );
                for sql in OLD_ORDERS {
                    let sql = sql
                        .replace("{id}", "CAST(printf('old%013d', n) AS BLOB)")
                        .replace("{series}", &series);
                    connection
                        .execute(&sql, [])
                        .with_context(|| format!("write old orders: {sql}"))?;
                }
                connection
                    .execute_batch("ANALYZE; PRAGMA wal_checkpoint(PASSIVE)")
                    .context("let the database look at itself")
            }
            Self::Postgres(url) => {
                let client = connect(url).await?;
                for sql in OLD_GOODS {
                    client.batch_execute(sql).await.context("sell old goods")?;
                }
                let series = format!("generate_series({from}::bigint, {to}::bigint - 1) s (n)");
                for sql in OLD_ORDERS {
                    let sql = sql
                        .replace("{id}", "convert_to('old' || lpad(n::text, 13, '0'), 'UTF8')")
                        .replace("{series}", &series);
                    client
                        .batch_execute(&sql)
                        .await
                        .with_context(|| format!("write old orders: {sql}"))?;
                }
                // Apart: two statements sent as one text are one transaction, in which nothing can be vacuumed.
                for sql in ["VACUUM ANALYZE", "CHECKPOINT"] {
                    client.batch_execute(sql).await.context("let the database look at itself")?;
                }
                Ok(())
            }
        }
    }
}

/// Connects as the shop does, with its tables in sight.
pub(crate) async fn connect(url: &str) -> Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .context("connect to PostgreSQL")?;
    tokio::spawn(connection);
    client
        .batch_execute(
            "SET search_path = accounts, catalogue, inventory, orders, payments, feed, analytics, public",
        )
        .await
        .context("set the search path")?;
    Ok(client)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use store::{ConnectionUrl, Store, StoreConfig};

    use super::*;

    /// Writes more than one time, as a measurement does, and reads them as the shop does.
    async fn check(config: StoreConfig, backdoor: Backdoor) {
        let store = Arc::new(Store::open(&config, "bench").await.expect("open a shop"));
        let shop = Shop { store, backdoor };
        assert_eq!(to(&shop, 0, 20).await.expect("write orders"), 20);
        assert_eq!(to(&shop, 20, 50).await.expect("write more orders"), 50);
        assert_eq!(to(&shop, 50, 30).await.expect("write nothing"), 50);
        for table in ["carts", "order_lines", "orders", "payments", "reservations"] {
            let sql = format!("SELECT count(*) FROM {table}").leak();
            assert_eq!(shop.backdoor.number(sql).await.expect("count"), 50, "{table}");
        }
        let sums = shop.store.sums().await.expect("add up");
        assert_eq!((sums.ledger_imbalance, sums.reserved_held), (0, 0), "{sums:?}");
        let carts = open_for_sale(&shop, Goods::One, 3).await.expect("put goods on sale");
        assert_eq!(carts.len(), 3);
    }

    #[tokio::test]
    async fn a_shop_has_had_orders_on_sqlite() {
        let folder = tempfile::tempdir().expect("make a folder");
        let path = folder.path().join("shop.db");
        check(StoreConfig::file(path.clone()), Backdoor::Sqlite(path)).await;
    }

    #[tokio::test]
    async fn a_shop_has_had_orders_on_postgresql() {
        let Some(database) = pgcluster::TestDatabase::create() else { return };
        let url = database.url();
        let config = StoreConfig::cluster(ConnectionUrl::new(url.clone()));
        check(config, Backdoor::Postgres(url)).await;
    }
}

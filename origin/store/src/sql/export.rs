//! Statements of exports.

use api_types::feed::FeedValue;
use domain::OrderId;
use tokio::sync::mpsc::Sender;

use crate::StoreError;
use crate::export::ExportKind;
use crate::tx::{Cell, Row, Tx};

/// By the index of handles and `variants_product`; prices are `EUR 1990,USD 2100`.
const PRODUCTS: &str = "SELECT p.handle, p.title, p.subtitle, p.description, p.category, p.search_words, p.featured,
  p.tags_json, v.sku, v.title, v.options_json, v.image_url, v.image_alt,
  (SELECT string_agg(r.currency || ' ' || CAST(r.minor AS TEXT), ',') FROM prices r WHERE r.sku = v.sku),
  p.tax_class, p.is_shippable, p.is_discountable, v.grams, s.on_hand, s.reserved, p.version, p.archived_at_ms
FROM products p JOIN variants v ON v.product_id = p.id JOIN stock s ON s.sku = v.sku ORDER BY p.handle, v.position";
/// All at once: categories are few. Those above come first, so that a shop without any can take them in this order; one that
/// lies above itself comes last.
const CATEGORIES: &str = "WITH RECURSIVE tree (handle, depth) AS (
    SELECT c.handle, 0 FROM categories c WHERE NOT EXISTS (SELECT 1 FROM categories a WHERE a.handle = c.parent)
    UNION ALL SELECT c.handle, t.depth + 1 FROM categories c JOIN tree t ON c.parent = t.handle)
  SELECT c.handle, c.title, c.description, c.position, c.image_url, c.parent
  FROM categories c LEFT JOIN tree t ON t.handle = c.handle ORDER BY coalesce(t.depth, 1000), c.position, c.handle";
/// By primary keys. The main location has the first name of all.
const STOCK: &str = "SELECT sku, location_id, on_hand, reserved, safety FROM (
    SELECT s.sku, (SELECT l.id FROM locations l ORDER BY l.id LIMIT 1) AS location_id, s.on_hand, s.reserved, s.safety
      FROM stock s
    UNION ALL SELECT a.sku, a.location_id, a.on_hand, a.reserved, a.safety FROM stock_at a) AS held
  ORDER BY sku, location_id";
/// By the index of numbers.
const ORDERS: &str = "SELECT o.number, o.number_prefix, o.number_digits, o.id, o.status, p.status, o.created_at_ms, o.currency, o.subtotal_minor,
  o.shipping_minor, o.tax_minor, o.total_minor, p.captured_minor, p.refunded_minor, o.email, o.address_json, i.number,
  i.prefix, i.digits, i.issued_at_ms
FROM orders o JOIN payments p ON p.order_id = o.id LEFT JOIN invoices i ON i.order_id = o.id ORDER BY o.number";
/// By the index of addresses.
const CUSTOMERS: &str = "SELECT email, id, created_at_ms,
  (SELECT CAST(count(*) AS BIGINT) FROM orders o WHERE o.user_id = users.id)
FROM users ORDER BY email";

pub(crate) async fn send(
    tx: &Tx<'_>,
    kind: ExportKind,
    rows: &Sender<Vec<FeedValue>>,
) -> Result<(), StoreError> {
    let sql = match kind {
        ExportKind::Categories => CATEGORIES,
        ExportKind::Products => PRODUCTS,
        ExportKind::Stock => STOCK,
        ExportKind::Orders => ORDERS,
        ExportKind::Customers => CUSTOMERS,
    };
    // Whether somebody took all of them is known to whoever took them.
    tx.send_rows(sql, &values, rows).await.map(drop)
}

fn values(row: Row) -> Result<Vec<FeedValue>, StoreError> {
    let value = |cell| {
        Ok(match cell {
            Cell::Null => FeedValue::Null,
            Cell::Integer(number) => FeedValue::Integer(number),
            Cell::Real(number) => FeedValue::Real(number),
            Cell::Text(text) => FeedValue::Text(text),
            // Ids, all of which are written alike.
            Cell::Blob(bytes) => {
                let id = bytes.try_into().map_err(|_long| StoreError::Corrupt("id"))?;
                FeedValue::Text(OrderId::from_bytes(id).to_string())
            }
        })
    };
    row.0.into_iter().map(value).collect()
}

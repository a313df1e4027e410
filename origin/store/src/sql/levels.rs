//! The read model's rows of stock: what lies on the shelf, and how what does not can be bought.
//!
//! The words are those of `domain::inventory::availability`; a test lets both decide about the same stock. Two things are
//! left to the reader. The time changes without anybody writing: a pre-order is told with the moment at which it ends, and
//! a delivery with its day, also when both have passed. And a promise is told also of what is on the shelf: no column
//! speaks of another, for an engine writes out the view's sums wherever one does.

use api_types::read_model::Table;

use crate::tx::Tx;

/// The rows, given how the engine writes the name of the main location. By primary keys where a SKU is asked for, and by
/// index `supplies_open`: what comes to a location up to a delivery is what is awaited there no later. Deliveries are looked
/// at only where something may be promised.
macro_rules! rows {
    ($main:literal) => {
        concat!(
            "(SELECT r.sku, r.product_id, r.state,
  CASE WHEN s.backorder <> 'deny' AND s.backorder_max > s.backordered
      + coalesce((SELECT sum(e.backordered) FROM stock_at e WHERE e.sku = s.sku), 0)
    THEN CASE s.backorder WHEN 'pre_order' THEN 'preorder' ELSE 'backorder' END END AS promise,
  CASE WHEN s.backorder <> 'deny' THEN
    (SELECT min(u.expected_at_ms) FROM supplies u
      JOIN locations p ON p.id = u.location_id AND p.is_active = 1
      LEFT JOIN stock_at a ON a.sku = u.sku AND a.location_id = u.location_id
      WHERE u.sku = s.sku AND u.pieces > u.arrived + u.cancelled
        AND (SELECT sum(d.pieces - d.arrived - d.cancelled) FROM supplies d
          WHERE d.sku = u.sku AND d.location_id = u.location_id AND d.pieces > d.arrived + d.cancelled
            AND d.expected_at_ms <= u.expected_at_ms)
          > CASE WHEN u.location_id = ",
            $main,
            " THEN s.backordered ELSE coalesce(a.backordered, 0) END) END AS ships_at_ms,
  CASE WHEN s.backorder = 'pre_order' THEN s.backorder_until_ms END AS promised_until_ms
FROM read_stock r JOIN stock s ON s.sku = r.sku)"
        )
    };
}

const ROWS_SQLITE: &str = rows!("x'00000000000080008000000000000001'");
const ROWS_POSTGRES: &str = rows!("'\\x00000000000080008000000000000001'::bytea");

/// The rows of many SKUs, on PostgreSQL.
pub(crate) const READ_MANY: &str = concat!(
    "SELECT sku, product_id, state, promise, ships_at_ms, promised_until_ms FROM ",
    rows!("'\\x00000000000080008000000000000001'::bytea"),
    " AS read_stock WHERE sku = ANY(?1)"
);

/// Returns what the rows of a table are selected from: `read_stock` with what may be promised, any other as it is.
pub(crate) fn source(tx: &Tx<'_>, table: &Table) -> String {
    match (table.name, tx) {
        ("stock", Tx::Sqlite(_)) => format!("{ROWS_SQLITE} AS read_stock"),
        ("stock", Tx::Postgres(_)) => format!("{ROWS_POSTGRES} AS read_stock"),
        (name, _) => format!("read_{name}"),
    }
}

#[cfg(test)]
mod tests {
    use api_types::read_model::TABLES;

    use super::*;

    #[test]
    fn the_columns_are_those_of_the_read_model() {
        let table = TABLES.iter().find(|table| table.name == "stock").unwrap();
        let expected = format!(
            "SELECT {} FROM {ROWS_POSTGRES} AS read_stock WHERE sku = ANY(?1)",
            table.columns.join(", ")
        );
        assert_eq!(READ_MANY, expected);
        assert_eq!(table.key, ["sku"]);
    }
}

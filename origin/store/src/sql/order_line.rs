//! Statements of the lines of orders: what was bought, at which price, and what was promised of it.

use api_types::cart::Line;
use domain::inventory::Promise;
use domain::{Currency, LineId, Money, OrderId, Timestamp};

use crate::StoreError;
use crate::order::{OrderRecord, PlaceOrder, line_id};
use crate::tx::{Row, Tx, values};

/// A line `l` of an order, as [`read`] reads it.
const COLUMNS: &str = "l.id, l.sku, l.handle, l.title, l.variant_title, l.image_url, l.quantity, l.unit_minor, l.total_minor,
  l.promise, l.promised_pieces, l.ships_at_ms";

/// Writes a line as it is bought.
pub(crate) async fn write(
    tx: &Tx<'_>,
    command: &PlaceOrder,
    place: usize,
    line: &Line,
) -> Result<(), StoreError> {
    let (kind, pieces, ships_at_ms) = promise_words(line.promise);
    tx.execute("INSERT INTO order_lines (order_id, position, id, sku, handle, title, variant_title, image_url, quantity,
               unit_minor, total_minor, promise, promised_pieces, ships_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)", values![
            command.order.as_bytes(),
            i64::try_from(place).unwrap_or(i64::MAX),
            line_id(command.now, command.line_seed, place).as_bytes(),
            line.sku.as_str(),
            line.handle.as_str(),
            line.title,
            line.variant_title,
            line.image_url,
            line.quantity,
            line.unit_price.minor,
            line.line_total.minor,
            kind,
            pieces,
            ships_at_ms
        ]).await?;
    Ok(())
}

/// Returns how a promise is stored: what it is called, how many pieces, and from when on they ship.
fn promise_words(promise: Option<Promise>) -> (Option<&'static str>, Option<u32>, Option<i64>) {
    let ships_at = promise.and_then(|own| own.ships_at);
    (
        promise.map(|own| own.kind.as_str()),
        promise.map(|own| own.pieces),
        ships_at.map(Timestamp::unix_ms),
    )
}

/// Writes on the lines of an order what they are promised now, where that is not what they say.
pub(crate) async fn write_promises(
    tx: &Tx<'_>,
    order: &OrderRecord,
    promises: &[Option<Promise>],
) -> Result<(), StoreError> {
    for (line, &promise) in order.lines.iter().zip(promises) {
        if line.promise == promise {
            continue;
        }
        let (kind, pieces, ships_at_ms) = promise_words(promise);
        // By the first column of the primary key: an order has fifty lines at most.
        tx.execute(
            "UPDATE order_lines SET promise = ?3, promised_pieces = ?4, ships_at_ms = ?5 WHERE order_id = ?1 AND id = ?2",
            values![order.id.as_bytes(), line.id.as_bytes(), kind, pieces, ships_at_ms],
        )
        .await?;
    }
    Ok(())
}

/// Reads the lines of an order.
pub(crate) async fn all(
    tx: &Tx<'_>,
    order: OrderId,
    currency: Currency,
) -> Result<Vec<Line>, StoreError> {
    // By primary key.
    let sql =
        format!("SELECT {COLUMNS} FROM order_lines l WHERE l.order_id = ?1 ORDER BY l.position");
    let rows = tx.query(&sql, values![order.as_bytes()]).await?;
    rows.iter().map(|row| read(row, currency)).collect()
}

/// Reads a line as it was bought.
pub(crate) fn read(row: &Row, currency: Currency) -> Result<Line, StoreError> {
    let (sku, handle): (String, String) = (row.get(1)?, row.get(2)?);
    Ok(Line {
        id: LineId::from_bytes(row.get(0)?),
        sku: sku.parse().map_err(|_invalid| StoreError::Corrupt("SKU of a line"))?,
        handle: handle.parse().map_err(|_invalid| StoreError::Corrupt("handle of a line"))?,
        title: row.get(3)?,
        variant_title: row.get(4)?,
        image_url: row.get(5)?,
        quantity: row.get(6)?,
        unit_price: Money::new(row.get(7)?, currency),
        line_total: Money::new(row.get(8)?, currency),
        promise: read_promise(row, 9)?,
    })
}

fn read_promise(row: &Row, from: usize) -> Result<Option<Promise>, StoreError> {
    let column = |more: usize| from.saturating_add(more);
    let (kind, pieces): (Option<String>, Option<u32>) = (row.get(from)?, row.get(column(1))?);
    let Some((kind, pieces)) = kind.zip(pieces) else { return Ok(None) };
    let kind = kind.parse().map_err(|_unknown| StoreError::Corrupt("promise of a line"))?;
    let ships_at = row.get::<Option<i64>>(column(2))?.map(Timestamp::from_unix_ms);
    Ok(Some(Promise { kind, pieces, ships_at }))
}

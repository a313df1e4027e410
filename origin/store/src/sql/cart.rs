//! Statements of carts.

use api_types::cart::{Cart, Line};
use domain::cart::{CartStatus, LINES_MAX, totals};
use domain::{CartId, LineId, Quantity, Sku, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::catalogue;
use crate::StoreError;
use crate::cart::{CartRefusal, ChangeCart, LineEdit, OpenCart};

type Outcome = Result<Result<Cart, CartRefusal>, StoreError>;

pub(crate) fn open(connection: &Connection, command: &OpenCart) -> Outcome {
    connection
        .prepare_cached(
            "INSERT INTO carts (id, user_id, currency, version, created_at_ms, updated_at_ms)
             VALUES (?1, ?2, ?3, 1, ?4, ?4)",
        )?
        .execute(params![
            command.id.as_bytes(),
            command.user.as_ref().map(|user| user.as_bytes()),
            command.currency.code(),
            command.now.unix_ms()
        ])?;
    load(connection, command.id)
}

pub(crate) fn load(connection: &Connection, id: CartId) -> Outcome {
    // By primary key.
    let head = connection
        .prepare_cached("SELECT currency, version, order_id IS NOT NULL FROM carts WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, bool>(2)?))
        })
        .optional()?;
    let Some((currency, version, is_checked_out)) = head else {
        return Ok(Err(CartRefusal::NotFound));
    };
    let currency =
        currency.parse().map_err(|_unknown| StoreError::Corrupt("currency of a cart"))?;
    let mut lines = Vec::new();
    for (line, sku, quantity) in stored_lines(connection, id)? {
        let Some(row) = catalogue::priced(connection, &sku, currency)? else {
            return Ok(Err(CartRefusal::UnknownSku(sku)));
        };
        let Some(unit_price) = row.price else {
            return Ok(Err(CartRefusal::NotSoldIn(sku, currency)));
        };
        let Ok(line_total) = unit_price.checked_mul(quantity.get()) else {
            return Ok(Err(CartRefusal::TooExpensive));
        };
        lines.push(Line {
            id: line,
            sku,
            handle: row.handle,
            title: row.title,
            variant_title: row.variant_title,
            image_url: row.image_url,
            quantity: quantity.get(),
            unit_price,
            line_total,
        });
    }
    let (shipping, tax) = catalogue::price_rules(connection, currency)?;
    let priced: Vec<_> = lines
        .iter()
        .filter_map(|line| Some((line.unit_price, Quantity::try_from(line.quantity).ok()?)))
        .collect();
    let Ok(totals) = totals(currency, &priced, shipping, tax) else {
        return Ok(Err(CartRefusal::TooExpensive));
    };
    let status = if is_checked_out { CartStatus::CheckedOut } else { CartStatus::Open };
    Ok(Ok(Cart { id, version, status, currency, lines, totals: totals.into() }))
}

fn stored_lines(
    connection: &Connection,
    id: CartId,
) -> Result<Vec<(LineId, Sku, Quantity)>, StoreError> {
    // By primary key; line ids are UUIDv7, so their order is the order of adding.
    let mut statement = connection.prepare_cached(
        "SELECT id, sku, quantity FROM cart_lines WHERE cart_id = ?1 ORDER BY id",
    )?;
    let mut rows = statement.query([id.as_bytes()])?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        let sku: String = row.get(1)?;
        let sku = sku.parse().map_err(|_invalid| StoreError::Corrupt("SKU of a line"))?;
        let quantity: u32 = row.get(2)?;
        let quantity =
            quantity.try_into().map_err(|_invalid| StoreError::Corrupt("quantity of a line"))?;
        lines.push((LineId::from_bytes(row.get(0)?), sku, quantity));
    }
    Ok(lines)
}

/// Changes a cart. Refusals are found before anything is written.
pub(crate) fn change(connection: &Connection, command: &ChangeCart) -> Outcome {
    let cart = match load(connection, command.id)? {
        Ok(cart) => cart,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if cart.status == CartStatus::CheckedOut {
        return Ok(Err(CartRefusal::CheckedOut));
    }
    if command.version.is_some_and(|version| version != cart.version) {
        return Ok(Err(CartRefusal::Stale { version: cart.version }));
    }
    let refusal = match &command.edit {
        LineEdit::Add { line, sku, quantity } => add(connection, &cart, *line, sku, *quantity)?,
        LineEdit::Set { line, quantity } => {
            let changed = connection
                .prepare_cached(
                    "UPDATE cart_lines SET quantity = ?3 WHERE cart_id = ?1 AND id = ?2",
                )?
                .execute(params![cart.id.as_bytes(), line.as_bytes(), quantity.get()])?;
            (changed == 0).then_some(CartRefusal::LineNotFound)
        }
        LineEdit::Remove { line } => {
            let removed = connection
                .prepare_cached("DELETE FROM cart_lines WHERE cart_id = ?1 AND id = ?2")?
                .execute(params![cart.id.as_bytes(), line.as_bytes()])?;
            (removed == 0).then_some(CartRefusal::LineNotFound)
        }
    };
    if let Some(refusal) = refusal {
        return Ok(Err(refusal));
    }
    bump(connection, cart.id, command.now)?;
    load(connection, command.id)
}

fn add(
    connection: &Connection,
    cart: &Cart,
    line: LineId,
    sku: &Sku,
    quantity: Quantity,
) -> Result<Option<CartRefusal>, StoreError> {
    match catalogue::priced(connection, sku, cart.currency)? {
        None => return Ok(Some(CartRefusal::UnknownSku(sku.clone()))),
        Some(row) if row.price.is_none() => {
            return Ok(Some(CartRefusal::NotSoldIn(sku.clone(), cart.currency)));
        }
        Some(_) => {}
    }
    if let Some(present) = cart.lines.iter().find(|line| line.sku == *sku) {
        let Ok(quantity) =
            Quantity::try_from(present.quantity).and_then(|have| have.checked_add(quantity))
        else {
            return Ok(Some(CartRefusal::TooManyPieces));
        };
        connection
            .prepare_cached("UPDATE cart_lines SET quantity = ?3 WHERE cart_id = ?1 AND id = ?2")?
            .execute(params![cart.id.as_bytes(), present.id.as_bytes(), quantity.get()])?;
        return Ok(None);
    }
    if cart.lines.len() >= LINES_MAX {
        return Ok(Some(CartRefusal::TooManyLines));
    }
    connection
        .prepare_cached(
            "INSERT INTO cart_lines (cart_id, id, sku, quantity) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![cart.id.as_bytes(), line.as_bytes(), sku.as_str(), quantity.get()])?;
    Ok(None)
}

fn bump(connection: &Connection, id: CartId, now: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE carts SET version = version + 1, updated_at_ms = ?2 WHERE id = ?1")?
        .execute(params![id.as_bytes(), now.unix_ms()])?;
    Ok(())
}

//! Statements of carts.

use api_types::cart::{Cart, Line, Totals};
use domain::cart::{CartStatus, LINES_MAX, ShippingRule, totals};
use domain::{CartId, Currency, LineId, MoneyError, Quantity, Sku, Timestamp};

use super::catalogue;
use crate::StoreError;
use crate::cart::{CartRefusal, ChangeCart, LineEdit, OpenCart};
use crate::catalogue::PriceRow;
use crate::tx::{Tx, values};

type Outcome = Result<Result<Cart, CartRefusal>, StoreError>;

pub(crate) async fn open(tx: &Tx<'_>, command: &OpenCart) -> Outcome {
    tx.execute(
        "INSERT INTO carts (id, user_id, currency, version, created_at_ms, updated_at_ms)
             VALUES (?1, ?2, ?3, 1, ?4, ?4)",
        values![
            command.id.as_bytes(),
            command.user.as_ref().map(|user| user.as_bytes()),
            command.currency.code(),
            command.now.unix_ms()
        ],
    )
    .await?;
    load(tx, command.id).await
}

pub(crate) async fn load(tx: &Tx<'_>, id: CartId) -> Outcome {
    // By primary key.
    let head = tx
        .query_opt(
            "SELECT currency, version, order_id IS NOT NULL FROM carts WHERE id = ?1",
            values![id.as_bytes()],
        )
        .await?;
    let Some(head) = head else {
        return Ok(Err(CartRefusal::NotFound));
    };
    let (currency, version, is_checked_out): (String, i64, bool) =
        (head.get(0)?, head.get(1)?, head.get(2)?);
    let currency =
        currency.parse().map_err(|_unknown| StoreError::Corrupt("currency of a cart"))?;
    let mut lines = Vec::new();
    for (line, sku, quantity) in stored_lines(tx, id).await? {
        let Some(row) = catalogue::priced(tx, &sku, currency).await? else {
            return Ok(Err(CartRefusal::UnknownSku(sku)));
        };
        match line_of(line, sku, quantity, row, currency) {
            Ok(line) => lines.push(line),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    let rules = catalogue::price_rules(tx, currency).await?;
    let status = if is_checked_out { CartStatus::CheckedOut } else { CartStatus::Open };
    let Ok(totals) = total(currency, &lines, rules) else {
        return Ok(Err(CartRefusal::TooExpensive));
    };
    Ok(Ok(Cart { id, version, status, currency, lines, totals }))
}

/// Makes a line of what is stored and what it costs now.
pub(crate) fn line_of(
    id: LineId,
    sku: Sku,
    quantity: Quantity,
    row: PriceRow,
    currency: Currency,
) -> Result<Line, CartRefusal> {
    let Some(unit_price) = row.price else {
        return Err(CartRefusal::NotSoldIn(sku, currency));
    };
    let line_total =
        unit_price.checked_mul(quantity.get()).map_err(|_out| CartRefusal::TooExpensive)?;
    Ok(Line {
        id,
        sku,
        handle: row.handle,
        title: row.title,
        variant_title: row.variant_title,
        image_url: row.image_url,
        quantity: quantity.get(),
        unit_price,
        line_total,
    })
}

/// Adds up lines.
pub(crate) fn total(
    currency: Currency,
    lines: &[Line],
    (shipping, tax): (ShippingRule, u32),
) -> Result<Totals, MoneyError> {
    let priced: Vec<_> = lines
        .iter()
        .filter_map(|line| Some((line.unit_price, Quantity::try_from(line.quantity).ok()?)))
        .collect();
    totals(currency, &priced, shipping, tax).map(Into::into)
}

async fn stored_lines(tx: &Tx<'_>, id: CartId) -> Result<Vec<(LineId, Sku, Quantity)>, StoreError> {
    // By primary key; line ids are UUIDv7, so their order is the order of adding.
    let rows = tx
        .query(
            "SELECT id, sku, quantity FROM cart_lines WHERE cart_id = ?1 ORDER BY id",
            values![id.as_bytes()],
        )
        .await?;
    let mut lines = Vec::new();
    for row in rows {
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
pub(crate) async fn change(tx: &Tx<'_>, command: &ChangeCart) -> Outcome {
    let cart = match load(tx, command.id).await? {
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
        LineEdit::Add { line, sku, quantity } => add(tx, &cart, *line, sku, *quantity).await?,
        LineEdit::Set { line, quantity } => {
            let changed = tx
                .execute(
                    "UPDATE cart_lines SET quantity = ?3 WHERE cart_id = ?1 AND id = ?2",
                    values![cart.id.as_bytes(), line.as_bytes(), quantity.get()],
                )
                .await?;
            (changed == 0).then_some(CartRefusal::LineNotFound)
        }
        LineEdit::Remove { line } => {
            let removed = tx
                .execute(
                    "DELETE FROM cart_lines WHERE cart_id = ?1 AND id = ?2",
                    values![cart.id.as_bytes(), line.as_bytes()],
                )
                .await?;
            (removed == 0).then_some(CartRefusal::LineNotFound)
        }
    };
    if let Some(refusal) = refusal {
        return Ok(Err(refusal));
    }
    bump(tx, cart.id, command.now).await?;
    load(tx, command.id).await
}

async fn add(
    tx: &Tx<'_>,
    cart: &Cart,
    line: LineId,
    sku: &Sku,
    quantity: Quantity,
) -> Result<Option<CartRefusal>, StoreError> {
    match catalogue::priced(tx, sku, cart.currency).await? {
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
        tx.execute(
            "UPDATE cart_lines SET quantity = ?3 WHERE cart_id = ?1 AND id = ?2",
            values![cart.id.as_bytes(), present.id.as_bytes(), quantity.get()],
        )
        .await?;
        return Ok(None);
    }
    if cart.lines.len() >= LINES_MAX {
        return Ok(Some(CartRefusal::TooManyLines));
    }
    tx.execute(
        "INSERT INTO cart_lines (cart_id, id, sku, quantity) VALUES (?1, ?2, ?3, ?4)",
        values![cart.id.as_bytes(), line.as_bytes(), sku.as_str(), quantity.get()],
    )
    .await?;
    Ok(None)
}

async fn bump(tx: &Tx<'_>, id: CartId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE carts SET version = version + 1, updated_at_ms = ?2 WHERE id = ?1",
        values![id.as_bytes(), now.unix_ms()],
    )
    .await?;
    Ok(())
}

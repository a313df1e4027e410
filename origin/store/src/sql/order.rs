//! Statements of checkouts and orders.

use api_types::cart::{Cart, Line, Totals};
use domain::cart::CartStatus;
use domain::order::{Consequence, OrderEvent};
use domain::payment::{Amounts, KeptMethod};
use domain::pricing::Quote;
use domain::{
    CartId, Currency, Money, OrderId, OrderStatus, PaymentId, Quantity, Timestamp, UserId,
};

use super::idempotency::{self, Found};
use super::pricing::BuyerFacts;
use super::{
    allocation, cart, gift_card, invoice, numbers, order_line, order_state, outbox, promise,
    promotion, reservation, stock,
};
use crate::StoreError;
use crate::cart::CartRefusal;
use crate::order::{
    CheckoutOutcome, OrderRecord, PaymentRecord, PlaceOrder, Placed, SealedToken, line_id,
    method_words,
};
use crate::pricing;
use crate::tx::{Row, Tx, values};

pub(crate) async fn place(tx: &Tx<'_>, command: &PlaceOrder) -> Result<Placed, StoreError> {
    let lease_until = command.now.after(command.lease);
    match idempotency::find(tx, &command.claim).await? {
        Found::Nothing => {}
        Found::OtherRequest => return Ok(Placed::Reused),
        Found::Answer(answer) => {
            return Ok(Placed::Decided { outcome: idempotency::read(&answer)?, is_replay: true });
        }
        Found::Unfinished { lease_until, .. } if lease_until > command.now => {
            return Ok(Placed::InFlight);
        }
        Found::Unfinished { order, .. } => {
            idempotency::lease(tx, &command.claim, order, lease_until, command.now).await?;
            let order = load(tx, order).await?.ok_or(StoreError::Corrupt("order of a claim"))?;
            return Ok(Placed::Order(Box::new(order)));
        }
    }
    let viewer = cart::Viewer {
        buyer: BuyerFacts {
            user: command.user,
            email: Some(command.email.as_str()),
            key: Some(&command.terms.buyer),
        },
        destination: pricing::destination_of(&command.address),
    };
    let mut cart = match cart::load_for(tx, command.cart, command.now, viewer).await? {
        Err(refusal) => return Ok(Placed::Refused(refusal)),
        Ok(cart) if cart.status == CartStatus::CheckedOut => {
            return Ok(Placed::Refused(CartRefusal::CheckedOut));
        }
        Ok(cart) if cart.lines.is_empty() => return Ok(Placed::Refused(CartRefusal::Empty)),
        Ok(cart) => cart,
    };
    if let Some(refusal) = pricing::refusal_of(&cart, &command.terms) {
        if matches!(refusal, CartRefusal::PriceChanged(_)) {
            cart::note_changes(tx, &cart, command.terms.freeze, command.now).await?;
        }
        return Ok(Placed::Refused(refusal));
    }
    let wanted = (cart.lines.as_slice(), command.address.country.as_str());
    let given = match allocation::give_out(tx, wanted, command.now).await? {
        Ok(given) => given,
        Err(shortages) => {
            let outcome = CheckoutOutcome::OutOfStock(shortages);
            idempotency::finish(tx, &command.claim, &outcome, command.now).await?;
            return Ok(Placed::Decided { outcome, is_replay: false });
        }
    };
    promise::keep(&mut cart.lines, given.promises);
    if let Some(refusal) = pricing::other_promise(&cart, &command.terms) {
        return Ok(Placed::Refused(refusal));
    }
    write_order(tx, command, &cart).await?;
    if let Some(quote) = &cart.quote {
        promotion::redeem(tx, command.order, &command.terms.buyer, quote, command.now).await?;
        gift_card::hold(tx, command.order, &quote.gift_cards, command.now).await?;
    }
    let expires_at = command.now.after(command.hold);
    let given = (cart.lines.as_slice(), &given.allocation);
    reservation::hold(tx, command.order, given, expires_at, command.now).await?;
    idempotency::lease(tx, &command.claim, command.order, lease_until, command.now).await?;
    outbox::append(tx, command.order, "order.placed", command.now).await?;
    let order = load(tx, command.order).await?.ok_or(StoreError::Corrupt("order just written"))?;
    Ok(Placed::Order(Box::new(order)))
}

async fn write_order(tx: &Tx<'_>, command: &PlaceOrder, cart: &Cart) -> Result<(), StoreError> {
    let (number, style) = numbers::next(tx, command).await?;
    let (prefix, digits) = numbers::style_words(&style);
    let (order, now_ms) = (command.order.as_bytes(), command.now.unix_ms());
    let address = address_json(command)?;
    let quote = quote_json(command, cart)?;
    tx.execute("INSERT INTO orders (id, number, cart_id, cart_version, user_id, token_hash, email, address_json, status,
               currency, subtotal_minor, shipping_minor, tax_minor, total_minor, created_at_ms, updated_at_ms,
               expires_at_ms, discount_minor, gift_card_minor, quote_json, number_prefix, number_digits)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'pending_payment', ?9, ?10, ?11, ?12, ?13, ?14, ?14, ?15, ?16, ?17,
               ?18, ?19, ?20)", values![
            order,
            number,
            cart.id.as_bytes(),
            cart.version,
            command.user.as_ref().map(|user| user.as_bytes()),
            command.token_hash,
            command.email.as_str(),
            address,
            cart.currency.code(),
            cart.totals.subtotal.minor,
            cart.totals.shipping.minor,
            cart.totals.tax.minor,
            cart.totals.total.minor,
            now_ms,
            command.now.after(command.hold).unix_ms(),
            cart.totals.discount.minor,
            cart.totals.gift_cards.minor,
            quote,
            prefix,
            digits
        ]).await?;
    for (place, line) in cart.lines.iter().enumerate() {
        order_line::write(tx, command, place, line).await?;
    }
    write_payment(tx, command, cart).await?;
    tx.execute(
        "UPDATE carts SET order_id = ?2, updated_at_ms = ?3 WHERE id = ?1",
        values![cart.id.as_bytes(), order, now_ms],
    )
    .await?;
    Ok(())
}

async fn write_payment(tx: &Tx<'_>, command: &PlaceOrder, cart: &Cart) -> Result<(), StoreError> {
    let (method, kind) = method_words(command.method);
    tx.execute(
        "INSERT INTO payments (id, order_id, provider, method, method_kind, token_sealed, status, currency, amount_minor,
           next_check_at_ms, created_at_ms, updated_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'created', ?7, ?8, ?9, ?10, ?10)",
        values![
            command.payment.as_bytes(),
            command.order.as_bytes(),
            command.provider,
            method,
            kind,
            command.token.as_ref().map(|token| &token.0),
            cart.currency.code(),
            cart.totals.due.minor,
            // The checkout itself goes on first; the reconciler steps in when its lease is over.
            command.now.after(command.lease).unix_ms(),
            command.now.unix_ms()
        ],
    )
    .await?;
    Ok(())
}

/// Writes the address as it is stored.
pub(crate) fn address_json(command: &PlaceOrder) -> Result<String, StoreError> {
    serde_json::to_string(&command.address).map_err(|_unwritable| StoreError::Corrupt("address"))
}

/// Writes what the quote of an order said, if it was quoted.
pub(crate) fn quote_json(command: &PlaceOrder, cart: &Cart) -> Result<Option<String>, StoreError> {
    order_quote(command, cart).map(|quote| pricing::quote_json(&quote)).transpose()
}

/// Returns the quote of an order, with the names of its lines.
pub(crate) fn order_quote(command: &PlaceOrder, cart: &Cart) -> Option<Box<Quote>> {
    let name = |place| line_id(command.now, command.line_seed, place);
    cart.quote.as_ref().map(|quote| pricing::renamed(quote, name))
}

pub(crate) fn quantity(line: &Line) -> Result<Quantity, StoreError> {
    Quantity::try_from(line.quantity).map_err(|_invalid| StoreError::Corrupt("quantity of a line"))
}

/// An order `o` and its payment `p`, as [`record_of`] reads them.
pub(crate) const COLUMNS: &str = "o.id, o.number, o.cart_id, o.cart_version, o.user_id, o.token_hash, o.email, o.address_json,
  o.status, o.currency, o.subtotal_minor, o.shipping_minor, o.tax_minor, o.total_minor, o.created_at_ms,
  o.expires_at_ms, p.id, p.method, p.status, p.amount_minor, p.provider_ref, p.authorized_minor, p.captured_minor,
  p.released_minor, p.refunded_minor, o.state_version, p.provider, p.method_kind, p.token_sealed, o.discount_minor,
  o.gift_card_minor, o.quote_json, o.number_prefix, o.number_digits";
/// How many they are: what a query adds to them comes after.
pub(crate) const COLUMNS_COUNT: usize = 34;

pub(crate) async fn load(tx: &Tx<'_>, id: OrderId) -> Result<Option<OrderRecord>, StoreError> {
    // By primary key, and payments by their unique order_id.
    let sql = format!(
        "SELECT {COLUMNS} FROM orders o JOIN payments p ON p.order_id = o.id WHERE o.id = ?1"
    );
    match tx.query_opt(&sql, values![id.as_bytes()]).await? {
        Some(row) => read(tx, &row).await.map(Some),
        None => Ok(None),
    }
}

pub(crate) async fn by_payment(
    tx: &Tx<'_>,
    id: PaymentId,
) -> Result<Option<OrderRecord>, StoreError> {
    let order = tx
        .query_opt("SELECT order_id FROM payments WHERE id = ?1", values![id.as_bytes()])
        .await?
        .map(|row| row.get(0))
        .transpose()?;
    match order {
        Some(order) => load(tx, OrderId::from_bytes(order)).await,
        None => Ok(None),
    }
}

pub(crate) async fn of_user(
    tx: &Tx<'_>,
    user: UserId,
    limit: u32,
) -> Result<Vec<OrderRecord>, StoreError> {
    // By index orders_user.
    let sql = format!(
        "SELECT {COLUMNS} FROM orders o JOIN payments p ON p.order_id = o.id
         WHERE o.user_id = ?1 ORDER BY o.created_at_ms DESC LIMIT ?2"
    );
    let mut orders = Vec::new();
    for row in tx.query(&sql, values![user.as_bytes(), limit]).await? {
        orders.push(read(tx, &row).await?);
    }
    Ok(orders)
}

pub(crate) async fn read(tx: &Tx<'_>, row: &Row) -> Result<OrderRecord, StoreError> {
    let mut order = record_of(row)?;
    order.lines = order_line::all(tx, order.id, order.totals.currency).await?;
    Ok(order)
}

/// Reads an order and its payment from a row of [`COLUMNS`]; its lines are elsewhere.
pub(crate) fn record_of(row: &Row) -> Result<OrderRecord, StoreError> {
    let corrupt = StoreError::Corrupt;
    let text = |index| row.get::<String>(index);
    let currency: Currency =
        text(9)?.parse().map_err(|_unknown| corrupt("currency of an order"))?;
    let money = |index| row.get(index).map(|minor| Money::new(minor, currency));
    let id = OrderId::from_bytes(row.get(0)?);
    let (total, gift_cards) = (money(13)?, money(30)?);
    let quote: Option<String> = row.get(31)?;
    Ok(OrderRecord {
        id,
        number: row.get(1)?,
        style: numbers::style_of(row, 32)?,
        cart: CartId::from_bytes(row.get(2)?),
        cart_version: row.get(3)?,
        user: row.get::<Option<[u8; 16]>>(4)?.map(UserId::from_bytes),
        token_hash: row.get(5)?,
        email: text(6)?,
        address: serde_json::from_str(&text(7)?).map_err(|_unreadable| corrupt("address"))?,
        status: text(8)?.parse().map_err(|_unknown| corrupt("status of an order"))?,
        lines: Vec::new(),
        totals: Totals {
            currency,
            subtotal: money(10)?,
            shipping: money(11)?,
            discount: money(29)?,
            tax: money(12)?,
            total,
            gift_cards,
            due: total.checked_sub(gift_cards).map_err(|_out| corrupt("totals of an order"))?,
        },
        quote: quote
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|_unreadable| corrupt("quote of an order"))?,
        created_at: Timestamp::from_unix_ms(row.get(14)?),
        expires_at: Timestamp::from_unix_ms(row.get(15)?),
        state_version: row.get(25)?,
        payment: PaymentRecord {
            id: PaymentId::from_bytes(row.get(16)?),
            provider: text(26)?,
            method: method_of(&text(17)?, row.get::<Option<String>>(27)?.as_deref())?,
            token: row.get::<Option<Vec<u8>>>(28)?.map(SealedToken),
            status: text(18)?.parse().map_err(|_unknown| corrupt("status of a payment"))?,
            amount: money(19)?,
            amounts: Amounts::new(money(21)?, money(22)?, money(23)?, money(24)?)
                .map_err(|_contradiction| corrupt("amounts of a payment"))?,
            provider_ref: row.get(20)?,
        },
    })
}

/// Reads what [`method_words`] wrote.
fn method_of(method: &str, kind: Option<&str>) -> Result<KeptMethod, StoreError> {
    KeptMethod::parse(kind.unwrap_or(method)).ok_or(StoreError::Corrupt("payment method"))
}

/// Moves an order to its next state if nobody moved it before, and writes the event.
pub(crate) async fn advance(
    tx: &Tx<'_>,
    order: &OrderRecord,
    next: OrderStatus,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let moved = tx
        .execute(
            "UPDATE orders SET status = ?3, updated_at_ms = ?4 WHERE id = ?1 AND status = ?2",
            values![order.id.as_bytes(), order.status.as_str(), next.as_str(), now.unix_ms()],
        )
        .await?;
    if moved == 1 {
        outbox::append(tx, order.id, &format!("order.{next}"), now).await?;
        invoice::note_moved(tx, order.id, (order.status, next)).await?;
    }
    Ok(moved == 1)
}

/// Ends an order that came to nothing: gives its stock back and opens its cart again.
pub(crate) async fn end(
    tx: &Tx<'_>,
    order: &OrderRecord,
    next: OrderStatus,
    now: Timestamp,
) -> Result<(), StoreError> {
    if !advance(tx, order, next, now).await? {
        return Ok(());
    }
    // Cart before stock, as checkouts do: who takes them in one order never waits for each other in a ring.
    tx.execute(
        "UPDATE carts SET order_id = NULL, version = version + 1, updated_at_ms = ?3
             WHERE id = ?1 AND order_id = ?2",
        values![order.cart.as_bytes(), order.id.as_bytes(), now.unix_ms()],
    )
    .await?;
    if order.quote.is_some() {
        promotion::give_back(tx, order).await?;
        gift_card::release(tx, order, now).await?;
    }
    finish_holds(tx, order, false, now).await
}

/// Ends the holds of an order: sold or given back, each at its location.
pub(crate) async fn finish_holds(
    tx: &Tx<'_>,
    order: &OrderRecord,
    is_sold: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let skus = reservation::end(tx, order.id, is_sold, now).await?;
    stock::publish(tx, &skus, now).await
}

/// Takes the stock of an order that was paid after its hold had ended; all of it or none. Nothing is taken when
/// another order was made of the cart meanwhile: the shopper bought these things once, not twice.
pub(crate) async fn retake(
    tx: &Tx<'_>,
    order: &OrderRecord,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let is_bought_again: bool = tx.query_one("SELECT EXISTS (SELECT 1 FROM carts WHERE id = ?1 AND order_id IS NOT NULL AND order_id <> ?2)
               OR EXISTS (SELECT 1 FROM orders WHERE cart_id = ?1 AND id <> ?2 AND status = 'confirmed')", values![order.cart.as_bytes(), order.id.as_bytes()]).await?.get(0)?;
    if is_bought_again {
        return Ok(false);
    }
    let is_quoted = order.quote.is_some();
    if is_quoted
        && !(promotion::can_count_again(tx, order).await?
            && gift_card::can_retake(tx, order).await?)
    {
        return Ok(false);
    }
    let wanted = (order.lines.as_slice(), order.address.country.as_str());
    let Ok(given) = allocation::give_out(tx, wanted, now).await? else { return Ok(false) };
    reservation::retake(tx, order.id, (&order.lines, &given.allocation), now).await?;
    order_line::write_promises(tx, order, &given.promises).await?;
    if is_quoted {
        promotion::count_again(tx, order).await?;
        gift_card::retake(tx, order, now).await?;
    }
    // The cart it came from is bought now, unless the shopper went on with it: then it holds something else. Its
    // version does not tell, for every order that came to nothing has moved it.
    tx.execute("UPDATE carts SET order_id = ?2, updated_at_ms = ?3 WHERE id = ?1 AND order_id IS NULL
             AND (SELECT count(*) FROM cart_lines WHERE cart_id = ?1)
               = (SELECT count(*) FROM order_lines WHERE order_id = ?2)
             AND NOT EXISTS (SELECT 1 FROM cart_lines c WHERE c.cart_id = ?1 AND NOT EXISTS
               (SELECT 1 FROM order_lines l WHERE l.order_id = ?2 AND l.sku = c.sku AND l.quantity = c.quantity))", values![order.cart.as_bytes(), order.id.as_bytes(), now.unix_ms()]).await?;
    Ok(true)
}

pub(crate) async fn release_expired(
    tx: &Tx<'_>,
    now: Timestamp,
    limit: u32,
) -> Result<usize, StoreError> {
    // By index orders_pending.
    let ids: Vec<[u8; 16]> = tx
        .query(
            "SELECT id FROM orders WHERE status = 'pending_payment' AND expires_at_ms <= ?1
             ORDER BY expires_at_ms LIMIT ?2",
            values![now.unix_ms(), limit],
        )
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect::<Result<_, StoreError>>()?;
    for &id in &ids {
        let order = load(tx, OrderId::from_bytes(id)).await?.ok_or(StoreError::Corrupt("order"))?;
        if order.state_version > 0 {
            order_state::expire(tx, &order, now).await?;
        } else if let Consequence::End(next) = order.status.on(OrderEvent::HoldExpired) {
            // The provider may still hold the payment open: the reconciler tells it to stop. Payment before order, as
            // whoever settles it.
            tx.execute(
                "UPDATE payments SET next_check_at_ms = ?2, token_sealed = NULL WHERE id = ?1
                     AND status IN ('created', 'processing', 'requires_action', 'unknown')",
                values![order.payment.id.as_bytes(), now.unix_ms()],
            )
            .await?;
            end(tx, &order, next, now).await?;
        }
    }
    Ok(ids.len())
}

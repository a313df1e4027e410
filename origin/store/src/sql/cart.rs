//! Statements of carts.

use std::time::Duration;

use api_types::cart::{Cart, Line};
use domain::cart::{CartStatus, LINES_MAX, ShippingRule};
use domain::pricing::freeze::{FrozenPrice, effective_price};
use domain::pricing::{
    Buyer, Destination, EnteredCode, GiftCard, Quote, ShippingPolicy, TaxPolicy,
};
use domain::{CartId, Currency, LineId, Money, Quantity, Sku, Timestamp, UserId};

use super::pricing::{self as sql_pricing, BuyerFacts, ShopRules};
use super::{catalogue, choices, gift_card, promise};
use crate::StoreError;
use crate::cart::{CartEdit, CartRefusal, ChangeCart, OpenCart};
use crate::catalogue::PriceRow;
use crate::pricing::{self, Asked, Choices, Known, Price, PricedLine, Rules};
use crate::tx::{Row, Tx, values};

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
    load(tx, command.id, command.now).await
}

/// A cart as it lies in the store.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) id: CartId,
    pub(crate) user: Option<UserId>,
    pub(crate) currency: Currency,
    pub(crate) version: i64,
    pub(crate) status: CartStatus,
    pub(crate) choices: Choices,
}

/// Who looks at a cart, or buys it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Viewer<'a> {
    pub(crate) buyer: BuyerFacts<'a>,
    /// Where the checkout says that it goes.
    pub(crate) destination: Option<Destination>,
}

/// Reads a cart for whoever knows its name; not what its lines would be promised.
pub(crate) async fn load(tx: &Tx<'_>, id: CartId, now: Timestamp) -> Outcome {
    load_for(tx, id, now, Viewer::default()).await
}

/// Reads a cart with what its lines would be promised.
pub(crate) async fn look_at(tx: &Tx<'_>, id: CartId, now: Timestamp) -> Outcome {
    match load(tx, id, now).await? {
        Ok(mut cart) => {
            let promises = promise::of(tx, &cart, now).await?;
            promise::keep(&mut cart.lines, promises);
            Ok(Ok(cart))
        }
        refused => Ok(refused),
    }
}

/// Reads a cart as it costs somebody.
pub(crate) async fn load_for(
    tx: &Tx<'_>,
    id: CartId,
    now: Timestamp,
    mut viewer: Viewer<'_>,
) -> Outcome {
    let Some(stored) = stored(tx, id).await? else { return Ok(Err(CartRefusal::NotFound)) };
    let lines = match priced_lines(tx, id, stored.currency, now).await? {
        Ok(lines) => lines,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if viewer.buyer.email.is_none() {
        // Nobody buys: the cart's owner looks at it.
        viewer.buyer.user = viewer.buyer.user.or(stored.user);
    }
    let said = Said::read(tx, &stored, now, viewer.buyer).await?;
    let asked = said.asked(&stored, &lines, now, viewer.destination);
    let price = match said.rules.price(&asked)? {
        Ok(price) => price,
        Err(refusal) => return Ok(Err(refusal)),
    };
    Ok(Ok(cart(stored, lines, price, now)))
}

/// Puts a cart together as its owner reads it.
pub(crate) fn cart(stored: Stored, lines: Vec<PricedLine>, price: Price, now: Timestamp) -> Cart {
    let Choices { destination, shipping_method, codes, gift_cards } = stored.choices;
    Cart {
        id: stored.id,
        version: stored.version,
        status: stored.status,
        currency: stored.currency,
        price_changes: pricing::changes(&lines, now),
        lines: lines.into_iter().map(|line| line.line).collect(),
        totals: price.totals,
        destination,
        shipping_method,
        codes,
        gift_cards,
        quote: price.quote,
    }
}

pub(crate) async fn stored(tx: &Tx<'_>, id: CartId) -> Result<Option<Stored>, StoreError> {
    // By primary key.
    let row = tx
        .query_opt(
            "SELECT id, currency, version, order_id IS NOT NULL, choices_json, user_id FROM carts WHERE id = ?1",
            values![id.as_bytes()],
        )
        .await?;
    row.as_ref().map(read_stored).transpose()
}

/// Reads a cart: id, currency, version, whether an order was made of it, choices, account.
pub(crate) fn read_stored(row: &Row) -> Result<Stored, StoreError> {
    let currency: String = row.get(1)?;
    let choices: Option<String> = row.get(4)?;
    let choices = match choices.as_deref() {
        None => Choices::default(),
        Some(text) => serde_json::from_str(text)
            .map_err(|_unreadable| StoreError::Corrupt("choices of a cart"))?,
    };
    Ok(Stored {
        id: CartId::from_bytes(row.get(0)?),
        user: row.get::<Option<[u8; 16]>>(5)?.map(UserId::from_bytes),
        currency: currency.parse().map_err(|_unknown| StoreError::Corrupt("currency of a cart"))?,
        version: row.get(2)?,
        status: if row.get(3)? { CartStatus::CheckedOut } else { CartStatus::Open },
        choices,
    })
}

/// What the shop and its books say about a cart's price.
struct Said {
    rules: Rules,
    plain: (ShippingRule, u32),
    buyer: Buyer,
    codes: Vec<EnteredCode>,
    by_code: Vec<Known>,
    gift_cards: Vec<GiftCard>,
}

impl Said {
    async fn read(
        tx: &Tx<'_>,
        stored: &Stored,
        now: Timestamp,
        buyer: BuyerFacts<'_>,
    ) -> Result<Self, StoreError> {
        let choices = &stored.choices;
        let ShopRules { mut rules, plain } =
            sql_pricing::rules(tx, stored.currency, now, !choices.codes.is_empty()).await?;
        let (codes, mut by_code) = sql_pricing::entered(tx, &choices.codes).await?;
        let mut known: Vec<_> = rules.automatic.iter_mut().chain(by_code.iter_mut()).collect();
        let buyer = sql_pricing::buyer(tx, buyer, &mut known).await?;
        let gift_cards = gift_card::entered(tx, &choices.gift_cards).await?;
        Ok(Self { rules, plain, buyer, codes, by_code, gift_cards })
    }

    fn asked<'a>(
        &'a self,
        stored: &'a Stored,
        lines: &'a [PricedLine],
        now: Timestamp,
        destination: Option<Destination>,
    ) -> Asked<'a> {
        Asked {
            now,
            currency: stored.currency,
            lines,
            choices: &stored.choices,
            destination,
            buyer: self.buyer,
            codes: &self.codes,
            by_code: &self.by_code,
            gift_cards: &self.gift_cards,
            plain: self.plain,
        }
    }
}

/// Quotes a cart under other policies.
pub(crate) async fn preview(
    tx: &Tx<'_>,
    id: CartId,
    shipping: Option<ShippingPolicy>,
    taxes: Option<TaxPolicy>,
    now: Timestamp,
) -> Result<Result<Quote, CartRefusal>, StoreError> {
    let Some(stored) = stored(tx, id).await? else { return Ok(Err(CartRefusal::NotFound)) };
    let lines = match priced_lines(tx, id, stored.currency, now).await? {
        Ok(lines) => lines,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let buyer = BuyerFacts { user: stored.user, ..BuyerFacts::default() };
    let mut said = Said::read(tx, &stored, now, buyer).await?;
    said.rules = said.rules.with(shipping, taxes);
    said.rules.quote(&said.asked(&stored, &lines, now, None))
}

/// A line as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredLine {
    pub(crate) id: LineId,
    pub(crate) sku: Sku,
    pub(crate) quantity: Quantity,
    pub(crate) frozen: Option<FrozenPrice>,
}

async fn priced_lines(
    tx: &Tx<'_>,
    id: CartId,
    currency: Currency,
    now: Timestamp,
) -> Result<Result<Vec<PricedLine>, CartRefusal>, StoreError> {
    // By the primary keys of cart_lines, variants, products and prices.
    let sql = format!(
        "SELECT {PRICED} FROM cart_lines l JOIN variants v ON v.sku = l.sku JOIN products p ON p.id = v.product_id
         LEFT JOIN prices r ON r.sku = l.sku AND r.currency = ?2 AND p.archived_at_ms IS NULL
         WHERE l.cart_id = ?1 ORDER BY l.id"
    );
    let mut lines = Vec::new();
    for row in tx.query(&sql, values![id.as_bytes(), currency.code()]).await? {
        let (stored, price) = priced_line(&row, 0, currency)?;
        match line_of(stored, price, currency, now) {
            Ok(line) => lines.push(line),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    Ok(Ok(lines))
}

/// A line `l` of a cart with its variant `v`, product `p` and price `r`, as [`priced_line`] reads them.
const PRICED: &str = "l.id, l.sku, l.quantity, l.price_minor, l.price_until_ms, p.handle, p.title, v.title, v.image_url, r.minor,
  p.category, p.tags_json, p.tax_class, v.grams, p.is_shippable, p.is_discountable";

/// Reads a line and what it costs now, from a column on.
pub(crate) fn priced_line(
    row: &Row,
    from: usize,
    currency: Currency,
) -> Result<(StoredLine, PriceRow), StoreError> {
    let stored = stored_line(row, from, currency)?;
    let price = catalogue::price_row(row, from.saturating_add(5), (&stored.sku, currency))?;
    Ok((stored, price))
}

/// Makes a line of what is stored and what it costs now.
pub(crate) fn line_of(
    stored: StoredLine,
    row: PriceRow,
    currency: Currency,
    now: Timestamp,
) -> Result<PricedLine, CartRefusal> {
    let StoredLine { id, sku, quantity, frozen } = stored;
    let Some(current) = row.price else {
        return Err(CartRefusal::NotSoldIn(sku, currency));
    };
    let (unit_price, _told_elsewhere) = effective_price(id, current, frozen, now);
    let line_total =
        unit_price.checked_mul(quantity.get()).map_err(|_out| CartRefusal::TooExpensive)?;
    let line = Line {
        id,
        sku,
        handle: row.handle,
        title: row.title,
        variant_title: row.variant_title,
        image_url: row.image_url,
        quantity: quantity.get(),
        unit_price,
        line_total,
        promise: None,
    };
    Ok(PricedLine { line, quantity, current, frozen, attributes: row.attributes })
}

pub(crate) async fn stored_lines(
    tx: &Tx<'_>,
    id: CartId,
    currency: Currency,
) -> Result<Vec<StoredLine>, StoreError> {
    // By primary key; line ids are UUIDv7, so their order is the order of adding.
    let rows = tx
        .query(
            "SELECT id, sku, quantity, price_minor, price_until_ms FROM cart_lines WHERE cart_id = ?1 ORDER BY id",
            values![id.as_bytes()],
        )
        .await?;
    rows.iter().map(|row| stored_line(row, 0, currency)).collect()
}

/// Reads a line: id, SKU, quantity, and the price that the shopper was told.
fn stored_line(row: &Row, from: usize, currency: Currency) -> Result<StoredLine, StoreError> {
    let column = |more: usize| from.saturating_add(more);
    let (sku, quantity): (String, u32) = (row.get(column(1))?, row.get(column(2))?);
    Ok(StoredLine {
        id: LineId::from_bytes(row.get(from)?),
        sku: sku.parse().map_err(|_invalid| StoreError::Corrupt("SKU of a line"))?,
        quantity: quantity
            .try_into()
            .map_err(|_invalid| StoreError::Corrupt("quantity of a line"))?,
        frozen: frozen(row, column(3), currency)?,
    })
}

/// Reads the price that the shopper was told, and how long it holds.
fn frozen(row: &Row, first: usize, currency: Currency) -> Result<Option<FrozenPrice>, StoreError> {
    let (minor, until): (Option<i64>, Option<i64>) =
        (row.get(first)?, row.get(first.saturating_add(1))?);
    Ok(minor.zip(until).map(|(minor, until)| FrozenPrice {
        price: Money::new(minor, currency),
        until: Timestamp::from_unix_ms(until),
    }))
}

/// Changes a cart. Refusals are found before anything is written.
pub(crate) async fn change(tx: &Tx<'_>, command: &ChangeCart) -> Outcome {
    let cart = match load(tx, command.id, command.now).await? {
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
        CartEdit::Add { line, sku, quantity } => {
            add(tx, &cart, *line, sku, *quantity, command).await?
        }
        CartEdit::Set { line, quantity } => {
            let changed = tx
                .execute(
                    "UPDATE cart_lines SET quantity = ?3 WHERE cart_id = ?1 AND id = ?2",
                    values![cart.id.as_bytes(), line.as_bytes(), quantity.get()],
                )
                .await?;
            (changed == 0).then_some(CartRefusal::LineNotFound)
        }
        CartEdit::Remove { line } => {
            let removed = tx
                .execute(
                    "DELETE FROM cart_lines WHERE cart_id = ?1 AND id = ?2",
                    values![cart.id.as_bytes(), line.as_bytes()],
                )
                .await?;
            (removed == 0).then_some(CartRefusal::LineNotFound)
        }
        choice => choices::change(tx, &cart, choice).await?,
    };
    if let Some(refusal) = refusal {
        return Ok(Err(refusal));
    }
    bump(tx, cart.id, command.now).await?;
    load(tx, command.id, command.now).await
}

async fn add(
    tx: &Tx<'_>,
    cart: &Cart,
    line: LineId,
    sku: &Sku,
    quantity: Quantity,
    command: &ChangeCart,
) -> Result<Option<CartRefusal>, StoreError> {
    let Some(row) = catalogue::priced(tx, sku, cart.currency).await? else {
        return Ok(Some(CartRefusal::UnknownSku(sku.clone())));
    };
    let Some(price) = row.price else {
        return Ok(Some(CartRefusal::NotSoldIn(sku.clone(), cart.currency)));
    };
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
    // Lines are shown by their ids, in the order in which they were put in.
    let last = cart.lines.iter().map(|line| line.id).max();
    let line = last.map_or(line, |last| line.after(last));
    tx.execute(
        "INSERT INTO cart_lines (cart_id, id, sku, quantity, price_minor, price_until_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![
            cart.id.as_bytes(),
            line.as_bytes(),
            sku.as_str(),
            quantity.get(),
            price.minor,
            command.now.after(command.freeze).unix_ms()
        ],
    )
    .await?;
    Ok(None)
}

/// Notes that the shopper is told of new prices now; they hold from here on.
pub(crate) async fn note_changes(
    tx: &Tx<'_>,
    cart: &Cart,
    freeze: Duration,
    now: Timestamp,
) -> Result<(), StoreError> {
    for change in &cart.price_changes {
        tx.execute(
            "UPDATE cart_lines SET price_minor = ?3, price_until_ms = ?4 WHERE cart_id = ?1 AND id = ?2",
            values![
                cart.id.as_bytes(),
                change.line.as_bytes(),
                change.new.minor,
                now.after(freeze).unix_ms()
            ],
        )
        .await?;
    }
    bump(tx, cart.id, now).await
}

pub(crate) async fn bump(tx: &Tx<'_>, id: CartId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE carts SET version = version + 1, updated_at_ms = ?2 WHERE id = ?1",
        values![id.as_bytes(), now.unix_ms()],
    )
    .await?;
    Ok(())
}

//! Many checkouts in one transaction: two round trips, however many.
//!
//! The first claims the keys, locks carts and stock in one order, and reads; then the same rules as everywhere decide,
//! one checkout after the other; the second writes all and commits. Only what is new and plain goes this way: a key
//! that is known, or a cart that cannot be bought, is left to the way that one command goes alone.

use std::collections::{BTreeMap, BTreeSet};

use api_types::cart::{Cart, Line};
use domain::cart::CartStatus;
use domain::inventory::MAIN_LOCATION;
use domain::numbers::Drawing;
use domain::payment::Amounts;
use domain::pricing::{AppliedPromotion, Buyer, Quote};
use domain::{
    CartId, Currency, LineId, Money, OrderStatus, PaymentStatus, Quantity, Sku, Timestamp,
};
use futures::join;

use super::lanes::{BEGIN, BatchWork, Kind, Outcome};
use super::levels;
use super::session::Session;
use crate::StoreError;
use crate::catalogue::PriceRow;
use crate::order::{
    CheckoutOutcome, OrderRecord, PaymentRecord, PlaceOrder, Placed, Shortage, line_id,
    method_words,
};
use crate::pricing::{self, Asked, Rules};
use crate::sql::allocation::{self, Plain, Rule};
use crate::sql::cart::{Stored, StoredLine};
use crate::sql::pricing::{self as sql_pricing, PARENTS};
use crate::sql::{cart, catalogue, idempotency, numbers, order, outbox, stock};
use crate::stock::MainStock;
use crate::tx::Row;

const CLAIM: &str =
    "INSERT INTO idempotency (scope, key, fingerprint, order_id, lease_until_ms, created_at_ms)
SELECT * FROM unnest(?1::text[], ?2::text[], ?3::bytea[], ?4::bytea[], ?5::bigint[], ?6::bigint[])
ON CONFLICT (scope, key) DO NOTHING RETURNING scope, key";
const LOCK_CARTS: &str =
    "SELECT id, currency, version, order_id IS NOT NULL, choices_json, user_id FROM carts WHERE id = ANY(?1)
ORDER BY id FOR UPDATE";
const LOCK_STOCK: &str = "SELECT s.on_hand, s.reserved, s.incoming, s.backordered, s.safety, s.per_order_max,
  s.backorder, s.backorder_max, s.backorder_until_ms, EXISTS (SELECT 1 FROM stock_at a WHERE a.sku = s.sku), s.sku
FROM stock s WHERE s.sku IN (SELECT sku FROM cart_lines WHERE cart_id = ANY(?1)) ORDER BY s.sku FOR UPDATE OF s";
const READ_LINES: &str = "SELECT l.cart_id, l.id, l.sku, l.quantity, p.handle, p.title, v.title, v.image_url, r.minor,
  p.category, p.tags_json, p.tax_class, v.grams, p.is_shippable, p.is_discountable, l.price_minor, l.price_until_ms
FROM cart_lines l JOIN carts c ON c.id = l.cart_id JOIN variants v ON v.sku = l.sku JOIN products p ON p.id = v.product_id
LEFT JOIN prices r ON r.sku = l.sku AND r.currency = c.currency AND p.archived_at_ms IS NULL
WHERE l.cart_id = ANY(?1) ORDER BY l.cart_id, l.id";
const READ_RULES: &str = "SELECT name, value FROM settings WHERE name = ANY(?1)";
const READ_PROMOTIONS: &str = "SELECT rule_json, uses FROM promotions
WHERE is_automatic = 1 AND is_enabled = 1 AND coalesce(starts_at_ms, 0) <= ?2 AND coalesce(ends_at_ms, 9223372036854775807) > ?1
ORDER BY id LIMIT 90";
const WRITE_STOCK: &str = "UPDATE stock SET reserved = stock.reserved + d.pieces
FROM unnest(?1::text[], ?2::bigint[]) AS d (sku, pieces) WHERE stock.sku = d.sku";
const WRITE_MOVEMENTS: &str = "INSERT INTO stock_movements (sku, kind, on_hand_delta, reserved_delta, order_id, at_ms)
SELECT d.sku, 'reserved', 0, d.pieces, d.order_id, d.at_ms
FROM unnest(?1::text[], ?2::bigint[], ?3::bytea[], ?4::bigint[]) AS d (sku, pieces, order_id, at_ms)";
const WRITE_ORDERS: &str = "INSERT INTO orders (id, number, cart_id, cart_version, user_id, token_hash, email, address_json,
  status, currency, subtotal_minor, shipping_minor, tax_minor, total_minor, created_at_ms, updated_at_ms, expires_at_ms,
  discount_minor, quote_json)
SELECT d.id, nextval('orders.order_numbers'), d.cart_id, d.cart_version, d.user_id, d.token_hash, d.email, d.address_json,
  'pending_payment', d.currency, d.subtotal, d.shipping, d.tax, d.total, d.at_ms, d.at_ms, d.expires_at_ms,
  d.discount, d.quote
FROM unnest(?1::bytea[], ?2::bytea[], ?3::bigint[], ?4::bytea[], ?5::bytea[], ?6::text[], ?7::text[], ?8::text[],
  ?9::bigint[], ?10::bigint[], ?11::bigint[], ?12::bigint[], ?13::bigint[], ?14::bigint[], ?15::bigint[], ?16::text[])
  AS d (id, cart_id, cart_version, user_id, token_hash, email, address_json, currency, subtotal, shipping, tax, total,
    at_ms, expires_at_ms, discount, quote)
RETURNING id, number";
/// The same with numbers from the counter row, all of a batch at once: a batch that comes to nothing has drawn none.
const WRITE_NUMBERED_ORDERS: &str = "WITH drawn AS (UPDATE counters
  SET value = greatest(value, (SELECT coalesce(max(number), 0) FROM orders)) + cardinality(?1::bytea[])
  WHERE name = 'order_number' RETURNING value - cardinality(?1::bytea[]) AS used)
INSERT INTO orders (id, number, cart_id, cart_version, user_id, token_hash, email, address_json,
  status, currency, subtotal_minor, shipping_minor, tax_minor, total_minor, created_at_ms, updated_at_ms, expires_at_ms,
  discount_minor, quote_json)
SELECT d.id, drawn.used + d.place, d.cart_id, d.cart_version, d.user_id, d.token_hash, d.email, d.address_json,
  'pending_payment', d.currency, d.subtotal, d.shipping, d.tax, d.total, d.at_ms, d.at_ms, d.expires_at_ms,
  d.discount, d.quote
FROM drawn, unnest(?1::bytea[], ?2::bytea[], ?3::bigint[], ?4::bytea[], ?5::bytea[], ?6::text[], ?7::text[], ?8::text[],
  ?9::bigint[], ?10::bigint[], ?11::bigint[], ?12::bigint[], ?13::bigint[], ?14::bigint[], ?15::bigint[],
  ?16::text[]) WITH ORDINALITY
  AS d (id, cart_id, cart_version, user_id, token_hash, email, address_json, currency, subtotal, shipping, tax, total,
    at_ms, expires_at_ms, discount, quote, place)
RETURNING id, number";
const WRITE_LINES: &str = "INSERT INTO order_lines (order_id, position, id, sku, handle, title, variant_title, image_url,
  quantity, unit_minor, total_minor)
SELECT * FROM unnest(?1::bytea[], ?2::bigint[], ?3::bytea[], ?4::text[], ?5::text[], ?6::text[], ?7::text[], ?8::text[],
  ?9::bigint[], ?10::bigint[], ?11::bigint[])";
const WRITE_HOLDS: &str = "INSERT INTO reservations (order_id, sku, quantity, status, expires_at_ms)
SELECT d.order_id, d.sku, d.quantity, 'held', d.expires_at_ms
FROM unnest(?1::bytea[], ?2::text[], ?3::bigint[], ?4::bigint[]) AS d (order_id, sku, quantity, expires_at_ms)";
const WRITE_PAYMENTS: &str = "INSERT INTO payments (id, order_id, provider, method, method_kind, token_sealed, status,
  currency, amount_minor, next_check_at_ms, created_at_ms, updated_at_ms)
SELECT d.id, d.order_id, d.provider, d.method, d.method_kind, d.token_sealed, 'created', d.currency, d.amount,
  d.check_at_ms, d.at_ms, d.at_ms
FROM unnest(?1::bytea[], ?2::bytea[], ?3::text[], ?4::text[], ?5::bigint[], ?6::bigint[], ?7::bigint[], ?8::text[],
  ?9::text[], ?10::bytea[])
  AS d (id, order_id, method, currency, amount, check_at_ms, at_ms, provider, method_kind, token_sealed)";
const WRITE_REDEMPTIONS: &str =
    "INSERT INTO redemptions (order_id, promotion_id, buyer, currency, amount_minor, is_counted, at_ms)
SELECT d.order_id, d.promotion_id, d.buyer, d.currency, d.amount, 1, d.at_ms
FROM unnest(?1::bytea[], ?2::bytea[], ?3::text[], ?4::text[], ?5::bigint[], ?6::bigint[])
  AS d (order_id, promotion_id, buyer, currency, amount, at_ms)";
const WRITE_CARTS: &str = "UPDATE carts SET order_id = d.order_id, updated_at_ms = d.at_ms
FROM unnest(?1::bytea[], ?2::bytea[], ?3::bigint[]) AS d (id, order_id, at_ms) WHERE carts.id = d.id";
const WRITE_EVENTS: &str =
    "WITH counted AS (INSERT INTO event_sequences (aggregate, aggregate_id, last) SELECT 'order', unnest(?1::text[]), 1)
INSERT INTO outbox (aggregate, aggregate_id, sequence, kind, payload_json, created_at_ms)
SELECT 'order', d.aggregate_id, 1, 'order.placed', d.payload, d.at_ms
FROM unnest(?1::text[], ?2::text[], ?3::bigint[]) AS d (aggregate_id, payload, at_ms)";
const WRITE_ANSWERS: &str =
    "UPDATE idempotency SET answer = d.answer, order_id = NULL, lease_until_ms = 0
FROM unnest(?1::text[], ?2::text[], ?3::text[]) AS d (scope, key, answer)
WHERE idempotency.scope = d.scope AND idempotency.key = d.key";
const GIVE_UP_CLAIMS: &str =
    "DELETE FROM idempotency USING unnest(?1::text[], ?2::text[]) AS d (scope, key)
WHERE idempotency.scope = d.scope AND idempotency.key = d.key";

/// Checkouts.
#[derive(Debug)]
pub(crate) struct Placing;

impl Kind for Placing {
    type Command = PlaceOrder;
    type Answer = Placed;
    const STATEMENTS: &'static [&'static str] = &[
        CLAIM,
        LOCK_CARTS,
        LOCK_STOCK,
        READ_LINES,
        READ_RULES,
        READ_PROMOTIONS,
        PARENTS,
        allocation::READ_RULE,
        WRITE_STOCK,
        WRITE_MOVEMENTS,
        WRITE_ORDERS,
        WRITE_NUMBERED_ORDERS,
        WRITE_LINES,
        WRITE_HOLDS,
        WRITE_PAYMENTS,
        WRITE_REDEMPTIONS,
        WRITE_CARTS,
        WRITE_EVENTS,
        WRITE_ANSWERS,
        GIVE_UP_CLAIMS,
        levels::READ_LEVELS,
        levels::READ_TOLD,
        levels::NEXT_POSITION,
        levels::WRITE_TOLD,
        levels::WRITE_CHANGES,
        levels::WRITE_EVENTS,
    ];

    fn work<'a>(session: &'a Session, commands: &'a [&'a PlaceOrder]) -> BatchWork<'a, Placed> {
        Box::pin(work(session, commands))
    }
}

async fn work(
    session: &Session,
    commands: &[&PlaceOrder],
) -> Result<Vec<Outcome<Placed>>, StoreError> {
    let mut shop = read(session, commands).await?;
    let mut plan = Plan::default();
    let mut outcomes: Vec<Outcome<Placed>> =
        commands.iter().map(|command| plan.decide(command, &mut shop)).collect::<Result<_, _>>()?;
    let drawing = numbers::drawing_of(shop.setting(numbers::ORDER_NUMBERS))?;
    let numbers = plan.write(session, drawing).await?;
    for outcome in &mut outcomes {
        if let Outcome::Done(Placed::Order(order)) = outcome {
            order.number = *numbers
                .get(order.id.as_bytes())
                .ok_or(StoreError::Corrupt("number of an order"))?;
        }
    }
    let changed = shop.changed_levels();
    if !changed.is_empty() {
        let now = commands.first().map_or(Timestamp::from_unix_ms(0), |command| command.now);
        levels::publish(session, &changed, now).await?;
    }
    Ok(outcomes)
}

/// What the batch was told of the shop, and what its own decisions made of it.
struct Shop {
    /// Keys that nobody had used.
    claimed: BTreeSet<(String, String)>,
    carts: BTreeMap<CartId, Stored>,
    lines: BTreeMap<CartId, Vec<(StoredLine, PriceRow)>>,
    before: BTreeMap<Sku, MainStock>,
    stock: BTreeMap<Sku, MainStock>,
    rule: Rule,
    settings: BTreeMap<String, String>,
    rules: Rules,
}

impl Shop {
    /// Returns the SKUs whose level edges must hear of.
    fn changed_levels(&self) -> Vec<&Sku> {
        let is_changed = |(sku, stock): &(&Sku, &MainStock)| {
            self.before.get(*sku).is_none_or(|before| stock.may_change_level(before))
        };
        self.stock.iter().filter(is_changed).map(|(sku, _)| sku).collect()
    }

    fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// Puts a cart together as it is bought; nothing where the shopper must hear why it cannot, or where more has to be
    /// looked up to say what it costs.
    fn cart(&self, command: &PlaceOrder) -> Result<Option<Cart>, StoreError> {
        let (id, now) = (command.cart, command.now);
        let (Some(stored), Some(rows)) = (self.carts.get(&id), self.lines.get(&id)) else {
            return Ok(None);
        };
        let choices = &stored.choices;
        let asks_for_more = !choices.codes.is_empty() || !choices.gift_cards.is_empty();
        if stored.status == CartStatus::CheckedOut || asks_for_more {
            return Ok(None);
        }
        let currency = stored.currency;
        let line = |(stored, row): &(StoredLine, PriceRow)| {
            cart::line_of(stored.clone(), row.clone(), currency, now)
        };
        let Ok(lines) = rows.iter().map(line).collect::<Result<Vec<_>, _>>() else {
            return Ok(None);
        };
        let setting = |name: &str| self.setting(name);
        let shipping = setting(&catalogue::shipping_setting(currency));
        let asked = Asked {
            now,
            currency,
            lines: &lines,
            choices,
            destination: pricing::destination_of(&command.address),
            buyer: Buyer { has_account: command.user.is_some(), ..Buyer::default() },
            codes: &[],
            by_code: &[],
            gift_cards: &[],
            plain: catalogue::rules_of(setting(catalogue::TAX_RATE), shipping, currency)?,
        };
        let Ok(price) = self.rules.price(&asked)? else { return Ok(None) };
        if price.quote.as_ref().is_some_and(|quote| self.is_limited(quote)) {
            return Ok(None);
        }
        let cart = cart::cart(stored.clone(), lines, price, now);
        let is_as_shown = pricing::refusal_of(&cart, &command.terms).is_none();
        Ok(is_as_shown.then_some(cart))
    }

    /// Whether a promotion took something off whose uses or buyers must be counted first.
    fn is_limited(&self, quote: &Quote) -> bool {
        self.rules
            .automatic
            .iter()
            .filter(|known| known.is_limited())
            .any(|known| quote.promotions.iter().any(|one| one.promotion == known.promotion.id))
    }
}

/// Returns the names of the settings that decide what a checkout costs and how its order is called.
fn settings_read() -> Vec<String> {
    [catalogue::TAX_RATE, numbers::ORDER_NUMBERS]
        .into_iter()
        .map(str::to_owned)
        .chain(Currency::ALL.into_iter().map(catalogue::shipping_setting))
        .chain(pricing::SETTINGS.map(str::to_owned))
        .collect()
}

/// The first round trip.
async fn read(session: &Session, commands: &[&PlaceOrder]) -> Result<Shop, StoreError> {
    // One statement must not meet a key twice, and every batch takes its locks in one order.
    let claims: BTreeMap<(&str, &str), &PlaceOrder> = commands
        .iter()
        .rev()
        .map(|command| ((command.claim.scope.as_str(), command.claim.key.as_str()), *command))
        .collect();
    let scopes: Vec<&str> = claims.keys().map(|(scope, _)| *scope).collect();
    let keys: Vec<&str> = claims.keys().map(|(_, key)| *key).collect();
    let each = |read: fn(&PlaceOrder) -> i64| -> Vec<i64> {
        claims.values().map(|command| read(command)).collect()
    };
    let fingerprints: Vec<&[u8]> =
        claims.values().map(|command| command.claim.fingerprint.as_slice()).collect();
    let orders: Vec<&[u8]> =
        claims.values().map(|command| command.order.as_bytes().as_slice()).collect();
    let leases = each(|command| command.now.after(command.lease).unix_ms());
    let created = each(|command| command.now.unix_ms());
    let carts: BTreeSet<&[u8]> =
        commands.iter().map(|command| command.cart.as_bytes().as_slice()).collect();
    let carts: Vec<&[u8]> = carts.into_iter().collect();
    let settings = settings_read();
    let moments = commands.iter().map(|command| command.now.unix_ms());
    let (first, last) =
        (moments.clone().min().unwrap_or_default(), moments.max().unwrap_or_default());
    // Sent one behind the other, answered together. What is read after a lock is as it was left by whoever had it.
    let main = MAIN_LOCATION.as_bytes().as_slice();
    let (begun, claimed, carts, stock, lines, settings, promotions, parents, rule) = join!(
        session.batch(BEGIN),
        session.bulk(CLAIM, [&scopes, &keys, &fingerprints, &orders, &leases, &created]),
        session.bulk(LOCK_CARTS, [&carts]),
        session.bulk(LOCK_STOCK, [&carts]),
        session.bulk(READ_LINES, [&carts]),
        session.bulk(READ_RULES, [&settings]),
        session.bulk(READ_PROMOTIONS, [&first, &last]),
        session.bulk(PARENTS, []),
        session.bulk(allocation::READ_RULE, [&main]),
    );
    // Looked at in the order in which they were sent: after a failure the engine only says that there was one.
    begun?;
    let (claimed, carts, stock) = (claimed?, carts?, stock?);
    let (lines, settings, promotions, parents) = (lines?, settings?, promotions?, parents?);
    let rule = rule?;
    let rule = rule.first().ok_or(StoreError::Corrupt("main location"))?;
    let pair =
        |row: &Row| -> Result<(String, String), StoreError> { Ok((row.get(0)?, row.get(1)?)) };
    let stock: BTreeMap<Sku, MainStock> =
        stock.iter().map(read_stock).collect::<Result<_, StoreError>>()?;
    let carts: BTreeMap<CartId, Stored> = carts
        .iter()
        .map(|row| cart::read_stored(row).map(|stored| (stored.id, stored)))
        .collect::<Result<_, StoreError>>()?;
    let settings: BTreeMap<String, String> = settings.iter().map(pair).collect::<Result<_, _>>()?;
    let rules = Rules::new(
        |name| settings.get(name).map(String::as_str),
        promotions.iter().map(sql_pricing::known).collect::<Result<_, _>>()?,
        parents.iter().map(sql_pricing::parent).collect::<Result<_, _>>()?,
    )?;
    Ok(Shop {
        claimed: claimed.iter().map(pair).collect::<Result<_, _>>()?,
        lines: read_lines(&carts, &lines)?,
        carts,
        before: stock.clone(),
        stock,
        settings,
        rules,
        rule: allocation::rule_of(rule)?,
    })
}

fn read_stock(row: &Row) -> Result<(Sku, MainStock), StoreError> {
    Ok((parsed(row, 10, "SKU of a stock counter")?, stock::main_of(row, 0)?))
}

type LinesOf = BTreeMap<CartId, Vec<(StoredLine, PriceRow)>>;

fn read_lines(carts: &BTreeMap<CartId, Stored>, rows: &[Row]) -> Result<LinesOf, StoreError> {
    let mut lines = LinesOf::new();
    for row in rows {
        let id = CartId::from_bytes(row.get(0)?);
        let Some(&Stored { currency, .. }) = carts.get(&id) else { continue };
        let sku: Sku = parsed(row, 2, "SKU of a line")?;
        let quantity = u32::try_from(row.get::<i64>(3)?)
            .ok()
            .and_then(|quantity| Quantity::try_from(quantity).ok())
            .ok_or(StoreError::Corrupt("quantity of a line"))?;
        let price = PriceRow {
            sku: sku.clone(),
            handle: parsed(row, 4, "handle")?,
            title: row.get(5)?,
            variant_title: row.get(6)?,
            image_url: row.get(7)?,
            price: row.get::<Option<i64>>(8)?.map(|minor| Money::new(minor, currency)),
            attributes: catalogue::attributes(row, 9)?,
        };
        let frozen = cart::frozen(row, 15, currency)?;
        let line = StoredLine { id: LineId::from_bytes(row.get(1)?), sku, quantity, frozen };
        lines.entry(id).or_default().push((line, price));
    }
    Ok(lines)
}

fn parsed<T: std::str::FromStr>(
    row: &Row,
    index: usize,
    what: &'static str,
) -> Result<T, StoreError> {
    row.get::<String>(index)?.parse().map_err(|_invalid| StoreError::Corrupt(what))
}

/// What is to be written.
#[derive(Default)]
struct Plan<'a> {
    orders: Vec<(&'a PlaceOrder, Cart)>,
    answers: Vec<(&'a PlaceOrder, String)>,
    given_up: Vec<&'a PlaceOrder>,
    bought: BTreeSet<CartId>,
}

impl<'a> Plan<'a> {
    /// Decides about one checkout, as `sql::order::place` does for one alone.
    fn decide(
        &mut self,
        command: &'a PlaceOrder,
        shop: &mut Shop,
    ) -> Result<Outcome<Placed>, StoreError> {
        let claim = &command.claim;
        // The first of a key has it; whoever comes with the same one goes alone, and finds it in use.
        if !shop.claimed.remove(&(claim.scope.clone(), claim.key.clone())) {
            return Ok(Outcome::Alone);
        }
        let cart = shop.cart(command)?.filter(|cart| !self.bought.contains(&cart.id));
        let Some(cart) = cart else {
            self.given_up.push(command);
            return Ok(Outcome::Alone);
        };
        let known = |sku: &Sku| shop.stock.get(sku);
        match allocation::plain(&cart.lines, known, shop.rule, command.now)? {
            Plain::All => {}
            Plain::Short(shortages) => return self.refuse(command, shortages),
            Plain::Otherwise => {
                self.given_up.push(command);
                return Ok(Outcome::Alone);
            }
        }
        for line in &cart.lines {
            let corrupt = StoreError::Corrupt("stock counter");
            let Some(stock) = shop.stock.get_mut(&line.sku) else { return Err(corrupt) };
            *stock = stock.hold(order::quantity(line)?).ok_or(corrupt)?;
        }
        self.bought.insert(cart.id);
        let record = record(command, &cart);
        self.orders.push((command, cart));
        Ok(Outcome::Done(Placed::Order(Box::new(record))))
    }

    fn refuse(
        &mut self,
        command: &'a PlaceOrder,
        shortages: Vec<Shortage>,
    ) -> Result<Outcome<Placed>, StoreError> {
        let outcome = CheckoutOutcome::OutOfStock(shortages);
        self.answers.push((command, idempotency::write(&outcome)?));
        Ok(Outcome::Done(Placed::Decided { outcome, is_replay: false }))
    }

    /// The second round trip, all but the commit. Returns the numbers of the orders.
    async fn write(
        &self,
        session: &Session,
        drawing: Drawing,
    ) -> Result<BTreeMap<[u8; 16], i64>, StoreError> {
        let mut numbers = BTreeMap::new();
        if !self.orders.is_empty() {
            let (orders, rest) =
                join!(self.write_orders(session, drawing), self.write_rest(session));
            let orders = orders?;
            rest?;
            for row in orders {
                numbers.insert(row.get(0)?, row.get(1)?);
            }
        }
        if !self.answers.is_empty() {
            let (scopes, keys) = keys_of(self.answers.iter().map(|(command, _)| *command));
            let answers: Vec<&str> =
                self.answers.iter().map(|(_, answer)| answer.as_str()).collect();
            session.bulk(WRITE_ANSWERS, [&scopes, &keys, &answers]).await?;
        }
        if !self.given_up.is_empty() {
            let (scopes, keys) = keys_of(self.given_up.iter().copied());
            session.bulk(GIVE_UP_CLAIMS, [&scopes, &keys]).await?;
        }
        Ok(numbers)
    }

    async fn write_orders(
        &self,
        session: &Session,
        drawing: Drawing,
    ) -> Result<Vec<Row>, StoreError> {
        let sql = match drawing {
            Drawing::Gapless => WRITE_NUMBERED_ORDERS,
            Drawing::Blocks { .. } => WRITE_ORDERS,
        };
        let column = |read: fn(&PlaceOrder, &Cart) -> i64| -> Vec<i64> {
            self.orders.iter().map(|(command, cart)| read(command, cart)).collect()
        };
        let ids: Vec<&[u8]> = self.each(|command, _| command.order.as_bytes().as_slice());
        let carts: Vec<&[u8]> = self.each(|command, _| command.cart.as_bytes().as_slice());
        let users: Vec<Option<&[u8]>> =
            self.each(|command, _| command.user.as_ref().map(|user| user.as_bytes().as_slice()));
        let tokens: Vec<&[u8]> = self.each(|command, _| command.token_hash.as_slice());
        let emails: Vec<&str> = self.each(|command, _| command.email.as_str());
        let addresses: Vec<String> = self
            .orders
            .iter()
            .map(|(command, _)| order::address_json(command))
            .collect::<Result<_, _>>()?;
        let currencies: Vec<&str> = self.each(|_, cart| cart.currency.code());
        let versions = column(|_, cart| cart.version);
        let subtotals = column(|_, cart| cart.totals.subtotal.minor);
        let shippings = column(|_, cart| cart.totals.shipping.minor);
        let taxes = column(|_, cart| cart.totals.tax.minor);
        let totals = column(|_, cart| cart.totals.total.minor);
        let discounts = column(|_, cart| cart.totals.discount.minor);
        let quotes: Vec<Option<String>> = self
            .orders
            .iter()
            .map(|(command, cart)| order::quote_json(command, cart))
            .collect::<Result<_, _>>()?;
        let created = column(|command, _| command.now.unix_ms());
        let expires = column(|command, _| command.now.after(command.hold).unix_ms());
        session
            .bulk(
                sql,
                [
                    &ids,
                    &carts,
                    &versions,
                    &users,
                    &tokens,
                    &emails,
                    &addresses,
                    &currencies,
                    &subtotals,
                    &shippings,
                    &taxes,
                    &totals,
                    &created,
                    &expires,
                    &discounts,
                    &quotes,
                ],
            )
            .await
    }

    async fn write_rest(&self, session: &Session) -> Result<(), StoreError> {
        let (lines, holds, payments, redemptions, carts, events) = join!(
            self.write_lines(session),
            self.write_holds(session),
            self.write_payments(session),
            self.write_redemptions(session),
            self.write_carts(session),
            self.write_events(session),
        );
        lines?;
        holds?;
        payments?;
        redemptions?;
        carts?;
        events
    }

    async fn write_lines(&self, session: &Session) -> Result<(), StoreError> {
        let orders: Vec<&[u8]> =
            self.each_line(|command, _, _| command.order.as_bytes().as_slice());
        let places: Vec<i64> =
            self.each_line(|_, place, _| i64::try_from(place).unwrap_or(i64::MAX));
        let ids: Vec<LineId> =
            self.each_line(|command, place, _| line_id(command.now, command.line_seed, place));
        let ids: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
        let skus: Vec<&str> = self.each_line(|_, _, line| line.sku.as_str());
        let handles: Vec<&str> = self.each_line(|_, _, line| line.handle.as_str());
        let titles: Vec<&str> = self.each_line(|_, _, line| line.title.as_str());
        let variants: Vec<&str> = self.each_line(|_, _, line| line.variant_title.as_str());
        let images: Vec<&str> = self.each_line(|_, _, line| line.image_url.as_str());
        let quantities: Vec<i64> = self.each_line(|_, _, line| i64::from(line.quantity));
        let units: Vec<i64> = self.each_line(|_, _, line| line.unit_price.minor);
        let totals: Vec<i64> = self.each_line(|_, _, line| line.line_total.minor);
        session
            .bulk(
                WRITE_LINES,
                [
                    &orders,
                    &places,
                    &ids,
                    &skus,
                    &handles,
                    &titles,
                    &variants,
                    &images,
                    &quantities,
                    &units,
                    &totals,
                ],
            )
            .await
            .map(drop)
    }

    async fn write_holds(&self, session: &Session) -> Result<(), StoreError> {
        let orders: Vec<&[u8]> =
            self.each_line(|command, _, _| command.order.as_bytes().as_slice());
        let skus: Vec<&str> = self.each_line(|_, _, line| line.sku.as_str());
        let quantities: Vec<i64> = self.each_line(|_, _, line| i64::from(line.quantity));
        let expires: Vec<i64> =
            self.each_line(|command, _, _| command.now.after(command.hold).unix_ms());
        let moved: Vec<i64> = self.each_line(|command, _, _| command.now.unix_ms());
        let mut pieces: BTreeMap<&str, i64> = BTreeMap::new();
        for (sku, quantity) in skus.iter().zip(&quantities) {
            let sum = pieces.entry(sku).or_default();
            *sum = sum.saturating_add(*quantity);
        }
        let (stock_skus, stock_pieces): (Vec<&str>, Vec<i64>) = pieces.into_iter().unzip();
        let (stock, movements, holds) = join!(
            session.bulk(WRITE_STOCK, [&stock_skus, &stock_pieces]),
            session.bulk(WRITE_MOVEMENTS, [&skus, &quantities, &orders, &moved]),
            session.bulk(WRITE_HOLDS, [&orders, &skus, &quantities, &expires]),
        );
        stock?;
        movements?;
        holds.map(drop)
    }

    async fn write_payments(&self, session: &Session) -> Result<(), StoreError> {
        let ids: Vec<&[u8]> = self.each(|command, _| command.payment.as_bytes().as_slice());
        let orders: Vec<&[u8]> = self.each(|command, _| command.order.as_bytes().as_slice());
        let methods: Vec<&str> = self.each(|command, _| method_words(command.method).0);
        let kinds: Vec<Option<&str>> = self.each(|command, _| method_words(command.method).1);
        let providers: Vec<&str> = self.each(|command, _| command.provider);
        let tokens: Vec<Option<&[u8]>> =
            self.each(|command, _| command.token.as_ref().map(|token| token.0.as_slice()));
        let currencies: Vec<&str> = self.each(|_, cart| cart.currency.code());
        let amounts: Vec<i64> = self.each(|_, cart| cart.totals.due.minor);
        // The checkout itself goes on first; the reconciler steps in when its lease is over.
        let checks: Vec<i64> = self.each(|command, _| command.now.after(command.lease).unix_ms());
        let created: Vec<i64> = self.each(|command, _| command.now.unix_ms());
        session
            .bulk(
                WRITE_PAYMENTS,
                [
                    &ids,
                    &orders,
                    &methods,
                    &currencies,
                    &amounts,
                    &checks,
                    &created,
                    &providers,
                    &kinds,
                    &tokens,
                ],
            )
            .await
            .map(drop)
    }

    /// Notes which promotions took something off; their uses in all are not limited, so nothing is counted with them.
    async fn write_redemptions(&self, session: &Session) -> Result<(), StoreError> {
        let used: Vec<(&PlaceOrder, &AppliedPromotion)> = self
            .orders
            .iter()
            .filter_map(|(command, cart)| Some((*command, cart.quote.as_ref()?)))
            .flat_map(|(command, quote)| quote.promotions.iter().map(move |one| (command, one)))
            .collect();
        if used.is_empty() {
            return Ok(());
        }
        let orders: Vec<&[u8]> =
            used.iter().map(|(command, _)| command.order.as_bytes().as_slice()).collect();
        let promotions: Vec<&[u8]> =
            used.iter().map(|(_, one)| one.promotion.as_bytes().as_slice()).collect();
        let buyers: Vec<&str> =
            used.iter().map(|(command, _)| command.terms.buyer.as_str()).collect();
        let currencies: Vec<&str> =
            used.iter().map(|(_, one)| one.amount.currency.code()).collect();
        let amounts: Vec<i64> = used.iter().map(|(_, one)| one.amount.minor).collect();
        let moments: Vec<i64> = used.iter().map(|(command, _)| command.now.unix_ms()).collect();
        session
            .bulk(
                WRITE_REDEMPTIONS,
                [&orders, &promotions, &buyers, &currencies, &amounts, &moments],
            )
            .await
            .map(drop)
    }

    async fn write_carts(&self, session: &Session) -> Result<(), StoreError> {
        let ids: Vec<&[u8]> = self.each(|command, _| command.cart.as_bytes().as_slice());
        let orders: Vec<&[u8]> = self.each(|command, _| command.order.as_bytes().as_slice());
        let moments: Vec<i64> = self.each(|command, _| command.now.unix_ms());
        session.bulk(WRITE_CARTS, [&ids, &orders, &moments]).await.map(drop)
    }

    async fn write_events(&self, session: &Session) -> Result<(), StoreError> {
        let ids: Vec<String> = self.each(|command, _| command.order.to_string());
        let payloads: Vec<String> =
            self.each(|command, _| outbox::payload(command.order, "order.placed", command.now));
        let moments: Vec<i64> = self.each(|command, _| command.now.unix_ms());
        session.bulk(WRITE_EVENTS, [&ids, &payloads, &moments]).await.map(drop)
    }

    fn each<'s, T>(&'s self, read: impl Fn(&'a PlaceOrder, &'s Cart) -> T) -> Vec<T> {
        self.orders.iter().map(|(command, cart)| read(command, cart)).collect()
    }

    fn each_line<'s, T>(&'s self, read: impl Fn(&'a PlaceOrder, usize, &'s Line) -> T) -> Vec<T> {
        let read = &read;
        self.orders
            .iter()
            .flat_map(|(command, cart)| {
                cart.lines.iter().enumerate().map(move |(place, line)| read(command, place, line))
            })
            .collect()
    }
}

fn keys_of<'a>(commands: impl Iterator<Item = &'a PlaceOrder>) -> (Vec<&'a str>, Vec<&'a str>) {
    commands.map(|command| (command.claim.scope.as_str(), command.claim.key.as_str())).unzip()
}

/// The order as it will be read; its number is given when it is written.
fn record(command: &PlaceOrder, cart: &Cart) -> OrderRecord {
    let lines = cart.lines.iter().enumerate().map(|(place, line)| Line {
        id: line_id(command.now, command.line_seed, place),
        ..line.clone()
    });
    OrderRecord {
        id: command.order,
        number: 0,
        cart: cart.id,
        cart_version: cart.version,
        user: command.user,
        token_hash: command.token_hash,
        email: command.email.as_str().to_owned(),
        address: command.address.clone(),
        status: OrderStatus::PendingPayment,
        lines: lines.collect(),
        totals: cart.totals,
        quote: order::order_quote(command, cart),
        created_at: command.now,
        expires_at: command.now.after(command.hold),
        state_version: 0,
        payment: PaymentRecord {
            id: command.payment,
            provider: command.provider.to_owned(),
            method: command.method,
            token: command.token.clone(),
            status: PaymentStatus::Created,
            amount: cart.totals.due,
            amounts: Amounts::zero(cart.currency),
            provider_ref: None,
        },
    }
}

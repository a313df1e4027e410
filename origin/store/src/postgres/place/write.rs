//! The second round trip: writes what was decided.

use std::collections::BTreeMap;

use api_types::cart::{Cart, Line};
use domain::LineId;
use domain::numbers::{Drawing, NumberStyle};
use domain::pricing::AppliedPromotion;
use futures::join;

use super::Plan;
use super::read::Shop;
use crate::StoreError;
use crate::order::{PlaceOrder, line_id, method_words};
use crate::postgres::session::Session;
use crate::sql::{numbers, order, outbox};
use crate::tx::Row;

pub(super) const WRITE_STOCK: &str = "UPDATE stock SET reserved = stock.reserved + d.pieces
FROM unnest(?1::text[], ?2::bigint[]) AS d (sku, pieces) WHERE stock.sku = d.sku";
pub(super) const WRITE_MOVEMENTS: &str = "INSERT INTO stock_movements (sku, kind, on_hand_delta, reserved_delta, order_id, at_ms)
SELECT d.sku, 'reserved', 0, d.pieces, d.order_id, d.at_ms
FROM unnest(?1::text[], ?2::bigint[], ?3::bytea[], ?4::bigint[]) AS d (sku, pieces, order_id, at_ms)";
pub(super) const WRITE_ORDERS: &str = "INSERT INTO orders (id, number, cart_id, cart_version, user_id, token_hash, email, address_json,
  status, currency, subtotal_minor, shipping_minor, tax_minor, total_minor, created_at_ms, updated_at_ms, expires_at_ms,
  discount_minor, quote_json, number_prefix, number_digits)
SELECT d.id, nextval('orders.order_numbers'), d.cart_id, d.cart_version, d.user_id, d.token_hash, d.email, d.address_json,
  'pending_payment', d.currency, d.subtotal, d.shipping, d.tax, d.total, d.at_ms, d.at_ms, d.expires_at_ms,
  d.discount, d.quote, d.prefix, d.digits
FROM unnest(?1::bytea[], ?2::bytea[], ?3::bigint[], ?4::bytea[], ?5::bytea[], ?6::text[], ?7::text[], ?8::text[],
  ?9::bigint[], ?10::bigint[], ?11::bigint[], ?12::bigint[], ?13::bigint[], ?14::bigint[], ?15::bigint[], ?16::text[],
  ?17::text[], ?18::bigint[])
  AS d (id, cart_id, cart_version, user_id, token_hash, email, address_json, currency, subtotal, shipping, tax, total,
    at_ms, expires_at_ms, discount, quote, prefix, digits)
RETURNING id, number";
/// The same with numbers from the counter row, all of a batch at once: a batch that comes to nothing has drawn none.
pub(super) const WRITE_NUMBERED_ORDERS: &str = "WITH drawn AS (UPDATE counters
  SET value = greatest(value, (SELECT coalesce(max(number), 0) FROM orders)) + cardinality(?1::bytea[])
  WHERE name = 'order_number' RETURNING value - cardinality(?1::bytea[]) AS used)
INSERT INTO orders (id, number, cart_id, cart_version, user_id, token_hash, email, address_json,
  status, currency, subtotal_minor, shipping_minor, tax_minor, total_minor, created_at_ms, updated_at_ms, expires_at_ms,
  discount_minor, quote_json, number_prefix, number_digits)
SELECT d.id, drawn.used + d.place, d.cart_id, d.cart_version, d.user_id, d.token_hash, d.email, d.address_json,
  'pending_payment', d.currency, d.subtotal, d.shipping, d.tax, d.total, d.at_ms, d.at_ms, d.expires_at_ms,
  d.discount, d.quote, d.prefix, d.digits
FROM drawn, unnest(?1::bytea[], ?2::bytea[], ?3::bigint[], ?4::bytea[], ?5::bytea[], ?6::text[], ?7::text[], ?8::text[],
  ?9::bigint[], ?10::bigint[], ?11::bigint[], ?12::bigint[], ?13::bigint[], ?14::bigint[], ?15::bigint[],
  ?16::text[], ?17::text[], ?18::bigint[]) WITH ORDINALITY
  AS d (id, cart_id, cart_version, user_id, token_hash, email, address_json, currency, subtotal, shipping, tax, total,
    at_ms, expires_at_ms, discount, quote, prefix, digits, place)
RETURNING id, number";
pub(super) const WRITE_LINES: &str = "INSERT INTO order_lines (order_id, position, id, sku, handle, title, variant_title, image_url,
  quantity, unit_minor, total_minor)
SELECT * FROM unnest(?1::bytea[], ?2::bigint[], ?3::bytea[], ?4::text[], ?5::text[], ?6::text[], ?7::text[], ?8::text[],
  ?9::bigint[], ?10::bigint[], ?11::bigint[])";
pub(super) const WRITE_HOLDS: &str = "INSERT INTO reservations (order_id, sku, quantity, status, expires_at_ms)
SELECT d.order_id, d.sku, d.quantity, 'held', d.expires_at_ms
FROM unnest(?1::bytea[], ?2::text[], ?3::bigint[], ?4::bigint[]) AS d (order_id, sku, quantity, expires_at_ms)";
pub(super) const WRITE_PAYMENTS: &str = "INSERT INTO payments (id, order_id, provider, method, method_kind, token_sealed, status,
  currency, amount_minor, next_check_at_ms, created_at_ms, updated_at_ms)
SELECT d.id, d.order_id, d.provider, d.method, d.method_kind, d.token_sealed, 'created', d.currency, d.amount,
  d.check_at_ms, d.at_ms, d.at_ms
FROM unnest(?1::bytea[], ?2::bytea[], ?3::text[], ?4::text[], ?5::bigint[], ?6::bigint[], ?7::bigint[], ?8::text[],
  ?9::text[], ?10::bytea[])
  AS d (id, order_id, method, currency, amount, check_at_ms, at_ms, provider, method_kind, token_sealed)";
pub(super) const WRITE_REDEMPTIONS: &str =
    "INSERT INTO redemptions (order_id, promotion_id, buyer, currency, amount_minor, is_counted, at_ms)
SELECT d.order_id, d.promotion_id, d.buyer, d.currency, d.amount, 1, d.at_ms
FROM unnest(?1::bytea[], ?2::bytea[], ?3::text[], ?4::text[], ?5::bigint[], ?6::bigint[])
  AS d (order_id, promotion_id, buyer, currency, amount, at_ms)";
pub(super) const WRITE_CARTS: &str = "UPDATE carts SET order_id = d.order_id, updated_at_ms = d.at_ms
FROM unnest(?1::bytea[], ?2::bytea[], ?3::bigint[]) AS d (id, order_id, at_ms) WHERE carts.id = d.id";
pub(super) const WRITE_EVENTS: &str =
    "WITH counted AS (INSERT INTO event_sequences (aggregate, aggregate_id, last) SELECT 'order', unnest(?1::text[]), 1)
INSERT INTO outbox (aggregate, aggregate_id, sequence, kind, payload_json, created_at_ms)
SELECT 'order', d.aggregate_id, 1, 'order.placed', d.payload, d.at_ms
FROM unnest(?1::text[], ?2::text[], ?3::bigint[]) AS d (aggregate_id, payload, at_ms)";
pub(super) const WRITE_ANSWERS: &str =
    "UPDATE idempotency SET answer = d.answer, order_id = NULL, lease_until_ms = 0
FROM unnest(?1::text[], ?2::text[], ?3::text[]) AS d (scope, key, answer)
WHERE idempotency.scope = d.scope AND idempotency.key = d.key";
pub(super) const GIVE_UP_CLAIMS: &str =
    "DELETE FROM idempotency USING unnest(?1::text[], ?2::text[]) AS d (scope, key)
WHERE idempotency.scope = d.scope AND idempotency.key = d.key";

impl<'a> Plan<'a> {
    /// Writes all of the orders but what concerns stock. Returns their numbers.
    pub(super) async fn write_orders(
        &self,
        session: &Session,
        shop: &Shop,
    ) -> Result<BTreeMap<[u8; 16], i64>, StoreError> {
        if self.orders.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (drawing, style) = (shop.drawing()?, shop.style()?);
        let (orders, rest) =
            join!(self.write_heads(session, drawing, &style), self.write_rest(session));
        let orders = orders?;
        rest?;
        orders.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }

    /// Answers keys that got nothing, and gives up those of commands that go alone.
    pub(super) async fn answer(&self, session: &Session) -> Result<(), StoreError> {
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
        Ok(())
    }

    async fn write_heads(
        &self,
        session: &Session,
        drawing: Drawing,
        style: &NumberStyle,
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
        let (prefix, digits) = numbers::style_words(style);
        let prefixes: Vec<Option<&str>> = self.each(|_, _| prefix);
        let digits: Vec<Option<i64>> = self.each(|_, _| digits);
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
                    &prefixes,
                    &digits,
                ],
            )
            .await
    }

    async fn write_rest(&self, session: &Session) -> Result<(), StoreError> {
        let (lines, payments, redemptions, carts, events) = join!(
            self.write_lines(session),
            self.write_payments(session),
            self.write_redemptions(session),
            self.write_carts(session),
            self.write_events(session),
        );
        lines?;
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

    /// Counts the stock down, of which the lock is held: what is written here holds on to its rows.
    pub(super) async fn write_stock(&self, session: &Session) -> Result<(), StoreError> {
        if self.orders.is_empty() {
            return Ok(());
        }
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

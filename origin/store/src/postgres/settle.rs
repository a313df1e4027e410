//! Many captured payments in one transaction: two round trips, however many.
//!
//! Only what a sale lives of goes this way: a payment that is captured while its order waits for it. Everything else
//! that may be reported (a decline, a second report, money for an order that has ended) goes alone.

use std::collections::{BTreeMap, BTreeSet};

use api_types::cart::Line;
use domain::order::{Consequence, OrderEvent};
use domain::payment::Amounts;
use domain::{OrderId, OrderStatus, PaymentId, PaymentStatus};
use futures::join;

use super::lanes::{BEGIN, BatchWork, Kind, Outcome};
use super::session::Session;
use crate::order::OrderRecord;
use crate::payment::{Settle, Settled};
use crate::sql::{idempotency, invoice, order, order_line, outbox, payment};
use crate::tx::Row;
use crate::{Claim, StoreError};

const LOCK_PAYMENTS: &str = "SELECT o.id, o.number, o.cart_id, o.cart_version, o.user_id, o.token_hash, o.email,
  o.address_json, o.status, o.currency, o.subtotal_minor, o.shipping_minor, o.tax_minor, o.total_minor, o.created_at_ms,
  o.expires_at_ms, p.id, p.method, p.status, p.amount_minor, p.provider_ref, p.authorized_minor,
  p.captured_minor, p.released_minor, p.refunded_minor, o.state_version, p.provider, p.method_kind, p.token_sealed,
  o.discount_minor, o.gift_card_minor, o.quote_json, o.number_prefix, o.number_digits
FROM payments p JOIN orders o ON o.id = p.order_id WHERE p.id = ANY(?1) ORDER BY p.id FOR UPDATE";
const LOCK_STOCK: &str = "SELECT 1 FROM stock WHERE sku = ANY(?1) ORDER BY sku FOR UPDATE";
const READ_LINES: &str = "SELECT l.id, l.sku, l.handle, l.title, l.variant_title, l.image_url, l.quantity, l.unit_minor,
  l.total_minor, l.promise, l.promised_pieces, l.ships_at_ms, l.order_id
FROM payments p JOIN order_lines l ON l.order_id = p.order_id WHERE p.id = ANY(?1) ORDER BY l.order_id, l.position";
const READ_PARTS: &str = "SELECT DISTINCT r.order_id
FROM payments p JOIN reservation_parts r ON r.order_id = p.order_id WHERE p.id = ANY(?1)";
const READ_WEBHOOKS: &str = "SELECT id FROM webhook_events WHERE id = ANY(?1)";
const WRITE_PAYMENTS: &str = "UPDATE payments SET status = 'captured', updated_at_ms = d.at_ms, next_check_at_ms = NULL,
  authorized_minor = payments.amount_minor, captured_minor = payments.amount_minor, checks = 0, token_sealed = NULL,
  provider_ref = coalesce(payments.provider_ref, d.provider_ref)
FROM unnest(?1::bytea[], ?2::text[], ?3::bigint[]) AS d (id, provider_ref, at_ms) WHERE payments.id = d.id";
const WRITE_ORDERS: &str = "UPDATE orders SET status = 'confirmed', updated_at_ms = d.at_ms
FROM unnest(?1::bytea[], ?2::bigint[]) AS d (id, at_ms) WHERE orders.id = d.id";
const WRITE_HOLDS: &str =
    "UPDATE reservations SET status = 'consumed' WHERE order_id = ANY(?1) AND status = 'held'";
const WRITE_STOCK: &str =
    "UPDATE stock SET on_hand = stock.on_hand - d.pieces, reserved = stock.reserved - d.pieces
FROM unnest(?1::text[], ?2::bigint[]) AS d (sku, pieces) WHERE stock.sku = d.sku";
const WRITE_MOVEMENTS: &str = "INSERT INTO stock_movements (sku, kind, on_hand_delta, reserved_delta, order_id, at_ms)
SELECT d.sku, 'sold', -d.pieces, -d.pieces, d.order_id, d.at_ms
FROM unnest(?1::text[], ?2::bigint[], ?3::bytea[], ?4::bigint[]) AS d (sku, pieces, order_id, at_ms)";
const WRITE_ENTRIES: &str =
    "INSERT INTO ledger_entries (key, account, currency, minor, payment_id, at_ms)
SELECT * FROM unnest(?1::text[], ?2::text[], ?3::text[], ?4::bigint[], ?5::bytea[], ?6::bigint[])";
const WRITE_EVENTS: &str = "WITH counted AS (
  INSERT INTO event_sequences (aggregate, aggregate_id, last)
  SELECT 'order', e.aggregate_id, 2 + coalesce((SELECT max(o.sequence) FROM outbox o
    WHERE o.aggregate = 'order' AND o.aggregate_id = e.aggregate_id), 0)
  FROM unnest(?1::text[]) AS e (aggregate_id) GROUP BY e.aggregate_id
  ON CONFLICT (aggregate, aggregate_id) DO UPDATE SET last = 2 + greatest(event_sequences.last, excluded.last - 2)
  RETURNING aggregate_id, last)
INSERT INTO outbox (aggregate, aggregate_id, sequence, kind, payload_json, created_at_ms)
SELECT 'order', d.aggregate_id, c.last - 2 + d.place, d.kind, d.payload, d.at_ms
FROM unnest(?1::text[], ?2::bigint[], ?3::text[], ?4::text[], ?5::bigint[])
  AS d (aggregate_id, place, kind, payload, at_ms) JOIN counted c ON c.aggregate_id = d.aggregate_id
ORDER BY d.aggregate_id, d.place";
const WRITE_ANSWERS: &str = "INSERT INTO idempotency (scope, key, fingerprint, answer, lease_until_ms, created_at_ms)
SELECT d.scope, d.key, d.fingerprint, d.answer, 0, d.at_ms
FROM unnest(?1::text[], ?2::text[], ?3::bytea[], ?4::text[], ?5::bigint[]) AS d (scope, key, fingerprint, answer, at_ms)
ON CONFLICT (scope, key) DO UPDATE SET answer = excluded.answer WHERE idempotency.answer IS NULL RETURNING 1";
const READ_ANSWERS: &str = "SELECT i.scope, i.key, i.answer
FROM unnest(?1::text[], ?2::text[]) AS d (scope, key) JOIN idempotency i ON i.scope = d.scope AND i.key = d.key
WHERE i.answer IS NOT NULL";
const WRITE_WEBHOOKS: &str = "INSERT INTO webhook_events (id, received_at_ms)
SELECT * FROM unnest(?1::text[], ?2::bigint[]) ON CONFLICT (id) DO NOTHING";

/// Payments that were captured.
#[derive(Debug)]
pub(crate) struct Settling;

impl Kind for Settling {
    type Command = Settle;
    type Answer = Settled;
    const STATEMENTS: &'static [&'static str] = &[
        LOCK_PAYMENTS,
        LOCK_STOCK,
        READ_LINES,
        READ_PARTS,
        READ_WEBHOOKS,
        WRITE_PAYMENTS,
        WRITE_ORDERS,
        invoice::NOTE_ACCEPTED_MANY,
        WRITE_HOLDS,
        WRITE_STOCK,
        WRITE_MOVEMENTS,
        WRITE_ENTRIES,
        WRITE_EVENTS,
        WRITE_ANSWERS,
        READ_ANSWERS,
        WRITE_WEBHOOKS,
    ];

    fn work<'a>(session: &'a Session, commands: &'a [&'a Settle]) -> BatchWork<'a, Settled> {
        Box::pin(work(session, commands))
    }
}

async fn work(
    session: &Session,
    commands: &[&Settle],
) -> Result<Vec<Outcome<Settled>>, StoreError> {
    let mut known = read(session, commands).await?;
    let mut plan = Plan::default();
    let mut outcomes: Vec<Outcome<Settled>> =
        commands.iter().map(|command| plan.decide(command, &mut known)).collect();
    let earlier = plan.write(session).await?;
    for (command, outcome) in commands.iter().zip(&mut outcomes) {
        let Outcome::Done(Settled::Order { kept, .. }) = outcome else { continue };
        let answer = command.answer.as_ref().and_then(|claim| earlier.get(&name(claim)));
        if let Some(answer) = answer {
            *kept = Some(idempotency::read(answer)?);
        }
    }
    Ok(outcomes)
}

/// A key with its scope.
fn name(claim: &Claim) -> (String, String) {
    (claim.scope.clone(), claim.key.clone())
}

/// What the batch was told.
struct Known {
    orders: BTreeMap<PaymentId, OrderRecord>,
    /// Orders whose pieces are not all held at the main location.
    parted: BTreeSet<OrderId>,
    webhooks: BTreeSet<String>,
}

/// The first round trip.
async fn read(session: &Session, commands: &[&Settle]) -> Result<Known, StoreError> {
    let ids: Vec<&[u8]> =
        commands.iter().map(|command| command.payment.as_bytes().as_slice()).collect();
    let webhooks: Vec<&str> =
        commands.iter().filter_map(|command| command.webhook.as_deref()).collect();
    let (begun, payments, lines, parts, webhooks) = join!(
        session.batch(BEGIN),
        session.bulk(LOCK_PAYMENTS, [&ids]),
        session.bulk(READ_LINES, [&ids]),
        session.bulk(READ_PARTS, [&ids]),
        session.bulk(READ_WEBHOOKS, [&webhooks]),
    );
    begun?;
    let payments = payments?;
    let mut lines_of: BTreeMap<OrderId, Vec<Row>> = BTreeMap::new();
    for row in lines? {
        lines_of.entry(OrderId::from_bytes(row.get(12)?)).or_default().push(row);
    }
    let mut orders = BTreeMap::new();
    for row in payments {
        let mut record = order::record_of(&row)?;
        let rows = lines_of.remove(&record.id).unwrap_or_default();
        let currency = record.totals.currency;
        record.lines =
            rows.iter().map(|row| order_line::read(row, currency)).collect::<Result<_, _>>()?;
        orders.insert(record.payment.id, record);
    }
    let order_of = |row: &Row| row.get(0).map(OrderId::from_bytes);
    let parted = parts?.iter().map(order_of).collect::<Result<_, StoreError>>()?;
    let webhooks = webhooks?.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
    Ok(Known { orders, parted, webhooks })
}

/// Answers by scope and key.
type Answers = BTreeMap<(String, String), String>;
/// Tells whether a report makes all of a payment ours, of which nothing was before.
fn is_whole_capture(command: &Settle, order: &OrderRecord) -> bool {
    let payment = &order.payment;
    let merged =
        command.report(payment.amount).and_then(|report| payment.known().ok()?.merge(report).ok());
    merged.is_some_and(|merged| {
        merged.payment.status() == PaymentStatus::Captured
            && merged.captured_more == payment.amount
            && merged.payment.amounts().captured() == payment.amount
    })
}

/// What is to be written.
#[derive(Default)]
struct Plan<'a> {
    sales: Vec<(&'a Settle, OrderRecord)>,
}

impl<'a> Plan<'a> {
    /// Decides about one report, as `sql::payment::settle` does for one alone.
    fn decide(&mut self, command: &'a Settle, known: &mut Known) -> Outcome<Settled> {
        let is_plain = |order: &OrderRecord| {
            order.state_version == 0
                && is_whole_capture(command, order)
                && order.totals.gift_cards.minor == 0
                && !known.parted.contains(&order.id)
                && order.status.on(OrderEvent::Payment(PaymentStatus::Captured))
                    == Consequence::Confirm
                && command.amount.is_none_or(|amount| amount == order.payment.amount)
                && command.webhook.as_ref().is_none_or(|id| !known.webhooks.contains(id))
        };
        if !known.orders.get(&command.payment).is_some_and(is_plain) {
            return Outcome::Alone;
        }
        // Whoever reports the same payment after this goes alone, and finds it settled.
        let Some(mut order) = known.orders.remove(&command.payment) else { return Outcome::Alone };
        known.webhooks.extend(command.webhook.clone());
        order.status = OrderStatus::Confirmed;
        order.payment.status = PaymentStatus::Captured;
        order.payment.amounts = Amounts::whole(PaymentStatus::Captured, order.payment.amount);
        order.payment.token = None;
        if order.payment.provider_ref.is_none() {
            order.payment.provider_ref.clone_from(&command.provider_ref);
        }
        self.sales.push((command, order.clone()));
        let kept = command.answer.as_ref().map(|_| order.outcome());
        Outcome::Done(Settled::Order { order: Box::new(order), has_moved: true, kept })
    }

    /// The second round trip, all but the commit. Returns the answers that keys had already.
    async fn write(&self, session: &Session) -> Result<Answers, StoreError> {
        if self.sales.is_empty() {
            return Ok(Answers::new());
        }
        // The stock comes last, and is locked only now: nothing was decided by what it says, and of a hot SKU every lane
        // waits for it, of checkouts too. Its movements come after its lock, for they hold on to its row.
        let (payments, orders, entries, events, answers, webhooks, stock) = join!(
            self.write_payments(session),
            self.write_orders(session),
            self.write_entries(session),
            self.write_events(session),
            self.write_answers(session),
            self.write_webhooks(session),
            self.write_stock(session),
        );
        payments?;
        orders?;
        entries?;
        events?;
        let answers = answers?;
        webhooks?;
        stock?;
        Ok(answers)
    }

    async fn write_payments(&self, session: &Session) -> Result<(), StoreError> {
        let ids: Vec<&[u8]> = self.each(|_, order| order.payment.id.as_bytes().as_slice());
        let refs: Vec<Option<&str>> = self.each(|command, _| command.provider_ref.as_deref());
        session.bulk(WRITE_PAYMENTS, [&ids, &refs, &self.moments()]).await.map(drop)
    }

    async fn write_orders(&self, session: &Session) -> Result<(), StoreError> {
        let ids = self.order_ids();
        let moments = self.moments();
        let (orders, invoices, holds) = join!(
            session.bulk(WRITE_ORDERS, [&ids, &moments]),
            session.bulk(invoice::NOTE_ACCEPTED_MANY, [&ids]),
            session.bulk(WRITE_HOLDS, [&ids]),
        );
        orders?;
        invoices?;
        holds.map(drop)
    }

    async fn write_stock(&self, session: &Session) -> Result<(), StoreError> {
        let lines: Vec<(&Settle, &OrderRecord, &Line)> = self
            .sales
            .iter()
            .flat_map(|(command, order)| {
                order.lines.iter().map(move |line| (*command, order, line))
            })
            .collect();
        let skus: Vec<&str> = lines.iter().map(|(_, _, line)| line.sku.as_str()).collect();
        let pieces: Vec<i64> = lines.iter().map(|(_, _, line)| i64::from(line.quantity)).collect();
        let orders: Vec<&[u8]> =
            lines.iter().map(|(_, order, _)| order.id.as_bytes().as_slice()).collect();
        let moments: Vec<i64> = lines.iter().map(|(command, ..)| command.now.unix_ms()).collect();
        let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
        for (sku, count) in skus.iter().zip(&pieces) {
            let sum = sums.entry(sku).or_default();
            *sum = sum.saturating_add(*count);
        }
        let (sum_skus, sum_pieces): (Vec<&str>, Vec<i64>) = sums.into_iter().unzip();
        let (locked, stock, movements) = join!(
            session.bulk(LOCK_STOCK, [&sum_skus]),
            session.bulk(WRITE_STOCK, [&sum_skus, &sum_pieces]),
            session.bulk(WRITE_MOVEMENTS, [&skus, &pieces, &orders, &moments]),
        );
        locked?;
        stock?;
        movements.map(drop)
    }

    async fn write_entries(&self, session: &Session) -> Result<(), StoreError> {
        let (mut keys, mut accounts, mut currencies) = (Vec::new(), Vec::new(), Vec::new());
        let (mut minors, mut payments, mut moments) = (Vec::new(), Vec::new(), Vec::new());
        for (command, order) in &self.sales {
            let whole = payment::capture_entries(order)?
                .map(|(account, minor)| ("capture", account, minor));
            let apart = payment::entries_apart(order)?;
            let apart =
                apart.iter().map(|(account, minor)| ("capture_apart", account.as_str(), *minor));
            for (word, account, minor) in whole.into_iter().chain(apart) {
                keys.push(format!("{word}:{}", order.payment.id));
                accounts.push(account);
                currencies.push(order.totals.currency.code());
                minors.push(minor);
                payments.push(order.payment.id.as_bytes().as_slice());
                moments.push(command.now.unix_ms());
            }
        }
        session
            .bulk(WRITE_ENTRIES, [&keys, &accounts, &currencies, &minors, &payments, &moments])
            .await
            .map(drop)
    }

    async fn write_events(&self, session: &Session) -> Result<(), StoreError> {
        let (mut ids, mut places, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
        let (mut payloads, mut moments) = (Vec::new(), Vec::new());
        for (command, order) in &self.sales {
            for (place, kind) in [(1_i64, "payment.captured"), (2, "order.confirmed")] {
                ids.push(order.id.to_string());
                places.push(place);
                kinds.push(kind);
                payloads.push(outbox::payload(order.id, kind, command.now));
                moments.push(command.now.unix_ms());
            }
        }
        session.bulk(WRITE_EVENTS, [&ids, &places, &kinds, &payloads, &moments]).await.map(drop)
    }

    /// Answers the keys, and returns the answers of those that another attempt had answered before: they stand, and this
    /// attempt says the same. Only then is there one more round trip.
    async fn write_answers(&self, session: &Session) -> Result<Answers, StoreError> {
        let answered: BTreeMap<(&str, &str), (&Claim, &Settle, &OrderRecord)> = self
            .sales
            .iter()
            .filter_map(|(command, order)| {
                let claim = command.answer.as_ref()?;
                Some(((claim.scope.as_str(), claim.key.as_str()), (claim, *command, order)))
            })
            .collect();
        if answered.is_empty() {
            return Ok(Answers::new());
        }
        let (scopes, keys): (Vec<&str>, Vec<&str>) = answered.keys().copied().unzip();
        let prints: Vec<&[u8]> =
            answered.values().map(|(claim, ..)| claim.fingerprint.as_slice()).collect();
        let answers: Vec<String> = answered
            .values()
            .map(|(_, _, order)| idempotency::write(&order.outcome()))
            .collect::<Result<_, _>>()?;
        let moments: Vec<i64> =
            answered.values().map(|(_, command, _)| command.now.unix_ms()).collect();
        let written =
            session.bulk(WRITE_ANSWERS, [&scopes, &keys, &prints, &answers, &moments]).await?;
        if written.len() == answered.len() {
            return Ok(Answers::new());
        }
        let kept = session.bulk(READ_ANSWERS, [&scopes, &keys]).await?;
        kept.iter().map(|row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?))).collect()
    }

    async fn write_webhooks(&self, session: &Session) -> Result<(), StoreError> {
        let (ids, moments): (Vec<&str>, Vec<i64>) = self
            .sales
            .iter()
            .filter_map(|(command, _)| Some((command.webhook.as_deref()?, command.now.unix_ms())))
            .unzip();
        if ids.is_empty() {
            return Ok(());
        }
        session.bulk(WRITE_WEBHOOKS, [&ids, &moments]).await.map(drop)
    }

    fn order_ids(&self) -> Vec<&[u8]> {
        self.each(|_, order| order.id.as_bytes().as_slice())
    }

    fn moments(&self) -> Vec<i64> {
        self.each(|command, _| command.now.unix_ms())
    }

    fn each<'s, T>(&'s self, read: impl Fn(&'a Settle, &'s OrderRecord) -> T) -> Vec<T> {
        self.sales.iter().map(|(command, order)| read(command, order)).collect()
    }
}

//! The shop's tables as they are, read past the shop. All SQL of the simulator but that of planted bugs.
//!
//! Rows come in the order in which they were written, never in that of ids, which differ from run to run. The SQL is
//! plain enough for every engine; an engine gives its values as [`Cell`]s.

use anyhow::{Context as _, Result, bail};

use crate::store_kind::Place;

/// What the checks look at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Books {
    pub(crate) stock: Vec<StockRow>,
    pub(crate) movements: Vec<MovementRow>,
    pub(crate) reservations: Vec<ReservationRow>,
    pub(crate) orders: Vec<OrderRow>,
    pub(crate) lines: Vec<LineRow>,
    pub(crate) payments: Vec<PaymentRow>,
    pub(crate) ledger: Vec<LedgerRow>,
    pub(crate) events: Vec<EventRow>,
    pub(crate) claims: Vec<ClaimRow>,
    pub(crate) codes: Vec<CodeRow>,
    pub(crate) redemptions: Vec<RedemptionRow>,
    pub(crate) gift_cards: Vec<GiftCardRow>,
    pub(crate) gift_card_parts: Vec<GiftCardPartRow>,
    pub(crate) states: Vec<StateRow>,
    pub(crate) invoices: Vec<InvoiceRow>,
}

/// An id as it is stored.
pub(crate) type Id = [u8; 16];

/// On hand, reserved, incoming, backordered: what they stand at, or what is added to each.
pub(crate) type Counters = [i64; 4];

/// A SKU at one location.
#[derive(Debug, Clone)]
pub(crate) struct StockRow {
    pub(crate) sku: String,
    pub(crate) location: Id,
    pub(crate) counters: Counters,
}

#[derive(Debug, Clone)]
pub(crate) struct MovementRow {
    pub(crate) sku: String,
    pub(crate) location: Id,
    pub(crate) kind: String,
    pub(crate) deltas: Counters,
    pub(crate) order: Option<Id>,
}

/// What an order has of a SKU at one location.
#[derive(Debug, Clone)]
pub(crate) struct ReservationRow {
    pub(crate) order: Id,
    pub(crate) sku: String,
    pub(crate) location: Id,
    pub(crate) held: i64,
    pub(crate) promised: i64,
    pub(crate) status: String,
}

#[derive(Debug, Clone)]
pub(crate) struct OrderRow {
    pub(crate) id: Id,
    pub(crate) number: i64,
    pub(crate) cart: Id,
    pub(crate) status: String,
    pub(crate) currency: String,
    pub(crate) subtotal: i64,
    pub(crate) shipping: i64,
    pub(crate) tax: i64,
    pub(crate) total: i64,
    pub(crate) discount: i64,
    pub(crate) gift_cards: i64,
}

impl OrderRow {
    /// What the provider has to do with.
    pub(crate) fn due(&self) -> i64 {
        self.total - self.gift_cards
    }
}

#[derive(Debug, Clone)]
pub(crate) struct LineRow {
    pub(crate) order: Id,
    pub(crate) sku: String,
    pub(crate) quantity: i64,
    pub(crate) unit: i64,
    pub(crate) total: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct PaymentRow {
    pub(crate) id: Id,
    pub(crate) order: Id,
    pub(crate) status: String,
    pub(crate) currency: String,
    pub(crate) amount: i64,
    pub(crate) has_token: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct LedgerRow {
    pub(crate) key: String,
    pub(crate) account: String,
    pub(crate) currency: String,
    pub(crate) minor: i64,
    /// Absent where the staff issued a gift card.
    pub(crate) payment: Option<Id>,
}

/// A code with a limit, by its own counter and by what orders say.
#[derive(Debug, Clone)]
pub(crate) struct CodeRow {
    pub(crate) code: String,
    pub(crate) uses: i64,
    pub(crate) uses_max: Option<i64>,
    pub(crate) counted: i64,
}

/// Whether an order's use of a promotion is counted.
#[derive(Debug, Clone)]
pub(crate) struct RedemptionRow {
    pub(crate) order: Id,
    pub(crate) is_counted: bool,
}

/// A gift card, by its balance and by its movements.
#[derive(Debug, Clone)]
pub(crate) struct GiftCardRow {
    pub(crate) issued: i64,
    pub(crate) balance: i64,
    pub(crate) moved: i64,
}

/// What a gift card pays of an order.
#[derive(Debug, Clone)]
pub(crate) struct GiftCardPartRow {
    pub(crate) order: Id,
    pub(crate) amount: i64,
    pub(crate) status: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventRow {
    pub(crate) id: i64,
    pub(crate) aggregate: String,
    pub(crate) aggregate_id: String,
    pub(crate) sequence: i64,
    pub(crate) kind: String,
    pub(crate) is_delivered: bool,
}

impl EventRow {
    /// Whether both are one event, delivered or not.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let what = |event: &Self| (event.id, event.sequence);
        what(self) == what(other)
            && self.aggregate == other.aggregate
            && self.aggregate_id == other.aggregate_id
            && self.kind == other.kind
    }
}

#[derive(Debug, Clone)]
pub(crate) struct ClaimRow {
    pub(crate) scope: String,
    pub(crate) order: Option<Id>,
}

/// The state that is kept of an order.
#[derive(Debug, Clone)]
pub(crate) struct StateRow {
    pub(crate) order: Id,
    pub(crate) json: String,
}

/// The invoice of an order that was accepted; without a number while it is due.
#[derive(Debug, Clone)]
pub(crate) struct InvoiceRow {
    pub(crate) order: Id,
    pub(crate) number: Option<i64>,
}

impl Books {
    /// Reads everything, as it is at one moment.
    pub(crate) fn read(place: &dyn Place) -> Result<Self> {
        place.begin_look()?;
        let books = Self {
            stock: stock(place)?,
            movements: movements(place)?,
            reservations: reservations(place)?,
            orders: orders(place)?,
            lines: lines(place)?,
            payments: payments(place)?,
            ledger: ledger(place)?,
            events: events(place)?,
            claims: claims(place)?,
            codes: codes(place)?,
            redemptions: redemptions(place)?,
            gift_cards: gift_cards(place)?,
            gift_card_parts: gift_card_parts(place)?,
            states: states(place)?,
            invoices: invoices(place)?,
        };
        place.end_look()?;
        Ok(books)
    }
}

/// A value as an engine gives it. Truth is 0 or 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row that is taken apart from left to right.
struct Cells(std::vec::IntoIter<Cell>);

impl Cells {
    fn number(&mut self) -> Result<i64> {
        match self.0.next() {
            Some(Cell::Number(number)) => Ok(number),
            other => bail!("a number is {other:?}"),
        }
    }

    fn counters(&mut self) -> Result<Counters> {
        Ok([self.number()?, self.number()?, self.number()?, self.number()?])
    }

    fn text(&mut self) -> Result<String> {
        match self.0.next() {
            Some(Cell::Text(text)) => Ok(text),
            other => bail!("a text is {other:?}"),
        }
    }

    fn id(&mut self) -> Result<Id> {
        self.maybe_id()?.context("an id is absent")
    }

    fn maybe_id(&mut self) -> Result<Option<Id>> {
        match self.0.next() {
            Some(Cell::Null) => Ok(None),
            Some(Cell::Bytes(bytes)) => {
                Ok(Some(Id::try_from(bytes.as_slice()).context("an id is not of 16 bytes")?))
            }
            other => bail!("an id is {other:?}"),
        }
    }
}

fn rows<T>(place: &dyn Place, sql: &str, read: impl Fn(&mut Cells) -> Result<T>) -> Result<Vec<T>> {
    let rows = place.rows(sql).with_context(|| sql.to_owned())?;
    let rows = rows.into_iter().map(|row| read(&mut Cells(row.into_iter())));
    rows.collect::<Result<_>>().with_context(|| sql.to_owned())
}

/// The main location, as every row names it that names none.
const MAIN: Id = *domain::inventory::MAIN_LOCATION.as_bytes();

fn stock(place: &dyn Place) -> Result<Vec<StockRow>> {
    let sql = "SELECT sku, NULL AS location_id, on_hand, reserved, incoming, backordered FROM stock
               UNION ALL SELECT sku, location_id, on_hand, reserved, incoming, backordered FROM stock_at
               ORDER BY 1, 3, 4";
    rows(place, sql, |row| {
        let (sku, location) = (row.text()?, row.maybe_id()?.unwrap_or(MAIN));
        Ok(StockRow { sku, location, counters: row.counters()? })
    })
}

fn movements(place: &dyn Place) -> Result<Vec<MovementRow>> {
    let sql = "SELECT sku, location_id, kind, on_hand_delta, reserved_delta, incoming_delta, backordered_delta, order_id
               FROM stock_movements ORDER BY id";
    rows(place, sql, |row| {
        Ok(MovementRow {
            sku: row.text()?,
            location: row.id()?,
            kind: row.text()?,
            deltas: row.counters()?,
            order: row.maybe_id()?,
        })
    })
}

fn reservations(place: &dyn Place) -> Result<Vec<ReservationRow>> {
    let sql = "SELECT r.order_id, r.sku, r.location_id, r.held, r.promised, r.status FROM
                 (SELECT order_id, sku, NULL AS location_id, quantity AS held, 0 AS promised, status FROM reservations
                  UNION ALL SELECT order_id, sku, location_id, held, backordered, status FROM reservation_parts) r
               LEFT JOIN orders o ON o.id = r.order_id ORDER BY o.number, r.sku, r.held, r.promised";
    rows(place, sql, |row| {
        Ok(ReservationRow {
            order: row.id()?,
            sku: row.text()?,
            location: row.maybe_id()?.unwrap_or(MAIN),
            held: row.number()?,
            promised: row.number()?,
            status: row.text()?,
        })
    })
}

fn orders(place: &dyn Place) -> Result<Vec<OrderRow>> {
    let sql = "SELECT id, number, cart_id, status, currency, subtotal_minor, shipping_minor, tax_minor, total_minor,
                 discount_minor, gift_card_minor
               FROM orders ORDER BY number";
    rows(place, sql, |row| {
        Ok(OrderRow {
            id: row.id()?,
            number: row.number()?,
            cart: row.id()?,
            status: row.text()?,
            currency: row.text()?,
            subtotal: row.number()?,
            shipping: row.number()?,
            tax: row.number()?,
            total: row.number()?,
            discount: row.number()?,
            gift_cards: row.number()?,
        })
    })
}

fn lines(place: &dyn Place) -> Result<Vec<LineRow>> {
    let sql = "SELECT l.order_id, l.sku, l.quantity, l.unit_minor, l.total_minor
               FROM order_lines l LEFT JOIN orders o ON o.id = l.order_id ORDER BY o.number, l.sku";
    rows(place, sql, |row| {
        Ok(LineRow {
            order: row.id()?,
            sku: row.text()?,
            quantity: row.number()?,
            unit: row.number()?,
            total: row.number()?,
        })
    })
}

fn payments(place: &dyn Place) -> Result<Vec<PaymentRow>> {
    let sql =
        "SELECT p.id, p.order_id, p.status, p.currency, p.amount_minor, p.token_sealed IS NOT NULL
               FROM payments p LEFT JOIN orders o ON o.id = p.order_id ORDER BY o.number";
    rows(place, sql, |row| {
        Ok(PaymentRow {
            id: row.id()?,
            order: row.id()?,
            status: row.text()?,
            currency: row.text()?,
            amount: row.number()?,
            has_token: row.number()? == 1,
        })
    })
}

fn ledger(place: &dyn Place) -> Result<Vec<LedgerRow>> {
    let sql = "SELECT key, account, currency, minor, payment_id FROM ledger_entries ORDER BY id";
    rows(place, sql, |row| {
        Ok(LedgerRow {
            key: row.text()?,
            account: row.text()?,
            currency: row.text()?,
            minor: row.number()?,
            payment: row.maybe_id()?,
        })
    })
}

/// Reads what the outbox has about orders.
pub(crate) fn events(place: &dyn Place) -> Result<Vec<EventRow>> {
    let sql = "SELECT id, aggregate, aggregate_id, sequence, kind, delivered_at_ms IS NOT NULL FROM outbox ORDER BY id";
    rows(place, sql, |row| {
        Ok(EventRow {
            id: row.number()?,
            aggregate: row.text()?,
            aggregate_id: row.text()?,
            sequence: row.number()?,
            kind: row.text()?,
            is_delivered: row.number()? == 1,
        })
    })
}

fn claims(place: &dyn Place) -> Result<Vec<ClaimRow>> {
    let sql = "SELECT scope, order_id FROM idempotency ORDER BY created_at_ms";
    rows(place, sql, |row| Ok(ClaimRow { scope: row.text()?, order: row.maybe_id()? }))
}

fn codes(place: &dyn Place) -> Result<Vec<CodeRow>> {
    let sql = "SELECT c.code, c.uses, coalesce(c.uses_max, -1), (SELECT count(*) FROM redemptions r
                 WHERE r.code = c.code AND r.is_counted = 1) FROM promotion_codes c ORDER BY c.code";
    rows(place, sql, |row| {
        Ok(CodeRow {
            code: row.text()?,
            uses: row.number()?,
            uses_max: Some(row.number()?).filter(|most| *most >= 0),
            counted: row.number()?,
        })
    })
}

fn redemptions(place: &dyn Place) -> Result<Vec<RedemptionRow>> {
    let sql = "SELECT r.order_id, r.is_counted FROM redemptions r
               LEFT JOIN orders o ON o.id = r.order_id ORDER BY o.number";
    rows(place, sql, |row| Ok(RedemptionRow { order: row.id()?, is_counted: row.number()? == 1 }))
}

fn gift_cards(place: &dyn Place) -> Result<Vec<GiftCardRow>> {
    let sql = "SELECT g.issued_minor, g.balance_minor, (SELECT CAST(coalesce(sum(m.delta_minor), 0) AS BIGINT)
                 FROM gift_card_movements m WHERE m.gift_card_id = g.id) FROM gift_cards g ORDER BY g.currency";
    rows(place, sql, |row| {
        Ok(GiftCardRow { issued: row.number()?, balance: row.number()?, moved: row.number()? })
    })
}

fn gift_card_parts(place: &dyn Place) -> Result<Vec<GiftCardPartRow>> {
    let sql = "SELECT p.order_id, p.amount_minor, p.status FROM order_gift_cards p
               LEFT JOIN orders o ON o.id = p.order_id ORDER BY o.number";
    rows(place, sql, |row| {
        Ok(GiftCardPartRow { order: row.id()?, amount: row.number()?, status: row.text()? })
    })
}

fn states(place: &dyn Place) -> Result<Vec<StateRow>> {
    let sql = "SELECT s.order_id, s.state_json FROM order_states s JOIN orders o ON o.id = s.order_id ORDER BY o.number";
    rows(place, sql, |row| Ok(StateRow { order: row.id()?, json: row.text()? }))
}

fn invoices(place: &dyn Place) -> Result<Vec<InvoiceRow>> {
    let sql = "SELECT i.order_id, coalesce(i.number, -1) FROM invoices i JOIN orders o ON o.id = i.order_id ORDER BY o.number";
    rows(place, sql, |row| {
        Ok(InvoiceRow {
            order: row.id()?,
            number: Some(row.number()?).filter(|number| *number >= 0),
        })
    })
}

/// Whether nothing is under way: no order waits, no payment and no operation is to be asked about, no invoice is to be given
/// its number, no event is to be delivered.
pub(crate) fn is_settled(place: &dyn Place) -> Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM orders WHERE status = 'pending_payment')
                 AND NOT EXISTS (SELECT 1 FROM payments WHERE next_check_at_ms IS NOT NULL)
                 AND NOT EXISTS (SELECT 1 FROM payment_operations WHERE status = 'pending')
                 AND NOT EXISTS (SELECT 1 FROM invoices WHERE issued_at_ms IS NULL)
                 AND NOT EXISTS (SELECT 1 FROM outbox WHERE delivered_at_ms IS NULL)";
    Ok(rows(place, sql, Cells::number)? == [1])
}

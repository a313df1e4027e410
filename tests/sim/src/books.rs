//! The shop's tables as they are, read past the shop. All SQL of the simulator but that of planted bugs.
//!
//! Rows come in the order in which they were written, never in that of ids, which differ from run to run.

use anyhow::{Context as _, Result};
use rusqlite::{Connection, Row};

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
}

/// An id as it is stored.
pub(crate) type Id = [u8; 16];

#[derive(Debug, Clone)]
pub(crate) struct StockRow {
    pub(crate) sku: String,
    pub(crate) on_hand: i64,
    pub(crate) reserved: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct MovementRow {
    pub(crate) sku: String,
    pub(crate) kind: String,
    pub(crate) on_hand_delta: i64,
    pub(crate) reserved_delta: i64,
    pub(crate) order: Option<Id>,
}

#[derive(Debug, Clone)]
pub(crate) struct ReservationRow {
    pub(crate) order: Id,
    pub(crate) sku: String,
    pub(crate) quantity: i64,
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
}

#[derive(Debug, Clone)]
pub(crate) struct LedgerRow {
    pub(crate) key: String,
    pub(crate) account: String,
    pub(crate) currency: String,
    pub(crate) minor: i64,
    pub(crate) payment: Id,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventRow {
    pub(crate) id: i64,
    pub(crate) aggregate_id: String,
    pub(crate) sequence: i64,
    pub(crate) kind: String,
    pub(crate) is_delivered: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct ClaimRow {
    pub(crate) scope: String,
    pub(crate) order: Option<Id>,
}

impl Books {
    pub(crate) fn read(connection: &Connection) -> Result<Self> {
        // One moment for all tables.
        let moment = connection.unchecked_transaction()?;
        Ok(Self {
            stock: stock(&moment)?,
            movements: movements(&moment)?,
            reservations: reservations(&moment)?,
            orders: orders(&moment)?,
            lines: lines(&moment)?,
            payments: payments(&moment)?,
            ledger: ledger(&moment)?,
            events: events(&moment)?,
            claims: claims(&moment)?,
        })
    }
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare(sql).with_context(|| sql.to_owned())?;
    let rows = statement.query_map([], read)?.collect::<Result<_, _>>();
    rows.with_context(|| sql.to_owned())
}

fn stock(connection: &Connection) -> Result<Vec<StockRow>> {
    rows(connection, "SELECT sku, on_hand, reserved FROM stock ORDER BY sku", |row| {
        Ok(StockRow { sku: row.get(0)?, on_hand: row.get(1)?, reserved: row.get(2)? })
    })
}

fn movements(connection: &Connection) -> Result<Vec<MovementRow>> {
    let sql = "SELECT sku, kind, on_hand_delta, reserved_delta, order_id FROM stock_movements ORDER BY id";
    rows(connection, sql, |row| {
        Ok(MovementRow {
            sku: row.get(0)?,
            kind: row.get(1)?,
            on_hand_delta: row.get(2)?,
            reserved_delta: row.get(3)?,
            order: row.get(4)?,
        })
    })
}

fn reservations(connection: &Connection) -> Result<Vec<ReservationRow>> {
    let sql = "SELECT r.order_id, r.sku, r.quantity, r.status
               FROM reservations r LEFT JOIN orders o ON o.id = r.order_id ORDER BY o.number, r.sku";
    rows(connection, sql, |row| {
        Ok(ReservationRow {
            order: row.get(0)?,
            sku: row.get(1)?,
            quantity: row.get(2)?,
            status: row.get(3)?,
        })
    })
}

fn orders(connection: &Connection) -> Result<Vec<OrderRow>> {
    let sql = "SELECT id, number, cart_id, status, currency, subtotal_minor, shipping_minor, tax_minor, total_minor
               FROM orders ORDER BY number";
    rows(connection, sql, |row| {
        Ok(OrderRow {
            id: row.get(0)?,
            number: row.get(1)?,
            cart: row.get(2)?,
            status: row.get(3)?,
            currency: row.get(4)?,
            subtotal: row.get(5)?,
            shipping: row.get(6)?,
            tax: row.get(7)?,
            total: row.get(8)?,
        })
    })
}

fn lines(connection: &Connection) -> Result<Vec<LineRow>> {
    let sql = "SELECT l.order_id, l.sku, l.quantity, l.unit_minor, l.total_minor
               FROM order_lines l LEFT JOIN orders o ON o.id = l.order_id ORDER BY o.number, l.sku";
    rows(connection, sql, |row| {
        Ok(LineRow {
            order: row.get(0)?,
            sku: row.get(1)?,
            quantity: row.get(2)?,
            unit: row.get(3)?,
            total: row.get(4)?,
        })
    })
}

fn payments(connection: &Connection) -> Result<Vec<PaymentRow>> {
    let sql = "SELECT p.id, p.order_id, p.status, p.currency, p.amount_minor
               FROM payments p LEFT JOIN orders o ON o.id = p.order_id ORDER BY o.number";
    rows(connection, sql, |row| {
        Ok(PaymentRow {
            id: row.get(0)?,
            order: row.get(1)?,
            status: row.get(2)?,
            currency: row.get(3)?,
            amount: row.get(4)?,
        })
    })
}

fn ledger(connection: &Connection) -> Result<Vec<LedgerRow>> {
    let sql = "SELECT key, account, currency, minor, payment_id FROM ledger_entries ORDER BY id";
    rows(connection, sql, |row| {
        Ok(LedgerRow {
            key: row.get(0)?,
            account: row.get(1)?,
            currency: row.get(2)?,
            minor: row.get(3)?,
            payment: row.get(4)?,
        })
    })
}

pub(crate) fn events(connection: &Connection) -> Result<Vec<EventRow>> {
    let sql = "SELECT id, aggregate_id, sequence, kind, delivered_at_ms IS NOT NULL FROM outbox ORDER BY id";
    rows(connection, sql, |row| {
        Ok(EventRow {
            id: row.get(0)?,
            aggregate_id: row.get(1)?,
            sequence: row.get(2)?,
            kind: row.get(3)?,
            is_delivered: row.get(4)?,
        })
    })
}

fn claims(connection: &Connection) -> Result<Vec<ClaimRow>> {
    let sql = "SELECT scope, order_id FROM idempotency ORDER BY created_at_ms";
    rows(connection, sql, |row| Ok(ClaimRow { scope: row.get(0)?, order: row.get(1)? }))
}

/// Whether nothing is under way.
pub(crate) fn is_settled(connection: &Connection) -> Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM orders WHERE status = 'pending_payment')
                 AND NOT EXISTS (SELECT 1 FROM payments WHERE next_check_at_ms IS NOT NULL)
                 AND NOT EXISTS (SELECT 1 FROM outbox WHERE delivered_at_ms IS NULL)";
    connection.query_row(sql, [], |row| row.get(0)).context("ask whether all is settled")
}

//! Statements of invoices that have numbers of their own.
//!
//! Who accepts an order only adds a row; its number is drawn later, in a transaction of its own. So no checkout and no payment
//! waits for the counter, and what draws from it draws for invoices that are there.

use domain::numbers::{self, InvoiceRule, InvoiceSeries, NumberStyle};
use domain::{OrderId, OrderStatus, Timestamp};
use serde::{Deserialize, Serialize};

use super::shop::write;
use super::{catalogue, outbox};
use crate::StoreError;
use crate::invoice::{IssueInvoices, IssuedInvoice, OwnInvoice};
use crate::tx::{Row, Tx, values};

/// Name of the setting that says where invoices have their numbers from: the word of an [`InvoiceSeries`]. Apart from how they
/// are written, for the statements that accept orders ask for it.
const INVOICE_SERIES: &str = "invoice_series";

/// Name of the setting that says how numbers are written, and where they begin: a [`Kept`] as JSON.
const INVOICE_NUMBERS: &str = "invoice_numbers";

/// How numbers are written from now on, and where they begin.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    style: NumberStyle,
    first: i64,
}

/// Notes that orders were accepted: their invoices are due, if the shop numbers them in their own series. The orders are `?1`.
macro_rules! note_accepted {
    ($orders:literal) => {
        concat!(
            "INSERT INTO invoices (order_id, accepted_at_ms)
SELECT o.id, o.updated_at_ms FROM orders o WHERE o.id ",
            $orders,
            " AND EXISTS (SELECT 1 FROM settings s WHERE s.name = 'invoice_series' AND s.value = 'own')
ON CONFLICT (order_id) DO NOTHING"
        )
    };
}

/// The same for many, on PostgreSQL.
pub(crate) const NOTE_ACCEPTED_MANY: &str = note_accepted!("= ANY(?1)");

/// Notes that an order moved, in the commit that moves it: its invoice is due once it is accepted.
pub(crate) async fn note_moved(
    tx: &Tx<'_>,
    order: OrderId,
    (before, after): (OrderStatus, OrderStatus),
) -> Result<(), StoreError> {
    let is_accepted = |status| matches!(status, OrderStatus::Confirmed | OrderStatus::Completed);
    if is_accepted(before) || !is_accepted(after) {
        return Ok(());
    }
    // By primary keys.
    tx.execute(note_accepted!("= ?1"), values![order.as_bytes()]).await?;
    Ok(())
}

/// Draws numbers for invoices that are due, in the order in which their orders were accepted. Returns how many.
///
/// Two that draw at once find the same ones due, and one of them waits at the counter: run again, it finds what is left.
pub(crate) async fn issue(tx: &Tx<'_>, command: &IssueInvoices) -> Result<usize, StoreError> {
    let due = due(tx, command).await?;
    if due.is_empty() {
        return Ok(0);
    }
    let count = i64::try_from(due.len()).unwrap_or(i64::MAX);
    let last = tx
        .query_one(
            "UPDATE counters SET value = value + ?1 WHERE name = 'invoice_number' RETURNING value",
            values![count],
        )
        .await?
        .get(0)?;
    let drawn = numbers::drawn(last, due.len()).ok_or(StoreError::Corrupt("invoice counter"))?;
    let issued_at = not_before_others(tx, *drawn.start(), command.now).await?;
    let style = read_kept(tx).await?.style;
    for (&order, number) in due.iter().zip(drawn) {
        let invoice = IssuedInvoice { number, style: style.clone(), issued_at };
        give(tx, order, &invoice, command.now).await?;
    }
    Ok(due.len())
}

async fn due(tx: &Tx<'_>, command: &IssueInvoices) -> Result<Vec<OrderId>, StoreError> {
    let rows = match command.order {
        // By primary key.
        Some(order) => {
            let sql = "SELECT order_id FROM invoices WHERE order_id = ?1 AND issued_at_ms IS NULL";
            tx.query(sql, values![order.as_bytes()]).await?
        }
        // By index invoices_due, from its start.
        None => {
            let sql = "SELECT order_id FROM invoices WHERE issued_at_ms IS NULL
                       ORDER BY accepted_at_ms, order_id LIMIT ?1";
            tx.query(sql, values![command.limit]).await?
        }
    };
    rows.iter().map(|row| row.get(0).map(OrderId::from_bytes)).collect()
}

/// Returns the day of issue: now, or that of the number before, where this clock is behind the one which gave that.
async fn not_before_others(
    tx: &Tx<'_>,
    number: i64,
    now: Timestamp,
) -> Result<Timestamp, StoreError> {
    // By the unique number, backwards.
    let sql = "SELECT issued_at_ms FROM invoices WHERE number < ?1 ORDER BY number DESC LIMIT 1";
    let before = tx.query_opt(sql, values![number]).await?;
    let before = before.map(|row| row.get(0)).transpose()?.map(Timestamp::from_unix_ms);
    Ok(before.map_or(now, |before| before.max(now)))
}

/// Gives an invoice its number, and tells others.
async fn give(
    tx: &Tx<'_>,
    order: OrderId,
    invoice: &IssuedInvoice,
    now: Timestamp,
) -> Result<(), StoreError> {
    let IssuedInvoice { number, style, issued_at } = invoice;
    let given = tx
        .execute(
            "UPDATE invoices SET number = ?2, prefix = ?3, digits = ?4, issued_at_ms = ?5
             WHERE order_id = ?1 AND issued_at_ms IS NULL",
            values![
                order.as_bytes(),
                *number,
                style.prefix.as_str(),
                i64::from(style.digits),
                issued_at.unix_ms()
            ],
        )
        .await?;
    if given != 1 {
        return Err(StoreError::Corrupt("invoice that was due"));
    }
    let subject = Some(("invoice_number", invoice.number_text()));
    outbox::append_part(tx, order, "invoice.issued", subject, now).await
}

/// Reads the invoice of an order, where it has one of its own.
pub(crate) async fn find(tx: &Tx<'_>, order: OrderId) -> Result<Option<OwnInvoice>, StoreError> {
    // By primary key.
    let sql = "SELECT number, prefix, digits, issued_at_ms FROM invoices WHERE order_id = ?1";
    let row = tx.query_opt(sql, values![order.as_bytes()]).await?;
    row.map(|row| Ok(read_issued(&row, 0)?.map_or(OwnInvoice::Due, OwnInvoice::Issued))).transpose()
}

/// Reads an invoice from four columns: number, prefix, digits, day of issue. Nothing where it has no number.
pub(crate) fn read_issued(row: &Row, first: usize) -> Result<Option<IssuedInvoice>, StoreError> {
    let corrupt = StoreError::Corrupt("number of an invoice");
    let at = |column: usize| first.saturating_add(column);
    let Some(number) = row.get::<Option<i64>>(first)? else { return Ok(None) };
    let (prefix, digits): (String, i64) = (row.get(at(1))?, row.get(at(2))?);
    let (Ok(prefix), Ok(digits)) = (prefix.parse(), u8::try_from(digits)) else {
        return Err(corrupt);
    };
    let issued_at = Timestamp::from_unix_ms(row.get(at(3))?);
    Ok(Some(IssuedInvoice { number, style: NumberStyle { prefix, digits }, issued_at }))
}

async fn read_kept(tx: &Tx<'_>) -> Result<Kept, StoreError> {
    let Some(text) = catalogue::setting(tx, INVOICE_NUMBERS).await? else {
        let rule = InvoiceRule::default();
        return Ok(Kept { style: rule.style(), first: rule.first });
    };
    serde_json::from_str(&text)
        .map_err(|_unreadable| StoreError::Corrupt("style of invoice numbers"))
}

/// Reads how invoices are numbered.
pub(crate) async fn rule(tx: &Tx<'_>) -> Result<InvoiceRule, StoreError> {
    let Kept { style: NumberStyle { prefix, digits }, first } = read_kept(tx).await?;
    let word = catalogue::setting(tx, INVOICE_SERIES).await?;
    let series = match word.as_deref() {
        None => InvoiceSeries::default(),
        Some(word) => InvoiceSeries::ALL
            .into_iter()
            .find(|series| series.as_str() == word)
            .ok_or(StoreError::Corrupt("series of invoices"))?,
    };
    Ok(InvoiceRule { series, prefix, digits, first })
}

/// Says how invoices are numbered from now on: those of orders that are accepted in later commits. Numbers only go up, and a
/// shop that does not use its series yet may still say where it begins.
pub(crate) async fn set_rule(tx: &Tx<'_>, rule: &InvoiceRule) -> Result<(), StoreError> {
    let kept = Kept { style: rule.style(), first: rule.first };
    let text = serde_json::to_string(&kept)
        .map_err(|_unwritable| StoreError::Corrupt("style of invoice numbers"))?;
    write(tx, INVOICE_NUMBERS, &text).await?;
    write(tx, INVOICE_SERIES, rule.series.as_str()).await?;
    if rule.series == InvoiceSeries::Own {
        tx.execute(
            "UPDATE counters SET value = ?1 WHERE name = 'invoice_number' AND value < ?1",
            values![rule.first.saturating_sub(1)],
        )
        .await?;
    }
    Ok(())
}

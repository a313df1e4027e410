//! The list of orders for the staff.

use domain::{OrderId, Timestamp};

use super::invoice::read_issued;
use super::order::{COLUMNS, COLUMNS_COUNT, record_of};
use super::order_state::read_state;
use crate::StoreError;
use crate::order_state::{ListOrders, ListedOrder};
use crate::tx::{AsValue, Cell, Row, Tx, Value};

/// The order of a number, and the one whose invoice has it.
const OF_NUMBER: &str = "o.id IN (SELECT n.id FROM orders n WHERE n.number = ?
  UNION ALL SELECT v.order_id FROM invoices v WHERE v.number = ?)";

pub(crate) async fn list(tx: &Tx<'_>, query: &ListOrders) -> Result<Vec<ListedOrder>, StoreError> {
    let mut conditions = Vec::new();
    let mut parameters: Vec<Value<'_>> = Vec::new();
    let mut demand = |condition: &str, value| {
        parameters.push(value);
        conditions.push(condition.replace('?', &format!("?{}", parameters.len())));
    };
    if let Some(status) = query.status {
        demand("o.status = ?", Value::Text(status.as_str()));
    }
    if let Some(email) = &query.email {
        demand("o.email = ?", email.as_value());
    }
    if let Some(number) = &query.number {
        demand(OF_NUMBER, number.as_value());
    }
    let before = query.before.unwrap_or(OrderId::from_bytes([0xff; 16]));
    demand("o.id < ?", before.as_bytes().as_value());
    let condition = conditions.join(" AND ");
    parameters.push(query.limit.as_value());
    // Backwards by primary key, which is by time; by orders_email or the unique numbers where those are given. A status that
    // few orders have is looked for from the newest on.
    let sql = format!(
        "SELECT {COLUMNS}, o.updated_at_ms, s.state_json, i.number, i.prefix, i.digits, i.issued_at_ms
         FROM orders o JOIN payments p ON p.order_id = o.id
         LEFT JOIN order_states s ON s.order_id = o.id LEFT JOIN invoices i ON i.order_id = o.id
         WHERE {condition} ORDER BY o.id DESC LIMIT ?{}",
        parameters.len()
    );
    tx.query(&sql, &parameters).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<ListedOrder, StoreError> {
    let state_column = COLUMNS_COUNT + 1;
    let state = match row.0.get(state_column) {
        None | Some(Cell::Null) => None,
        Some(_) => Some(read_state(row, state_column)?),
    };
    Ok(ListedOrder {
        order: record_of(row)?,
        state,
        invoice: read_issued(row, state_column + 1)?,
        updated_at: Timestamp::from_unix_ms(row.get(COLUMNS_COUNT)?),
    })
}

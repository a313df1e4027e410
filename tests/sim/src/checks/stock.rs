//! Pieces: counters, movements, holds.

use std::collections::BTreeMap;

use super::{Check, Evidence, Findings};
use crate::books::Books;

pub(super) fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    let books = evidence.books;
    check_counters(books, findings);
    check_sold(evidence, findings);
    for stock in &books.stock {
        findings.demand(Check::Holds, stock.reserved == 0, || {
            format!("{}: {} pieces are held and nobody buys any more", stock.sku, stock.reserved)
        });
    }
    for row in books.reservations.iter().filter(|row| row.status == "held") {
        findings
            .add(Check::Holds, format!("{} still holds {}", evidence.order(row.order), row.sku));
    }
}

/// Counters against movements and reservations: true at every moment.
pub(super) fn check_counters(books: &Books, findings: &mut Findings) {
    let mut moved: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for movement in &books.movements {
        let sums = moved.entry(&movement.sku).or_default();
        sums.0 += movement.on_hand_delta;
        sums.1 += movement.reserved_delta;
    }
    let mut held: BTreeMap<&str, i64> = BTreeMap::new();
    for row in books.reservations.iter().filter(|row| row.status == "held") {
        *held.entry(&row.sku).or_default() += row.quantity;
    }
    for stock in &books.stock {
        let sku = stock.sku.as_str();
        let counters = (stock.on_hand, stock.reserved);
        let replayed = moved.get(sku).copied().unwrap_or_default();
        findings.demand(Check::StockReplay, counters == replayed, || {
            format!("{sku}: counters {counters:?}, by movements {replayed:?}")
        });
        let reserved = held.get(sku).copied().unwrap_or_default();
        findings.demand(Check::Holds, stock.reserved == reserved, || {
            format!("{sku}: {} are held, by reservations {reserved}", stock.reserved)
        });
        findings.demand(
            Check::NoOversell,
            0 <= stock.reserved && stock.reserved <= stock.on_hand,
            || format!("{sku}: {counters:?}"),
        );
    }
}

/// Pieces in confirmed orders, what is left, and what there was; and each order's own movements.
fn check_sold(evidence: &Evidence<'_>, findings: &mut Findings) {
    let (books, orders) = (evidence.books, evidence.orders_by_id());
    let is_confirmed = |order| orders.get(order).is_some_and(|order| order.status == "confirmed");
    for &(sku, stock) in evidence.stock {
        let lines = books.lines.iter().filter(|line| line.sku == sku && is_confirmed(&line.order));
        let sold: i64 = lines.map(|line| line.quantity).sum();
        let left = books.stock.iter().find(|row| row.sku == sku).map_or(0, |row| row.on_hand);
        findings.demand(Check::NoOversell, sold + left == i64::from(stock), || {
            format!("{sku}: {sold} sold and {left} left of {stock}")
        });
    }
    for order in &books.orders {
        let lines = books.lines.iter().filter(|line| line.order == order.id);
        for line in lines {
            let of_line = books
                .movements
                .iter()
                .filter(|row| row.order == Some(order.id) && row.sku == line.sku);
            let (out, held) = of_line.fold((0, 0), |(out, held), row| {
                (out - row.on_hand_delta, held + row.reserved_delta)
            });
            let expected = if order.status == "confirmed" { line.quantity } else { 0 };
            findings.demand(Check::StockReplay, (out, held) == (expected, 0), || {
                let kinds: Vec<&str> = books
                    .movements
                    .iter()
                    .filter(|row| row.order == Some(order.id) && row.sku == line.sku)
                    .map(|row| row.kind.as_str())
                    .collect();
                let (name, sku, status) = (evidence.order(order.id), &line.sku, &order.status);
                format!("{name} ({status}): {sku} went out {out} times of {expected}, {held} held: {kinds:?}")
            });
        }
    }
}

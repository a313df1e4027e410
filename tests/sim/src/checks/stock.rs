//! Pieces: counters, movements, holds and promises, at every location.

use std::collections::BTreeMap;

use super::{Check, Evidence, Findings};
use crate::books::{Books, Counters, Id};

/// Names one set of counters.
type Place<'a> = (&'a str, Id);

pub(super) fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    let books = evidence.books;
    check_counters(books, findings);
    check_sold(evidence, findings);
    for stock in &books.stock {
        let [_, reserved, ..] = stock.counters;
        findings.demand(Check::Holds, reserved == 0, || {
            format!("{}: {reserved} pieces are held and nobody buys any more", stock.sku)
        });
    }
    for row in books.reservations.iter().filter(|row| row.status == "held") {
        findings
            .add(Check::Holds, format!("{} still holds {}", evidence.order(row.order), row.sku));
    }
}

fn add(sum: &mut Counters, more: Counters) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// Counters against movements and reservations: true at every moment.
pub(super) fn check_counters(books: &Books, findings: &mut Findings) {
    let mut moved: BTreeMap<Place<'_>, Counters> = BTreeMap::new();
    for movement in &books.movements {
        let sums = moved.entry((&movement.sku, movement.location)).or_default();
        add(sums, movement.deltas);
        let [on_hand, reserved, incoming, backordered] = *sums;
        let is_possible = 0 <= reserved && reserved <= on_hand && 0 <= incoming && 0 <= backordered;
        findings.demand(Check::StockReplay, is_possible, || {
            format!("{}: {sums:?} after {}", movement.sku, movement.kind)
        });
    }
    let mut held: BTreeMap<Place<'_>, (i64, i64)> = BTreeMap::new();
    for row in books.reservations.iter().filter(|row| row.status != "released") {
        let sums = held.entry((&row.sku, row.location)).or_default();
        sums.0 += if row.status == "held" { row.held } else { 0 };
        sums.1 += row.promised;
    }
    for stock in &books.stock {
        let (sku, place) = (stock.sku.as_str(), (stock.sku.as_str(), stock.location));
        let counters = stock.counters;
        let replayed = moved.remove(&place).unwrap_or_default();
        findings.demand(Check::StockReplay, counters == replayed, || {
            format!("{sku}: counters {counters:?}, by movements {replayed:?}")
        });
        let [on_hand, reserved, _, promised] = counters;
        let by_orders = held.get(&place).copied().unwrap_or_default();
        findings.demand(Check::Holds, (reserved, promised) == by_orders, || {
            format!(
                "{sku}: {reserved} are held and {promised} promised, by reservations {by_orders:?}"
            )
        });
        findings.demand(Check::NoOversell, 0 <= reserved && reserved <= on_hand, || {
            format!("{sku}: {counters:?}")
        });
    }
    for ((sku, _), sums) in moved {
        findings.demand(Check::StockReplay, sums == Counters::default(), || {
            format!("{sku}: moved {sums:?} where there are no counters")
        });
    }
}

/// Pieces in confirmed orders, what is left, and what there was; and each order's own movements.
fn check_sold(evidence: &Evidence<'_>, findings: &mut Findings) {
    let (books, orders) = (evidence.books, evidence.orders_by_id());
    let is_confirmed = |order| orders.get(order).is_some_and(|order| order.status == "confirmed");
    for &(sku, stock) in evidence.stock {
        let lines = books.lines.iter().filter(|line| line.sku == sku && is_confirmed(&line.order));
        let sold: i64 = lines.map(|line| line.quantity).sum();
        let here = books.stock.iter().filter(|row| row.sku == sku);
        let mut left = Counters::default();
        here.for_each(|row| add(&mut left, row.counters));
        // What the staff brought, took away or has under way; the beginning is the first of it.
        let by_staff = books.movements.iter().filter(|row| row.sku == sku && row.order.is_none());
        let had: i64 = by_staff.map(|row| row.deltas[0]).sum();
        let [on_hand, _, _, promised] = left;
        findings.demand(Check::NoOversell, sold - promised + on_hand == had, || {
            format!("{sku}: {sold} sold of which {promised} are promised, {on_hand} left of {had}, {stock} at first")
        });
        let most = i64::from(evidence.promised_max(sku));
        findings.demand(Check::NoOversell, promised <= most, || {
            format!("{sku}: {promised} promised, {most} may be")
        });
    }
    for order in &books.orders {
        let lines = books.lines.iter().filter(|line| line.order == order.id);
        for line in lines {
            let of_line: Vec<_> = books
                .movements
                .iter()
                .filter(|row| row.order == Some(order.id) && row.sku == line.sku)
                .collect();
            let mut sums = Counters::default();
            of_line.iter().for_each(|row| add(&mut sums, row.deltas));
            let [out, held, _, promised] = sums;
            let expected = if order.status == "confirmed" { line.quantity } else { 0 };
            let is_so = (promised - out, held) == (expected, 0) && promised >= 0;
            findings.demand(Check::StockReplay, is_so, || {
                let kinds: Vec<&str> = of_line.iter().map(|row| row.kind.as_str()).collect();
                let (name, sku, status) = (evidence.order(order.id), &line.sku, &order.status);
                format!("{name} ({status}): {sku} moved {sums:?}, {expected} are sold: {kinds:?}")
            });
        }
    }
}

//! Events: numbered without gaps, and each thing is told once.

use std::collections::BTreeMap;

use domain::OrderId;

use super::{Check, Evidence, Findings, repeated};
use crate::books::{EventRow, OrderRow, PaymentRow};

pub(super) fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut by_order: BTreeMap<&str, Vec<&EventRow>> = BTreeMap::new();
    for event in &evidence.seen.events {
        by_order.entry(&event.aggregate_id).or_default().push(event);
    }
    let payments = evidence.payments_by_order();
    for order in &evidence.books.orders {
        let name = evidence.order(order.id);
        let id = OrderId::from_bytes(order.id).to_string();
        let told = by_order.remove(id.as_str()).unwrap_or_default();
        let numbers: Vec<i64> = told.iter().map(|event| event.sequence).collect();
        let is_gapless = numbers.iter().copied().eq(1..=i64::try_from(numbers.len()).unwrap_or(0));
        let kinds: Vec<&str> = told.iter().map(|event| event.kind.as_str()).collect();
        findings.demand(Check::Events, is_gapless, || format!("{name}: {numbers:?} {kinds:?}"));
        for kind in repeated(kinds.iter().copied()) {
            findings
                .add(Check::Events, format!("{name}: {kind} is told more than once: {kinds:?}"));
        }
        for kind in expected(order, payments.get(&order.id).copied()) {
            findings.demand(Check::Events, kinds.contains(&kind.as_str()), || {
                format!("{name}: {kind} is not told: {kinds:?}")
            });
        }
        let first = kinds.first().copied();
        findings.demand(Check::Events, first == Some("order.placed"), || {
            format!("{name} begins with {first:?}")
        });
    }
    for (_, orphans) in by_order {
        findings.add(
            Check::Events,
            format!("{} events are of an order that is not there", orphans.len()),
        );
    }
    let waiting = evidence.books.events.iter().filter(|event| !event.is_delivered).count();
    findings.demand(Check::Events, waiting == 0, || format!("{waiting} events were not delivered"));
}

/// What must have been told about an order that ended so.
fn expected(order: &OrderRow, payment: Option<&PaymentRow>) -> Vec<String> {
    let mut kinds = vec!["order.placed".to_owned(), format!("order.{}", order.status)];
    kinds.extend(payment.map(|payment| format!("payment.{}", payment.status)));
    kinds
}

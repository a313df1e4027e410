//! Events: numbered without gaps, and each thing is told once.

use std::collections::BTreeMap;

use domain::OrderId;
use domain::order::RefundStatus;

use super::{Check, Evidence, Findings, repeated};
use crate::books::{EventRow, OrderRow, PaymentRow};

pub(super) fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut by_order: BTreeMap<&str, Vec<&EventRow>> = BTreeMap::new();
    let mut others: BTreeMap<(&str, &str), Vec<&EventRow>> = BTreeMap::new();
    for event in &evidence.seen.events {
        if event.aggregate == "order" {
            by_order.entry(&event.aggregate_id).or_default().push(event);
        } else {
            others.entry((&event.aggregate, &event.aggregate_id)).or_default().push(event);
        }
    }
    for ((what, _), told) in &others {
        let numbers: Vec<i64> = told.iter().map(|event| event.sequence).collect();
        findings.demand(Check::Events, is_gapless(&numbers), || {
            format!("events of a {what}: {numbers:?}")
        });
    }
    let payments = evidence.payments_by_order();
    for order in &evidence.books.orders {
        let name = evidence.order(order.id);
        let id = OrderId::from_bytes(order.id).to_string();
        let told = by_order.remove(id.as_str()).unwrap_or_default();
        let numbers: Vec<i64> = told.iter().map(|event| event.sequence).collect();
        let kinds: Vec<&str> = told.iter().map(|event| event.kind.as_str()).collect();
        findings.demand(Check::Events, is_gapless(&numbers), || {
            format!("{name}: {numbers:?} {kinds:?}")
        });
        for (kind, count) in parts(evidence, order) {
            let times = kinds.iter().filter(|told| **told == kind).count();
            findings.demand(Check::Events, times == count, || {
                format!("{name}: {kind} is told {times} times of {count}: {kinds:?}")
            });
        }
        // What was promised may come in parts, too.
        let is_once = |kind: &&str| !OF_PARTS.contains(kind) && *kind != "order.backorder_filled";
        let once = kinds.iter().copied().filter(is_once);
        for kind in repeated(once) {
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

/// Whether they are 1, 2, 3 and so on.
fn is_gapless(numbers: &[i64]) -> bool {
    numbers.iter().copied().eq(1..=i64::try_from(numbers.len()).unwrap_or(0))
}

/// Kinds that are told once for each refund or parcel of an order.
const OF_PARTS: [&str; 3] = ["order.refund_requested", "order.refunded", "order.fulfilled"];

/// Returns how often each of them must have been told.
fn parts(evidence: &Evidence<'_>, order: &OrderRow) -> [(&'static str, usize); 3] {
    let [asked, given, packed] = OF_PARTS;
    let Some(state) = evidence.state(order.id) else {
        return [(asked, 0), (given, 0), (packed, 0)];
    };
    let done = state.refunds.iter().filter(|refund| refund.status == RefundStatus::Succeeded);
    [(asked, state.refunds.len()), (given, done.count()), (packed, state.fulfilments.len())]
}

/// What must have been told about an order that ended so.
fn expected(order: &OrderRow, payment: Option<&PaymentRow>) -> Vec<String> {
    let mut kinds = vec!["order.placed".to_owned(), format!("order.{}", order.status)];
    kinds.extend(payment.map(|payment| format!("payment.{}", payment.status)));
    kinds
}

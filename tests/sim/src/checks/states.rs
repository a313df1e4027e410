//! States of orders that lived on after their payment.

use domain::PaymentId;
use domain::order::{OrderState, RefundStatus};

use super::{Check, Evidence, Findings};
use crate::books::{PaymentRow, StateRow};

pub(super) fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    let payments = evidence.payments_by_order();
    for row in &evidence.books.states {
        let name = evidence.order(row.order);
        match (serde_json::from_str::<OrderState>(&row.json), payments.get(&row.order)) {
            (Ok(state), Some(payment)) => check_state(evidence, row, (&state, payment), findings),
            (Ok(_), None) => {
                findings.add(Check::OrderState, format!("{name} has a state and no payment"));
            }
            (Err(error), _) => {
                findings.add(Check::OrderState, format!("the state of {name}: {error}"));
            }
        }
    }
}

fn check_state(
    evidence: &Evidence<'_>,
    row: &StateRow,
    (state, payment): (&OrderState, &PaymentRow),
    findings: &mut Findings,
) {
    let name = evidence.order(row.order);
    if let Err(broken) = state.check() {
        findings.add(Check::OrderState, format!("{name}: {broken}"));
    }
    let orders = evidence.orders_by_id();
    let status = orders.get(&row.order).map(|order| order.status.as_str());
    findings.demand(Check::OrderState, status == Some(state.status.as_str()), || {
        format!("{name} is {status:?}, its state says {}", state.status)
    });
    let reference = PaymentId::from_bytes(payment.id);
    let intents = evidence.intents.iter().filter(|kept| kept.intent.reference == reference);
    let (captured, refunded) = intents.fold((0, 0), |(captured, refunded), kept| {
        let amounts = kept.intent.amounts;
        (captured + amounts.captured().minor, refunded + amounts.refunded().minor)
    });
    let tender = state.tenders.provider;
    let told = (tender.captured.minor, tender.refunded.minor);
    findings.demand(Check::OrderState, told == (captured, refunded), || {
        format!(
            "{name}: captured and refunded are {told:?}, at the provider {captured} and {refunded}"
        )
    });
    let done = state.refunds.iter().filter(|refund| refund.status == RefundStatus::Succeeded);
    let given: i64 = done.map(|refund| refund.provider.minor).sum();
    let is_under_way = state.refunds.iter().any(|refund| refund.status == RefundStatus::Pending);
    findings.demand(Check::OrderState, given == refunded && !is_under_way, || {
        format!("{name}: its refunds give {given} back, the provider gave {refunded}")
    });
}

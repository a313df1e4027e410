//! Money: the ledger, the sums of an order, and the provider's books beside ours.

use std::collections::BTreeMap;

use domain::PaymentId;

use super::{Check, Evidence, Findings};
use crate::books::{Books, Id, OrderRow, PaymentRow};
use crate::provider::{Kept, Moved};
use crate::sim::Sim;

/// The account that stands for what the provider owes us.
pub(crate) const CLEARING: &str = "provider_clearing";

pub(super) fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    check_ledger(evidence.sim, evidence.books, findings);
    let payments = evidence.payments_by_order();
    for order in &evidence.books.orders {
        check_sums(evidence, order, findings);
        let name = evidence.order(order.id);
        match payments.get(&order.id) {
            Some(payment) => check_payment(evidence, order, payment, findings),
            None => findings.add(Check::OrderMoney, format!("{name} has no payment")),
        }
    }
    check_strangers(evidence, findings);
}

/// Entries add up to zero: true at every moment.
pub(super) fn check_ledger(sim: &Sim, books: &Books, findings: &mut Findings) {
    let mut sums: BTreeMap<(&str, &str), (i64, Option<Id>)> = BTreeMap::new();
    for entry in &books.ledger {
        let of_key = sums.entry((&entry.key, &entry.currency)).or_insert((0, entry.payment));
        of_key.0 += entry.minor;
    }
    let mut wrong: Vec<String> = sums
        .iter()
        .filter(|(_, (sum, _))| *sum != 0)
        .map(|((key, currency), (sum, payment))| {
            let word = key.split(':').next().unwrap_or_default();
            let name = payment.map_or_else(String::new, |payment| {
                sim.name("payment", &PaymentId::from_bytes(payment))
            });
            format!("{word} of {name} is {sum} {currency} off")
        })
        .collect();
    // Keys hold ids, whose order differs from run to run.
    wrong.sort();
    wrong.into_iter().for_each(|text| findings.add(Check::LedgerBalance, text));
}

/// Lines, shipping and total of an order.
fn check_sums(evidence: &Evidence<'_>, order: &OrderRow, findings: &mut Findings) {
    let lines: Vec<_> = evidence.books.lines.iter().filter(|line| line.order == order.id).collect();
    let are_lines_right = lines.iter().all(|line| line.unit * line.quantity == line.total);
    let subtotal: i64 = lines.iter().map(|line| line.total).sum();
    let is_right = are_lines_right
        && !lines.is_empty()
        && subtotal == order.subtotal
        && order.subtotal + order.shipping - order.discount == order.total
        && (0..=order.total).contains(&order.gift_cards)
        && (0..=order.total).contains(&order.tax);
    findings.demand(Check::OrderMoney, is_right, || {
        format!("{}: {lines:?} do not make {order:?}", evidence.order(order.id))
    });
}

/// Order, payment, ledger and provider tell one story.
fn check_payment(
    evidence: &Evidence<'_>,
    order: &OrderRow,
    payment: &PaymentRow,
    findings: &mut Findings,
) {
    let name = evidence.order(order.id);
    let is_agreed = payment.amount == order.due() && payment.currency == order.currency;
    findings.demand(Check::OrderMoney, is_agreed, || {
        format!(
            "{name} asks for {} {}, its payment is of {} {}",
            order.due(),
            order.currency,
            payment.amount,
            payment.currency
        )
    });
    let is_paid = order.status == "confirmed";
    let given = evidence.given_back(order.id);
    let expected = if is_paid { order.due() - given } else { 0 };
    let entries = evidence.books.ledger.iter().filter(|entry| entry.payment == Some(payment.id));
    let booked: i64 =
        entries.filter(|entry| entry.account == CLEARING).map(|entry| entry.minor).sum();
    findings.demand(Check::OrderMoney, booked == expected, || {
        format!(
            "{name} ({}, payment {}) is booked with {booked}, not {expected}",
            order.status, payment.status
        )
    });
    let of_paid = match given {
        0 => "captured",
        some if some < order.due() => "partially_refunded",
        _ => "refunded",
    };
    // A payment of nothing was captured once and for all: gift cards paid, and no provider knows of it.
    let is_nothing = order.due() == 0;
    let is_agreed = if is_paid && !is_nothing {
        payment.status == of_paid
    } else {
        is_nothing || payment.status != "captured"
    };
    findings.demand(Check::OrderMoney, is_agreed, || {
        format!("{name} is {} and its payment {}", order.status, payment.status)
    });
    findings.demand(Check::NoTokenKept, !payment.has_token, || {
        format!("{name} ({}, payment {}) still has its token", order.status, payment.status)
    });
    let reference = PaymentId::from_bytes(payment.id);
    let intents: Vec<&Kept> =
        evidence.intents.iter().filter(|kept| kept.intent.reference == reference).collect();
    findings.demand(Check::ProviderBooks, intents.len() <= 1, || {
        format!("{name} has {} intents at the provider", intents.len())
    });
    let moved = || intents.iter().flat_map(|kept| &kept.moved);
    let net: i64 = moved()
        .map(|moved| match moved {
            Moved::In(money) => money.minor,
            Moved::Out(money) => -money.minor,
        })
        .sum();
    findings.demand(Check::ProviderBooks, net == expected, || {
        let (status, ours) = (&order.status, &payment.status);
        format!(
            "{name} ({status}, payment {ours}): the provider has {net} of the payer, not {expected}"
        )
    });
    let captures = moved().filter(|moved| matches!(moved, Moved::In(_))).count();
    findings.demand(Check::ProviderBooks, captures <= 1, || {
        format!("{name} was captured {captures} times")
    });
    let is_of_amount = intents.iter().all(|kept| {
        kept.intent.amount.minor == payment.amount
            && kept.intent.amount.currency.code() == payment.currency
    });
    findings.demand(Check::ProviderBooks, is_of_amount, || {
        format!("{name}: the provider was asked for another amount")
    });
}

/// What one side knows and the other does not.
fn check_strangers(evidence: &Evidence<'_>, findings: &mut Findings) {
    for kept in evidence.intents {
        let id = *kept.intent.reference.as_bytes();
        let is_known = evidence.books.payments.iter().any(|payment| payment.id == id);
        findings.demand(Check::ProviderBooks, is_known, || {
            let (name, method) = (evidence.payment(id), kept.method);
            format!(
                "the provider has {} ({method:?}) of {name}, which no order has",
                kept.intent.id
            )
        });
    }
}

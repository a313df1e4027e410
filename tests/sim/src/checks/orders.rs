//! Orders: those that clients were told of, their keys, their numbers, their carts; and what histories say.

use std::collections::{BTreeMap, BTreeSet};

use domain::OrderId;
use domain::order::number_text;

use super::money::CLEARING;
use super::{Check, Evidence, Findings, repeated};
use crate::books::{Books, PaymentRow};
use crate::history::ledger::{Asked, Ledger};
use crate::history::linear::{Life, Register, Verdict, check_objects};
use crate::history::log::{self, Balance, Operation, Transfer};

/// The account of all payers together, which may owe.
const PAYERS: &str = "payers";

pub(super) fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    check_told(evidence, findings);
    check_answers(evidence, findings);
    for number in repeated(evidence.books.orders.iter().map(|order| order.number)) {
        findings.add(Check::OrderNumbers, format!("number {number} stands for several orders"));
    }
    let confirmed = evidence.books.orders.iter().filter(|order| order.status == "confirmed");
    for cart in repeated(confirmed.clone().map(|order| order.cart)) {
        let numbers: Vec<i64> = confirmed
            .clone()
            .filter(|order| order.cart == cart)
            .map(|order| order.number)
            .collect();
        findings.add(Check::OneOrderPerCart, format!("numbers {numbers:?} are of one cart"));
    }
    match log::read(evidence.history) {
        Ok(operations) => check_history(evidence, &operations, findings),
        Err(error) => findings.add(Check::History, format!("the history cannot be read: {error}")),
    }
    check_transfers(evidence, findings);
    check_series(evidence.books, findings);
    check_invoices(evidence, findings);
}

/// At every moment, the numbers of invoices are 1, 2, 3 and so on.
pub(super) fn check_series(books: &Books, findings: &mut Findings) {
    let mut numbers: Vec<i64> =
        books.invoices.iter().filter_map(|invoice| invoice.number).collect();
    numbers.sort_unstable();
    let is_gapless = numbers.iter().copied().eq((1..).take(numbers.len()));
    findings.demand(Check::Invoices, is_gapless, || format!("invoices have numbers {numbers:?}"));
}

/// The shop numbers its invoices in their own series from its beginning on.
fn check_invoices(evidence: &Evidence<'_>, findings: &mut Findings) {
    let invoices: BTreeMap<_, _> =
        evidence.books.invoices.iter().map(|invoice| (invoice.order, invoice.number)).collect();
    for order in &evidence.books.orders {
        let number = invoices.get(&order.id).copied();
        let is_right = match order.status.as_str() {
            "confirmed" | "completed" => matches!(number, Some(Some(_))),
            // One that was called off may have been accepted before.
            "cancelled" => number != Some(None),
            _ => number.is_none(),
        };
        findings.demand(Check::Invoices, is_right, || {
            format!("{} is {} and its invoice {number:?}", evidence.order(order.id), order.status)
        });
    }
}

/// What clients were told is still so.
fn check_told(evidence: &Evidence<'_>, findings: &mut Findings) {
    let orders = evidence.orders_by_id();
    for told in &evidence.seen.told {
        let id = *told.order.as_bytes();
        let name = evidence.order(id);
        let Some(order) = orders.get(&id) else {
            findings.add(Check::NoOrderLost, format!("{name} was acknowledged and is not there"));
            continue;
        };
        let is_same = number_text(order.number) == told.number
            && order.total == told.total_minor
            && order.currency == told.currency.code();
        findings.demand(Check::NoOrderLost, is_same, || {
            format!("{name} was told with number {} and {}", told.number, told.total_minor)
        });
        let is_called_off = evidence.seen.called_off.contains(&told.order);
        let is_kept = !told.is_confirmed || order.status == "confirmed" || is_called_off;
        findings.demand(Check::NoOrderLost, is_kept, || {
            format!("{name} was confirmed to its client and is {}", order.status)
        });
    }
}

/// One key, one answer, one order.
fn check_answers(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut wrong = Vec::new();
    for ((scope, key), answers) in &evidence.seen.answers {
        let texts: BTreeSet<&String> = answers.iter().map(|answer| &answer.text).collect();
        if texts.len() > 1 {
            // Answers hold ids and tokens: only their number is told.
            let orders: BTreeSet<String> = answers
                .iter()
                .filter_map(|answer| Some(evidence.order(*answer.order?.as_bytes())))
                .collect();
            let whose = scope.split(' ').next().unwrap_or_default();
            wrong.push(format!(
                "key {key} of a {whose} had {} answers about {orders:?}",
                texts.len()
            ));
        }
    }
    wrong.sort();
    wrong.into_iter().for_each(|text| findings.add(Check::OneAnswer, text));
    let claimed = evidence.books.claims.iter().filter(|claim| claim.scope.ends_with("/checkout"));
    for order in repeated(claimed.clone().filter_map(|claim| claim.order)) {
        findings
            .add(Check::OneAnswer, format!("{} was made by several keys", evidence.order(order)));
    }
}

fn check_history(evidence: &Evidence<'_>, operations: &[Operation], findings: &mut Findings) {
    let (orders, carts): (Vec<Operation>, Vec<Operation>) =
        operations.iter().cloned().partition(|one| one.object.starts_with("order-"));
    let called_off: BTreeSet<String> =
        evidence.seen.called_off.iter().map(|order| evidence.sim.name("order", order)).collect();
    let (called_off, orders): (Vec<Operation>, Vec<Operation>) =
        orders.into_iter().partition(|one| called_off.contains(&one.object));
    let verdicts = check_objects(&orders, &Life::of_orders());
    let of_called_off = check_objects(&called_off, &Life::of_orders_called_off());
    let of_carts = check_objects(&carts, &Register::found());
    for verdict in verdicts.into_iter().chain(of_called_off).chain(of_carts) {
        let text = match verdict {
            Verdict::Linearizable => continue,
            Verdict::Violated(violation) => violation.to_string(),
            Verdict::Undecided { object } => {
                format!("{object} has too many overlapping operations")
            }
        };
        findings.add(Check::History, text);
    }
}

/// The ledger as a bank: a confirmed order is an acknowledged transfer from its payer to the shop.
fn check_transfers(evidence: &Evidence<'_>, findings: &mut Findings) {
    let orders = evidence.orders_by_id();
    let told: BTreeSet<_> = evidence
        .seen
        .told
        .iter()
        .filter(|told| told.is_confirmed)
        .map(|told| *told.order.as_bytes())
        .collect();
    let transfer = |word: &str, id, minor, currency: &str| {
        let (from, to) = if word == "capture" { (PAYERS, "shop") } else { ("shop", PAYERS) };
        let text = str::to_owned;
        let id = format!("{word} of {}", evidence.order(id));
        Transfer { id, from: text(from), to: text(to), currency: text(currency), minor }
    };
    let mut ledger = Ledger { may_owe: BTreeSet::from([PAYERS.to_owned()]), ..Ledger::default() };
    let mut closing: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    // Where gift cards paid everything, no money is moved; parts that go back are not transfers of the whole, and the states
    // are checked for them.
    let is_whole = |payment: &&PaymentRow| {
        payment.amount > 0
            && !evidence.seen.given_back.contains(&OrderId::from_bytes(payment.order))
    };
    for payment in evidence.books.payments.iter().filter(is_whole) {
        let (id, minor, currency) = (payment.order, payment.amount, payment.currency.as_str());
        let asked = if told.contains(&id) { Asked::Acknowledged } else { Asked::Unknown };
        ledger.asked.push((transfer("capture", id, minor, currency), asked));
        // Who was told that an order is confirmed and did not call it off must not find the money sent back.
        let is_called_off = evidence.seen.called_off.contains(&OrderId::from_bytes(id));
        let is_kept = told.contains(&id) && !is_called_off;
        let back = if is_kept { Asked::Refused } else { Asked::Unknown };
        ledger.asked.push((transfer("refund", id, minor, currency), back));
        let entries =
            evidence.books.ledger.iter().filter(|entry| entry.payment == Some(payment.id));
        for entry in entries.filter(|entry| entry.account == CLEARING) {
            let word = entry.key.split(':').next().unwrap_or_default();
            ledger.applied.push(transfer(word, id, entry.minor.abs(), &entry.currency));
            *closing.entry((PAYERS, &entry.currency)).or_default() -= entry.minor;
            *closing.entry(("shop", &entry.currency)).or_default() += entry.minor;
        }
    }
    findings.demand(Check::OrderMoney, told.iter().all(|id| orders.contains_key(id)), || {
        "a confirmed order is not there to be paid".to_owned()
    });
    ledger.closing = closing
        .into_iter()
        .map(|((account, currency), minor)| Balance {
            account: account.to_owned(),
            currency: currency.to_owned(),
            minor,
        })
        .collect();
    for fault in ledger.faults() {
        findings.add(Check::OrderMoney, fault.to_string());
    }
}

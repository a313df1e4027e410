//! Codes and gift cards: what many want and each may have once.

use domain::order::Ended;

use super::{Check, Evidence, Findings};
use crate::books::{Books, CodeRow, OrderRow};

pub(super) fn check(evidence: &Evidence<'_>, findings: &mut Findings) {
    check_counters(evidence.books, findings);
    let orders = evidence.orders_by_id();
    for used in &evidence.books.redemptions {
        let is_kept = orders.get(&used.order).is_some_and(|order| {
            order.status == "pending_payment" || was_accepted(evidence, order)
        });
        findings.demand(Check::Offers, used.is_counted == is_kept, || {
            let name = evidence.order(used.order);
            format!("{name}: counted is {}, alive is {is_kept}", used.is_counted)
        });
    }
    let mut redeemed = 0;
    for order in &evidence.books.orders {
        let parts: Vec<_> =
            evidence.books.gift_card_parts.iter().filter(|part| part.order == order.id).collect();
        let sum: i64 = parts.iter().map(|part| part.amount).sum();
        let expected = match order.status.as_str() {
            _ if was_accepted(evidence, order) => "redeemed",
            "pending_payment" => "held",
            _ => "released",
        };
        let is_right = sum == order.gift_cards && parts.iter().all(|part| part.status == expected);
        findings.demand(Check::Offers, is_right, || {
            format!("{}: {parts:?} do not pay {order:?}", evidence.order(order.id))
        });
        if expected == "redeemed" {
            // What went back onto a card is owed again.
            let tender = evidence.state(order.id).map(|state| state.tenders.gift_card);
            redeemed += sum - tender.map_or(0, |tender| tender.refunded.minor);
        }
    }
    let issued: i64 = evidence.books.gift_cards.iter().map(|card| card.issued).sum();
    let liability = evidence.books.ledger.iter().filter(|e| e.account == "gift_card_liability");
    let owed: i64 = liability.map(|entry| -entry.minor).sum();
    findings.demand(Check::Offers, owed == issued - redeemed, || {
        format!("{owed} is owed on gift cards, of {issued} issued and {redeemed} redeemed")
    });
}

/// Whether an order is or once was confirmed: called off after that, it has used what it used, and money goes back.
fn was_accepted(evidence: &Evidence<'_>, order: &OrderRow) -> bool {
    let ended = || evidence.state(order.id).and_then(|state| state.ended);
    matches!(order.status.as_str(), "confirmed" | "completed")
        || matches!(ended(), Some(Ended::Cancelled { was_accepted: true, .. }))
}

/// True at every moment.
pub(super) fn check_counters(books: &Books, findings: &mut Findings) {
    for code in &books.codes {
        let is_within = code.uses_max.is_none_or(|most| code.uses <= most);
        findings.demand(Check::Offers, code.uses == code.counted && is_within, || {
            let CodeRow { code, uses, uses_max, counted } = code;
            format!("{code} has {uses} uses of {uses_max:?}, and orders say {counted}")
        });
    }
    for card in &books.gift_cards {
        let is_right = card.balance == card.moved && (0..=card.issued).contains(&card.balance);
        findings.demand(Check::Offers, is_right, || format!("{card:?}"));
    }
}

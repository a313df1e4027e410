//! What must be true when all is settled, whatever happened before.
//!
//! Each check has a name, which a failure carries: a planted bug must be found by the check that is meant for it.

mod events;
mod money;
mod offers;
mod orders;
mod states;
mod stock;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use domain::order::{OrderState, RefundStatus};
use domain::{OrderId, PaymentId};

use crate::books::{Books, Id, OrderRow, PaymentRow};
use crate::provider::Kept;
use crate::sim::Sim;
use crate::world::Seen;

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// No SKU sold more pieces than there were, and none was promised more often than it may be.
    NoOversell,
    /// Counters are the sums of their movements, at every location and after every one of them.
    StockReplay,
    /// What is held is what reservations say, and nothing is held for an order that has ended.
    Holds,
    /// Entries of each key, and all entries of each currency, add up to zero.
    LedgerBalance,
    /// Lines, order, payment and ledger say the same amount.
    OrderMoney,
    /// A code is used as often as its orders say and no more than it may be; a gift card has what its movements say, and
    /// pays each order once.
    Offers,
    /// The provider's books are ours: nothing charged without an order, nothing twice, nothing kept.
    ProviderBooks,
    /// No token outlives the provider's answer or its order.
    NoTokenKept,
    /// The state that is kept of an order is sound, and tells the same as its order, the ledger and the provider: what was
    /// given back was given back once.
    OrderState,
    /// What a client was told of an order is still so, unless its shopper called it off.
    NoOrderLost,
    /// A key has one answer and one order.
    OneAnswer,
    /// Order numbers are unique.
    OrderNumbers,
    /// Invoices are numbered from 1 without gaps, and every order that was accepted has one.
    Invoices,
    /// Events of an order are numbered from 1 without gaps, and tell each thing once.
    Events,
    /// One cart is bought once.
    OneOrderPerCart,
    /// Clients' histories can be explained.
    History,
    /// Nothing unexpected on the way: no internal error, no restart that fails.
    NoFault,
    /// Everything comes to an end.
    Settles,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Which check found it.
    pub check: Check,
    /// What it found.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.check, self.text)
    }
}

/// All that the checks look at.
pub(crate) struct Evidence<'a> {
    /// What there was at the beginning.
    pub(crate) stock: &'a [(&'static str, u32)],
    pub(crate) sim: &'a Sim,
    pub(crate) books: &'a Books,
    pub(crate) intents: &'a [Kept],
    pub(crate) seen: &'a Seen,
    pub(crate) history: &'a str,
}

/// Findings so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn add(&mut self, check: Check, text: impl Into<String>) {
        self.0.push(Finding { check, text: text.into() });
    }

    fn demand(&mut self, check: Check, is_so: bool, text: impl FnOnce() -> String) {
        if !is_so {
            self.add(check, text());
        }
    }
}

/// Runs every check.
pub(crate) fn run(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    stock::check(evidence, &mut findings);
    money::check(evidence, &mut findings);
    offers::check(evidence, &mut findings);
    orders::check(evidence, &mut findings);
    states::check(evidence, &mut findings);
    events::check(evidence, &mut findings);
    for problem in &evidence.seen.problems {
        findings.add(Check::NoFault, problem.clone());
    }
    findings.0
}

/// Checks that hold at every moment, not only at the end.
pub(crate) fn run_on_the_way(sim: &Sim, books: &Books) -> Vec<Finding> {
    let mut findings = Findings::default();
    stock::check_counters(books, &mut findings);
    money::check_ledger(sim, books, &mut findings);
    offers::check_counters(books, &mut findings);
    orders::check_series(books, &mut findings);
    findings.0
}

impl Evidence<'_> {
    fn order(&self, id: Id) -> String {
        self.sim.name("order", &OrderId::from_bytes(id))
    }

    /// Most pieces of a SKU that may be promised.
    fn promised_max(&self, sku: &str) -> u32 {
        let most = crate::world::PROMISED_MAX.iter().find(|(own, _)| *own == sku);
        most.map_or(0, |&(_, most)| most)
    }

    fn payment(&self, id: Id) -> String {
        self.sim.name("payment", &PaymentId::from_bytes(id))
    }

    /// Returns the state that is kept of an order, if one is.
    fn state(&self, order: Id) -> Option<OrderState> {
        let row = self.books.states.iter().find(|row| row.order == order)?;
        serde_json::from_str(&row.json).ok()
    }

    /// Returns what its state says was given back of an order.
    fn given_back(&self, order: Id) -> i64 {
        let refunds = self.state(order).map(|state| state.refunds).unwrap_or_default();
        let done = refunds.iter().filter(|refund| refund.status == RefundStatus::Succeeded);
        done.map(|refund| refund.provider.minor).sum()
    }

    fn orders_by_id(&self) -> BTreeMap<Id, &OrderRow> {
        self.books.orders.iter().map(|order| (order.id, order)).collect()
    }

    fn payments_by_order(&self) -> BTreeMap<Id, &PaymentRow> {
        self.books.payments.iter().map(|payment| (payment.order, payment)).collect()
    }
}

/// Returns what stands more than once.
fn repeated<T: Ord + Clone>(all: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    all.into_iter().filter(|one| !seen.insert(one.clone())).collect()
}

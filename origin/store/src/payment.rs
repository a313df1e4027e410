//! Payments: one function settles what anybody reports.

use domain::payment::{Amounts, PaymentEvent, Report};
use domain::{Money, PaymentId, Timestamp};

use crate::{CheckoutOutcome, Claim, Engine, OrderRecord, Store, StoreError, lease, sql};

/// Records a report about a payment and does what follows from it, in one commit.
///
/// The return path of a checkout, the provider's webhook and the reconciler all come here.
#[derive(Debug, Clone)]
pub struct Settle {
    /// Which payment.
    pub payment: PaymentId,
    /// What is reported; `None` only reads, to answer a checkout that was settled by others.
    pub event: Option<PaymentEvent>,
    /// How much went where, as reported; `None`: all of it or nothing, as the word says.
    pub amounts: Option<Amounts>,
    /// How much the report is about, where nobody has compared it yet: another amount than ours settles nothing.
    pub amount: Option<Money>,
    /// The provider's name for the payment, if the report had it.
    pub provider_ref: Option<String>,
    /// The checkout that waits for an answer: it is kept under this key.
    pub answer: Option<Claim>,
    /// The webhook's id: one that came before changes nothing.
    pub webhook: Option<String>,
    /// Now.
    pub now: Timestamp,
}

impl Settle {
    /// Returns the report, if it is one that can be about `amount`.
    pub(crate) fn report(&self, amount: Money) -> Option<Report> {
        let event = self.event?;
        let amounts = self.amounts.unwrap_or_else(|| Amounts::whole(event.status(), amount));
        match Report::new(event, amount, amounts) {
            Ok(report) => Some(report),
            Err(contradiction) => {
                tracing::error!(payment.id = %self.payment, error = %contradiction, "refused a report about a payment");
                None
            }
        }
    }
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// The order as it is now. `has_moved` tells whether this report moved it.
    Order {
        /// The order.
        order: Box<OrderRecord>,
        /// Whether this report moved the payment.
        has_moved: bool,
        /// What the key of `answer` keeps: this settlement's outcome, or the one that another attempt was faster with.
        kept: Option<CheckoutOutcome>,
    },
    /// No payment has that name.
    UnknownPayment,
}

impl Store {
    /// Settles a report.
    ///
    /// # Errors
    /// As every write.
    pub async fn settle_payment(&self, command: Settle) -> Result<Settled, StoreError> {
        match &self.engine {
            // What is settled together with others' reports cannot be compared with one round's lease.
            Engine::Postgres(cluster) if lease::fence().is_none() => cluster.settle(command).await,
            Engine::Sqlite(_) | Engine::Postgres(_) => {
                self.write(command, |tx, command| Box::pin(sql::payment::settle(tx, command))).await
            }
        }
    }

    /// Takes payments that somebody must ask the provider about, and postpones their next check.
    ///
    /// # Errors
    /// As every write.
    pub async fn claim_payments_to_check(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<OrderRecord>, StoreError> {
        self.write((now, limit), |tx, (now, limit)| {
            Box::pin(sql::payment::claim_to_check(tx, *now, *limit))
        })
        .await
    }

    /// Lets the reconciler look at money that is held and that nobody has touched since `untouched_since`; at most
    /// `limit` payments, the oldest first. Returns how many.
    ///
    /// # Errors
    /// As every write.
    pub async fn check_abandoned_holds(
        &self,
        untouched_since: Timestamp,
        limit: u32,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.write((untouched_since, limit, now), |tx, (untouched_since, limit, now)| {
            Box::pin(sql::payment::check_abandoned_holds(tx, *untouched_since, *limit, *now))
        })
        .await
    }

    /// Frees what a process that was killed left behind: its checkouts may be resumed at once. Call it once at start,
    /// before anything else; with this engine no other process can have a checkout under way.
    ///
    /// # Errors
    /// As every write.
    pub async fn free_abandoned_checkouts(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(now, |tx, now| Box::pin(sql::payment::free_abandoned(tx, *now))).await
    }
}

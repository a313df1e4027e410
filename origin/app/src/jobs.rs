//! What happens without anybody asking. Each method does one bounded round; the server repeats them.

use std::time::Duration;

use domain::payment::PaymentEvent;
use domain::{ErrorKind, OrderStatus, PaymentStatus};
use store::{OrderRecord, POSITIONS_KEPT, StoreError, UpkeepLimits};

use crate::checkout::{Reported, ours, provider_key, report, without_provider};
use crate::{App, Error};

/// Orders that one round ends: 256.
pub const EXPIRED_MAX: u32 = 256;
/// Orders that one transaction ends where other processes sell beside it: 16.
const EXPIRED_AT_ONCE_SHARED: u32 = 16;
/// Payments that one round asks about: 32.
pub const CHECKS_MAX: u32 = 32;
/// Events that one round takes: 64, times as many deliveries as there are subscriptions: one short transaction.
pub const EVENTS_MAX: u32 = 64;

/// Invoices that one round gives numbers to, in one short transaction: 64.
pub const INVOICES_MAX: u32 = 64;

/// How long after an order's end a request to pay it may still arrive at the provider: 5 minutes, more than a request
/// is under way and than clocks may lie apart.
const UNDER_WAY_MAX: Duration = Duration::from_mins(5);

impl App {
    /// Gives back the stock of checkouts whose hold ran out. Returns how many orders ended.
    ///
    /// # Errors
    /// As every write.
    pub async fn release_expired(&self) -> Result<usize, Error> {
        // Beside others, an order's end meets whoever buys the same: a few at a time, one by one where that fails.
        let mut at_once = if self.store.is_shared() { EXPIRED_AT_ONCE_SHARED } else { EXPIRED_MAX };
        let mut count = 0;
        while count < usize::try_from(EXPIRED_MAX).unwrap_or(usize::MAX) {
            let ended = match self.store.release_expired(self.clock.now(), at_once).await {
                Ok(ended) => ended,
                Err(error) if error.kind() == ErrorKind::Unavailable && at_once > 1 => {
                    at_once = 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            count = count.saturating_add(ended);
            if u32::try_from(ended).is_ok_and(|ended| ended < at_once) {
                break;
            }
        }
        if count > 0 {
            tracing::info!(count, "released the stock of expired orders");
        }
        Ok(count)
    }

    /// Asks the provider about payments whose end is not known, and ends them. Returns how many it looked at.
    ///
    /// # Errors
    /// As every write. A provider that does not answer is no error: the payment is asked about again later.
    pub async fn reconcile_payments(&self) -> Result<usize, Error> {
        let orders = self.store.claim_payments_to_check(self.clock.now(), CHECKS_MAX).await?;
        for order in &orders {
            let report = self.find_out(order).await;
            if report.event == PaymentEvent::TimedOut
                && order.payment.status != PaymentStatus::Created
            {
                continue;
            }
            let settled = match self.settle(order, report).await {
                Ok(settled) => settled,
                Err(error @ Error::Store(StoreError::LeaseLost)) => return Err(error),
                // The others are not to wait for this one; it comes up again by itself.
                Err(error) => {
                    tracing::error!(payment.id = %order.payment.id, error = %error, "could not settle a payment");
                    continue;
                }
            };
            tracing::info!(
                order.id = %settled.id,
                payment.id = %settled.payment.id,
                payment.status = %settled.payment.status,
                "reconciled a payment"
            );
        }
        Ok(orders.len())
    }

    async fn find_out(&self, order: &OrderRecord) -> Reported {
        let payment = &order.payment;
        if let (Some(settled), OrderStatus::PendingPayment) =
            (without_provider(payment), order.status)
        {
            return settled;
        }
        let name = self.payments.name();
        // Asked elsewhere, it would be unknown there, and paid a second time.
        if payment.provider != name && payment.provider != "test" {
            tracing::error!(payment.id = %payment.id, payment.provider, name, "cannot ask about a payment of another provider");
            return Reported::word(PaymentEvent::TimedOut);
        }
        let has_goods = matches!(order.status, OrderStatus::Confirmed | OrderStatus::Completed);
        let is_held =
            matches!(payment.status, PaymentStatus::Authorized | PaymentStatus::PartiallyCaptured);
        if let (true, true, Some(id)) = (has_goods, is_held, payment.provider_ref.clone()) {
            // Held for so long that nobody will take it any more: see `release_holds`.
            tracing::warn!(order.id = %order.id, payment.id = %payment.id, "lets money go that nobody took");
            let cancelled = self.payments.cancel(provider_key(payment.id, "cancel"), id).await;
            return report(payment, cancelled);
        }
        if matches!(payment.status, PaymentStatus::Captured | PaymentStatus::PartiallyCaptured)
            && !has_goods
            // Where a state is kept, the refund is written down there, and asked for as such.
            && order.state_version == 0
        {
            // Paid, but its stock is gone: the money goes back.
            return match payment.provider_ref.clone() {
                Some(id) => {
                    let key = provider_key(payment.id, "refund");
                    let refunded = self.payments.refund(key, id, None).await;
                    report(payment, refunded.map(|refunded| refunded.intent))
                }
                None => self
                    .look_up(order)
                    .await
                    .unwrap_or_else(|_error| Reported::word(PaymentEvent::TimedOut)),
            };
        }
        let found = match self.payments.lookup(ours(payment.id)).await {
            Ok(found) => found,
            Err(error) => return report(payment, Err(error)),
        };
        match (found, order.status == OrderStatus::PendingPayment) {
            // The provider never heard of it. The shopper has asked to buy and the stock is held: ask now.
            (None, true) => self.ask_for_payment(order).await,
            // Not there yet is not never: what was asked just before the order ended may arrive after this answer, and
            // not every method tells by webhook.
            (None, false) if self.clock.now() < order.expires_at.after(UNDER_WAY_MAX) => {
                Reported::word(PaymentEvent::TimedOut)
            }
            (None, false) => Reported::word(PaymentEvent::Cancelled),
            (Some(intent), true) => report(payment, Ok(intent)),
            (Some(intent), false) if intent.status.event().status().has_moved_money() => {
                report(payment, Ok(intent))
            }
            // Nobody may pay an order that has ended.
            (Some(intent), false) => report(
                payment,
                self.payments.cancel(provider_key(payment.id, "cancel"), intent.id).await,
            ),
        }
    }

    /// Gives invoices their numbers, in the order in which their orders were accepted. Returns how many.
    ///
    /// # Errors
    /// As every write.
    pub async fn issue_invoices(&self) -> Result<usize, Error> {
        let count = self.store.issue_invoices(INVOICES_MAX, self.clock.now()).await?;
        if count > 0 {
            tracing::info!(count, "issued invoices");
        }
        Ok(count)
    }

    /// Lets the reconciler give up money that was held for longer than the shop wants it to be. Returns how many payments.
    ///
    /// The order stays as it is: whether it is called off is the staff's to say. `payment.cancelled` tells them.
    ///
    /// # Errors
    /// As every write.
    pub async fn release_holds(&self) -> Result<usize, Error> {
        let now = self.clock.now();
        let since = now.before(self.settings.hold_kept);
        let count = self.store.check_abandoned_holds(since, CHECKS_MAX, now).await?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Asks the provider where a payment stands.
    pub(crate) async fn look_up(&self, order: &OrderRecord) -> Result<Reported, Error> {
        let payment = &order.payment;
        Ok(match self.payments.lookup(ours(payment.id)).await? {
            Some(intent) => report(payment, Ok(intent)),
            None => Reported::word(PaymentEvent::TimedOut),
        })
    }

    /// Forgets what is no longer needed. Says whether there may be more.
    ///
    /// # Errors
    /// As every write.
    pub async fn forget_old(&self) -> Result<bool, Error> {
        let is_more = self.store.forget_old(UpkeepLimits::default(), self.clock.now()).await?;
        self.store.prune_feed(POSITIONS_KEPT).await?;
        Ok(is_more)
    }
}

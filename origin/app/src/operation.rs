//! Asking the payment provider for what was written down: captures, voids and refunds.
//!
//! What is to be asked is in the store before anybody asks. Whoever wrote it asks at once; if that comes to nothing, or its
//! answer is lost, the job goes on with it until it has ended. The provider knows each by its key, so asking again does it
//! once; and before the job asks again it looks whether the provider has done it.

use domain::OrderId;
use providers::payment::{Capture, Intent, Lookup, PaymentError, Refund, RefundStatus, Refunded};
use store::{EndOperation, Operation, OperationKind, OperationReport, OperationStatus, StoreError};

use crate::checkout::ours;
use crate::{App, Error};

/// Operations that one round takes up: 32.
pub const OPERATIONS_MAX: u32 = 32;

/// What came of asking.
struct Outcome {
    status: OperationStatus,
    error: Option<&'static str>,
    intent: Option<Intent>,
}

impl Outcome {
    const fn done(intent: Option<Intent>) -> Self {
        Self { status: OperationStatus::Succeeded, error: None, intent }
    }

    const fn failed(error: &'static str, intent: Option<Intent>) -> Self {
        Self { status: OperationStatus::Failed, error: Some(error), intent }
    }

    const fn open(error: Option<&'static str>) -> Self {
        Self { status: OperationStatus::Pending, error, intent: None }
    }
}

impl App {
    /// Asks the provider for what is to be asked for an order. What comes to nothing is left to the job.
    pub(crate) async fn ask_for_operations(&self, order: OrderId) {
        let pending = match self.store.pending_operations(order).await {
            Ok(pending) => pending,
            Err(error) => {
                tracing::warn!(order.id = %order, error = %error, "left the provider's operations to the job");
                return;
            }
        };
        for (operation, provider_ref) in pending {
            if let Err(error) = self.carry_out(&operation, provider_ref, false).await {
                tracing::warn!(operation.id = %operation.id, error = %error, "left an operation to the job");
            }
        }
    }

    /// Takes up operations of which nobody knows how they ended. Returns how many it looked at.
    ///
    /// # Errors
    /// As every write. A provider that does not answer is no error: the operation comes up again later.
    pub async fn reconcile_operations(&self) -> Result<usize, Error> {
        let due = self.store.claim_operations(self.clock.now(), OPERATIONS_MAX).await?;
        let count = due.len();
        for (operation, provider_ref) in due {
            match self.carry_out(&operation, provider_ref, true).await {
                Ok(status) => tracing::info!(
                    operation.id = %operation.id,
                    order.id = %operation.order,
                    kind = operation.kind.as_str(),
                    status = status.as_str(),
                    "looked after an operation"
                ),
                Err(error @ Error::Store(StoreError::LeaseLost)) => return Err(error),
                // The others are not to wait for this one; it comes up again by itself.
                Err(error) => {
                    tracing::error!(operation.id = %operation.id, error = %error, "could not end an operation");
                }
            }
        }
        Ok(count)
    }

    /// Asks for one operation and records what came of it.
    async fn carry_out(
        &self,
        operation: &Operation,
        provider_ref: Option<String>,
        may_be_done: bool,
    ) -> Result<OperationStatus, Error> {
        let outcome = match self.known_to_provider(operation, provider_ref).await {
            Ok(id) => match operation.kind {
                OperationKind::Capture => self.capture(operation, id).await,
                OperationKind::Void => self.void(operation, id).await,
                OperationKind::Refund => self.give_back(operation, id, may_be_done).await,
            },
            Err(error) => Outcome::open(Some(class(&error))),
        };
        let report = outcome.intent.filter(|intent| intent.reference == operation.payment);
        let command = EndOperation {
            id: operation.id,
            status: outcome.status,
            error: outcome.error.map(str::to_owned),
            report: report.map(|intent| OperationReport {
                event: intent.status.event(),
                amounts: intent.amounts,
            }),
            now: self.clock.now(),
        };
        let ended = self.store.end_operation(command).await?;
        ended.ok_or_else(|| Error::Fault("end an operation", "it is not there".into()))
    }

    /// Returns the provider's name for the payment; asks for it where it was never told.
    async fn known_to_provider(
        &self,
        operation: &Operation,
        provider_ref: Option<String>,
    ) -> Result<String, PaymentError> {
        if let Some(id) = provider_ref {
            return Ok(id);
        }
        let found = self.payments.lookup(ours(operation.payment)).await?;
        found.map(|intent| intent.id).ok_or(PaymentError::NotFound)
    }

    async fn retrieve(&self, id: &str) -> Result<Intent, PaymentError> {
        let found = self.payments.lookup(Lookup::Id(id.to_owned())).await?;
        found.ok_or(PaymentError::NotFound)
    }

    async fn capture(&self, operation: &Operation, id: String) -> Outcome {
        let is_done = |intent: &Intent| {
            operation
                .base
                .checked_add(operation.amount)
                .is_ok_and(|wanted| intent.amounts.captured().minor >= wanted.minor)
        };
        let intent = match self.retrieve(&id).await {
            Ok(intent) if is_done(&intent) => return Outcome::done(Some(intent)),
            Ok(intent) => intent,
            Err(error) => return Outcome::open(Some(class(&error))),
        };
        let capture = if intent.amounts.capturable() == operation.amount {
            Capture::last(operation.amount)
        } else {
            Capture::part(operation.amount)
        };
        match self.payments.capture(operation.provider_key.clone(), id.clone(), capture).await {
            Ok(intent) => Outcome::done(Some(intent)),
            Err(error) if is_final(&error) => match self.retrieve(&id).await {
                Ok(intent) if is_done(&intent) => Outcome::done(Some(intent)),
                Ok(intent) => Outcome::failed(class(&error), Some(intent)),
                Err(error) => Outcome::open(Some(class(&error))),
            },
            Err(error) => Outcome::open(Some(class(&error))),
        }
    }

    async fn void(&self, operation: &Operation, id: String) -> Outcome {
        let is_done = |intent: &Intent| intent.amounts.capturable().minor == 0;
        match self.payments.cancel(operation.provider_key.clone(), id.clone()).await {
            Ok(intent) => Outcome::done(Some(intent)),
            Err(error) if is_final(&error) => match self.retrieve(&id).await {
                Ok(intent) if is_done(&intent) => Outcome::done(Some(intent)),
                Ok(intent) => Outcome::failed(class(&error), Some(intent)),
                Err(error) => Outcome::open(Some(class(&error))),
            },
            Err(error) => Outcome::open(Some(class(&error))),
        }
    }

    async fn give_back(&self, operation: &Operation, id: String, may_be_done: bool) -> Outcome {
        if may_be_done {
            // A provider forgets keys after a while, and would give the money back a second time.
            match self.find_refund(operation, &id).await {
                Ok(Some(outcome)) => return outcome,
                Ok(None) => {}
                Err(error) => return Outcome::open(Some(class(&error))),
            }
        }
        let key = operation.provider_key.clone();
        match self.payments.refund(key, id.clone(), Some(operation.amount)).await {
            Ok(Refunded { refund, intent }) if refund.amount == operation.amount => {
                refund_outcome(&refund, Some(intent))
            }
            Ok(_other) => {
                tracing::error!(operation.id = %operation.id, "the provider gave another amount back");
                Outcome::open(Some("other-amount"))
            }
            Err(error) if is_final(&error) => match self.find_refund(operation, &id).await {
                Ok(Some(outcome)) => outcome,
                Ok(None) => Outcome::failed(class(&error), self.retrieve(&id).await.ok()),
                Err(error) => Outcome::open(Some(class(&error))),
            },
            Err(error) => Outcome::open(Some(class(&error))),
        }
    }

    /// Looks for a refund at the provider by the key that it was asked for with.
    async fn find_refund(
        &self,
        operation: &Operation,
        id: &str,
    ) -> Result<Option<Outcome>, PaymentError> {
        let refunds = self.payments.refunds(id.to_owned()).await?;
        let is_ours = |refund: &&Refund| refund.key.as_deref() == Some(&operation.provider_key);
        let Some(refund) = refunds.iter().find(is_ours) else { return Ok(None) };
        Ok(Some(refund_outcome(refund, Some(self.retrieve(id).await?))))
    }

    /// Takes what the provider tells by itself about a refund.
    ///
    /// # Errors
    /// As every write.
    pub(crate) async fn take_refund_report(&self, refund: &Refund) -> Result<(), Error> {
        let Some(key) = refund.key.clone() else { return Ok(()) };
        let Some(operation) = self.store.operation_by_key(key).await? else { return Ok(()) };
        let outcome = refund_outcome(refund, None);
        let command = EndOperation {
            id: operation.id,
            status: outcome.status,
            error: outcome.error.map(str::to_owned),
            report: None,
            now: self.clock.now(),
        };
        let stands = self.store.end_operation(command).await?;
        if stands == Some(OperationStatus::Succeeded) && outcome.status == OperationStatus::Failed {
            tracing::error!(
                order.id = %operation.order,
                operation.id = %operation.id,
                "the bank sent a refund back after it had counted as done: pay the shopper another way"
            );
        }
        Ok(())
    }
}

fn refund_outcome(refund: &Refund, intent: Option<Intent>) -> Outcome {
    match refund.status {
        RefundStatus::Succeeded => Outcome::done(intent),
        RefundStatus::Pending => Outcome { intent, ..Outcome::open(None) },
        RefundStatus::Failed => Outcome::failed("refused", intent),
        RefundStatus::Cancelled => Outcome::failed("cancelled", intent),
    }
}

/// Tells whether asking again cannot help.
const fn is_final(error: &PaymentError) -> bool {
    error.is_certain()
        && !matches!(error, PaymentError::RateLimited { .. } | PaymentError::Unauthorized)
}

/// Returns the class of a failure, as the staff reads it.
const fn class(error: &PaymentError) -> &'static str {
    match error {
        PaymentError::Unknown(_) | PaymentError::KeyInUse => "unknown",
        PaymentError::Declined(_) => "declined",
        PaymentError::Invalid(_) => "invalid",
        PaymentError::NotAllowed => "not-allowed",
        PaymentError::NotFound => "not-found",
        PaymentError::KeyReused => "key-reused",
        PaymentError::RateLimited { .. } => "rate-limited",
        PaymentError::Unauthorized => "unauthorized",
        PaymentError::Method(_) => "method",
    }
}

//! What the payment provider is asked to do with a payment after the checkout: written down first, asked after it.

use domain::payment::{Amounts, PaymentEvent};
use domain::{Money, OrderId, PaymentId, PaymentOperationId, Timestamp};

use crate::{Store, StoreError, sql};

/// Something that the provider is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its name; a refund's is that of the order's refund.
    pub id: PaymentOperationId,
    /// For which order.
    pub order: OrderId,
    /// With which payment.
    pub payment: PaymentId,
    /// What.
    pub kind: OperationKind,
    /// The provider knows the request by it.
    pub provider_key: String,
    /// How much.
    pub amount: Money,
    /// What had been captured before.
    pub base: Money,
    /// Where it stands.
    pub status: OperationStatus,
    /// Class of the last failure.
    pub error: Option<String>,
    /// How often it was asked for.
    pub attempts: u32,
    /// When it was written down.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What the provider is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    /// Take held money.
    Capture,
    /// Let held money go.
    Void,
    /// Give money back.
    Refund,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationStatus {
    /// To be asked for, under way, or its outcome is not known.
    Pending,
    /// Done.
    Succeeded,
    /// It will not be done.
    Failed,
}

/// What came of asking.
#[derive(Debug, Clone)]
pub struct EndOperation {
    /// Which operation.
    pub id: PaymentOperationId,
    /// Where it stands now; [`OperationStatus::Pending`] when that is not known.
    pub status: OperationStatus,
    /// Class of the failure, if there was one.
    pub error: Option<String>,
    /// What the provider said about the payment.
    pub report: Option<OperationReport>,
    /// Now.
    pub now: Timestamp,
}

/// What the provider said about a payment when it was asked to do something with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationReport {
    /// The word.
    pub event: PaymentEvent,
    /// How much went where.
    pub amounts: Amounts,
}

impl OperationKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Capture, Self::Void, Self::Refund];

    /// Returns the word on the wire and in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund => "refund",
        }
    }

    /// Reads a stored word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl OperationStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Succeeded, Self::Failed];

    /// Returns the word on the wire and in storage.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// Reads a stored word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

impl Store {
    /// Reads what the provider is still to be asked for an order, oldest first, with the provider's name for the payment.
    ///
    /// # Errors
    /// As every read.
    pub async fn pending_operations(
        &self,
        order: OrderId,
    ) -> Result<Vec<(Operation, Option<String>)>, StoreError> {
        self.read(order, |tx, order| Box::pin(sql::operation::pending_of(tx, *order))).await
    }

    /// Takes operations that somebody must ask the provider for, or about, and postpones their next turn.
    ///
    /// # Errors
    /// As every write.
    pub async fn claim_operations(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(Operation, Option<String>)>, StoreError> {
        self.write((now, limit), |tx, (now, limit)| {
            Box::pin(sql::operation::claim_due(tx, *now, *limit))
        })
        .await
    }

    /// Finds a refund that is under way, by the name that the provider knows its request by.
    ///
    /// # Errors
    /// As every read.
    pub async fn operation_by_key(&self, key: String) -> Result<Option<Operation>, StoreError> {
        self.read(key, |tx, key| Box::pin(sql::operation::by_key(tx, key))).await
    }

    /// Records what came of an operation, with all that follows for its order, in one commit. One that has ended stays as
    /// it ended. Returns where it stands then; `None` when there is no such operation.
    ///
    /// # Errors
    /// As every write.
    pub async fn end_operation(
        &self,
        command: EndOperation,
    ) -> Result<Option<OperationStatus>, StoreError> {
        self.write(command, |tx, command| Box::pin(sql::operation::end(tx, command))).await
    }
}

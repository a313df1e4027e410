//! What the shop asks of whoever moves money.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use domain::payment::{PaymentEvent, TestMethod};
use domain::{Money, PaymentId};
use serde::{Deserialize, Serialize};

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Asks for a payment: creates it and confirms it in one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewIntent {
    /// Our name for it; webhooks carry it back.
    pub reference: PaymentId,
    /// How much.
    pub amount: Money,
    /// How it is paid.
    pub method: TestMethod,
}

/// A payment as the provider sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The provider's name for it.
    pub id: String,
    /// Our name for it.
    pub reference: PaymentId,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub status: IntentStatus,
}

/// Where a payment stands at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentStatus {
    /// Ends later; a webhook tells.
    Processing,
    /// The payer must approve.
    RequiresAction,
    /// The money was taken.
    Captured,
    /// Refused.
    Declined,
    /// Given up before money moved.
    Cancelled,
    /// The money went back.
    Refunded,
}

impl IntentStatus {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Processing,
        Self::RequiresAction,
        Self::Captured,
        Self::Declined,
        Self::Cancelled,
        Self::Refunded,
    ];

    /// Returns the word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processing => "processing",
            Self::RequiresAction => "requires_action",
            Self::Captured => "captured",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
            Self::Refunded => "refunded",
        }
    }

    /// Reads a word of the wire.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Returns what it tells about our payment.
    #[must_use]
    pub const fn event(self) -> PaymentEvent {
        match self {
            Self::Processing => PaymentEvent::Processing,
            Self::RequiresAction => PaymentEvent::RequiresAction,
            Self::Captured => PaymentEvent::Captured,
            Self::Declined => PaymentEvent::Declined,
            Self::Cancelled => PaymentEvent::Cancelled,
            Self::Refunded => PaymentEvent::Refunded,
        }
    }
}

/// What the payer decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Pay.
    Approve,
    /// Do not.
    Reject,
}

/// Why a call gave no intent.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// Not known whether it was done: no connection, no answer in time, or half of one. Ask later with the same key.
    #[error("the provider's answer is unknown")]
    Unknown(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The provider understood and refused the request itself (not the payment).
    #[error("the provider answered {0}")]
    Refused(u16),
}

/// Somebody who moves money. Every call that changes something carries a key: asking twice does it once.
pub trait PaymentProvider: fmt::Debug + Send + Sync {
    /// Creates and confirms a payment.
    fn create(&self, key: String, intent: NewIntent)
    -> BoxFuture<'_, Result<Intent, PaymentError>>;
    /// Finds the payment that `key` created, if there is one.
    fn lookup(&self, key: String) -> BoxFuture<'_, Result<Option<Intent>, PaymentError>>;
    /// Passes on what the payer decided.
    fn act(
        &self,
        key: String,
        id: String,
        decision: Decision,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>>;
    /// Gives up a payment that has not ended; one that has comes back as it ended.
    fn cancel(&self, key: String, id: String) -> BoxFuture<'_, Result<Intent, PaymentError>>;
    /// Gives captured money back.
    fn refund(&self, key: String, id: String) -> BoxFuture<'_, Result<Intent, PaymentError>>;
}

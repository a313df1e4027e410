//! What the shop asks of whoever moves money.

mod error;
mod intent;
mod method;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use domain::{Money, PaymentId, Timestamp};
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::webhook::WebhookError;

pub use error::{DeclineCode, PaymentError};
pub use intent::{Intent, IntentStatus, PayerAction};
pub use method::{Method, MethodError, Token};

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Asks for a payment: creates it and, where there is a method, confirms it in the same call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewIntent {
    /// Our name for it; webhooks carry it back.
    pub reference: PaymentId,
    /// How much.
    pub amount: Money,
    /// How it is paid.
    pub method: Method,
    /// Whether the money is taken at once or only held.
    #[serde(default)]
    pub capture: CaptureMode,
    /// Where the payer comes back to after a page of the provider or the bank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_url: Option<String>,
}

/// When money is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureMode {
    /// As soon as the payer has paid.
    #[default]
    Automatic,
    /// Held until [`PaymentProvider::capture`] or [`PaymentProvider::cancel`].
    Manual,
}

/// How to find a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// By our own names: the payment's, and the key of the call that created it.
    Ours {
        /// Our name for the payment.
        reference: PaymentId,
        /// The key that [`PaymentProvider::create`] was called with.
        key: String,
    },
    /// By the provider's name.
    Id(String),
}

/// How much of a held payment to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// How much; `None` takes all that is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// What becomes of the rest.
    #[serde(default)]
    pub rest: Rest,
}

/// What becomes of the part of an authorization that is not captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// It is let go.
    #[default]
    Release,
    /// It stays held for another capture. Not every account and method may do so.
    Keep,
}

impl Capture {
    /// Takes all that is held.
    pub const ALL: Self = Self { amount: None, rest: Rest::Release };

    /// Takes a part and lets the rest go.
    #[must_use]
    pub const fn last(amount: Money) -> Self {
        Self { amount: Some(amount), rest: Rest::Release }
    }

    /// Takes a part and keeps the rest held.
    #[must_use]
    pub const fn part(amount: Money) -> Self {
        Self { amount: Some(amount), rest: Rest::Keep }
    }
}

/// Money that was sent back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The provider's name for it.
    pub id: String,
    /// The key it was asked for with, where the provider tells.
    pub key: Option<String>,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub status: RefundStatus,
}

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// On its way.
    Pending,
    /// Sent back.
    Succeeded,
    /// The bank did not take it, maybe days later: the money is ours again and the payer has none. Somebody must act.
    Failed,
    /// Given up before it was sent.
    Cancelled,
}

/// A refund and the payment after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refunded {
    /// The refund.
    pub refund: Refund,
    /// The payment as it is now.
    pub intent: Intent,
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

/// A webhook that was believed and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The provider's name for it: the same each time it is delivered.
    pub id: String,
    /// The provider's word for it, for logs.
    pub kind: String,
    /// What it is about.
    pub subject: Subject,
}

/// What a webhook is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A payment, as it was when the webhook was written: maybe older than what is known.
    Intent(Intent),
    /// A refund of the payment with this name of the provider's. Where it changed amounts, a webhook about the
    /// payment tells, too.
    Refund {
        /// The provider's name for the payment.
        intent: String,
        /// Our name for the payment, where the provider tells.
        reference: Option<PaymentId>,
        /// The refund.
        refund: Refund,
    },
    /// Nothing that we know, or nothing of ours: it is taken and does nothing.
    Other,
}

/// Somebody who moves money.
///
/// Every call that changes something carries a key: asking twice by it does it once. Every call ends within a deadline
/// that the adapter was made with; on expiry the outcome is [`PaymentError::Unknown`]. A payment that was declined is
/// an answer, not an error: an [`Intent`] in [`IntentStatus::Declined`].
pub trait PaymentProvider: fmt::Debug + Send + Sync {
    /// Returns the provider's name, as it is stored with a payment.
    fn name(&self) -> &'static str;

    /// Tells whether payments can be created with a method, as far as that is known without asking.
    ///
    /// # Errors
    /// Why not.
    fn accepts(&self, _method: &Method) -> Result<(), PaymentError> {
        Ok(())
    }

    /// Creates a payment and, unless its method is [`Method::Hosted`], confirms it.
    fn create(&self, key: String, intent: NewIntent)
    -> BoxFuture<'_, Result<Intent, PaymentError>>;

    /// Pays with a method what was created without one, or declined with another.
    fn confirm(
        &self,
        key: String,
        id: String,
        method: Method,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>>;

    /// Finds a payment. `Ok(None)` only when it is certain that there is none.
    fn lookup(&self, by: Lookup) -> BoxFuture<'_, Result<Option<Intent>, PaymentError>>;

    /// Passes on what the payer decided, or says that the payer came back.
    fn act(
        &self,
        key: String,
        id: String,
        decision: Decision,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>>;

    /// Takes money that is held, all of it or a part.
    fn capture(
        &self,
        key: String,
        id: String,
        capture: Capture,
    ) -> BoxFuture<'_, Result<Intent, PaymentError>>;

    /// Gives a payment up before its money is taken: cancels it, or voids what is held. Where money was taken, it only
    /// lets the rest go. What has ended stays as it is, which is no error.
    fn cancel(&self, key: String, id: String) -> BoxFuture<'_, Result<Intent, PaymentError>>;

    /// Gives captured money back: `amount`, or all that is left.
    fn refund(
        &self,
        key: String,
        id: String,
        amount: Option<Money>,
    ) -> BoxFuture<'_, Result<Refunded, PaymentError>>;

    /// Lists the refunds of a payment, newest first; at most 100.
    fn refunds(&self, id: String) -> BoxFuture<'_, Result<Vec<Refund>, PaymentError>>;

    /// Checks a webhook's signature and reads it.
    ///
    /// # Errors
    /// See [`WebhookError`]. Nothing of the body is looked at before its signature is right.
    fn verify_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Event, WebhookError>;
}

//! Stripe's objects, as far as we read them, and what they say about a payment.

use std::collections::BTreeMap;

use domain::payment::Amounts;
use domain::{Money, PaymentId};
use serde::Deserialize;

use super::{amount, error};
use crate::payment::{Intent, IntentStatus, PayerAction, PaymentError, Refund, RefundStatus};
use crate::secret::Secret;

/// A list or a page of what a search found.
#[derive(Deserialize)]
pub(super) struct Listed<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

/// A name, or the thing itself where it was asked for.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Expandable<T> {
    Object(T),
    Id(String),
}

impl<T> Expandable<T> {
    pub(super) fn object(self) -> Option<T> {
        match self {
            Self::Object(object) => Some(object),
            Self::Id(_) => None,
        }
    }

    fn as_object(&self) -> Option<&T> {
        match self {
            Self::Object(object) => Some(object),
            Self::Id(_) => None,
        }
    }
}

/// A payment intent.
#[derive(Deserialize)]
pub(super) struct PaymentIntentObject {
    pub(super) id: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) created: i64,
    amount: i64,
    currency: String,
    #[serde(default)]
    amount_capturable: i64,
    #[serde(default)]
    amount_received: i64,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    client_secret: Option<String>,
    #[serde(default)]
    next_action: Option<NextAction>,
    #[serde(default)]
    last_payment_error: Option<LastError>,
    #[serde(default)]
    latest_charge: Option<Expandable<ChargeObject>>,
}

#[derive(Deserialize)]
struct NextAction {
    #[serde(default)]
    redirect_to_url: Option<Redirect>,
}

#[derive(Deserialize)]
struct Redirect {
    #[serde(default)]
    url: Option<String>,
}

#[derive(Deserialize)]
struct LastError {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    decline_code: Option<String>,
}

/// A charge.
#[derive(Deserialize)]
pub(super) struct ChargeObject {
    amount: i64,
    #[serde(default)]
    amount_captured: i64,
    #[serde(default)]
    amount_refunded: i64,
    currency: String,
    #[serde(default)]
    payment_intent: Option<Expandable<Named>>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

/// Anything with a name.
#[derive(Deserialize)]
pub(super) struct Named {
    id: String,
}

/// A refund.
#[derive(Deserialize)]
pub(super) struct RefundObject {
    id: String,
    amount: i64,
    currency: String,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    pub(super) payment_intent: Option<Expandable<PaymentIntentObject>>,
    #[serde(default)]
    pub(super) metadata: BTreeMap<String, String>,
}

fn contradiction(what: &'static str) -> PaymentError {
    PaymentError::unknown(what)
}

fn money(minor: i64, currency: &str) -> Result<Money, PaymentError> {
    amount::from_wire(minor, currency).ok_or_else(|| contradiction("a currency that is not ours"))
}

impl PaymentIntentObject {
    /// Reads it as one of our payments; `None` when it is none of ours.
    pub(super) fn intent(&self, reference: &str) -> Result<Option<Intent>, PaymentError> {
        let Some(Ok(reference)) =
            self.metadata.get(reference).map(|text| text.parse::<PaymentId>())
        else {
            return Ok(None);
        };
        let amounts = self.amounts()?;
        let error = self.last_payment_error.as_ref();
        let status = match (self.status.as_str(), IntentStatus::of_moved(amounts)) {
            (_, Some(moved)) => moved,
            // The payer has not given a method yet, or the one that was given was refused.
            ("requires_payment_method", None) if error.is_some() => IntentStatus::Declined,
            ("requires_payment_method" | "requires_confirmation" | "requires_action", None) => {
                IntentStatus::RequiresAction
            }
            ("processing", None) => IntentStatus::Processing,
            ("requires_capture", None) => IntentStatus::Authorized,
            // Given up after it was refused: the refusal says more.
            ("canceled", None) if error.is_some() && amounts.authorized().minor == 0 => {
                IntentStatus::Declined
            }
            ("canceled", None) => IntentStatus::Cancelled,
            (_, None) => return Err(contradiction("an intent in a state that we do not know")),
        };
        let decline = (status == IntentStatus::Declined).then(|| {
            let code = error.and_then(|e| e.decline_code.as_deref().or(e.code.as_deref()));
            error::decline(code.unwrap_or_default())
        });
        let is_waiting = status == IntentStatus::RequiresAction;
        let intent = Intent {
            id: self.id.clone(),
            reference,
            amount: money(self.amount, &self.currency)?,
            status,
            amounts,
            action: is_waiting.then(|| self.action()).flatten(),
            decline,
        };
        intent.report().map_err(PaymentError::unknown)?;
        Ok(Some(intent))
    }

    /// What the payer has to do: the bank's page where there is one, else Stripe's own field.
    fn action(&self) -> Option<PayerAction> {
        let page = self.next_action.as_ref().and_then(|next| next.redirect_to_url.as_ref());
        if let Some(url) = page.and_then(|redirect| redirect.url.clone()) {
            return Some(PayerAction::Redirect { url });
        }
        let secret = Secret::new(self.client_secret.clone()?);
        Some(PayerAction::ClientSecret { secret })
    }

    fn amounts(&self) -> Result<Amounts, PaymentError> {
        let charge = self.latest_charge.as_ref().and_then(Expandable::as_object);
        let used = self.amount_received.checked_add(self.amount_capturable);
        let used = used.ok_or_else(|| contradiction("amounts out of range"))?;
        // What is neither taken nor takeable of a payment that ended was let go.
        let (authorized, released) = match self.status.as_str() {
            "succeeded" => (self.amount, self.amount.saturating_sub(used)),
            _ => (used, 0),
        };
        let refunded = charge.map_or(0, |charge| charge.refunded_beside(released));
        self.checked(authorized, self.amount_received, released, refunded)
    }

    fn checked(
        &self,
        authorized: i64,
        captured: i64,
        released: i64,
        refunded: i64,
    ) -> Result<Amounts, PaymentError> {
        let money = |minor| money(minor, &self.currency);
        Amounts::new(money(authorized)?, money(captured)?, money(released)?, money(refunded)?)
            .map_err(PaymentError::unknown)
    }
}

impl ChargeObject {
    /// Returns how much of the captured money went back.
    ///
    /// What a partial capture lets go counts as refunded at Stripe, although it was never taken. Here it does not.
    const fn refunded_beside(&self, released: i64) -> i64 {
        if self.amount_refunded >= released {
            self.amount_refunded.saturating_sub(released)
        } else {
            self.amount_refunded
        }
    }

    /// Reads a captured charge as the payment that it belongs to; `None` when it is none of ours or nothing was taken.
    pub(super) fn intent(&self, reference: &str) -> Result<Option<Intent>, PaymentError> {
        let Some(Ok(reference)) =
            self.metadata.get(reference).map(|text| text.parse::<PaymentId>())
        else {
            return Ok(None);
        };
        let id = match &self.payment_intent {
            Some(Expandable::Id(id) | Expandable::Object(Named { id })) => id.clone(),
            None => return Ok(None),
        };
        // Never taken, or let go, which Stripe calls refunded: the intent's own webhook tells.
        if self.amount_captured == 0 {
            return Ok(None);
        }
        let money = |minor| money(minor, &self.currency);
        // The rest of a partial capture is let go if it counts as refunded. Otherwise it may still be held for another
        // capture: the intent's own webhook tells.
        let rest = self.amount.saturating_sub(self.amount_captured);
        let released = if self.amount_refunded >= rest { rest } else { 0 };
        let amounts = Amounts::new(
            money(self.amount)?,
            money(self.amount_captured)?,
            money(released)?,
            money(self.refunded_beside(released))?,
        )
        .map_err(PaymentError::unknown)?;
        let Some(status) = IntentStatus::of_moved(amounts) else { return Ok(None) };
        let amount = money(self.amount)?;
        Ok(Some(Intent { id, reference, amount, status, amounts, action: None, decline: None }))
    }
}

impl RefundObject {
    pub(super) fn refund(&self, key: &str) -> Result<Refund, PaymentError> {
        let status = match self.status.as_deref() {
            Some("succeeded") => RefundStatus::Succeeded,
            Some("pending" | "requires_action") => RefundStatus::Pending,
            Some("failed") => RefundStatus::Failed,
            Some("canceled") => RefundStatus::Cancelled,
            _ => return Err(contradiction("a refund in a state that we do not know")),
        };
        Ok(Refund {
            id: self.id.clone(),
            key: self.metadata.get(key).cloned(),
            amount: money(self.amount, &self.currency)?,
            status,
        })
    }

    /// Returns Stripe's name for the payment.
    pub(super) fn intent_id(&self) -> Option<&str> {
        match self.payment_intent.as_ref()? {
            Expandable::Id(id) => Some(id),
            Expandable::Object(object) => Some(&object.id),
        }
    }
}

//! Stripe's webhooks, once their signature is right.

use serde::Deserialize;
use serde_json::Value;

use super::object::{ChargeObject, PaymentIntentObject, RefundObject};
use crate::payment::{Event, PaymentError, Subject};
use crate::webhook::WebhookError;

#[derive(Deserialize)]
struct EventObject {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Value,
}

/// Reads a webhook. Kinds that we do not know do nothing; those that we do know must be readable.
pub(super) fn read(body: &[u8], reference: &str, key: &str) -> Result<Event, WebhookError> {
    let unreadable = |_error: serde_json::Error| WebhookError::Unreadable;
    let event: EventObject = serde_json::from_slice(body).map_err(unreadable)?;
    let object = event.data.object;
    let subject = if event.kind.starts_with("payment_intent.") {
        let object: PaymentIntentObject = serde_json::from_value(object).map_err(unreadable)?;
        object.intent(reference).map(|intent| intent.map_or(Subject::Other, Subject::Intent))
    } else if matches!(event.kind.as_str(), "charge.captured" | "charge.refunded") {
        let object: ChargeObject = serde_json::from_value(object).map_err(unreadable)?;
        object.intent(reference).map(|intent| intent.map_or(Subject::Other, Subject::Intent))
    } else if event.kind.starts_with("refund.") || event.kind == "charge.refund.updated" {
        let object: RefundObject = serde_json::from_value(object).map_err(unreadable)?;
        refund(&object, reference, key)
    } else {
        Ok(Subject::Other)
    };
    let subject = subject.map_err(|_contradiction| WebhookError::Unreadable)?;
    Ok(Event { id: event.id, kind: event.kind, subject })
}

fn refund(object: &RefundObject, reference: &str, key: &str) -> Result<Subject, PaymentError> {
    let Some(intent) = object.intent_id() else { return Ok(Subject::Other) };
    Ok(Subject::Refund {
        intent: intent.to_owned(),
        reference: object.metadata.get(reference).and_then(|text| text.parse().ok()),
        refund: object.refund(key)?,
    })
}

//! What the payment provider tells by itself.

use domain::ErrorKind;
use http::HeaderMap;
use providers::payment::{Event, Subject};
use providers::webhook::WebhookError;
use store::{Settle, Settled};

use crate::{App, Error, Refusal};

impl App {
    /// Takes a webhook: lets its provider check and read it, and settles what it tells. One that came before changes
    /// nothing.
    ///
    /// # Errors
    /// `webhook-signature` when it is not believed, `unreadable` when its body is not a webhook.
    pub async fn take_webhook(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Error> {
        let now = self.clock.now();
        let event = self.payments.verify_webhook(headers, body, now).map_err(disbelieve)?;
        let Event { id, kind, subject } = event;
        let intent = match subject {
            Subject::Intent(intent) => intent,
            Subject::Refund { refund, .. } => {
                tracing::info!(webhook.id = id, kind, "took a webhook about a refund");
                return self.take_refund_report(&refund).await;
            }
            Subject::Other => {
                tracing::info!(webhook.id = id, kind, "took a webhook that settles nothing");
                return Ok(());
            }
        };
        let settle = Settle {
            payment: intent.reference,
            event: Some(intent.status.event()),
            amounts: Some(intent.amounts),
            amount: Some(intent.amount),
            provider_ref: Some(intent.id),
            answer: None,
            webhook: Some(id.clone()),
            now,
        };
        match self.store.settle_payment(settle).await? {
            Settled::Order { order, has_moved, .. } => {
                tracing::info!(order.id = %order.id, has_moved, kind, "took a webhook");
            }
            // Saying no would only make the provider try again.
            Settled::UnknownPayment => {
                tracing::warn!(webhook.id = id, "took a webhook about an unknown payment");
            }
        }
        Ok(())
    }
}

fn disbelieve(error: WebhookError) -> Refusal {
    tracing::warn!(error = %error, "refused a webhook");
    match error {
        WebhookError::Unreadable => {
            Refusal::new(ErrorKind::Unreadable, "unreadable", "The request could not be read")
        }
        WebhookError::Malformed | WebhookError::BadSignature | WebhookError::OutsideWindow => {
            Refusal::new(
                ErrorKind::Unauthenticated,
                "webhook-signature",
                "The webhook is not signed as agreed",
            )
        }
    }
}

//! What the payment provider tells by itself.

use domain::ErrorKind;
use providers::webhook::{self, PaymentWebhook, WebhookError};
use store::{Settle, Settled};

use crate::{App, Error, Refusal};

/// The headers of a webhook, as they came.
#[derive(Debug, Clone, Copy)]
pub struct WebhookHeaders<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`.
    pub timestamp: &'a str,
    /// `webhook-signature`.
    pub signature: &'a str,
}

impl App {
    /// Takes a webhook: checks it, and settles what it tells. One that came before changes nothing.
    ///
    /// # Errors
    /// `webhook-signature` when it is not believed, `unreadable` when its body is not a webhook.
    pub async fn take_webhook(
        &self,
        headers: WebhookHeaders<'_>,
        body: &[u8],
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let WebhookHeaders { id, timestamp, signature } = headers;
        webhook::verify(&self.webhook_secret, id, timestamp, signature, body, now)
            .map_err(disbelieve)?;
        let message: PaymentWebhook = serde_json::from_slice(body).map_err(|_unreadable| {
            Refusal::new(ErrorKind::Unreadable, "unreadable", "The request could not be read")
        })?;
        let settle = Settle {
            payment: message.reference(),
            event: Some(message.status().event()),
            amount: Some(message.data.amount),
            provider_ref: Some(message.data.id.clone()),
            answer: None,
            webhook: Some(id.to_owned()),
            now,
        };
        match self.store.settle_payment(settle).await? {
            Settled::Order { order, has_moved } => {
                tracing::info!(order.id = %order.id, has_moved, kind = message.kind, "took a webhook");
            }
            // Saying no would only make the provider try again.
            Settled::UnknownPayment => {
                tracing::warn!(webhook.id = id, "took a webhook about an unknown payment")
            }
        }
        Ok(())
    }
}

fn disbelieve(error: WebhookError) -> Refusal {
    tracing::warn!(error = %error, "refused a webhook");
    Refusal::new(
        ErrorKind::Unauthenticated,
        "webhook-signature",
        "The webhook is not signed as agreed",
    )
}

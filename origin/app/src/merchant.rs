//! Merchants' webhooks: subscriptions, their secrets, and what became of their deliveries.

use api_types::admin::{
    NewWebhook, ReplayRange, Replayed, SecretRotation, TestSent, Webhook, WebhookAttempt,
    WebhookChange, WebhookDeliveries, WebhookDelivery, WebhookDeliveryDetail, WebhookWithSecret,
    Webhooks,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::webhook::{
    DeliveryStatus, PATTERNS_MAX, Pattern, ROTATION_KEPT, SUBSCRIPTIONS_MAX, URL_BYTES_MAX,
};
use domain::{ErrorKind, Timestamp, WebhookDeliveryId, WebhookId};
use store::{
    ChangeSubscription, Claim, Delivery, ListDeliveries, NewSubscription, Replay, Subscription,
    TestDelivery, WebhookSecrets,
};

use crate::error::answered;
use crate::{Answered, App, Error, Refusal, random};

/// How every secret begins, after Standard Webhooks.
const SECRET_PREFIX: &str = "whsec_";
/// Longest description: 200 bytes.
const DESCRIPTION_BYTES_MAX: usize = 200;
/// Longest time that two secrets sign: a week.
const PREVIOUS_KEPT_S_MAX: u32 = 7 * 24 * 3_600;
/// Deliveries on one page, and at most: 50 and 200.
const PAGE_DEFAULT: u32 = 50;
const PAGE_MAX: u32 = 200;
/// Deliveries that one request looks at to send them again: 500, one short transaction.
const REPLAY_MAX: u32 = 500;
/// Kind of the event that only asks whether somebody listens.
const TEST_KIND: &str = "webhook.test";

impl App {
    /// Makes a subscription and its secret.
    ///
    /// # Errors
    /// `invalid-input`, `too-many-webhooks`, and what a key may refuse.
    pub async fn create_webhook(
        &self,
        request: NewWebhook,
        claim: Option<Claim>,
    ) -> Result<Answered<WebhookWithSecret>, Error> {
        let mut refusal = self.check_url(Refusal::invalid(), &request.url);
        let patterns = read_patterns(&mut refusal, &request.patterns);
        refusal = check_description(refusal, &request.description);
        if !refusal.fields.is_empty() {
            return Err(refusal.into());
        }
        let now = self.clock.now();
        let command = NewSubscription {
            id: WebhookId::v7(now, random()?),
            url: request.url,
            patterns,
            description: request.description,
            secrets: WebhookSecrets { newest: random()?, previous: None },
            now,
        };
        let Ok(once) = self.store.create_webhook(command, claim).await? else {
            let title = "There are as many webhooks as there may be";
            let refusal = Refusal::new(ErrorKind::Conflict, "too-many-webhooks", title);
            return Err(refusal.detail(format!("the limit is {SUBSCRIPTIONS_MAX}")).into());
        };
        let Answered { value: id, is_replay } = answered(once)?;
        Ok(Answered { value: self.with_secret(id).await?, is_replay })
    }

    /// Reads every subscription.
    ///
    /// # Errors
    /// As every read.
    pub async fn webhooks(&self) -> Result<Webhooks, Error> {
        Ok(Webhooks { items: self.store.webhooks().await?.into_iter().map(wire).collect() })
    }

    /// Reads a subscription.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn webhook(&self, id: WebhookId) -> Result<Webhook, Error> {
        let (subscription, _secrets) =
            self.store.webhook(id).await?.ok_or_else(Refusal::not_found)?;
        Ok(wire(subscription))
    }

    /// Changes a subscription.
    ///
    /// # Errors
    /// `not-found`, `invalid-input`.
    pub async fn change_webhook(
        &self,
        id: WebhookId,
        request: WebhookChange,
    ) -> Result<Webhook, Error> {
        let mut refusal = Refusal::invalid();
        if let Some(url) = &request.url {
            refusal = self.check_url(refusal, url);
        }
        let patterns = request.patterns.as_deref().map(|texts| read_patterns(&mut refusal, texts));
        if let Some(description) = &request.description {
            refusal = check_description(refusal, description);
        }
        if !refusal.fields.is_empty() {
            return Err(refusal.into());
        }
        let change = ChangeSubscription {
            url: request.url,
            patterns,
            description: request.description,
            is_enabled: request.enabled,
        };
        if !self.store.change_webhook(id, change, self.clock.now()).await? {
            return Err(Refusal::not_found().into());
        }
        self.webhook(id).await
    }

    /// Ends a subscription. What is under way may still arrive.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn delete_webhook(&self, id: WebhookId) -> Result<(), Error> {
        if self.store.delete_webhook(id, self.clock.now()).await? {
            return Ok(());
        }
        Err(Refusal::not_found().into())
    }

    /// Makes a new secret; the one before signs too for a while.
    ///
    /// # Errors
    /// `not-found`, `invalid-input`, and what a key may refuse.
    pub async fn rotate_webhook_secret(
        &self,
        id: WebhookId,
        request: SecretRotation,
        claim: Option<Claim>,
    ) -> Result<Answered<WebhookWithSecret>, Error> {
        let kept = match request.previous_kept_s {
            None => ROTATION_KEPT,
            Some(seconds) if seconds <= PREVIOUS_KEPT_S_MAX => {
                std::time::Duration::from_secs(seconds.into())
            }
            Some(_) => {
                let detail = format!("must be at most {PREVIOUS_KEPT_S_MAX}");
                return Err(Refusal::invalid()
                    .field("/previous_kept_s", "too-large", detail)
                    .into());
            }
        };
        let (secret, now) =
            (WebhookSecrets { newest: random()?, previous: None }, self.clock.now());
        let rotated =
            self.store.rotate_webhook_secret(id, secret, now.after(kept), claim, now).await?;
        let Ok(once) = rotated else { return Err(Refusal::not_found().into()) };
        // What is kept under the key is that it was done; the secret is told as it is.
        let Answered { value: (), is_replay } = answered(once)?;
        Ok(Answered { value: self.with_secret(id).await?, is_replay })
    }

    /// Sends an event that means nothing, so that a subscriber can be tried.
    ///
    /// # Errors
    /// `not-found`, `webhook-disabled`, and what a key may refuse.
    pub async fn send_test_event(
        &self,
        id: WebhookId,
        claim: Option<Claim>,
    ) -> Result<Answered<TestSent>, Error> {
        self.webhook(id).await?;
        let now = self.clock.now();
        let delivery = WebhookDeliveryId::v7(now, random()?);
        let event_id = format!("evt_test_{delivery}");
        let body = serde_json::json!({
            "id": event_id,
            "type": TEST_KIND,
            "timestamp": now,
            "aggregate": { "type": "test", "id": event_id },
            "sequence": 1,
            "data": {},
        });
        let command = TestDelivery {
            subscription: id,
            id: delivery,
            event_id,
            kind: TEST_KIND.to_owned(),
            body: body.to_string(),
            now,
        };
        let Ok(once) = self.store.send_test_event(command, claim).await? else {
            let title = "The webhook is disabled";
            return Err(Refusal::new(ErrorKind::Conflict, "webhook-disabled", title).into());
        };
        let Answered { value: delivery_id, is_replay } = answered(once)?;
        Ok(Answered { value: TestSent { delivery_id }, is_replay })
    }

    /// Lists deliveries, newest first.
    ///
    /// # Errors
    /// `not-found`, `invalid-input`.
    pub async fn webhook_deliveries(
        &self,
        id: WebhookId,
        status: Option<&str>,
        before: Option<WebhookDeliveryId>,
        limit: Option<u32>,
    ) -> Result<WebhookDeliveries, Error> {
        self.webhook(id).await?;
        let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let status = read_status(status, &DeliveryStatus::ALL)?;
        let query = ListDeliveries { subscription: id, status, before, limit };
        let items: Vec<_> =
            self.store.deliveries(query).await?.into_iter().map(wire_delivery).collect();
        let is_full = u32::try_from(items.len()).is_ok_and(|count| count >= limit);
        let next_before = items.last().map(|last| last.id).filter(|_| is_full);
        Ok(WebhookDeliveries { items, next_before })
    }

    /// Reads a delivery with its attempts.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn webhook_delivery(
        &self,
        id: WebhookId,
        delivery: WebhookDeliveryId,
    ) -> Result<WebhookDeliveryDetail, Error> {
        let found = self.store.delivery(id, delivery).await?;
        let (delivery, body, attempts) = found.ok_or_else(Refusal::not_found)?;
        let attempt = |attempt: store::Attempt| WebhookAttempt {
            at: attempt.at,
            latency_ms: attempt.latency_ms,
            status: attempt.status,
            error: attempt.error,
        };
        Ok(WebhookDeliveryDetail {
            delivery: wire_delivery(delivery),
            body,
            attempt_log: attempts.into_iter().map(attempt).collect(),
        })
    }

    /// Sends one delivery again, with the same `webhook-id` and the same words.
    ///
    /// # Errors
    /// `not-found`; `delivery-waiting` for one that has not ended.
    pub async fn replay_webhook_delivery(
        &self,
        id: WebhookId,
        delivery: WebhookDeliveryId,
    ) -> Result<Replayed, Error> {
        self.webhook(id).await?;
        self.store.delivery(id, delivery).await?.ok_or_else(Refusal::not_found)?;
        let replayed = self.replay(id, delivery, delivery, None, 1).await?;
        if replayed.replayed == 0 {
            let title = "The delivery is still being tried";
            return Err(Refusal::new(ErrorKind::Conflict, "delivery-waiting", title).into());
        }
        Ok(Replayed { more_after: None, ..replayed })
    }

    /// Sends the deliveries of a time again, oldest first; 500 are looked at at once.
    ///
    /// # Errors
    /// `not-found`, `invalid-input`.
    pub async fn replay_webhook_deliveries(
        &self,
        id: WebhookId,
        request: &ReplayRange,
    ) -> Result<Replayed, Error> {
        self.webhook(id).await?;
        let moment = |pointer: &str, text: &str| {
            Timestamp::parse(text).ok_or_else(|| {
                Refusal::invalid().field(pointer, "invalid", "must be a moment, RFC 3339 in UTC")
            })
        };
        let from = moment("/from", &request.from)?;
        let to = match &request.to {
            Some(text) => moment("/to", text)?,
            None => self.clock.now(),
        };
        let ended = [DeliveryStatus::Delivered, DeliveryStatus::Dead];
        let status = read_status(request.status.as_deref(), &ended)?;
        // Names begin with the moment.
        let mut first = WebhookDeliveryId::v7(from, [0; 10]);
        if let Some(after) = request.after {
            first = first.max(next(after));
        }
        self.replay(id, first, WebhookDeliveryId::v7(to, [0xff; 10]), status, REPLAY_MAX).await
    }

    async fn replay(
        &self,
        subscription: WebhookId,
        from: WebhookDeliveryId,
        to: WebhookDeliveryId,
        status: Option<DeliveryStatus>,
        limit: u32,
    ) -> Result<Replayed, Error> {
        let command = Replay { subscription, from, to, status, limit, now: self.clock.now() };
        let store::Replayed { count, more_after } = self.store.replay_deliveries(command).await?;
        Ok(Replayed { replayed: count, more_after })
    }

    async fn with_secret(&self, id: WebhookId) -> Result<WebhookWithSecret, Error> {
        let (subscription, secrets) =
            self.store.webhook(id).await?.ok_or_else(Refusal::not_found)?;
        let secret = format!("{SECRET_PREFIX}{}", STANDARD.encode(secrets.newest));
        Ok(WebhookWithSecret { webhook: wire(subscription), secret })
    }

    fn check_url(&self, refusal: Refusal, url: &str) -> Refusal {
        if url.len() > URL_BYTES_MAX {
            return refusal.field(
                "/url",
                "too-long",
                format!("must have at most {URL_BYTES_MAX} bytes"),
            );
        }
        match self.sender.check_url(url) {
            Ok(()) => refusal,
            Err(error) => refusal.field("/url", "invalid", error.to_string()),
        }
    }
}

/// Returns the name that follows.
fn next(id: WebhookDeliveryId) -> WebhookDeliveryId {
    WebhookDeliveryId::from_bytes(
        u128::from_be_bytes(*id.as_bytes()).saturating_add(1).to_be_bytes(),
    )
}

fn read_status(
    text: Option<&str>,
    allowed: &[DeliveryStatus],
) -> Result<Option<DeliveryStatus>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    let status = DeliveryStatus::parse(text).filter(|status| allowed.contains(status));
    let words: Vec<_> = allowed.iter().map(|status| status.as_str()).collect();
    let detail = format!("must be one of {}", words.join(", "));
    status.map(Some).ok_or_else(|| Refusal::invalid().field("/status", "invalid", detail))
}

fn read_patterns(refusal: &mut Refusal, texts: &[String]) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    if !(1..=PATTERNS_MAX).contains(&texts.len()) {
        let detail = format!("must be 1 to {PATTERNS_MAX} patterns");
        *refusal = refusal.clone().field("/patterns", "invalid", detail);
        return patterns;
    }
    for (index, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => {
                let pointer = format!("/patterns/{index}");
                let error: domain::webhook::InvalidPattern = error;
                *refusal = refusal.clone().field(pointer, "invalid", error.to_string());
            }
        }
    }
    patterns.sort();
    patterns.dedup();
    patterns
}

fn check_description(refusal: Refusal, text: &str) -> Refusal {
    if text.len() <= DESCRIPTION_BYTES_MAX && !text.contains(char::is_control) {
        return refusal;
    }
    let detail =
        format!("must have at most {DESCRIPTION_BYTES_MAX} bytes and no control characters");
    refusal.field("/description", "invalid", detail)
}

fn wire(subscription: Subscription) -> Webhook {
    Webhook {
        id: subscription.id,
        url: subscription.url,
        patterns: subscription.patterns.iter().map(ToString::to_string).collect(),
        description: subscription.description,
        enabled: subscription.is_enabled,
        disabled_reason: subscription.disabled_reason,
        failing_since: subscription.failing_since,
        previous_secret_until: subscription.previous_secret_until,
        created_at: subscription.created_at,
        updated_at: subscription.updated_at,
    }
}

fn wire_delivery(delivery: Delivery) -> WebhookDelivery {
    WebhookDelivery {
        id: delivery.id,
        event_id: delivery.event_id,
        kind: delivery.kind,
        aggregate: delivery.aggregate,
        aggregate_id: delivery.aggregate_id,
        sequence: delivery.sequence,
        status: delivery.status.as_str().to_owned(),
        attempts: delivery.attempts_total,
        next_attempt_at: delivery.next_attempt_at,
        created_at: delivery.created_at,
        ended_at: delivery.ended_at,
    }
}

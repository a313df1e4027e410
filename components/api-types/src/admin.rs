//! What the staff and the merchant's programs ask for and get, under `/admin/v1`.

use domain::{StaffKeyId, Timestamp, UserId, WebhookDeliveryId, WebhookId};
use serde::{Deserialize, Serialize};

/// Path of the admin API; everything below it asks for a permission.
pub const PREFIX: &str = "/admin/v1";

/// Answer of `GET /admin/v1/me`: who asks, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffMe {
    /// The account, if one is signed in.
    pub user_id: Option<UserId>,
    /// The key, if one was shown.
    pub key_id: Option<StaffKeyId>,
    /// Its roles.
    pub roles: Vec<String>,
    /// What they allow.
    pub permissions: Vec<String>,
}

/// An account with roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffMember {
    /// The account.
    pub user_id: UserId,
    /// Its address.
    pub email: String,
    /// Its roles.
    pub roles: Vec<String>,
}

/// Answer of `GET /admin/v1/staff`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffMembers {
    /// Every account that has a role.
    pub items: Vec<StaffMember>,
}

/// A key, without what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffKey {
    /// Its name to us.
    pub id: StaffKeyId,
    /// Its name to people.
    pub name: String,
    /// What it may be used for.
    pub roles: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is worth nothing.
    pub expires_at: Option<Timestamp>,
    /// Since when it is worth nothing.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// Answer of `GET /admin/v1/staff/keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffKeys {
    /// Every key, oldest first.
    pub items: Vec<StaffKey>,
}

/// Body of `POST /admin/v1/webhooks`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewWebhook {
    /// Where events go: `https`, on the public internet.
    #[serde(default)]
    pub url: String,
    /// Kinds of events: `*`, `order.*` or `payment.captured`.
    #[serde(default)]
    pub patterns: Vec<String>,
    /// What people call it; may be absent.
    #[serde(default)]
    pub description: String,
}

/// Body of `PATCH /admin/v1/webhooks/{id}`; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookChange {
    /// Where events go.
    #[serde(default)]
    pub url: Option<String>,
    /// Kinds of events.
    #[serde(default)]
    pub patterns: Option<Vec<String>>,
    /// What people call it.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether events go there.
    #[serde(default)]
    pub enabled: Option<bool>,
}

/// A merchant's subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Its name.
    pub id: WebhookId,
    /// Where events go.
    pub url: String,
    /// Kinds of events.
    pub patterns: Vec<String>,
    /// What people call it.
    pub description: String,
    /// Whether events go there.
    pub enabled: bool,
    /// Why not.
    pub disabled_reason: Option<String>,
    /// Since when nothing has been taken; absent while all is well.
    pub failing_since: Option<Timestamp>,
    /// Until when the secret before the newest signs too.
    pub previous_secret_until: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Answer of `POST /admin/v1/webhooks` and of a rotation: the only two that tell a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookWithSecret {
    /// The subscription.
    #[serde(flatten)]
    pub webhook: Webhook,
    /// `whsec_…`: what deliveries are signed with. It is not told again.
    pub secret: String,
}

impl core::fmt::Debug for WebhookWithSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "WebhookWithSecret({}, ***)", self.webhook.id)
    }
}

/// Answer of `GET /admin/v1/webhooks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhooks {
    /// Every subscription, oldest first.
    pub items: Vec<Webhook>,
}

/// Body of `POST /admin/v1/webhooks/{id}/secret`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRotation {
    /// How long the secret before signs too, in seconds: up to a week, a day unless said; 0 where it has leaked.
    #[serde(default)]
    pub previous_kept_s: Option<u32>,
}

/// One event on its way to one subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookDelivery {
    /// Its name.
    pub id: WebhookDeliveryId,
    /// `webhook-id`: the event's name, the same at every attempt.
    pub event_id: String,
    /// Kind of the event.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the event is about, for instance `order`.
    pub aggregate: String,
    /// Which one.
    pub aggregate_id: String,
    /// The event's place among those of the same.
    pub sequence: i64,
    /// `waiting`, `delivered` or `dead`.
    pub status: String,
    /// Attempts so far.
    pub attempts: u32,
    /// When the next is due.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was taken or given up.
    pub ended_at: Option<Timestamp>,
}

/// Answer of `GET /admin/v1/webhooks/{id}/deliveries`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookDeliveries {
    /// Newest first.
    pub items: Vec<WebhookDelivery>,
    /// Give it as `before` for the next ones; absent at the end.
    pub next_before: Option<WebhookDeliveryId>,
}

/// One attempt at a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookAttempt {
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub latency_ms: u32,
    /// Status of the answer, where there was one.
    pub status: Option<u32>,
    /// Class of the failure: `bad_url`, `resolve`, `address_refused`, `connect`, `tls`, `http`, `timeout`, `status`.
    pub error: Option<String>,
}

/// Answer of `GET /admin/v1/webhooks/{id}/deliveries/{delivery_id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookDeliveryDetail {
    /// The delivery.
    #[serde(flatten)]
    pub delivery: WebhookDelivery,
    /// The words that are sent.
    pub body: String,
    /// Oldest first.
    pub attempt_log: Vec<WebhookAttempt>,
}

/// Body of `POST /admin/v1/webhooks/{id}/replay`: deliveries made from one moment to another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayRange {
    /// From this moment, RFC 3339.
    #[serde(default)]
    pub from: String,
    /// To this moment, RFC 3339; now unless said.
    #[serde(default)]
    pub to: Option<String>,
    /// `dead` or `delivered`; both unless said.
    #[serde(default)]
    pub status: Option<String>,
    /// Goes on where an answer said `more_after`.
    #[serde(default)]
    pub after: Option<WebhookDeliveryId>,
}

/// Answer of both replays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// How many are sent again.
    pub replayed: u32,
    /// There may be more: give it as `after`.
    pub more_after: Option<WebhookDeliveryId>,
}

/// Answer of `POST /admin/v1/webhooks/{id}/test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestSent {
    /// The delivery, to look up what became of it.
    pub delivery_id: WebhookDeliveryId,
}

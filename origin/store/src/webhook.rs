//! Merchants' webhooks: who wants to be told of what, and what became of telling it.

use std::fmt;
use std::time::Duration;

use domain::webhook::{DeliveryStatus, Pattern};
use domain::{Timestamp, WebhookDeliveryId, WebhookId};

use crate::{Claim, Once, Store, StoreError, sql};

/// What deliveries to one subscriber are signed with. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecrets {
    /// The secret that was given out last.
    pub newest: [u8; 32],
    /// The one before it, while it signs too.
    pub previous: Option<[u8; 32]>,
}

impl fmt::Debug for WebhookSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecrets(***)")
    }
}

/// A subscription, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its name.
    pub id: WebhookId,
    /// Where events go.
    pub url: String,
    /// Which events.
    pub patterns: Vec<Pattern>,
    /// What people call it.
    pub description: String,
    /// Whether events go there.
    pub is_enabled: bool,
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

/// Makes a subscription, enabled.
#[derive(Debug, Clone)]
pub struct NewSubscription {
    /// Its name.
    pub id: WebhookId,
    /// Where events go.
    pub url: String,
    /// Which events.
    pub patterns: Vec<Pattern>,
    /// What people call it.
    pub description: String,
    /// What its deliveries are signed with.
    pub secrets: WebhookSecrets,
    /// Now.
    pub now: Timestamp,
}

/// Changes a subscription; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct ChangeSubscription {
    /// Where events go.
    pub url: Option<String>,
    /// Which events.
    pub patterns: Option<Vec<Pattern>>,
    /// What people call it.
    pub description: Option<String>,
    /// Whether events go there. Enabling forgets why it was disabled and since when it failed.
    pub is_enabled: Option<bool>,
}

/// There are as many subscriptions as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManySubscriptions;

/// An event that nobody's order brought about, for one subscription alone.
#[derive(Debug, Clone)]
pub struct TestDelivery {
    /// For whom.
    pub subscription: WebhookId,
    /// Its name.
    pub id: WebhookDeliveryId,
    /// The event's name, which the subscriber sees.
    pub event_id: String,
    /// Its kind.
    pub kind: String,
    /// Its words.
    pub body: String,
    /// Now.
    pub now: Timestamp,
}

/// What one round made of waiting events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FannedOut {
    /// Events taken out of the outbox.
    pub events: usize,
    /// Deliveries made of them.
    pub deliveries: usize,
}

/// Takes deliveries that are due.
#[derive(Debug, Clone)]
pub struct ClaimDeliveries {
    /// How many are under way to each subscriber.
    pub busy: Vec<(WebhookId, usize)>,
    /// How many may be under way to one.
    pub per_subscription_max: usize,
    /// How many may be taken now in all.
    pub count_max: usize,
    /// How long nobody else takes them: longer than an attempt may last.
    pub kept: Duration,
    /// Now.
    pub now: Timestamp,
}

/// A delivery whose attempt is due.
#[derive(Debug, Clone)]
pub struct ClaimedDelivery {
    /// Its name.
    pub id: WebhookDeliveryId,
    /// For whom.
    pub subscription: WebhookId,
    /// Where it goes.
    pub url: String,
    /// What it is signed with.
    pub secrets: WebhookSecrets,
    /// The event's name.
    pub event_id: String,
    /// Its words, the same at every attempt.
    pub body: String,
    /// Attempts that have failed since it was made or replayed.
    pub attempts: u32,
}

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Delivered,
    /// It was not; it is tried again then, or never.
    Failed(Option<Timestamp>),
    /// The subscriber said that it is gone for good (410).
    Gone,
}

/// An attempt that was made.
#[derive(Debug, Clone)]
pub struct Attempted {
    /// Which delivery.
    pub delivery: WebhookDeliveryId,
    /// For whom.
    pub subscription: WebhookId,
    /// What it was like.
    pub attempt: Attempt,
    /// What follows.
    pub outcome: Outcome,
    /// Now.
    pub now: Timestamp,
}

/// What an attempt was like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub latency_ms: u32,
    /// Status of the answer, where there was one.
    pub status: Option<u32>,
    /// Class of the failure, where there was one.
    pub error: Option<String>,
}

/// What became of an attempt's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// Written.
    Done,
    /// Written, and the subscription is disabled now.
    Disabled,
    /// The delivery is not waiting any more, or forgotten.
    Late,
}

/// A delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its name.
    pub id: WebhookDeliveryId,
    /// The event's name.
    pub event_id: String,
    /// The event's kind.
    pub kind: String,
    /// What the event is about.
    pub aggregate: String,
    /// Which one.
    pub aggregate_id: String,
    /// The event's place among those of the same.
    pub sequence: i64,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// Attempts so far, before replays too.
    pub attempts_total: u32,
    /// When the next is due.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was taken or given up.
    pub ended_at: Option<Timestamp>,
}

/// Which deliveries are listed, newest first.
#[derive(Debug, Clone)]
pub struct ListDeliveries {
    /// Whose.
    pub subscription: WebhookId,
    /// Of one status, or all.
    pub status: Option<DeliveryStatus>,
    /// Older than this one.
    pub before: Option<WebhookDeliveryId>,
    /// How many at most.
    pub limit: u32,
}

/// Which deliveries are sent again, oldest first. Those that still wait are left alone.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Whose.
    pub subscription: WebhookId,
    /// The first.
    pub from: WebhookDeliveryId,
    /// The last.
    pub to: WebhookDeliveryId,
    /// Of one status, or all that have ended.
    pub status: Option<DeliveryStatus>,
    /// How many at most.
    pub limit: u32,
    /// Now.
    pub now: Timestamp,
}

/// What was sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// How many.
    pub count: u32,
    /// The last one that was looked at, if there may be more after it.
    pub more_after: Option<WebhookDeliveryId>,
}

/// There is no such subscription, or it takes nothing now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSubscription;

impl Store {
    /// Makes a subscription; once per claim. What is kept of the answer is the name alone.
    ///
    /// # Errors
    /// As every write.
    pub async fn create_webhook(
        &self,
        command: NewSubscription,
        claim: Option<Claim>,
    ) -> Result<Result<Once<WebhookId>, TooManySubscriptions>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::webhook::create(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }

    /// Reads every subscription, oldest first.
    ///
    /// # Errors
    /// As every read.
    pub async fn webhooks(&self) -> Result<Vec<Subscription>, StoreError> {
        self.read((), |tx, ()| Box::pin(sql::webhook::all(tx))).await
    }

    /// Reads a subscription.
    ///
    /// # Errors
    /// As every read.
    pub async fn webhook(
        &self,
        id: WebhookId,
    ) -> Result<Option<(Subscription, WebhookSecrets)>, StoreError> {
        self.read(id, |tx, id| Box::pin(sql::webhook::find(tx, *id))).await
    }

    /// Changes a subscription. `false` when there is none.
    ///
    /// # Errors
    /// As every write.
    pub async fn change_webhook(
        &self,
        id: WebhookId,
        change: ChangeSubscription,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write((id, change, now), |tx, (id, change, now)| {
            Box::pin(sql::webhook::change(tx, *id, change, *now))
        })
        .await
    }

    /// Ends a subscription: nothing more is sent there. `false` when there is none.
    ///
    /// # Errors
    /// As every write.
    pub async fn delete_webhook(&self, id: WebhookId, now: Timestamp) -> Result<bool, StoreError> {
        self.write((id, now), |tx, (id, now)| Box::pin(sql::webhook::delete(tx, *id, *now))).await
    }

    /// Signs with another secret from now on, and until a moment with the one before too; once per claim. Refused when
    /// there is no such subscription.
    ///
    /// # Errors
    /// As every write.
    pub async fn rotate_webhook_secret(
        &self,
        id: WebhookId,
        secret: WebhookSecrets,
        previous_until: Timestamp,
        claim: Option<Claim>,
        now: Timestamp,
    ) -> Result<Result<Once<()>, NoSubscription>, StoreError> {
        let command = (id, secret, previous_until, claim, now);
        self.write(command, |tx, (id, secret, until, claim, now)| {
            let work = sql::webhook::rotate(tx, *id, &secret.newest, *until, *now);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), *now, work))
        })
        .await
    }

    /// Sends one event to one subscription, once per claim. Refused when there is none, or it is disabled.
    ///
    /// # Errors
    /// As every write.
    pub async fn send_test_event(
        &self,
        command: TestDelivery,
        claim: Option<Claim>,
    ) -> Result<Result<Once<WebhookDeliveryId>, NoSubscription>, StoreError> {
        self.write((command, claim), |tx, (command, claim)| {
            let work = sql::webhook::send_test(tx, command);
            Box::pin(sql::idempotency::once(tx, claim.as_ref(), command.now, work))
        })
        .await
    }

    /// Takes waiting events out of the outbox, oldest first, and makes a delivery of each for every subscription that
    /// wants it. `seed` makes the names of the deliveries.
    ///
    /// # Errors
    /// As every write.
    pub async fn fan_out_events(
        &self,
        limit: u32,
        seed: [u8; 10],
        now: Timestamp,
    ) -> Result<FannedOut, StoreError> {
        self.write((limit, seed, now), |tx, (limit, seed, now)| {
            Box::pin(sql::delivery::fan_out(tx, *limit, *seed, *now))
        })
        .await
    }

    /// Takes deliveries that are due. Of one subscriber and one aggregate, a later event is not taken before the first
    /// attempt at an earlier one has ended.
    ///
    /// # Errors
    /// As every write.
    pub async fn claim_deliveries(
        &self,
        command: ClaimDeliveries,
    ) -> Result<Vec<ClaimedDelivery>, StoreError> {
        self.write(command, |tx, command| Box::pin(sql::delivery::claim(tx, command))).await
    }

    /// Writes down an attempt and what follows from it.
    ///
    /// # Errors
    /// As every write.
    pub async fn record_attempt(&self, command: Attempted) -> Result<Recorded, StoreError> {
        self.write(command, |tx, command| Box::pin(sql::delivery::record(tx, command))).await
    }

    /// Lists deliveries.
    ///
    /// # Errors
    /// As every read.
    pub async fn deliveries(&self, query: ListDeliveries) -> Result<Vec<Delivery>, StoreError> {
        self.read(query, |tx, query| Box::pin(sql::delivery::list(tx, query))).await
    }

    /// Reads a delivery with its words and its attempts, oldest first.
    ///
    /// # Errors
    /// As every read.
    pub async fn delivery(
        &self,
        subscription: WebhookId,
        id: WebhookDeliveryId,
    ) -> Result<Option<(Delivery, String, Vec<Attempt>)>, StoreError> {
        self.read((subscription, id), |tx, (subscription, id)| {
            Box::pin(sql::delivery::find(tx, *subscription, *id))
        })
        .await
    }

    /// Sends deliveries again.
    ///
    /// # Errors
    /// As every write.
    pub async fn replay_deliveries(&self, command: Replay) -> Result<Replayed, StoreError> {
        self.write(command, |tx, command| Box::pin(sql::delivery::replay(tx, command))).await
    }
}

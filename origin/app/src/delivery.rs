//! Telling merchants what happened: events become deliveries, and deliveries are tried until they are taken.
//!
//! A slow subscriber delays nobody: each has a few places of its own, an attempt has a deadline, and whoever answers
//! makes room for the next at once. Every event reaches every subscriber at least once; the first attempts at the events
//! of one aggregate come in their order, a retry may come later than what happened after it.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use domain::WebhookId;
use domain::webhook::retry_pause;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use providers::outbound::{Answer, Message, SendError, Verdict};
use providers::webhook::sign;
use store::{Attempt, Attempted, ClaimDeliveries, ClaimedDelivery, Outcome, Recorded, StoreError};

use crate::{App, Error, random};

/// Attempts under way to one subscriber: 4.
pub const UNDER_WAY_MAX_EACH: usize = 4;
/// Attempts under way in all: 128, so that as many subscribers as a shop may have find a place each. Each is a connection
/// and some 40 KiB.
pub const UNDER_WAY_MAX: usize = 128;
/// How long a delivery that was taken is left alone: 60 s, six times an attempt. That of a killed process comes again
/// after it.
const CLAIM_KEPT: Duration = Duration::from_mins(1);
/// How often a round looks for what has become due while others are under way: 200 ms.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A round of attempts.
#[derive(Debug, Default)]
struct Round {
    busy: BTreeMap<WebhookId, usize>,
    count: usize,
    failure: Option<StoreError>,
}

impl Round {
    fn busy(&self) -> Vec<(WebhookId, usize)> {
        self.busy.iter().map(|(&id, &count)| (id, count)).collect()
    }

    fn begin(&mut self, subscription: WebhookId) {
        *self.busy.entry(subscription).or_default() += 1;
        self.count += 1;
    }

    /// Takes note of an attempt that has ended; an error ends the round.
    fn note(
        &mut self,
        (subscription, written): (WebhookId, Result<(), Error>),
    ) -> Result<(), Error> {
        if let Some(places) = self.busy.get_mut(&subscription) {
            *places = places.saturating_sub(1);
        }
        match written {
            Err(Error::Store(StoreError::LeaseLost)) => Err(StoreError::LeaseLost.into()),
            Err(error) => {
                tracing::error!(webhook.id = %subscription, error = %error, "could not write an attempt down; it comes again");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

impl App {
    /// Takes waiting events out of the outbox, and makes a delivery of each for every subscription that wants it: once,
    /// in one transaction. Returns how many events.
    ///
    /// # Errors
    /// As every write.
    pub async fn deliver_events(&self) -> Result<usize, Error> {
        let now = self.clock.now();
        let fanned = self.store.fan_out_events(crate::EVENTS_MAX, random()?, now).await?;
        if fanned.events > 0 {
            tracing::debug!(
                events = fanned.events,
                deliveries = fanned.deliveries,
                "fanned events out"
            );
        }
        Ok(fanned.events)
    }

    /// Tries every delivery that is due, and those that become so meanwhile; returns how many attempts were made.
    ///
    /// # Errors
    /// As every write. A subscriber that does not answer is none.
    pub async fn deliver_webhooks(&self) -> Result<usize, Error> {
        let mut under_way = FuturesUnordered::new();
        let mut round = Round::default();
        loop {
            let free = UNDER_WAY_MAX.saturating_sub(under_way.len());
            // What ends while others are claimed makes place that the claim did not know of: it is to be asked again.
            let mut has_ended = false;
            if free > 0 && round.failure.is_none() && !*self.closing.borrow() {
                let mut claiming = pin!(self.claim_due(round.busy(), free));
                // What is under way goes on meanwhile: it may hold the very connections that claiming waits for.
                let claimed = loop {
                    tokio::select! {
                        claimed = &mut claiming => break claimed,
                        Some(ended) = under_way.next() => {
                            has_ended = true;
                            round.note(ended)?;
                        }
                    }
                };
                match claimed {
                    Ok(claimed) => {
                        for delivery in claimed {
                            round.begin(delivery.subscription);
                            under_way.push(self.attempt(delivery));
                        }
                    }
                    // What is under way is still worth its end.
                    Err(error) => round.failure = Some(error),
                }
            }
            if under_way.is_empty() && has_ended && round.failure.is_none() {
                continue;
            }
            if under_way.is_empty() {
                return round.failure.map_or(Ok(round.count), |error| Err(error.into()));
            }
            if let Ok(Some(ended)) = tokio::time::timeout(LOOK_EVERY, under_way.next()).await {
                round.note(ended)?;
            }
        }
    }

    async fn claim_due(
        &self,
        busy: Vec<(WebhookId, usize)>,
        count_max: usize,
    ) -> Result<Vec<ClaimedDelivery>, StoreError> {
        let command = ClaimDeliveries {
            busy,
            per_subscription_max: UNDER_WAY_MAX_EACH,
            count_max,
            kept: CLAIM_KEPT,
            now: self.clock.now(),
        };
        self.store.claim_deliveries(command).await
    }

    /// Makes one attempt and writes down what came of it.
    async fn attempt(&self, delivery: ClaimedDelivery) -> (WebhookId, Result<(), Error>) {
        let subscription = delivery.subscription;
        let at = self.clock.now();
        let secrets = std::iter::once(delivery.secrets.newest).chain(delivery.secrets.previous);
        let signatures: Vec<String> = secrets
            .map(|secret| sign(&secret, &delivery.event_id, at, delivery.body.as_bytes()))
            .collect();
        let message = Message {
            url: delivery.url.clone(),
            id: delivery.event_id.clone(),
            timestamp_s: at.unix_s(),
            signatures: signatures.join(" "),
            body: delivery.body.clone(),
        };
        let sent = self.sender.send(message).await;
        (subscription, self.write_down(&delivery, at, sent).await)
    }

    async fn write_down(
        &self,
        delivery: &ClaimedDelivery,
        at: domain::Timestamp,
        sent: Result<Answer, SendError>,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let [jitter] = random()?;
        let failed = || {
            let pause = retry_pause(delivery.attempts.saturating_add(1), jitter);
            Outcome::Failed(pause.map(|pause| now.after(pause)))
        };
        let (outcome, status, error) = match &sent {
            Ok(Answer { status, verdict: Verdict::Taken }) => {
                (Outcome::Delivered, Some(*status), None)
            }
            Ok(Answer { status, verdict: Verdict::Gone }) => {
                (Outcome::Gone, Some(*status), Some("status"))
            }
            Ok(Answer { status, verdict: Verdict::Refused }) => {
                (failed(), Some(*status), Some("status"))
            }
            Err(error) => {
                // The merchant is told the class alone; what lies behind may be of our own network.
                tracing::info!(webhook.id = %delivery.subscription, delivery.id = %delivery.id, error = %error, "a subscriber gave no answer");
                (failed(), None, Some(error.class()))
            }
        };
        let attempt = Attempt {
            at,
            latency_ms: u32::try_from(now.since(at).as_millis()).unwrap_or(u32::MAX),
            status: status.map(u32::from),
            error: error.map(str::to_owned),
        };
        let command = Attempted {
            delivery: delivery.id,
            subscription: delivery.subscription,
            attempt,
            outcome,
            now,
        };
        if self.store.record_attempt(command).await? == Recorded::Disabled {
            tracing::warn!(webhook.id = %delivery.subscription, "disabled a webhook whose subscriber takes nothing");
        }
        Ok(())
    }
}

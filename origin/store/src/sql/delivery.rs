//! Statements of deliveries: made of events, taken when due, written down, listed and sent again.

use domain::webhook::{DeliveryStatus, is_to_be_disabled};
use domain::{Timestamp, WebhookDeliveryId, WebhookId};

use super::{outbox, webhook};
use crate::StoreError;
use crate::outbox::OutboxEvent;
use crate::tx::{Row, Tx, values};
use crate::webhook::{
    Attempt, Attempted, ClaimDeliveries, ClaimedDelivery, Delivery, FannedOut, ListDeliveries,
    Outcome, Recorded, Replay, Replayed,
};

/// Kind of the event that tells of a subscription which is disabled now.
const DISABLED: &str = "webhook_subscription.disabled";

/// A delivery that is made.
pub(crate) struct NewDelivery<'a> {
    pub(crate) id: WebhookDeliveryId,
    pub(crate) subscription: WebhookId,
    pub(crate) event_id: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) aggregate: &'a str,
    pub(crate) aggregate_id: &'a str,
    pub(crate) sequence: i64,
    pub(crate) body: &'a str,
}

/// Makes a delivery that is due at once; `false` when that subscription has the event already.
pub(crate) async fn insert(
    tx: &Tx<'_>,
    delivery: &NewDelivery<'_>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let inserted = tx
        .execute(
            "INSERT INTO webhook_deliveries (id, subscription_id, event_id, kind, aggregate, aggregate_id, sequence, body,
               status, attempts, attempts_total, next_attempt_at_ms, created_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'waiting', 0, 0, ?9, ?9)
             ON CONFLICT (subscription_id, event_id) DO NOTHING",
            values![
                delivery.id.as_bytes(),
                delivery.subscription.as_bytes(),
                delivery.event_id,
                delivery.kind,
                delivery.aggregate,
                delivery.aggregate_id,
                delivery.sequence,
                delivery.body,
                now.unix_ms()
            ],
        )
        .await?;
    Ok(inserted == 1)
}

pub(crate) async fn fan_out(
    tx: &Tx<'_>,
    limit: u32,
    seed: [u8; 10],
    now: Timestamp,
) -> Result<FannedOut, StoreError> {
    let events = outbox::waiting(tx, limit).await?;
    if events.is_empty() {
        return Ok(FannedOut::default());
    }
    let subscriptions = webhook::enabled(tx).await?;
    let mut deliveries = 0_usize;
    let mut names = Names { seed, count: 0 };
    for event in &events {
        let wanted = subscriptions.iter().map(|(subscription, _secrets)| subscription).filter(
            |subscription| subscription.patterns.iter().any(|pattern| pattern.matches(&event.kind)),
        );
        let (event_id, body) = (event_id(event), body(event)?);
        for subscription in wanted {
            let delivery = NewDelivery {
                id: names.next(now),
                subscription: subscription.id,
                event_id: &event_id,
                kind: &event.kind,
                aggregate: &event.aggregate,
                aggregate_id: &event.aggregate_id,
                sequence: event.sequence,
                body: &body,
            };
            deliveries += usize::from(insert(tx, &delivery, now).await?);
        }
    }
    let ids: Vec<i64> = events.iter().map(|event| event.id).collect();
    outbox::mark_delivered(tx, &ids, now).await?;
    Ok(FannedOut { events: events.len(), deliveries })
}

/// Makes names of one command: the same ones however often it is run.
struct Names {
    seed: [u8; 10],
    count: u32,
}

impl Names {
    /// In their order: the counter stands before the random part.
    fn next(&mut self, now: Timestamp) -> WebhookDeliveryId {
        let mut random = self.seed;
        let (counter, _rest) = random.split_at_mut(4);
        counter.copy_from_slice(&self.count.to_be_bytes());
        self.count = self.count.wrapping_add(1);
        WebhookDeliveryId::v7(now, random)
    }
}

/// Names an event for subscribers: its moment too, so that a database which was restored does not give the same name
/// to something else.
fn event_id(event: &OutboxEvent) -> String {
    format!("evt_{}_{}", event.id, event.created_at.unix_ms())
}

/// Writes what a subscriber gets, after Standard Webhooks: `type`, `timestamp`, `data`, and whose which event it is.
fn body(event: &OutboxEvent) -> Result<String, StoreError> {
    let mut data: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&event.payload_json)
            .map_err(|_unreadable| StoreError::Corrupt("words of an event"))?;
    data.remove("type");
    data.remove("at");
    Ok(serde_json::json!({
        "id": event_id(event),
        "type": event.kind,
        "timestamp": event.created_at,
        "aggregate": { "type": event.aggregate, "id": event.aggregate_id },
        "sequence": event.sequence,
        "data": data,
    })
    .to_string())
}

pub(crate) async fn claim(
    tx: &Tx<'_>,
    command: &ClaimDeliveries,
) -> Result<Vec<ClaimedDelivery>, StoreError> {
    let mut claimed = Vec::new();
    for (subscription, mut secrets) in webhook::enabled(tx).await? {
        let busy = command.busy.iter().find(|(id, _)| *id == subscription.id);
        let free = command.per_subscription_max.saturating_sub(busy.map_or(0, |(_, count)| *count));
        let free = free.min(command.count_max.saturating_sub(claimed.len()));
        if free == 0 {
            continue;
        }
        if subscription.previous_secret_until.is_none_or(|until| until <= command.now) {
            secrets.previous = None;
        }
        for row in due(tx, subscription.id, free, command.now).await? {
            let id = WebhookDeliveryId::from_bytes(row.get(0)?);
            tx.execute(
                "UPDATE webhook_deliveries SET next_attempt_at_ms = ?2 WHERE id = ?1",
                values![id.as_bytes(), command.now.after(command.kept).unix_ms()],
            )
            .await?;
            claimed.push(ClaimedDelivery {
                id,
                subscription: subscription.id,
                url: subscription.url.clone(),
                secrets: secrets.clone(),
                event_id: row.get(1)?,
                body: row.get(2)?,
                attempts: row.get(3)?,
            });
        }
    }
    Ok(claimed)
}

async fn due(
    tx: &Tx<'_>,
    subscription: WebhookId,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<Row>, StoreError> {
    // By index webhook_deliveries_due; what stands before each by webhook_deliveries_untried.
    tx.query(
        "SELECT d.id, d.event_id, d.body, d.attempts FROM webhook_deliveries d
         WHERE d.subscription_id = ?1 AND d.next_attempt_at_ms <= ?2
           AND NOT EXISTS (SELECT 1 FROM webhook_deliveries e
             WHERE e.subscription_id = ?1 AND e.aggregate_id = d.aggregate_id AND e.sequence < d.sequence
               AND e.next_attempt_at_ms IS NOT NULL AND e.attempts = 0)
         ORDER BY d.next_attempt_at_ms LIMIT ?3",
        values![subscription.as_bytes(), now.unix_ms(), i64::try_from(limit).unwrap_or(i64::MAX)],
    )
    .await
}

pub(crate) async fn record(tx: &Tx<'_>, command: &Attempted) -> Result<Recorded, StoreError> {
    // By primary key.
    let row = tx
        .query_opt(
            "SELECT attempts_total FROM webhook_deliveries WHERE id = ?1 AND next_attempt_at_ms IS NOT NULL",
            values![command.delivery.as_bytes()],
        )
        .await?;
    let Some(row) = row else {
        return Ok(Recorded::Late);
    };
    let number = row.get::<u32>(0)?.saturating_add(1);
    let Attempt { at, latency_ms, status, error } = &command.attempt;
    tx.execute(
        "INSERT INTO webhook_attempts (delivery_id, number, at_ms, latency_ms, status, error)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![command.delivery.as_bytes(), number, at.unix_ms(), latency_ms, status, error],
    )
    .await?;
    let (status, next) = match command.outcome {
        Outcome::Delivered => (DeliveryStatus::Delivered, None),
        Outcome::Failed(None) | Outcome::Gone => (DeliveryStatus::Dead, None),
        Outcome::Failed(Some(next)) => (DeliveryStatus::Waiting, Some(next.unix_ms())),
    };
    let ended_at = if next.is_none() { Some(command.now.unix_ms()) } else { None };
    tx.execute(
        "UPDATE webhook_deliveries SET status = ?2, attempts = attempts + 1, attempts_total = ?3,
           next_attempt_at_ms = ?4, ended_at_ms = ?5 WHERE id = ?1",
        values![command.delivery.as_bytes(), status.as_str(), number, next, ended_at],
    )
    .await?;
    note_health(tx, command).await
}

/// Notes since when a subscription fails; disables one that has failed for too long, or is gone.
async fn note_health(tx: &Tx<'_>, command: &Attempted) -> Result<Recorded, StoreError> {
    let Some((subscription, _secrets)) = webhook::find(tx, command.subscription).await? else {
        return Ok(Recorded::Done);
    };
    if command.outcome == Outcome::Delivered {
        if subscription.failing_since.is_some() {
            set_failing(tx, subscription.id, None).await?;
        }
        return Ok(Recorded::Done);
    }
    let since = subscription.failing_since.unwrap_or(command.now);
    if subscription.failing_since.is_none() {
        set_failing(tx, subscription.id, Some(since)).await?;
    }
    let reason = if command.outcome == Outcome::Gone {
        "the subscriber answered 410 Gone"
    } else if is_to_be_disabled(since, command.now) {
        "nothing was taken for 5 days"
    } else {
        return Ok(Recorded::Done);
    };
    let disabled = tx
        .execute(
            "UPDATE webhook_subscriptions SET is_enabled = 0, disabled_reason = ?2, updated_at_ms = ?3
             WHERE id = ?1 AND is_enabled = 1",
            values![subscription.id.as_bytes(), reason, command.now.unix_ms()],
        )
        .await?;
    if disabled == 0 {
        return Ok(Recorded::Done);
    }
    let id = subscription.id.to_string();
    let words = serde_json::json!({ "webhook_subscription_id": id, "reason": reason }).to_string();
    outbox::append_about(tx, ("webhook_subscription", &id), DISABLED, &words, command.now).await?;
    Ok(Recorded::Disabled)
}

async fn set_failing(
    tx: &Tx<'_>,
    subscription: WebhookId,
    since: Option<Timestamp>,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE webhook_subscriptions SET failing_since_ms = ?2 WHERE id = ?1",
        values![subscription.as_bytes(), since.map(Timestamp::unix_ms)],
    )
    .await?;
    Ok(())
}

const COLUMNS: &str = "id, event_id, kind, aggregate, aggregate_id, sequence, status, attempts_total, next_attempt_at_ms,
  created_at_ms, ended_at_ms";

/// The name after every other one.
const LAST: [u8; 16] = [0xff; 16];

pub(crate) async fn list(tx: &Tx<'_>, query: &ListDeliveries) -> Result<Vec<Delivery>, StoreError> {
    let before = query.before.map_or(LAST, |id| *id.as_bytes());
    let rows = match query.status {
        None => {
            // By index webhook_deliveries_listed.
            let sql = format!(
                "SELECT {COLUMNS} FROM webhook_deliveries WHERE subscription_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
            );
            tx.query(&sql, values![query.subscription.as_bytes(), before, query.limit]).await?
        }
        Some(status) => {
            // By index webhook_deliveries_by_status.
            let sql = format!(
                "SELECT {COLUMNS} FROM webhook_deliveries WHERE subscription_id = ?1 AND status = ?4 AND id < ?2
                 ORDER BY id DESC LIMIT ?3"
            );
            tx.query(
                &sql,
                values![query.subscription.as_bytes(), before, query.limit, status.as_str()],
            )
            .await?
        }
    };
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Delivery, StoreError> {
    let moment = |ms: Option<i64>| ms.map(Timestamp::from_unix_ms);
    let status: String = row.get(6)?;
    Ok(Delivery {
        id: WebhookDeliveryId::from_bytes(row.get(0)?),
        event_id: row.get(1)?,
        kind: row.get(2)?,
        aggregate: row.get(3)?,
        aggregate_id: row.get(4)?,
        sequence: row.get(5)?,
        status: DeliveryStatus::parse(&status)
            .ok_or(StoreError::Corrupt("status of a delivery"))?,
        attempts_total: row.get(7)?,
        next_attempt_at: moment(row.get(8)?),
        created_at: Timestamp::from_unix_ms(row.get(9)?),
        ended_at: moment(row.get(10)?),
    })
}

pub(crate) async fn find(
    tx: &Tx<'_>,
    subscription: WebhookId,
    id: WebhookDeliveryId,
) -> Result<Option<(Delivery, String, Vec<Attempt>)>, StoreError> {
    // By primary keys.
    let sql = format!(
        "SELECT {COLUMNS}, body FROM webhook_deliveries WHERE id = ?1 AND subscription_id = ?2"
    );
    let Some(row) = tx.query_opt(&sql, values![id.as_bytes(), subscription.as_bytes()]).await?
    else {
        return Ok(None);
    };
    let rows = tx
        .query(
            "SELECT at_ms, latency_ms, status, error FROM webhook_attempts WHERE delivery_id = ?1 ORDER BY number",
            values![id.as_bytes()],
        )
        .await?;
    let attempt = |row: &Row| {
        Ok(Attempt {
            at: Timestamp::from_unix_ms(row.get(0)?),
            latency_ms: row.get(1)?,
            status: row.get(2)?,
            error: row.get(3)?,
        })
    };
    let attempts = rows.iter().map(attempt).collect::<Result<_, StoreError>>()?;
    Ok(Some((read(&row)?, row.get(11)?, attempts)))
}

pub(crate) async fn replay(tx: &Tx<'_>, command: &Replay) -> Result<Replayed, StoreError> {
    // By index webhook_deliveries_listed, from the first on.
    let found = tx
        .query(
            "SELECT id, status FROM webhook_deliveries WHERE subscription_id = ?1 AND id >= ?2 AND id <= ?3
             ORDER BY id LIMIT ?4",
            values![
                command.subscription.as_bytes(),
                command.from.as_bytes(),
                command.to.as_bytes(),
                command.limit
            ],
        )
        .await?;
    let mut count = 0;
    let mut last = None;
    for row in &found {
        let (id, status): ([u8; 16], String) = (row.get(0)?, row.get(1)?);
        last = Some(WebhookDeliveryId::from_bytes(id));
        let is_meant = status != DeliveryStatus::Waiting.as_str()
            && command.status.is_none_or(|wanted| wanted.as_str() == status);
        if is_meant {
            tx.execute(
                "UPDATE webhook_deliveries SET status = 'waiting', attempts = 0, next_attempt_at_ms = ?2, ended_at_ms = NULL
                 WHERE id = ?1",
                values![id, command.now.unix_ms()],
            )
            .await?;
            count += 1;
        }
    }
    let is_full = u32::try_from(found.len()).is_ok_and(|found| found >= command.limit);
    Ok(Replayed { count, more_after: last.filter(|_| is_full) })
}

/// Forgets deliveries that were made before a moment, whatever became of them, and subscriptions that were deleted
/// before it and have none left. Returns how many deliveries went.
pub(crate) async fn forget(tx: &Tx<'_>, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
    // By primary key: names begin with the moment.
    let first = WebhookDeliveryId::v7(before, [0; 10]);
    let ids = "(SELECT id FROM webhook_deliveries WHERE id < ?1 ORDER BY id LIMIT ?2)";
    tx.execute(
        &format!("DELETE FROM webhook_attempts WHERE delivery_id IN {ids}"),
        values![first.as_bytes(), limit],
    )
    .await?;
    let gone = tx
        .execute(
            &format!("DELETE FROM webhook_deliveries WHERE id IN {ids}"),
            values![first.as_bytes(), limit],
        )
        .await?;
    // By index webhook_subscriptions_deleted; whether one has deliveries by webhook_deliveries_listed.
    tx.execute(
        "DELETE FROM webhook_subscriptions WHERE deleted_at_ms <= ?1
         AND NOT EXISTS (SELECT 1 FROM webhook_deliveries WHERE subscription_id = webhook_subscriptions.id)",
        values![before.unix_ms()],
    )
    .await?;
    Ok(gone)
}

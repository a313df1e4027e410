//! Statements of merchants' subscriptions.

use domain::webhook::{Pattern, SUBSCRIPTIONS_MAX};
use domain::{Timestamp, WebhookDeliveryId, WebhookId};

use super::delivery::{self, NewDelivery};
use crate::StoreError;
use crate::tx::{Row, Tx, values};
use crate::webhook::{
    ChangeSubscription, NewSubscription, NoSubscription, Subscription, TestDelivery,
    TooManySubscriptions, WebhookSecrets,
};

/// Why a subscription is disabled that the staff has disabled.
const BY_STAFF: &str = "disabled by the staff";

pub(crate) async fn create(
    tx: &Tx<'_>,
    command: &NewSubscription,
) -> Result<Result<WebhookId, TooManySubscriptions>, StoreError> {
    // By index webhook_subscriptions_live.
    let known: i64 = tx
        .query_one(
            "SELECT CAST(count(*) AS BIGINT) FROM webhook_subscriptions WHERE deleted_at_ms IS NULL",
            &[],
        )
        .await?
        .get(0)?;
    if usize::try_from(known).is_ok_and(|known| known >= SUBSCRIPTIONS_MAX) {
        return Ok(Err(TooManySubscriptions));
    }
    tx.execute(
        "INSERT INTO webhook_subscriptions
           (id, url, patterns, description, secret, is_enabled, created_at_ms, updated_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6)",
        values![
            command.id.as_bytes(),
            command.url,
            join(&command.patterns),
            command.description,
            command.secrets.newest,
            command.now.unix_ms()
        ],
    )
    .await?;
    Ok(Ok(command.id))
}

fn join(patterns: &[Pattern]) -> String {
    patterns.iter().map(Pattern::as_str).collect::<Vec<_>>().join(" ")
}

const COLUMNS: &str =
    "id, url, patterns, description, is_enabled, disabled_reason, failing_since_ms,
  previous_until_ms, created_at_ms, updated_at_ms, secret, previous_secret";

/// Reads every subscription, or those that events go to.
async fn live(tx: &Tx<'_>, also: &str) -> Result<Vec<(Subscription, WebhookSecrets)>, StoreError> {
    // By index webhook_subscriptions_live, in its order.
    let sql = format!(
        "SELECT {COLUMNS} FROM webhook_subscriptions WHERE deleted_at_ms IS NULL {also} ORDER BY id"
    );
    tx.query(&sql, &[]).await?.iter().map(read).collect()
}

pub(crate) async fn all(tx: &Tx<'_>) -> Result<Vec<Subscription>, StoreError> {
    Ok(live(tx, "").await?.into_iter().map(|(subscription, _secrets)| subscription).collect())
}

pub(crate) async fn enabled(
    tx: &Tx<'_>,
) -> Result<Vec<(Subscription, WebhookSecrets)>, StoreError> {
    live(tx, "AND is_enabled = 1").await
}

pub(crate) async fn find(
    tx: &Tx<'_>,
    id: WebhookId,
) -> Result<Option<(Subscription, WebhookSecrets)>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM webhook_subscriptions WHERE id = ?1 AND deleted_at_ms IS NULL"
    );
    tx.query_opt(&sql, values![id.as_bytes()]).await?.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<(Subscription, WebhookSecrets), StoreError> {
    let patterns: String = row.get(2)?;
    let patterns = patterns.split(' ').map(str::parse).collect::<Result<_, _>>();
    let moment = |ms: Option<i64>| ms.map(Timestamp::from_unix_ms);
    let subscription = Subscription {
        id: WebhookId::from_bytes(row.get(0)?),
        url: row.get(1)?,
        patterns: patterns.map_err(|_invalid| StoreError::Corrupt("pattern of a webhook"))?,
        description: row.get(3)?,
        is_enabled: row.get(4)?,
        disabled_reason: row.get(5)?,
        failing_since: moment(row.get(6)?),
        previous_secret_until: moment(row.get(7)?),
        created_at: Timestamp::from_unix_ms(row.get(8)?),
        updated_at: Timestamp::from_unix_ms(row.get(9)?),
    };
    Ok((subscription, WebhookSecrets { newest: row.get(10)?, previous: row.get(11)? }))
}

pub(crate) async fn change(
    tx: &Tx<'_>,
    id: WebhookId,
    change: &ChangeSubscription,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some((old, _secrets)) = find(tx, id).await? else {
        return Ok(false);
    };
    let is_enabled = change.is_enabled.unwrap_or(old.is_enabled);
    let (reason, failing_since) = match (old.is_enabled, is_enabled) {
        (false, true) => (None, None),
        (true, false) => (Some(BY_STAFF.to_owned()), old.failing_since),
        (true, true) | (false, false) => (old.disabled_reason, old.failing_since),
    };
    tx.execute(
        "UPDATE webhook_subscriptions SET url = ?2, patterns = ?3, description = ?4, is_enabled = ?5,
           disabled_reason = ?6, failing_since_ms = ?7, updated_at_ms = ?8 WHERE id = ?1",
        values![
            id.as_bytes(),
            change.url.as_ref().unwrap_or(&old.url),
            join(change.patterns.as_ref().unwrap_or(&old.patterns)),
            change.description.as_ref().unwrap_or(&old.description),
            is_enabled,
            reason,
            failing_since.map(Timestamp::unix_ms),
            now.unix_ms()
        ],
    )
    .await?;
    Ok(true)
}

pub(crate) async fn delete(tx: &Tx<'_>, id: WebhookId, now: Timestamp) -> Result<bool, StoreError> {
    // Its deliveries stay for those who look into what happened; nothing is claimed of one that is disabled. The secret
    // goes at once.
    let deleted = tx
        .execute(
            "UPDATE webhook_subscriptions SET deleted_at_ms = ?2, is_enabled = 0, secret = ?3, previous_secret = NULL
             WHERE id = ?1 AND deleted_at_ms IS NULL",
            values![id.as_bytes(), now.unix_ms(), [0_u8; 32]],
        )
        .await?;
    Ok(deleted == 1)
}

pub(crate) async fn rotate(
    tx: &Tx<'_>,
    id: WebhookId,
    secret: &[u8; 32],
    previous_until: Timestamp,
    now: Timestamp,
) -> Result<Result<(), NoSubscription>, StoreError> {
    let rotated = tx
        .execute(
            // One that still signs stays, unless the old ones shall go at once: whoever asks twice, for the first answer
            // was lost, must not take away the secret that the subscriber has.
            "UPDATE webhook_subscriptions SET
               previous_secret = CASE WHEN ?3 > ?4 AND previous_until_ms > ?4 THEN previous_secret ELSE secret END,
               previous_until_ms = CASE WHEN ?3 > ?4 AND previous_until_ms > ?4 THEN previous_until_ms ELSE ?3 END,
               secret = ?2, updated_at_ms = ?4 WHERE id = ?1 AND deleted_at_ms IS NULL",
            values![id.as_bytes(), secret, previous_until.unix_ms(), now.unix_ms()],
        )
        .await?;
    Ok(if rotated == 1 { Ok(()) } else { Err(NoSubscription) })
}

pub(crate) async fn send_test(
    tx: &Tx<'_>,
    command: &TestDelivery,
) -> Result<Result<WebhookDeliveryId, NoSubscription>, StoreError> {
    let found = find(tx, command.subscription).await?;
    if !found.is_some_and(|(subscription, _secrets)| subscription.is_enabled) {
        return Ok(Err(NoSubscription));
    }
    let delivery = NewDelivery {
        id: command.id,
        subscription: command.subscription,
        event_id: &command.event_id,
        kind: &command.kind,
        aggregate: "test",
        aggregate_id: &command.event_id,
        sequence: 1,
        body: &command.body,
    };
    delivery::insert(tx, &delivery, command.now).await?;
    Ok(Ok(command.id))
}

//! The local payment provider's memory: its own file, its own writer. It shares no table with the shop.
//!
//! It lives in this crate because SQL lives in this crate alone; the provider's rules are in `providers::local`.

use std::path::Path;
use std::time::Duration;

use domain::{Money, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use crate::sqlite::writer::Writer;
use crate::{StoreError, sqlite};

/// Commands that may wait: 1 024.
const QUEUE_MAX: usize = 1_024;
/// How long a webhook is tried: 3 days, shorter than the shop remembers the ids of those it took.
pub const WEBHOOK_TRIED: Duration = Duration::from_hours(3 * 24);

/// An intent as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentRow {
    /// The provider's name for it.
    pub id: String,
    /// The shop's name for it.
    pub reference: String,
    /// How much.
    pub amount: Money,
    /// How it is paid.
    pub method: String,
    /// Where it stands.
    pub status: String,
    /// When a late one settles.
    pub settles_at: Option<Timestamp>,
}

/// A webhook that waits to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRow {
    /// Its name; the same for every attempt.
    pub id: String,
    /// What it says.
    pub body: String,
    /// Attempts so far.
    pub attempts: u32,
}

/// A request's key and what it asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The caller's key.
    pub key: String,
    /// Digest of the request.
    pub fingerprint: [u8; 32],
}

/// What became of a request with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// Done now, or done before: the intent as it is.
    Intent(IntentRow),
    /// The key belongs to another request.
    KeyReused,
    /// No such intent.
    NotFound,
    /// The intent's state does not allow it.
    Refused,
}

/// What a move does to an intent: its next state, and the webhook that tells. `None` refuses the move.
pub type Decide = Box<dyn FnOnce(&IntentRow) -> Option<(String, Option<(String, String)>)> + Send>;

/// The provider's records.
#[derive(Debug)]
pub struct PaymentsDb {
    writer: Writer,
}

impl PaymentsDb {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// When it cannot be opened, or belongs to a newer program.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        crate::prepare_file(path)?;
        let connection = sqlite::open_writer(path, sqlite::migrations::PAYMENTS)?;
        Ok(Self { writer: Writer::start(connection, QUEUE_MAX, |_| {})? })
    }

    /// Writes a new intent, once per key, with the webhook that tells about it.
    ///
    /// # Errors
    /// As every write.
    pub async fn create(
        &self,
        request: RequestKey,
        intent: IntentRow,
        webhook: Option<(String, String)>,
        now: Timestamp,
    ) -> Result<Written, StoreError> {
        self.writer
            .run(move |connection| {
                if let Some(answer) = replay(connection, &request)? {
                    return Ok(answer);
                }
                insert(connection, &intent, now)?;
                remember(connection, &request, &intent.id, now)?;
                enqueue(connection, webhook, now)?;
                Ok(Written::Intent(intent))
            })
            .await
    }

    /// Moves an intent, once per key.
    ///
    /// # Errors
    /// As every write.
    pub async fn advance(
        &self,
        request: RequestKey,
        id: String,
        decide: Decide,
        now: Timestamp,
    ) -> Result<Written, StoreError> {
        self.writer
            .run(move |connection| {
                if let Some(answer) = replay(connection, &request)? {
                    return Ok(answer);
                }
                let Some(intent) = find(connection, &id)? else {
                    return Ok(Written::NotFound);
                };
                let Some((status, webhook)) = decide(&intent) else {
                    return Ok(Written::Refused);
                };
                let intent = set_status(connection, intent, status)?;
                remember(connection, &request, &id, now)?;
                enqueue(connection, webhook, now)?;
                Ok(Written::Intent(intent))
            })
            .await
    }

    /// Reads the intent that a key made.
    ///
    /// # Errors
    /// As every write.
    pub async fn by_key(&self, key: String) -> Result<Option<IntentRow>, StoreError> {
        self.writer
            .run(move |connection| {
                let id: Option<String> = connection
                    .prepare_cached("SELECT intent_id FROM requests WHERE key = ?1")?
                    .query_row([key], |row| row.get(0))
                    .optional()?;
                id.map_or(Ok(None), |id| find(connection, &id))
            })
            .await
    }

    /// Settles late intents that are due, each with the webhook that `decide` gives; at most `limit`.
    ///
    /// # Errors
    /// As every write.
    pub async fn settle_due(
        &self,
        limit: u32,
        decide: impl Fn(&IntentRow) -> Option<(String, Option<(String, String)>)> + Send + 'static,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.writer
            .run(move |connection| {
                let ids: Vec<String> = connection
                    .prepare_cached(
                        "SELECT id FROM intents WHERE status = 'processing' AND settles_at_ms <= ?1
                         ORDER BY settles_at_ms LIMIT ?2",
                    )?
                    .query_map(params![now.unix_ms(), limit], |row| row.get(0))?
                    .collect::<Result<_, _>>()?;
                for id in &ids {
                    let intent = find(connection, id)?.ok_or(StoreError::Corrupt("intent"))?;
                    if let Some((status, webhook)) = decide(&intent) {
                        set_status(connection, intent, status)?;
                        enqueue(connection, webhook, now)?;
                    }
                }
                Ok(ids.len())
            })
            .await
    }

    /// Takes webhooks that are due and postpones their next attempt, so that a killed provider tries again; one that
    /// is older than [`WEBHOOK_TRIED`] is tried a last time.
    ///
    /// # Errors
    /// As every write.
    pub async fn claim_webhooks(
        &self,
        limit: u32,
        pause: impl Fn(u32) -> Duration + Send + 'static,
        now: Timestamp,
    ) -> Result<Vec<WebhookRow>, StoreError> {
        self.writer
            .run(move |connection| {
                let webhooks: Vec<WebhookRow> = connection
                    .prepare_cached(
                        "SELECT id, body, attempts FROM webhooks WHERE next_attempt_at_ms <= ?1
                         ORDER BY next_attempt_at_ms LIMIT ?2",
                    )?
                    .query_map(params![now.unix_ms(), limit], |row| {
                        Ok(WebhookRow { id: row.get(0)?, body: row.get(1)?, attempts: row.get(2)? })
                    })?
                    .collect::<Result<_, _>>()?;
                let mut update = connection.prepare_cached(
                    "UPDATE webhooks SET attempts = attempts + 1,
                       next_attempt_at_ms = CASE WHEN created_at_ms <= ?3 THEN NULL ELSE ?2 END
                     WHERE id = ?1",
                )?;
                let too_old = now.before(WEBHOOK_TRIED).unix_ms();
                for webhook in &webhooks {
                    let next = now.after(pause(webhook.attempts));
                    update.execute(params![webhook.id, next.unix_ms(), too_old])?;
                }
                Ok(webhooks)
            })
            .await
    }

    /// Marks a webhook as taken.
    ///
    /// # Errors
    /// As every write.
    pub async fn mark_taken(&self, id: String) -> Result<(), StoreError> {
        self.writer
            .run(move |connection| {
                connection
                    .prepare_cached("UPDATE webhooks SET next_attempt_at_ms = NULL WHERE id = ?1")?
                    .execute([id])?;
                Ok(())
            })
            .await
    }
}

fn replay(connection: &Connection, request: &RequestKey) -> Result<Option<Written>, StoreError> {
    let row = connection
        .prepare_cached("SELECT fingerprint, intent_id FROM requests WHERE key = ?1")?
        .query_row([&request.key], |row| Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    let Some((fingerprint, id)) = row else {
        return Ok(None);
    };
    if fingerprint != request.fingerprint {
        return Ok(Some(Written::KeyReused));
    }
    Ok(Some(find(connection, &id)?.map_or(Written::NotFound, Written::Intent)))
}

fn remember(
    connection: &Connection,
    request: &RequestKey,
    intent: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO requests (key, fingerprint, intent_id, created_at_ms) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![request.key, request.fingerprint, intent, now.unix_ms()])?;
    Ok(())
}

fn insert(connection: &Connection, intent: &IntentRow, now: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO intents (id, reference, amount_minor, currency, method, status, settles_at_ms, created_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            intent.id,
            intent.reference,
            intent.amount.minor,
            intent.amount.currency.code(),
            intent.method,
            intent.status,
            intent.settles_at.map(Timestamp::unix_ms),
            now.unix_ms()
        ])?;
    Ok(())
}

fn enqueue(
    connection: &Connection,
    webhook: Option<(String, String)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some((id, body)) = webhook {
        connection
            .prepare_cached(
                "INSERT INTO webhooks (id, body, attempts, next_attempt_at_ms, created_at_ms)
                 VALUES (?1, ?2, 0, ?3, ?3)",
            )?
            .execute(params![id, body, now.unix_ms()])?;
    }
    Ok(())
}

fn set_status(
    connection: &Connection,
    intent: IntentRow,
    status: String,
) -> Result<IntentRow, StoreError> {
    connection
        .prepare_cached("UPDATE intents SET status = ?2 WHERE id = ?1")?
        .execute(params![intent.id, status])?;
    Ok(IntentRow { status, ..intent })
}

fn find(connection: &Connection, id: &str) -> Result<Option<IntentRow>, StoreError> {
    let row = connection
        .prepare_cached(
            "SELECT id, reference, amount_minor, currency, method, status, settles_at_ms FROM intents WHERE id = ?1",
        )?
        .query_row([id], |row| {
            let settles_at: Option<i64> = row.get(6)?;
            Ok((
                (row.get(2)?, row.get::<_, String>(3)?),
                IntentRow {
                    id: row.get(0)?,
                    reference: row.get(1)?,
                    amount: Money::zero(domain::Currency::Eur),
                    method: row.get(4)?,
                    status: row.get(5)?,
                    settles_at: settles_at.map(Timestamp::from_unix_ms),
                },
            ))
        })
        .optional()?;
    row.map(|((minor, currency), intent)| {
        let currency =
            currency.parse().map_err(|_unknown| StoreError::Corrupt("currency of an intent"))?;
        Ok(IntentRow { amount: Money::new(minor, currency), ..intent })
    })
    .transpose()
}

//! The local payment provider's memory: its own file, its own writer. It shares no table with the shop.
//!
//! It lives in this crate because SQL lives in this crate alone; the provider's rules are in `providers::local`.

mod statements;

use std::path::Path;
use std::time::Duration;

use domain::payment::Amounts;
use domain::{Money, Timestamp};
use rusqlite::{OptionalExtension, params};

use crate::sqlite::writer::Writer;
use crate::{StoreError, sqlite};

/// Commands that may wait: 1 024.
const QUEUE_MAX: usize = 1_024;
/// How long a webhook is tried: 3 days, shorter than the shop remembers the ids of those it took.
pub const WEBHOOK_TRIED: Duration = Duration::from_hours(3 * 24);
/// Refunds in one list: 100.
const REFUNDS_MAX: u32 = 100;

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
    /// `automatic` or `manual`.
    pub capture: String,
    /// Where it stands.
    pub status: String,
    /// How much went where.
    pub amounts: Amounts,
    /// Why it was declined.
    pub decline_code: Option<String>,
    /// Where the payer goes after the provider's page.
    pub return_url: Option<String>,
    /// When something happens by itself: a late one settles, an authorization expires.
    pub due_at: Option<Timestamp>,
}

/// A refund as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRow {
    /// The provider's name for it.
    pub id: String,
    /// The key it was asked for with.
    pub key: String,
    /// How much.
    pub amount: Money,
}

/// One attempt to come at telling of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The webhook's name: the same for every delivery and attempt of it.
    pub event: String,
    /// What it says.
    pub body: String,
    /// How much later than now it is sent first.
    pub delay: Duration,
}

/// A delivery that waits to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRow {
    /// The delivery's own name.
    pub id: String,
    /// The webhook's name.
    pub event: String,
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

/// What a move does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The intent as it is then.
    pub intent: IntentRow,
    /// The refund that was made.
    pub refund: Option<RefundRow>,
    /// What is told of it.
    pub deliveries: Vec<NewDelivery>,
}

/// What became of a request with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// Done now, or done before: the intent as it is, and the refund that this request made.
    Intent(Box<IntentRow>, Option<RefundRow>),
    /// The key belongs to another request.
    KeyReused,
    /// No such intent.
    NotFound,
    /// The provider says no, in this word.
    Refused(&'static str),
}

/// What a move does to an intent, or the word that refuses it.
pub type Decide = Box<dyn FnOnce(&IntentRow) -> Result<Change, &'static str> + Send>;

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

    /// Writes a new intent, once per key, with what is told of it.
    ///
    /// # Errors
    /// As every write.
    pub async fn create(
        &self,
        request: RequestKey,
        intent: IntentRow,
        deliveries: Vec<NewDelivery>,
        now: Timestamp,
    ) -> Result<Written, StoreError> {
        self.writer
            .run(move |connection| {
                if let Some(answer) = statements::replay(connection, &request)? {
                    return Ok(answer);
                }
                statements::insert(connection, &intent, now)?;
                statements::remember(connection, &request, &intent.id, None, now)?;
                statements::enqueue(connection, &deliveries, now)?;
                Ok(Written::Intent(Box::new(intent), None))
            })
            .await
    }

    /// Moves an intent: once per key, or by the payer's own hand, which has none.
    ///
    /// # Errors
    /// As every write.
    pub async fn advance(
        &self,
        request: Option<RequestKey>,
        id: String,
        decide: Decide,
        now: Timestamp,
    ) -> Result<Written, StoreError> {
        self.writer
            .run(move |connection| {
                if let Some(request) = &request
                    && let Some(answer) = statements::replay(connection, request)?
                {
                    return Ok(answer);
                }
                let Some(intent) = statements::find(connection, &id)? else {
                    return Ok(Written::NotFound);
                };
                let change = match decide(&intent) {
                    Ok(change) => change,
                    Err(word) => return Ok(Written::Refused(word)),
                };
                statements::carry_out(connection, &change, now)?;
                if let Some(request) = &request {
                    let refund = change.refund.as_ref().map(|refund| refund.id.as_str());
                    statements::remember(connection, request, &id, refund, now)?;
                }
                Ok(Written::Intent(Box::new(change.intent), change.refund))
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
                    .prepare_cached("SELECT payment_id FROM calls WHERE key = ?1")?
                    .query_row([key], |row| row.get(0))
                    .optional()?;
                id.map_or(Ok(None), |id| statements::find(connection, &id))
            })
            .await
    }

    /// Reads an intent.
    ///
    /// # Errors
    /// As every write.
    pub async fn by_id(&self, id: String) -> Result<Option<IntentRow>, StoreError> {
        self.writer.run(move |connection| statements::find(connection, &id)).await
    }

    /// Reads the refunds of an intent, newest first; `None` when there is no such intent.
    ///
    /// # Errors
    /// As every write.
    pub async fn refunds_of(&self, id: String) -> Result<Option<Vec<RefundRow>>, StoreError> {
        self.writer
            .run(move |connection| {
                let Some(intent) = statements::find(connection, &id)? else {
                    return Ok(None);
                };
                // By index refunds_payment.
                let refunds = connection
                    .prepare_cached(
                        "SELECT id, key, amount_minor FROM refunds WHERE payment_id = ?1
                         ORDER BY created_at_ms DESC, id DESC LIMIT ?2",
                    )?
                    .query_map(params![id, REFUNDS_MAX], |row| {
                        Ok(RefundRow {
                            id: row.get(0)?,
                            key: row.get(1)?,
                            amount: Money::new(row.get(2)?, intent.amount.currency),
                        })
                    })?
                    .collect::<Result<_, _>>()?;
                Ok(Some(refunds))
            })
            .await
    }

    /// Does what happens by itself and is due, as `decide` says; at most `limit`.
    ///
    /// # Errors
    /// As every write.
    pub async fn settle_due(
        &self,
        limit: u32,
        decide: impl Fn(&IntentRow) -> Option<Change> + Send + 'static,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.writer
            .run(move |connection| {
                // By index payments_due.
                let ids: Vec<String> = connection
                    .prepare_cached(
                        "SELECT id FROM payments WHERE due_at_ms <= ?1 ORDER BY due_at_ms LIMIT ?2",
                    )?
                    .query_map(params![now.unix_ms(), limit], |row| row.get(0))?
                    .collect::<Result<_, _>>()?;
                for id in &ids {
                    let intent =
                        statements::find(connection, id)?.ok_or(StoreError::Corrupt("intent"))?;
                    match decide(&intent) {
                        Some(change) => statements::carry_out(connection, &change, now)?,
                        None => statements::clear_due(connection, id)?,
                    }
                }
                Ok(ids.len())
            })
            .await
    }

    /// Takes deliveries that are due and postpones their next attempt, so that a killed provider tries again; one that
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
                // By index webhooks_due.
                let webhooks: Vec<WebhookRow> = connection
                    .prepare_cached(
                        "SELECT id, coalesce(event_id, id), body, attempts FROM webhooks
                         WHERE next_attempt_at_ms <= ?1 ORDER BY next_attempt_at_ms LIMIT ?2",
                    )?
                    .query_map(params![now.unix_ms(), limit], |row| {
                        Ok(WebhookRow {
                            id: row.get(0)?,
                            event: row.get(1)?,
                            body: row.get(2)?,
                            attempts: row.get(3)?,
                        })
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

    /// Marks a delivery as taken.
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

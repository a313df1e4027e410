//! Tells the edges about many SKUs at once, as `sql::feed::publish` does about one after the other.

use std::collections::BTreeMap;

use api_types::feed::{FeedChange, FeedValue};
use api_types::read_model::{TABLES, Table};
use domain::{Sku, Timestamp};
use futures::join;

use super::session::Session;
use crate::StoreError;
use crate::sql::{feed, levels, stock};

/// The read model's table of levels.
const TABLE: &str = "stock";
pub(crate) const READ_LEVELS: &str = levels::READ_MANY;
pub(crate) const READ_TOLD: &str =
    "SELECT key_json, values_json FROM feed_rows WHERE table_name = 'stock' AND key_json = ANY(?1)";
pub(crate) const NEXT_POSITION: &str =
    "UPDATE feed_state SET position = position + 1 WHERE id = 1 RETURNING position";
pub(crate) const WRITE_TOLD: &str = "INSERT INTO feed_rows (table_name, key_json, values_json)
SELECT 'stock', d.key_json, d.values_json FROM unnest(?1::text[], ?2::text[]) AS d (key_json, values_json)
ON CONFLICT (table_name, key_json) DO UPDATE SET values_json = excluded.values_json";
pub(crate) const WRITE_CHANGES: &str =
    "INSERT INTO feed_changes (position, sequence, at_ms, change_json)
SELECT ?1::bigint, d.sequence - 1, ?2::bigint, d.change_json
FROM unnest(?3::text[]) WITH ORDINALITY AS d (change_json, sequence)";

pub(crate) const WRITE_EVENTS: &str = "WITH counted AS (
  INSERT INTO event_sequences (aggregate, aggregate_id, last)
  SELECT 'stock', e.sku, 1 + coalesce((SELECT max(o.sequence) FROM outbox o
    WHERE o.aggregate = 'stock' AND o.aggregate_id = e.sku), 0)
  FROM unnest(?1::text[]) AS e (sku)
  ON CONFLICT (aggregate, aggregate_id) DO UPDATE SET last = 1 + greatest(event_sequences.last, excluded.last - 1)
  RETURNING aggregate_id, last)
INSERT INTO outbox (aggregate, aggregate_id, sequence, kind, payload_json, created_at_ms)
SELECT 'stock', d.sku, c.last, d.kind, d.payload, ?4::bigint
FROM unnest(?1::text[], ?2::text[], ?3::text[]) AS d (sku, kind, payload) JOIN counted c ON c.aggregate_id = d.sku
ORDER BY d.sku";

/// Compares the levels of SKUs with what the edges were told last, and writes one transaction of what differs.
pub(crate) async fn publish(
    session: &Session,
    skus: &[&Sku],
    now: Timestamp,
) -> Result<(), StoreError> {
    let table = TABLES
        .iter()
        .find(|table| table.name == TABLE)
        .ok_or(StoreError::Corrupt("name of a read-model table"))?;
    let names: Vec<&str> = skus.iter().map(|sku| sku.as_str()).collect();
    let keys: Vec<String> =
        names.iter().map(|&sku| feed::json(&[FeedValue::from(sku)])).collect::<Result<_, _>>()?;
    let (rows, told) =
        join!(session.bulk(READ_LEVELS, [&names]), session.bulk(READ_TOLD, [&keys]),);
    let mut before = BTreeMap::new();
    for row in told? {
        before.insert(row.get::<String>(0)?, row.get::<String>(1)?);
    }
    let (mut changed_keys, mut changed_values, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    let mut events = Events::default();
    for row in rows? {
        let values = feed::values_of(row)?;
        let key = feed::json(&key_of(table, &values)?)?;
        let text = feed::json(&values)?;
        let told = before.get(&key);
        if told == Some(&text) {
            continue;
        }
        let change = FeedChange::Put { table: table.name.to_owned(), values };
        events.add(&change, told, now);
        changes.push(feed::json(&change)?);
        changed_keys.push(key);
        changed_values.push(text);
    }
    if changes.is_empty() {
        return Ok(());
    }
    // Whoever publishes waits here for whoever publishes: positions come in the order of commits.
    let position: i64 = session
        .bulk(NEXT_POSITION, [])
        .await?
        .first()
        .ok_or(StoreError::Corrupt("state of the feed"))?
        .get(0)?;
    let now_ms = now.unix_ms();
    let (told, written, announced, noted) = join!(
        session.bulk(WRITE_TOLD, [&changed_keys, &changed_values]),
        session.bulk(WRITE_CHANGES, [&position, &now_ms, &changes]),
        session.announce(position),
        session.bulk(WRITE_EVENTS, [&events.skus, &events.kinds, &events.words, &now_ms]),
    );
    told?;
    written?;
    announced?;
    noted.map(drop)
}

/// What merchants' programs are told of changed levels.
#[derive(Default)]
struct Events {
    skus: Vec<String>,
    kinds: Vec<&'static str>,
    words: Vec<String>,
}

impl Events {
    fn add(&mut self, change: &FeedChange, told: Option<&String>, now: Timestamp) {
        if let Some((sku, kind)) = stock::level_event(change, told.map(String::as_str)) {
            self.words.push(stock::level_words(sku, kind, now));
            self.skus.push(sku.to_owned());
            self.kinds.push(kind);
        }
    }
}

fn key_of(table: &Table, values: &[FeedValue]) -> Result<Vec<FeedValue>, StoreError> {
    let value = |name: &&str| {
        let place = table.columns.iter().position(|column| column == name);
        place.and_then(|place| values.get(place)).cloned()
    };
    table.key.iter().map(value).collect::<Option<_>>().ok_or(StoreError::Corrupt("key of a row"))
}

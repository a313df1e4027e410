//! What follows the copy outside of it: keys, ended sessions and flags in KV, which answers faster than any database.
//!
//! The copy remembers whether KV has followed (`feed_core::upkeep`), in the same transaction as the rows. A run that
//! ends between the two leaves that mark, and the next one writes everything anew.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use api_types::feed::{Changes, FeedChange, FeedValue};
use domain::Timestamp;
use feed_core::Statement;
use futures::{TryStreamExt as _, stream};
use ports::SqlValue;
use worker::KvStore;

use super::store::Store;
use crate::ports::WorkerPorts;
use crate::ports::sessions::{KEYS, KeyRecord, revoked_key};

/// The namespace's binding.
const KV: &str = "KV";
/// What a setting is called that is a flag; KV has it under the same name.
const FLAG_PREFIX: &str = "flag/";
/// The first text behind all that begin with [`FLAG_PREFIX`]: `0` comes after `/`.
const FLAGS_END: &str = "flag0";
/// Shortest life of a value that KV takes: 60 s.
const KV_LIFE_MIN: Duration = Duration::from_secs(60);
/// Calls of one run: 300, of the 1 000 subrequests that one invocation has for everything.
const CALLS_MAX: usize = 300;
/// Calls that writing everything anew leaves for what changes meanwhile: 50. Without them a session that ends while
/// many are written would fail to reach KV and have everything begin again, in every run.
const CALLS_FOR_CHANGES: usize = 50;
/// Calls at once: 6, as many as one invocation may have open.
const CALLS_AT_ONCE: usize = 6;
/// Flags at most: 100.
const FLAGS_MAX: usize = 100;

/// What changes mean for KV.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    has_new_keys: bool,
    /// Ended sessions, and until when that must be known, in milliseconds since 1970; `None` when no longer.
    revocations: BTreeMap<String, Option<i64>>,
    /// Values of flags; `None` for one that is gone.
    flags: BTreeMap<String, Option<String>>,
}

impl Plan {
    /// Reads what concerns KV out of changes.
    pub(crate) fn of(changes: &Changes) -> Self {
        let mut plan = Self::default();
        for change in changes.transactions.iter().flat_map(|transaction| &transaction.changes) {
            let (table, values, is_put) = match change {
                FeedChange::Put { table, values } => (table.as_str(), values.as_slice(), true),
                FeedChange::Delete { table, key } => (table.as_str(), key.as_slice(), false),
            };
            match (table, values) {
                ("signing_keys", _) => plan.has_new_keys = true,
                ("revocations", [FeedValue::Text(session), rest @ ..]) => {
                    let until_ms = match rest {
                        [FeedValue::Integer(until_ms), ..] if is_put => Some(*until_ms),
                        _ => None,
                    };
                    plan.revocations.insert(session.clone(), until_ms);
                }
                ("settings", [FeedValue::Text(name), rest @ ..])
                    if name.starts_with(FLAG_PREFIX) =>
                {
                    let value = match rest {
                        [FeedValue::Text(value), ..] if is_put => Some(value.clone()),
                        _ => None,
                    };
                    plan.flags.insert(name.clone(), value);
                }
                _ => {}
            }
        }
        plan
    }

    /// Returns whether KV has nothing to follow.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn calls(&self, now: Timestamp) -> Vec<Call> {
        let flags = self.flags.iter().map(|(name, value)| match value {
            Some(value) => Call::Put { key: name.clone(), value: value.clone(), until_s: None },
            None => Call::Delete { key: name.clone() },
        });
        let revocations =
            self.revocations.iter().filter_map(|(session, until_ms)| match until_ms {
                Some(until_ms) => revoke(session, *until_ms, now),
                None => Some(Call::Delete { key: revoked_key(session) }),
            });
        flags.chain(revocations).collect()
    }
}

/// One call of KV.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Call {
    Put { key: String, value: String, until_s: Option<u64> },
    Delete { key: String },
}

/// `None` for a session whose tokens have ended by themselves.
fn revoke(session: &str, until_ms: i64, now: Timestamp) -> Option<Call> {
    let until = Timestamp::from_unix_ms(until_ms);
    if until <= now {
        return None;
    }
    // Rounded up, and no shorter than KV takes: known a little too long does no harm.
    let until = until.max(now.after(KV_LIFE_MIN)).after(Duration::from_secs(1));
    let until_s = u64::try_from(until.unix_ms() / 1_000).ok()?;
    Some(Call::Put { key: revoked_key(session), value: "1".to_owned(), until_s: Some(until_s) })
}

/// KV, and how often one run may still call it.
#[derive(Debug)]
pub(crate) struct Upkeep {
    kv: KvStore,
    calls_left: usize,
}

impl Upkeep {
    /// Opens the namespace.
    pub(crate) fn open(ports: &WorkerPorts) -> Result<Self, String> {
        let kv = ports.env().kv(KV).map_err(|error| error.to_string())?;
        Ok(Self { kv, calls_left: CALLS_MAX })
    }

    /// Brings KV to where `plan`'s changes brought the copy.
    pub(crate) async fn follow(
        &mut self,
        plan: &Plan,
        store: &Store<'_>,
        now: Timestamp,
    ) -> Result<(), String> {
        let mut calls = plan.calls(now);
        if plan.has_new_keys {
            calls.push(keys(store).await?);
        }
        self.run(calls).await
    }

    /// Writes everything anew, beginning with the session behind `mark`. Returns the next mark; `None` is the end. What
    /// one run cannot do the next one does.
    pub(crate) async fn follow_all(
        &mut self,
        mark: &str,
        store: &Store<'_>,
        now: Timestamp,
    ) -> Result<Option<String>, String> {
        if mark.is_empty() {
            let mut calls = self.flags(store).await?;
            calls.push(keys(store).await?);
            self.run(calls).await?;
        }
        let page = page(self.calls_left);
        if page == 0 {
            return Ok(Some(mark.to_owned()));
        }
        let sessions = revocations(store, mark, page, now).await?;
        let next = sessions.last().filter(|_| sessions.len() >= page).map(|(id, _)| id.clone());
        let calls = sessions.iter().filter_map(|(id, until_ms)| revoke(id, *until_ms, now));
        self.run(calls.collect()).await?;
        Ok(next)
    }

    /// The flags that are set, and deletions of those in KV that are not.
    async fn flags(&mut self, store: &Store<'_>) -> Result<Vec<Call>, String> {
        let sql = format!(
            "SELECT name, value FROM settings WHERE name >= ?1 AND name < ?2 LIMIT {FLAGS_MAX}"
        );
        let params = vec![FLAG_PREFIX.to_owned(), FLAGS_END.to_owned()];
        let rows = store.read(&Statement { sql, params }).await;
        let rows = rows.map_err(|error| error.to_string())?.rows;
        let is_set = rows.into_iter().filter_map(|row| match <[SqlValue; 2]>::try_from(row) {
            Ok([SqlValue::Text(name), SqlValue::Text(value)]) => Some((name, value)),
            _ => None,
        });
        let is_set: BTreeMap<String, String> = is_set.collect();
        self.calls_left = self.calls_left.saturating_sub(1);
        let list = self.kv.list().prefix(FLAG_PREFIX.to_owned()).execute().await;
        let list = list.map_err(|error| error.to_string())?;
        let stored: BTreeSet<String> = list.keys.into_iter().map(|key| key.name).collect();
        let gone = stored.into_iter().filter(|name| !is_set.contains_key(name));
        let mut calls: Vec<Call> = gone.take(FLAGS_MAX).map(|key| Call::Delete { key }).collect();
        calls.extend(is_set.into_iter().map(|(key, value)| Call::Put {
            key,
            value,
            until_s: None,
        }));
        Ok(calls)
    }

    async fn run(&mut self, calls: Vec<Call>) -> Result<(), String> {
        let left = self.calls_left.checked_sub(calls.len());
        self.calls_left = left.ok_or("too many calls of KV in one run")?;
        let kv = &self.kv;
        let calls = calls.into_iter().map(Ok::<Call, String>);
        stream::iter(calls)
            .try_for_each_concurrent(CALLS_AT_ONCE, |call| async move {
                run(kv, call).await.map_err(|error| error.to_string())
            })
            .await
    }
}

async fn run(kv: &KvStore, call: Call) -> Result<(), worker::KvError> {
    match call {
        Call::Delete { key } => kv.delete(&key).await,
        Call::Put { key, value, until_s } => {
            let put = kv.put(&key, value)?;
            match until_s {
                Some(until_s) => put.expiration(until_s).execute().await,
                None => put.execute().await,
            }
        }
    }
}

/// How many sessions may be written with so many calls left.
const fn page(calls_left: usize) -> usize {
    calls_left.saturating_sub(CALLS_FOR_CHANGES)
}

/// All keys as one value.
async fn keys(store: &Store<'_>) -> Result<Call, String> {
    let keys = ports::sessions::signing_keys(store).await.map_err(|error| error.to_string())?;
    let records: Vec<KeyRecord> = keys
        .into_iter()
        .map(|key| KeyRecord {
            kid: key.kid,
            jwk_json: key.jwk_json,
            expires_at_ms: key.expires_at.unix_ms(),
        })
        .collect();
    let value = serde_json::to_string(&records).map_err(|error| error.to_string())?;
    Ok(Call::Put { key: KEYS.to_owned(), value, until_s: None })
}

/// At most `count` ended sessions behind `mark`, in their order, whose tokens have not ended by themselves.
async fn revocations(
    store: &Store<'_>,
    mark: &str,
    count: usize,
    now: Timestamp,
) -> Result<Vec<(String, i64)>, String> {
    let sql = format!(
        "SELECT session_id, until_ms FROM revocations WHERE session_id > ?1 \
         AND until_ms > CAST(?2 AS INTEGER) ORDER BY session_id LIMIT {count}"
    );
    let params = vec![mark.to_owned(), now.unix_ms().to_string()];
    let rows = store.read(&Statement { sql, params }).await.map_err(|error| error.to_string())?;
    let sessions = rows.rows.into_iter().filter_map(|row| match <[SqlValue; 2]>::try_from(row) {
        Ok([SqlValue::Text(session), SqlValue::Integer(until_ms)]) => Some((session, until_ms)),
        _ => None,
    });
    Ok(sessions.collect())
}

#[cfg(test)]
mod tests {
    use api_types::feed::FeedTransaction;

    use super::*;

    fn put(table: &str, values: Vec<FeedValue>) -> FeedChange {
        FeedChange::Put { table: table.to_owned(), values }
    }

    fn delete(table: &str, key: &str) -> FeedChange {
        FeedChange::Delete { table: table.to_owned(), key: vec![key.into()] }
    }

    fn plan(changes: Vec<FeedChange>) -> Plan {
        Plan::of(&Changes {
            epoch: "e".to_owned(),
            schema_version: 1,
            from: 0,
            to: 1,
            head: 1,
            transactions: vec![FeedTransaction { position: 1, at_ms: 0, changes }],
        })
    }

    #[test]
    fn most_changes_mean_nothing_to_kv() {
        let stock = put("stock", vec!["a".into(), 1.into(), "low".into()]);
        assert!(plan(vec![stock, put("settings", vec!["hero".into(), "x".into()])]).is_empty());
    }

    #[test]
    fn flags_and_keys_leave_calls_for_sessions_and_these_some_for_what_changes() {
        // Flags that are set, flags that are gone, a look at those in KV, and the keys.
        let sessions = CALLS_MAX - (2 * FLAGS_MAX + 2);
        assert!(page(sessions) > 0);
        for left in 0..=CALLS_MAX {
            assert_eq!(left - page(left), left.min(CALLS_FOR_CHANGES), "{left}");
        }
    }

    #[test]
    fn the_last_word_counts() {
        let now = Timestamp::from_unix_ms(1_000_000);
        let plan = plan(vec![
            put("revocations", vec!["s1".into(), 2_000_000.into()]),
            put("revocations", vec!["s2".into(), 1_000_500.into()]),
            put("revocations", vec!["s3".into(), 999_999.into()]),
            delete("revocations", "s4"),
            put("settings", vec!["flag/a".into(), "on".into()]),
            delete("settings", "flag/a"),
            put("settings", vec!["flag/b".into(), "on".into()]),
            put("signing_keys", vec!["k".into(), "{}".into(), 1.into()]),
        ]);
        assert!(plan.has_new_keys);
        let put = |key: &str, value: &str, until_s| Call::Put {
            key: key.to_owned(),
            value: value.to_owned(),
            until_s,
        };
        let delete = |key: &str| Call::Delete { key: key.to_owned() };
        assert_eq!(
            plan.calls(now),
            [
                delete("flag/a"),
                put("flag/b", "on", None),
                put("revoked/s1", "1", Some(2_001)),
                // KV takes nothing that ends within a minute.
                put("revoked/s2", "1", Some(1_061)),
                delete("revoked/s4"),
            ]
        );
    }
}

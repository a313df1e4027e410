//! Counters of one client: places in their sum, given in one exact step.

use api_types::rooms::TakeRequest;
use domain::Timestamp;
use rooms_core::limiter;
use worker::{
    DurableObject, Env, Method, Request, Response, Result, SqlStorage, State, durable_object,
};

use super::{answer, count, integer, number, question, rows, status, text};
use crate::ports::now;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS counters (key TEXT PRIMARY KEY, count INTEGER NOT NULL, \
     touched_at_ms INTEGER NOT NULL) WITHOUT ROWID";

/// The counters of one client and class of routes.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct Limiter {
    state: State,
}

impl DurableObject for Limiter {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    /// Answers a `TakeRequest`: 400 for one that is not fit.
    async fn fetch(&self, mut request: Request) -> Result<Response> {
        if request.method() != Method::Post {
            return Ok(status(404));
        }
        let asked: Option<TakeRequest> = question(&mut request, limiter::BODY_BYTES_MAX).await?;
        let Some(asked) = asked.filter(limiter::is_fit) else { return Ok(status(400)) };
        let storage = self.state.storage();
        let sql = storage.sql();
        // The object is gone with its last counter, so the table may be, too. It costs a look at the schema.
        sql.exec(SCHEMA, None)?;
        let answered = limiter::decide(counts(&sql, &asked.keys)?, asked.limit);
        if answered.is_admitted {
            let last = asked.keys.last().map_or("", String::as_str);
            let stands_at = answered.counts.last().copied().unwrap_or(0);
            keep(&sql, last, stands_at, now())?;
            // Nothing above waited: it was one transaction.
            if storage.get_alarm().await?.is_none() {
                storage.set_alarm(limiter::KEPT).await?;
            }
        }
        answer(&answered)
    }

    /// Forgets what no window can need; the last one takes the object with it.
    async fn alarm(&self) -> Result<Response> {
        let storage = self.state.storage();
        let sql = storage.sql();
        sql.exec(SCHEMA, None)?;
        let oldest = now().before(limiter::KEPT).unix_ms();
        sql.exec("DELETE FROM counters WHERE touched_at_ms <= ?1", vec![number(oldest)])?;
        let left = rows(&sql, "SELECT count(*) FROM counters", Vec::new())?;
        if left.first().is_some_and(|row| integer(row, 0) > 0) {
            storage.set_alarm(limiter::KEPT).await?;
        } else {
            storage.delete_all().await?;
        }
        Ok(status(200))
    }
}

/// Reads counters in the order of their keys; absent ones are zero.
fn counts(sql: &SqlStorage, keys: &[String]) -> Result<Vec<u64>> {
    let marks = vec!["?"; keys.len()].join(", ");
    let statement = format!("SELECT key, count FROM counters WHERE key IN ({marks})");
    let found = rows(sql, &statement, keys.iter().map(|key| key.as_str().into()).collect())?;
    let count_of = |key: &String| {
        let row = found.iter().find(|row| text(row, 0) == key)?;
        u64::try_from(integer(row, 1)).ok()
    };
    Ok(keys.iter().map(|key| count_of(key).unwrap_or(0)).collect())
}

fn keep(sql: &SqlStorage, key: &str, stands_at: u64, now: Timestamp) -> Result<()> {
    let statement = "INSERT INTO counters (key, count, touched_at_ms) VALUES (?1, ?2, ?3) \
         ON CONFLICT (key) DO UPDATE SET count = excluded.count, touched_at_ms = excluded.touched_at_ms";
    let parameters = vec![key.into(), count(stands_at), number(now.unix_ms())];
    sql.exec(statement, parameters)?;
    Ok(())
}

//! Counters of one client: places in their sum, given in one exact step.
//!
//! Counted in memory, kept in SQLite: a small limit (a login's) before the answer leaves, a large one within
//! [`SAVED_WITHIN`], because a write for every page of a catalogue would cost more than the page. An object without
//! requests is evicted after 10 s at the earliest, so what a large limit may lose is a crash's last second.

use core::cell::RefCell;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use std::collections::BTreeMap;
use std::rc::Rc;

use api_types::rooms::{TakeAnswer, TakeRequest};
use domain::Timestamp;
use rooms_core::limiter;
use worker::{
    Delay, DurableObject, Env, Method, Request, Response, Result, SqlStorage, State, durable_object,
};

use super::{answer, count, integer, number, question, rows, status, text};
use crate::log;
use crate::ports::now;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS counters (key TEXT PRIMARY KEY, count INTEGER NOT NULL, \
     touched_at_ms INTEGER NOT NULL) WITHOUT ROWID";

/// Counts below a larger limit than this are saved a moment later: 100.
const SAVED_AT_ONCE_MAX: u64 = 100;

/// The longest time that a count is in memory alone: 1 s.
const SAVED_WITHIN: Duration = Duration::from_secs(1);

/// The counters of one client and class of routes.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct Limiter {
    state: State,
    /// Every change is whole before anything can unwind.
    counters: AssertUnwindSafe<Rc<RefCell<Counters>>>,
}

#[derive(Debug, Default)]
struct Counters {
    /// Absent until the first request has read them.
    known: Option<BTreeMap<String, Counter>>,
    is_save_due: bool,
}

#[derive(Debug, Clone, Copy)]
struct Counter {
    count: u64,
    touched_at: Timestamp,
    is_saved: bool,
}

impl DurableObject for Limiter {
    fn new(state: State, _env: Env) -> Self {
        Self { state, counters: AssertUnwindSafe(Rc::default()) }
    }

    /// Answers a `TakeRequest`: 400 for one that is not fit.
    async fn fetch(&self, mut request: Request) -> Result<Response> {
        if request.method() != Method::Post {
            return Ok(status(404));
        }
        let asked: Option<TakeRequest> = question(&mut request, limiter::BODY_BYTES_MAX).await?;
        let Some(asked) = asked.filter(limiter::is_fit) else { return Ok(status(400)) };
        let answered = self.take(&asked)?;
        if answered.is_admitted {
            if asked.limit <= SAVED_AT_ONCE_MAX {
                save(&self.state.storage().sql(), &self.counters)?;
                self.forget_later().await?;
            } else {
                self.save_later();
            }
        }
        answer(&answered)
    }

    /// Forgets what no window can need; the last one takes the object with it.
    async fn alarm(&self) -> Result<Response> {
        let storage = self.state.storage();
        let sql = storage.sql();
        save(&sql, &self.counters)?;
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

impl Limiter {
    /// Waits for nothing: one request's place is given before the next is looked at.
    fn take(&self, asked: &TakeRequest) -> Result<TakeAnswer> {
        let now = now();
        let mut counters = self.counters.borrow_mut();
        if counters.known.is_none() {
            counters.known = Some(load(&self.state.storage().sql())?);
        }
        let known = counters.known.get_or_insert_default();
        let count_of = |key: &String| known.get(key).map_or(0, |counter| counter.count);
        let answered = limiter::decide(asked.keys.iter().map(count_of).collect(), asked.limit);
        if let (true, Some(last), Some(count)) =
            (answered.is_admitted, asked.keys.last(), answered.counts.last())
        {
            known.retain(|_, counter| now.since(counter.touched_at) < limiter::KEPT);
            let counter = Counter { count: *count, touched_at: now, is_saved: false };
            known.insert(last.clone(), counter);
        }
        Ok(answered)
    }

    /// Saves all that was counted until then, once.
    fn save_later(&self) {
        if core::mem::replace(&mut self.counters.borrow_mut().is_save_due, true) {
            return;
        }
        let (storage, counters) = (self.state.storage(), Rc::clone(&self.counters));
        self.state.wait_until(async move {
            Delay::from(SAVED_WITHIN).await;
            counters.borrow_mut().is_save_due = false;
            let saved = match save(&storage.sql(), &counters) {
                Ok(()) => forget_later(&storage).await,
                failed => failed,
            };
            if let Err(error) = saved {
                log::warn("limiter", &error.to_string());
            }
        });
    }

    async fn forget_later(&self) -> Result<()> {
        forget_later(&self.state.storage()).await
    }
}

async fn forget_later(storage: &worker::Storage) -> Result<()> {
    if storage.get_alarm().await?.is_none() {
        storage.set_alarm(limiter::KEPT).await?;
    }
    Ok(())
}

fn load(sql: &SqlStorage) -> Result<BTreeMap<String, Counter>> {
    sql.exec(SCHEMA, None)?;
    let found = rows(sql, "SELECT key, count, touched_at_ms FROM counters", Vec::new())?;
    let counter = |row: &Vec<_>| Counter {
        count: u64::try_from(integer(row, 1)).unwrap_or(0),
        touched_at: Timestamp::from_unix_ms(integer(row, 2)),
        is_saved: true,
    };
    Ok(found.iter().map(|row| (text(row, 0).to_owned(), counter(row))).collect())
}

/// Writes what has changed. Statements without a wait between them are one transaction.
fn save(sql: &SqlStorage, counters: &RefCell<Counters>) -> Result<()> {
    let statement = "INSERT INTO counters (key, count, touched_at_ms) VALUES (?1, ?2, ?3) \
         ON CONFLICT (key) DO UPDATE SET count = excluded.count, touched_at_ms = excluded.touched_at_ms";
    // The object's storage is gone with its last counter, so the table may be, too. It costs a look at the schema.
    sql.exec(SCHEMA, None)?;
    let mut counters = counters.borrow_mut();
    // Not read yet: nothing was counted either.
    let Some(known) = &mut counters.known else { return Ok(()) };
    for (key, counter) in known.iter_mut().filter(|(_, counter)| !counter.is_saved) {
        let touched_at = number(counter.touched_at.unix_ms());
        sql.exec(statement, vec![key.as_str().into(), count(counter.count), touched_at])?;
        counter.is_saved = true;
    }
    Ok(())
}

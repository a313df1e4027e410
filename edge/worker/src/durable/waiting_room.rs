//! The queue of one waiting room. A row of numbers, however many wait.

use core::time::Duration;

use api_types::rooms::{PlaceAnswer, PlaceRequest};
use domain::Timestamp;
use rooms_core::queue::{Pace, Place, Queue};
use worker::{
    DurableObject, Env, Method, Request, Response, Result, SqlStorage, State, durable_object,
};

use super::{answer, from_now, integer, number, question, rows, status, text};
use crate::ports::now;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS queue (id INTEGER PRIMARY KEY CHECK (id = 1), \
     body TEXT NOT NULL, joined_at_ms INTEGER NOT NULL)";

/// Largest question: 1 KiB.
const BODY_BYTES_MAX: usize = 1_024;

/// How long a queue is kept after somebody last joined: 2 days, so that no ticket, which holds for one, can meet a
/// queue that counts from 1 again.
const KEPT: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// The queue of one waiting room.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct WaitingRoom {
    state: State,
}

impl DurableObject for WaitingRoom {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    /// Answers a `PlaceRequest`: 400 for one that is not fit.
    async fn fetch(&self, mut request: Request) -> Result<Response> {
        if request.method() != Method::Post {
            return Ok(status(404));
        }
        let asked: Option<PlaceRequest> = question(&mut request, BODY_BYTES_MAX).await?;
        let Some(asked) = asked else { return Ok(status(400)) };
        let (pace, now) = (pace(&asked), now());
        let storage = self.state.storage();
        let sql = storage.sql();
        sql.exec(SCHEMA, None)?;
        let (mut queue, joined_at) = load(&sql, pace)?;
        let had_pace = queue.admissions_per_minute;
        let issued = queue.issued;
        let answered = place(&mut queue, &asked, pace, now);
        let has_joined = queue.issued != issued;
        // What the clock alone has moved comes out the same from the older copy.
        if has_joined || queue.admissions_per_minute != had_pace {
            keep(&sql, &queue, if has_joined { now } else { joined_at })?;
        }
        if has_joined && storage.get_alarm().await?.is_none() {
            storage.set_alarm(KEPT).await?;
        }
        answer(&answered)
    }

    /// Forgets a room that nobody joins any more.
    async fn alarm(&self) -> Result<Response> {
        let storage = self.state.storage();
        let sql = storage.sql();
        sql.exec(SCHEMA, None)?;
        let found = rows(&sql, "SELECT joined_at_ms FROM queue", Vec::new())?;
        let joined_at_ms = found.first().map_or(0, |row| integer(row, 0));
        let ends_at = Timestamp::from_unix_ms(joined_at_ms).after(KEPT);
        let now = now();
        if ends_at > now {
            storage.set_alarm(from_now(ends_at, now)).await?;
        } else {
            storage.delete_all().await?;
        }
        Ok(status(200))
    }
}

const fn pace(asked: &PlaceRequest) -> Pace {
    Pace {
        admissions_per_minute: asked.admissions_per_minute,
        pass_lifetime: Duration::from_secs(asked.pass_lifetime_s as u64),
    }
}

fn load(sql: &SqlStorage, pace: Pace) -> Result<(Queue, Timestamp)> {
    let found = rows(sql, "SELECT body, joined_at_ms FROM queue", Vec::new())?;
    let Some(row) = found.first() else {
        return Ok((Queue::new(pace), Timestamp::from_unix_ms(0)));
    };
    // A queue that cannot be read is no reason to begin at 1 again: tickets are out.
    let queue = Queue::from_text(text(row, 0));
    let queue =
        queue.ok_or_else(|| worker::Error::RustError("the queue cannot be read".to_owned()))?;
    Ok((queue, Timestamp::from_unix_ms(integer(row, 1))))
}

fn keep(sql: &SqlStorage, queue: &Queue, joined_at: Timestamp) -> Result<()> {
    let statement = "INSERT INTO queue (id, body, joined_at_ms) VALUES (1, ?1, ?2) \
         ON CONFLICT (id) DO UPDATE SET body = excluded.body, joined_at_ms = excluded.joined_at_ms";
    sql.exec(statement, vec![queue.to_text().into(), number(joined_at.unix_ms())])?;
    Ok(())
}

/// Looks where the ticket stands, or puts its owner at the end.
fn place(queue: &mut Queue, asked: &PlaceRequest, pace: Pace, now: Timestamp) -> PlaceAnswer {
    if let Some(ticket) = asked.ticket {
        let answered = seen(ticket, queue.look(ticket, pace, now));
        if answered != PlaceAnswer::Lost {
            return answered;
        }
    }
    if !asked.may_join {
        return PlaceAnswer::Lost;
    }
    match queue.join(pace, now) {
        Ok(ticket) => seen(ticket, queue.look(ticket, pace, now)),
        Err(full) => PlaceAnswer::Full { wait_ms: whole_ms(full.wait) },
    }
}

fn seen(ticket: u64, place: Place) -> PlaceAnswer {
    match place {
        Place::Waiting { ahead, wait } => {
            PlaceAnswer::Waiting { ticket, ahead, wait_ms: whole_ms(wait) }
        }
        Place::Turn { ends_at } => PlaceAnswer::Turn { ticket, ends_at_ms: ends_at.unix_ms() },
        Place::Lost => PlaceAnswer::Lost,
    }
}

/// Rounded up: who asks again after that has not come too early.
fn whole_ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

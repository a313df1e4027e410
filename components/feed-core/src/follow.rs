//! What happens next: read where the copy stands, take a snapshot, ask for changes, wait, or end.
//!
//! A run is short (a cron's minute, or the rest of a request), there may be two of them at a time, and each may end in
//! the middle of anything. So a run believes only what it has read itself, and after every failure of the database,
//! whose outcome nobody knows, it reads again.

use crate::replica::Replica;

/// How long an origin may hold a poll when nothing is newer: 15 s, four answers a minute.
const POLL_WAIT_MS: i64 = 15_000;
/// A run ends when less than this is left: 500 ms, for a poll needs a round trip.
const LEFT_MS_MIN: i64 = 500;
/// Transactions asked for at once: 500, about 250 KB.
const BATCH_TRANSACTIONS: u32 = 500;
/// Pause between two batches when the origin has nothing more: 200 ms. The first change of a burst arrives at once, the
/// rest together, and a minute of changes stays below [`STATEMENTS_MAX`].
const PACE_MS: i64 = 200;
/// First pause after every origin failed once: 250 ms. It doubles up to [`BACKOFF_MS_MAX`].
const BACKOFF_MS_MIN: i64 = 250;
/// Longest pause between attempts: 2 s, so an origin that is back is found within that.
const BACKOFF_MS_MAX: i64 = 2_000;
/// Statements of one run: 900. Cloudflare counts each against 1 000 per invocation.
const STATEMENTS_MAX: usize = 900;
/// Calls to an origin in one run: 250. With a batch for each, media and keys they stay below the 1 000 subrequests of one
/// invocation.
const CALLS_MAX: usize = 250;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Read the copy's row and say so with [`Follower::found`].
    Read,
    /// Take a snapshot from the origin of this index; `before` is what the last batch is guarded by.
    Snapshot {
        /// Index of the origin.
        origin: usize,
        /// The copy that is to be replaced.
        before: Option<Box<Replica>>,
    },
    /// Ask the origin of this index what came after `replica`.
    Changes {
        /// Index of the origin.
        origin: usize,
        /// The copy to continue.
        replica: Box<Replica>,
        /// How long the origin may wait, in milliseconds.
        wait_ms: u64,
        /// Transactions at most.
        limit: u32,
    },
    /// Wait this many milliseconds.
    Pause(u64),
    /// The run is over.
    Done,
}

/// How long a run follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Until its time is over.
    Follow,
    /// Until it has reached the origin once.
    CatchUp,
}

/// When a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// What for.
    pub mode: Mode,
    /// The end, in milliseconds since 1970. A poll is over by then; a snapshot begun before may take longer.
    pub ends_at_ms: i64,
}

/// What failed, by remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The origin, or what it said: try another one, then again after a pause.
    Feed,
    /// The answer was larger than allowed: ask for less, in the end for a snapshot.
    TooLarge,
    /// The copy cannot be continued (410, a gap): only a snapshot helps.
    Discontinuous,
    /// The database. Another run may have been faster; nobody knows what was written.
    Store,
}

/// A run of the follower.
#[derive(Debug, Clone)]
pub struct Follower {
    schedule: Schedule,
    origins: usize,
    origin: usize,
    copy: Known,
    /// The place from which no answer continues.
    dead_end: Option<(String, u64)>,
    has_contact: bool,
    is_caught_up: bool,
    pause_ms: i64,
    /// Rounds without success; decides the pause.
    failed_rounds: u32,
    limit: u32,
    statements: usize,
    calls: usize,
}

#[derive(Debug, Clone)]
enum Known {
    Unread,
    Nothing,
    At(Replica),
}

impl Follower {
    /// Begins a run that asks `origins` origins, of which it knows indexes only.
    #[must_use]
    pub fn new(origins: usize, schedule: Schedule) -> Self {
        Self {
            schedule,
            origins,
            origin: 0,
            copy: Known::Unread,
            dead_end: None,
            has_contact: false,
            is_caught_up: false,
            pause_ms: 0,
            failed_rounds: 0,
            limit: BATCH_TRANSACTIONS,
            statements: 0,
            calls: 0,
        }
    }

    /// Returns what to do next. A pause is returned once; whoever does not wait goes on.
    pub fn step(&mut self, now_ms: i64) -> Step {
        let left_ms = self.schedule.ends_at_ms.saturating_sub(now_ms);
        let is_over = left_ms < LEFT_MS_MIN
            || (self.schedule.mode == Mode::CatchUp && self.is_caught_up)
            || self.statements >= STATEMENTS_MAX
            || self.calls >= CALLS_MAX;
        if is_over || self.origins == 0 {
            return Step::Done;
        }
        let pause_ms = std::mem::take(&mut self.pause_ms).min(left_ms);
        if pause_ms > 0 {
            return Step::Pause(u64::try_from(pause_ms).unwrap_or(0));
        }
        let origin = self.origin;
        match &self.copy {
            Known::Unread => Step::Read,
            Known::Nothing => self.call(Step::Snapshot { origin, before: None }),
            Known::At(replica) => {
                let replica = Box::new(replica.clone());
                if self.dead_end.is_some() {
                    return self.call(Step::Snapshot { origin, before: Some(replica) });
                }
                // Out of contact, the first poll does not wait: its answer is what proves the contact.
                let is_waiting = self.has_contact && self.schedule.mode == Mode::Follow;
                let wait_ms = if is_waiting { left_ms.min(POLL_WAIT_MS) } else { 0 };
                let wait_ms = u64::try_from(wait_ms).unwrap_or(0);
                self.call(Step::Changes { origin, replica, wait_ms, limit: self.limit })
            }
        }
    }

    fn is_continuing(&self) -> bool {
        self.dead_end.is_none() && matches!(self.copy, Known::At(_))
    }

    fn call(&mut self, step: Step) -> Step {
        self.calls = self.calls.saturating_add(1);
        step
    }

    /// Takes note of what the database said about the copy.
    pub fn found(&mut self, replica: Option<Replica>) {
        let place = replica.as_ref().map(place);
        // Another run was faster, and built what this one was about to.
        if place != self.dead_end {
            self.dead_end = None;
        }
        self.copy = replica.map_or(Known::Nothing, Known::At);
    }

    /// Takes note of statements that were run, whether they succeeded or not.
    pub fn spend(&mut self, statements: usize) {
        self.statements = self.statements.saturating_add(statements);
    }

    /// Takes note of a snapshot that is in place. Not a success yet for the pauses: an origin whose snapshots cannot be
    /// continued must not be asked for one after the other.
    pub fn built(&mut self, replica: Replica) {
        self.dead_end = None;
        self.has_contact = true;
        self.limit = BATCH_TRANSACTIONS;
        self.copy = Known::At(replica);
    }

    /// Takes note of an answer that is applied: the copy is at `to`, the origin at `head`. `now_ms` is what the batch wrote.
    pub fn applied(&mut self, to: u64, head: u64, now_ms: i64) {
        let moved = match &mut self.copy {
            Known::At(replica) if replica.position != to => {
                replica.position = to;
                replica.applied_at_ms = now_ms;
                replica.contact_at_ms = now_ms;
                true
            }
            _ => false,
        };
        self.has_contact = true;
        self.failed_rounds = 0;
        self.limit = BATCH_TRANSACTIONS;
        self.is_caught_up = to >= head;
        self.pause_ms = if moved && self.is_caught_up { PACE_MS } else { 0 };
    }

    /// Takes note of a contact that is written down.
    pub fn contacted(&mut self, now_ms: i64) {
        if let Known::At(replica) = &mut self.copy {
            replica.contact_at_ms = now_ms;
        }
    }

    /// Takes note of what outside the database still has to follow, so that it is known without reading again.
    pub fn marked(&mut self, upkeep: Option<String>) {
        if let Known::At(replica) = &mut self.copy {
            replica.upkeep = upkeep;
        }
    }

    /// Takes note of a failure. `random` spreads the pause, so that hosts which lost the same origin do not come back
    /// together.
    pub fn failed(&mut self, failure: Failure, random: u64) {
        let is_round_over = match failure {
            Failure::Feed => {
                self.has_contact = false;
                self.origin = self.origin.saturating_add(1);
                if self.origin >= self.origins {
                    self.origin = 0;
                }
                self.origin == 0
            }
            Failure::TooLarge if self.limit > 1 && self.is_continuing() => {
                self.limit /= 2;
                return;
            }
            Failure::TooLarge | Failure::Discontinuous => {
                if let Known::At(replica) = &self.copy {
                    self.dead_end = Some(place(replica));
                }
                true
            }
            Failure::Store => {
                self.copy = Known::Unread;
                true
            }
        };
        if is_round_over {
            self.pause_ms = backoff_ms(self.failed_rounds, random);
            self.failed_rounds = self.failed_rounds.saturating_add(1);
        }
    }
}

fn place(replica: &Replica) -> (String, u64) {
    (replica.epoch.clone(), replica.position)
}

/// The pause after `failed_rounds` failures in a row: doubling, capped, and spread over its upper half.
fn backoff_ms(failed_rounds: u32, random: u64) -> i64 {
    let factor = 1_i64.checked_shl(failed_rounds.min(32)).unwrap_or(i64::MAX);
    let half = BACKOFF_MS_MIN.saturating_mul(factor).min(BACKOFF_MS_MAX) / 2;
    let spread = u64::try_from(half).unwrap_or(0).saturating_add(1);
    let extra = random.checked_rem(spread).and_then(|extra| i64::try_from(extra).ok());
    half.saturating_add(extra.unwrap_or(0))
}

#[cfg(test)]
#[path = "follow/tests.rs"]
mod tests;

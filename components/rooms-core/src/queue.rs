//! The waiting room's queue: numbers and turns, in memory that does not grow with the crowd.
//!
//! Tickets are numbered in the order in which they are asked for. A clock calls them one by one, evenly spaced, as
//! many a minute as the operator says: a turn is an admission, whether its owner is there or not, so whoever left
//! holds nobody up. An admission ends a fixed time after its turn, not after it was fetched: however late a crowd
//! of hoarded tickets is redeemed, no more admissions hold at once than the pace gives in that time.
//!
//! What is kept: four numbers, and for the tickets called lately when they were called, on a grid of [`CELLS`] cells.

use core::time::Duration;

use domain::Timestamp;

#[cfg(test)]
mod tests;

/// Cells of one admission's lifetime. A turn counts from the end of its cell: an admission lasts up to 1/64 longer.
pub const CELLS: i64 = 64;

/// Most marks kept: more only come together while the lifetime is changed again and again.
const MARKS_MAX: usize = 256;

/// Longest wait that a new ticket may have: 12 h. Beyond that nobody is put at the end.
pub const WAIT_MAX: Duration = Duration::from_secs(12 * 60 * 60);

const MINUTE_NS: i64 = 60_000_000_000;

/// How fast tickets are called, and how long an admission holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Admissions in a minute; zero counts as one.
    pub admissions_per_minute: u32,
    /// How long an admission holds, from its turn on.
    pub pass_lifetime: Duration,
}

impl Pace {
    /// Time between two turns. Rounded up, so that no minute has more turns than were asked for.
    fn interval_ns(self) -> i64 {
        let per_minute = i64::from(self.admissions_per_minute.max(1));
        let rounded_up = MINUTE_NS.saturating_add(per_minute.saturating_sub(1));
        rounded_up.checked_div(per_minute).unwrap_or(MINUTE_NS)
    }

    fn lifetime_ms(self) -> i64 {
        i64::try_from(self.pass_lifetime.as_millis()).unwrap_or(i64::MAX)
    }

    fn cell_ms(self) -> i64 {
        self.lifetime_ms().checked_div(CELLS).unwrap_or(1).max(1_000)
    }
}

/// Up to `called`, tickets had their turn by `at_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// End of a cell, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The last ticket called by then.
    pub called: u64,
}

/// A queue. Plain numbers, so that it can be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The last ticket given; tickets count from 1.
    pub issued: u64,
    /// The last ticket called.
    pub called: u64,
    /// When the next turn is, in nanoseconds since the Unix epoch. In the past while nobody waits.
    pub next_turn_ns: i64,
    /// Pace at which `next_turn_ns` was set.
    pub admissions_per_minute: u32,
    /// Tickets up to this one had turns whose admissions are over.
    pub over: u64,
    /// When the tickets after `over` were called; oldest first.
    pub marks: Vec<Mark>,
}

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It waits.
    Waiting {
        /// Tickets before it, without itself.
        ahead: u64,
        /// Until its turn, at the present pace.
        wait: Duration,
    },
    /// Its turn has come.
    Turn {
        /// When the admission ends.
        ends_at: Timestamp,
    },
    /// Its admission is over, or it was never given.
    Lost,
}

/// Version of the text that [`Queue::to_text`] writes.
const TEXT_VERSION: &str = "q1";

/// No new tickets: the wait would be longer than [`WAIT_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is too long")]
pub struct Full {
    /// How long a new ticket would wait.
    pub wait: Duration,
}

impl Queue {
    /// Makes an empty queue.
    #[must_use]
    pub const fn new(pace: Pace) -> Self {
        Self {
            issued: 0,
            called: 0,
            next_turn_ns: 0,
            admissions_per_minute: pace.admissions_per_minute,
            over: 0,
            marks: Vec::new(),
        }
    }

    /// Writes the queue for storage: words with a space between. Not numbers for JavaScript, which rounds above 2^53.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Self { issued, called, next_turn_ns, admissions_per_minute, over, marks } = self;
        let head = format!(
            "{TEXT_VERSION} {issued} {called} {next_turn_ns} {admissions_per_minute} {over}"
        );
        marks.iter().fold(head, |text, mark| format!("{text} {}:{}", mark.at_ms, mark.called))
    }

    /// Reads what [`Queue::to_text`] wrote; `None` for anything else.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        (words.next()? == TEXT_VERSION).then_some(())?;
        let mut number = || words.next()?.parse::<u64>().ok();
        let (issued, called) = (number()?, number()?);
        let next_turn_ns = words.next()?.parse().ok()?;
        let admissions_per_minute = words.next()?.parse().ok()?;
        let over = words.next()?.parse().ok()?;
        let mark = |word: &str| {
            let (at, called) = word.split_once(':')?;
            Some(Mark { at_ms: at.parse().ok()?, called: called.parse().ok()? })
        };
        let marks = words.map(mark).collect::<Option<_>>()?;
        Some(Self { issued, called, next_turn_ns, admissions_per_minute, over, marks })
    }

    /// Gives the next ticket. Its turn may have come at once.
    ///
    /// # Errors
    /// See [`Full`].
    pub fn join(&mut self, pace: Pace, now: Timestamp) -> Result<u64, Full> {
        self.advance(pace, now);
        let wait = self.wait_for(self.issued.saturating_add(1), pace, now);
        if wait > WAIT_MAX {
            return Err(Full { wait });
        }
        if self.called == self.issued {
            // Turns that nobody waited for are not saved up.
            self.next_turn_ns = self.next_turn_ns.max(nanos(now));
        }
        self.issued = self.issued.saturating_add(1);
        self.advance(pace, now);
        Ok(self.issued)
    }

    /// Says where a ticket stands.
    pub fn look(&mut self, ticket: u64, pace: Pace, now: Timestamp) -> Place {
        self.advance(pace, now);
        if ticket == 0 || ticket > self.issued || ticket <= self.over {
            return Place::Lost;
        }
        if ticket > self.called {
            let ahead = ticket.saturating_sub(self.called).saturating_sub(1);
            return Place::Waiting { ahead, wait: self.wait_for(ticket, pace, now) };
        }
        let Some(mark) = self.marks.iter().find(|mark| mark.called >= ticket) else {
            return Place::Lost;
        };
        let ends_at = Timestamp::from_unix_ms(mark.at_ms).after(pace.pass_lifetime);
        if ends_at > now { Place::Turn { ends_at } } else { Place::Lost }
    }

    /// Calls everybody whose turn has come. Does the same in one step as in many, so what happened since the queue
    /// was stored need not be stored.
    pub fn advance(&mut self, pace: Pace, now: Timestamp) {
        self.change_pace(pace, now);
        self.call(pace, now);
    }

    fn change_pace(&mut self, pace: Pace, now: Timestamp) {
        if self.admissions_per_minute == pace.admissions_per_minute {
            return;
        }
        let old = Pace { admissions_per_minute: self.admissions_per_minute, ..pace };
        self.call(old, now);
        let last_turn_ns = self.next_turn_ns.saturating_sub(old.interval_ns());
        self.next_turn_ns = last_turn_ns.saturating_add(pace.interval_ns());
        self.admissions_per_minute = pace.admissions_per_minute;
        // A faster pace must not call for the time before it was ordered.
        if self.next_turn_ns < nanos(now) {
            self.next_turn_ns = nanos(now);
        }
    }

    fn call(&mut self, pace: Pace, now: Timestamp) {
        let now_ns = nanos(now);
        if self.called < self.issued && self.next_turn_ns <= now_ns {
            self.mark(pace, now);
            let turns = self.turns_until(now_ns, pace);
            self.called = self.called.saturating_add(turns);
            let turns = i64::try_from(turns).unwrap_or(i64::MAX);
            let passed_ns = turns.saturating_mul(pace.interval_ns());
            self.next_turn_ns = self.next_turn_ns.saturating_add(passed_ns);
        }
        self.prune(pace, now);
    }

    /// Writes when the tickets that are about to be called had their turns.
    fn mark(&mut self, pace: Pace, now: Timestamp) {
        let (now_ms, cell_ms) = (now.unix_ms(), pace.cell_ms());
        // Of longer ago than an admission lasts only the last ticket matters.
        let oldest_ms = now_ms.saturating_sub(pace.lifetime_ms()).saturating_sub(cell_ms);
        let first_ms = self.next_turn_ns.div_euclid(1_000_000).max(oldest_ms);
        let mut end_ms = cell_end(first_ms, cell_ms);
        loop {
            // A turn at the very end of a cell is the next cell's, however late it is written down.
            let last_ns = end_ms.saturating_mul(1_000_000).saturating_sub(1);
            let until_ns = last_ns.min(nanos(now));
            let called = self.called.saturating_add(self.turns_until(until_ns, pace));
            match self.marks.last_mut().filter(|last| last.at_ms >= end_ms) {
                Some(last) => last.called = last.called.max(called),
                None => self.marks.push(Mark { at_ms: end_ms, called }),
            }
            if end_ms > now_ms {
                return;
            }
            end_ms = end_ms.saturating_add(cell_ms);
        }
    }

    /// How many of those who wait have their turn by `until_ns`.
    fn turns_until(&self, until_ns: i64, pace: Pace) -> u64 {
        let passed_ns = until_ns.saturating_sub(self.next_turn_ns);
        if passed_ns < 0 {
            return 0;
        }
        let turns = passed_ns.checked_div(pace.interval_ns()).unwrap_or(0).saturating_add(1);
        let waiting = self.issued.saturating_sub(self.called);
        u64::try_from(turns).unwrap_or(0).min(waiting)
    }

    fn prune(&mut self, pace: Pace, now: Timestamp) {
        let is_over =
            |mark: &Mark| Timestamp::from_unix_ms(mark.at_ms).after(pace.pass_lifetime) <= now;
        let over = self.marks.iter().take_while(|mark| is_over(mark)).count();
        if let Some(last) = over.checked_sub(1).and_then(|at| self.marks.get(at)) {
            self.over = self.over.max(last.called);
        }
        let excess = self.marks.len().saturating_sub(MARKS_MAX);
        self.marks.drain(..over.max(excess));
    }

    fn wait_for(&self, ticket: u64, pace: Pace, now: Timestamp) -> Duration {
        let ahead = ticket.saturating_sub(self.called).saturating_sub(1);
        let ahead = i64::try_from(ahead).unwrap_or(i64::MAX);
        let base_ns = self.next_turn_ns.max(nanos(now));
        let turn_ns = base_ns.saturating_add(ahead.saturating_mul(pace.interval_ns()));
        let wait_ns = turn_ns.saturating_sub(nanos(now));
        Duration::from_nanos(u64::try_from(wait_ns).unwrap_or(0))
    }
}

fn nanos(moment: Timestamp) -> i64 {
    moment.unix_ms().saturating_mul(1_000_000)
}

/// The end of the cell that a moment is in.
fn cell_end(ms: i64, cell_ms: i64) -> i64 {
    let before = ms.checked_div_euclid(cell_ms).unwrap_or(0);
    before.saturating_add(1).saturating_mul(cell_ms)
}

/// When a waiting client should ask again: at its turn when that is near, half-way there otherwise, so that a long
/// queue costs few requests; between 1 s and 2 minutes.
#[must_use]
pub fn poll_after(wait: Duration) -> Duration {
    let near = Duration::from_secs(10);
    let after = if wait <= near { wait } else { wait.checked_div(2).unwrap_or(near).max(near) };
    let whole =
        Duration::from_secs(after.as_nanos().div_ceil(1_000_000_000).try_into().unwrap_or(120));
    whole.clamp(Duration::from_secs(1), Duration::from_secs(120))
}

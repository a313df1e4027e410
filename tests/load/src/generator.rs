//! Load from one thread: many connections, one request at a time on each, as fast as answers come or at a given pace.
//!
//! Cheap enough to outrun plain hyper from the other core: requests are bytes made beforehand, an answer costs one
//! `epoll_wait` (shared with its neighbours), one read, one write, and every one is checked.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::event::{Timespec, epoll};

use crate::affinity;
use crate::connection::{Answer, Connection, Received};
use crate::histogram::Histogram;
use crate::responder::{Origin, Responder};

/// A stuck server ends the measurement instead of holding it.
const STUCK_LIMIT: Duration = Duration::from_secs(30);
/// Longest sleep before the clock is looked at.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
const NO_WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// Events taken at once.
const EVENTS: usize = 128;
/// What connections are told by stays below; an origin's events begin here.
const ORIGIN_TOKEN: u64 = 1 << 32;
/// What is thrown away of a large body by one call: 1 MiB, and the kernel copies none of it.
const DISCARD_BYTES: usize = 1024 * 1024;
/// Failures that are described; all are counted.
const EXAMPLES_MAX: usize = 10;

/// A request, and the answer that it must get.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) name: String,
    bytes: Vec<u8>,
    pub(crate) status: u16,
    /// Another status that will do as well.
    or_status: Option<u16>,
    /// Bytes of the body; `None` where any will do.
    pub(crate) body_bytes: Option<usize>,
}

impl Question {
    /// `GET path`, to be answered with 200.
    pub(crate) fn get(name: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut text =
            format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\naccept: application/json\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        Self {
            name: name.to_owned(),
            bytes: text.into_bytes(),
            status: 200,
            or_status: None,
            body_bytes: None,
        }
    }

    /// With another status.
    pub(crate) const fn answered_with(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Or with that one.
    pub(crate) const fn or_with(mut self, status: u16) -> Self {
        self.or_status = Some(status);
        self
    }

    /// With a body of that length.
    pub(crate) const fn of_length(mut self, body_bytes: usize) -> Self {
        self.body_bytes = Some(body_bytes);
        self
    }

    /// The request as it is sent.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn is_met_by(&self, answer: Answer) -> bool {
        let is_status = answer.status == self.status || self.or_status == Some(answer.status);
        is_status && self.body_bytes.is_none_or(|expected| expected == answer.body_bytes)
    }
}

/// When requests are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// The next one when the answer is there.
    Closed,
    /// So many a second, whatever the server does: one that finds no free connection waits, and its latency counts from
    /// the moment when it was due.
    PerSecond(f64),
}

/// One server's turn.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) questions: Vec<Question>,
    /// In which order they are asked, again and again.
    pub(crate) deck: Vec<usize>,
    pub(crate) pace: Pace,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    /// The core that asks.
    pub(crate) core: Option<usize>,
    /// The origin of a proxy that is asked, which this thread is as well.
    pub(crate) origin: Option<Origin>,
}

/// What a turn gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    /// Answers as they must be.
    pub(crate) answers: u64,
    /// How long was counted.
    pub(crate) elapsed: Duration,
    /// One latency per answer.
    pub(crate) latencies: Histogram,
    /// For each question how often each outcome came; `as it must be` is one.
    pub(crate) outcomes: BTreeMap<(usize, String), u64>,
    /// Some of the answers that were not as they must be.
    pub(crate) examples: Vec<String>,
    as_must_be: Vec<u64>,
}

impl Measured {
    /// Answers that were not as they must be, or never came.
    pub(crate) fn failures(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// How often question number `question` was answered as it must be.
    pub(crate) fn met(&self, question: usize) -> u64 {
        self.as_must_be.get(question).copied().unwrap_or(0)
    }
}

/// Runs a turn on this thread. `begin` and `end` are called at the borders of what is counted.
pub(crate) fn run(turn: &Turn, begin: impl FnOnce(), end: impl FnOnce()) -> Result<Measured> {
    affinity::keep_on(turn.core)?;
    if turn.deck.is_empty() || turn.deck.iter().any(|at| *at >= turn.questions.len()) {
        bail!("the order names questions that there are not");
    }
    let mut run = Run::new(turn)?;
    run.go_until(run.begins)?;
    begin();
    run.is_counting = true;
    let counted_from = Instant::now();
    // Not from the planned start: what the warm-up took too long would be missing from what is counted.
    run.ends = counted_from + turn.duration;
    run.begins = counted_from;
    run.go_until(run.ends)?;
    run.go_on_to_the_first_answer()?;
    run.measured.elapsed = counted_from.elapsed();
    // At a given pace those that were due count to the last one; otherwise what is under way is only waited for.
    run.is_counting = turn.pace != Pace::Closed;
    end();
    run.drain()?;
    run.check_the_origin()?;
    Ok(run.measured)
}

struct Run<'a> {
    turn: &'a Turn,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    /// Connections without a request.
    idle: Vec<usize>,
    next_card: usize,
    /// Requests sent so far, which at a pace says when the next is due.
    sent: u64,
    starts: Instant,
    begins: Instant,
    ends: Instant,
    moved: Instant,
    is_counting: bool,
    responder: Option<Responder>,
    discard: Vec<u8>,
    measured: Measured,
}

impl<'a> Run<'a> {
    fn new(turn: &'a Turn) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("make an epoll")?;
        let starts = Instant::now();
        let begins = starts + turn.warm_up;
        let responder = turn.origin.as_ref();
        let responder =
            responder.map(|origin| Responder::new(origin, &epoll, ORIGIN_TOKEN)).transpose()?;
        let measured =
            Measured { as_must_be: vec![0; turn.questions.len()], ..Measured::default() };
        let mut run = Self {
            turn,
            epoll,
            connections: Vec::with_capacity(turn.connections),
            idle: (0..turn.connections).collect(),
            next_card: 0,
            sent: 0,
            starts,
            begins,
            ends: begins + turn.duration,
            moved: starts,
            is_counting: false,
            responder,
            discard: vec![0; DISCARD_BYTES],
            measured,
        };
        for at in 0..turn.connections {
            let connection = run.connect(at)?;
            run.connections.push(connection);
        }
        Ok(run)
    }

    fn connect(&self, at: usize) -> Result<Connection> {
        let connection = Connection::open(self.turn.address)?;
        let data = epoll::EventData::new_u64(at as u64);
        epoll::add(&self.epoll, &connection.stream, data, epoll::EventFlags::IN)
            .context("watch a connection")?;
        Ok(connection)
    }

    fn go_until(&mut self, until: Instant) -> Result<()> {
        while Instant::now() < until {
            self.ask_what_is_due(until)?;
            self.look(true)?;
        }
        Ok(())
    }

    /// A turn without an answer has no figure: on a machine that is busy otherwise a short one goes on to its first.
    fn go_on_to_the_first_answer(&mut self) -> Result<()> {
        while self.turn.pace == Pace::Closed
            && self.measured.answers == 0
            && self.measured.failures() == 0
        {
            self.ask_what_is_due(Instant::now() + STUCK_LIMIT)?;
            self.look(true)?;
        }
        Ok(())
    }

    /// Sends what was still due, and waits for every answer.
    fn drain(&mut self) -> Result<()> {
        loop {
            if self.turn.pace != Pace::Closed {
                self.ask_what_is_due(self.ends)?;
            }
            let is_all = self.turn.pace == Pace::Closed || self.due_at(self.sent) >= self.ends;
            if is_all && self.idle.len() == self.connections.len() {
                return Ok(());
            }
            self.look(false)?;
        }
    }

    /// Where every answer is to come from the origin, it must have been asked for each.
    fn check_the_origin(&self) -> Result<()> {
        let Some(responder) = &self.responder else { return Ok(()) };
        if responder.answered < self.measured.answers {
            let (asked, answers) = (responder.answered, self.measured.answers);
            bail!(
                "{}: {answers} answers, and the origin was asked {asked} times",
                self.turn.address
            );
        }
        Ok(())
    }

    fn due_at(&self, number: u64) -> Instant {
        match self.turn.pace {
            Pace::Closed => self.starts,
            Pace::PerSecond(rate) => self.starts + Duration::from_secs_f64(number as f64 / rate),
        }
    }

    /// Asks on free connections whatever should have been asked by now.
    fn ask_what_is_due(&mut self, until: Instant) -> Result<()> {
        let now = Instant::now();
        while !self.idle.is_empty() {
            let due = match self.turn.pace {
                Pace::Closed => now,
                Pace::PerSecond(_) => self.due_at(self.sent),
            };
            if due > now || due >= until {
                return Ok(());
            }
            let Some(at) = self.idle.pop() else { return Ok(()) };
            self.ask(at, due)?;
        }
        Ok(())
    }

    fn ask(&mut self, at: usize, asked: Instant) -> Result<()> {
        let card = self.turn.deck.get(self.next_card).copied().unwrap_or(0);
        self.next_card = (self.next_card + 1) % self.turn.deck.len();
        self.sent += 1;
        let (Some(question), Some(connection)) =
            (self.turn.questions.get(card), self.connections.get_mut(at))
        else {
            return Ok(());
        };
        connection.question = card;
        connection.asked = asked;
        if let Err(why) = connection.send(&question.bytes) {
            self.fail(at, why, String::new())?;
        }
        Ok(())
    }

    /// Takes the answers that are there; asks again at once where nothing else says when.
    fn look(&mut self, goes_on: bool) -> Result<()> {
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); EVENTS];
        // On a core of its own it never sleeps: to wake it would be the server's work, 5 to 14 µs of an interrupt to the
        // other core on a virtual machine, and the more often the slower the server is.
        let may_sleep = self.turn.pace == Pace::Closed && self.turn.core.is_none();
        let wait = if may_sleep { &WAIT } else { &NO_WAIT };
        let (events, _) = match epoll::wait(&self.epoll, &mut events, Some(wait)) {
            Ok(events) => events,
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error).context("wait for answers"),
        };
        if events.is_empty() {
            let is_waiting = self.idle.len() < self.connections.len();
            if is_waiting && self.moved.elapsed() > STUCK_LIMIT {
                bail!("{}: no answer for {STUCK_LIMIT:?}", self.turn.address);
            }
            return Ok(());
        }
        for event in events.iter() {
            let token = event.data.u64();
            if let Some(responder) = self.responder.as_mut().filter(|one| one.owns(token)) {
                responder.handle(&self.epoll, token)?;
                continue;
            }
            let at = usize::try_from(token).unwrap_or(usize::MAX);
            let Some(connection) = self.connections.get_mut(at) else { continue };
            let question = connection.question;
            match connection.receive(&mut self.discard) {
                Received::Nothing => continue,
                Received::Broken(_) if self.idle.contains(&at) => {
                    // Closed between two requests, as a server may: nothing was lost.
                    self.reconnect(at)?;
                    continue;
                }
                Received::Broken(why) => {
                    let example = connection.example();
                    self.fail(at, why, example)?;
                }
                Received::Answer(answer) => {
                    let now = Instant::now();
                    self.moved = now;
                    self.record(at, question, answer, now);
                    if !answer.is_kept {
                        self.reconnect(at)?;
                    }
                    self.idle.push(at);
                }
            }
            if goes_on && self.turn.pace == Pace::Closed {
                let now = self.moved;
                if self.idle.pop().is_some_and(|free| free == at) {
                    self.ask(at, now)?;
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, at: usize, question: usize, answer: Answer, now: Instant) {
        let Some(connection) = self.connections.get(at) else { return };
        let asked = self.turn.questions.get(question);
        if !asked.is_some_and(|asked| asked.is_met_by(answer)) {
            let what = format!("{} with {} bytes", answer.status, answer.body_bytes);
            let example = connection.example();
            return self.count_failure(question, what, example);
        }
        let was_due_before = self.turn.pace != Pace::Closed && connection.asked < self.begins;
        if !self.is_counting || was_due_before {
            return;
        }
        self.measured.answers += 1;
        if let Some(count) = self.measured.as_must_be.get_mut(question) {
            *count += 1;
        }
        self.measured.latencies.record(now.saturating_duration_since(connection.asked));
    }

    /// A request without a whole answer; the connection is replaced.
    fn fail(&mut self, at: usize, why: String, example: String) -> Result<()> {
        let question = self.connections.get(at).map_or(0, |connection| connection.question);
        self.count_failure(question, why, example);
        self.moved = Instant::now();
        self.reconnect(at)?;
        self.idle.push(at);
        Ok(())
    }

    /// Counted always, also outside of what is measured: a failure is one.
    fn count_failure(&mut self, question: usize, what: String, example: String) {
        if self.measured.examples.len() < EXAMPLES_MAX {
            let name = self.turn.questions.get(question).map_or("", |question| &question.name);
            self.measured.examples.push(format!("{name}: {what}: {example}"));
        }
        *self.measured.outcomes.entry((question, what)).or_default() += 1;
    }

    fn reconnect(&mut self, at: usize) -> Result<()> {
        let connection = self.connect(at)?;
        if let Some(old) = self.connections.get_mut(at) {
            let question = old.question;
            *old = connection;
            old.question = question;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Response;
    use http_body_util::Full;
    use tokio::net::TcpListener;

    use super::*;
    use crate::plain;

    /// Runs a turn against a server that answers everything with `status`.
    async fn measured(status: u16, connections: usize, pace: Pace) -> Result<Measured> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Response::builder().status(status).body(Full::new(Bytes::from("[]")));
        let serving = tokio::spawn(plain::serve_on(listener, answer.unwrap()));
        let turn = Turn {
            address,
            connections,
            questions: vec![Question::get("it", "/", &[]).of_length(2)],
            deck: vec![0],
            pace,
            warm_up: Duration::from_millis(10),
            duration: Duration::from_millis(100),
            core: None,
            origin: None,
        };
        let measured = tokio::task::spawn_blocking(move || {
            let (mut begun, mut ended) = (0, 0);
            let measured = run(&turn, || begun += 1, || ended += 1);
            (measured, begun + ended)
        });
        let (measured, called) = measured.await.unwrap();
        assert_eq!(called, 2, "both borders are passed once");
        serving.abort();
        measured
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_turn_counts_answers_and_failures() {
        let good = measured(200, 4, Pace::Closed).await.unwrap();
        assert!(good.answers > 0 && good.failures() == 0, "{:?}", good.outcomes);
        assert_eq!((good.latencies.total(), good.met(0)), (good.answers, good.answers));
        assert!(good.elapsed >= Duration::from_millis(100), "{:?}", good.elapsed);
        let bad = measured(503, 4, Pace::Closed).await.unwrap();
        assert!(bad.answers == 0 && bad.failures() > 0, "{:?}", bad.outcomes);
        assert!(bad.examples[0].starts_with("it: 503 with 2 bytes"), "{:?}", bad.examples);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_paced_turn_asks_as_often_as_it_is_told_and_no_more() {
        let paced = measured(200, 8, Pace::PerSecond(500.0)).await.unwrap();
        assert!(paced.answers.abs_diff(50) <= 1, "{} in 100 ms at 500 a second", paced.answers);
    }

    #[tokio::test]
    async fn an_order_that_names_no_question_is_refused() {
        let turn = Turn {
            address: "127.0.0.1:1".parse().unwrap(),
            connections: 1,
            questions: vec![],
            deck: vec![0],
            pace: Pace::Closed,
            warm_up: Duration::ZERO,
            duration: Duration::ZERO,
            core: None,
            origin: None,
        };
        assert!(run(&turn, || (), || ()).is_err());
    }
}

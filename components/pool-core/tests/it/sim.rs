//! The simulator: clients send requests through plans, origins behave as scripted, time jumps from event to event.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use pool_core::{
    Attempt, Instant, Origin, OriginId, Outcome, PickKind, Plan, Pool, RequestFacts, Settings,
    Step, Stop, WaitId,
};

use crate::rng::Rng;

pub(crate) const READ: RequestFacts =
    RequestFacts { is_read: true, is_idempotent: true, is_replayable: true };
pub(crate) const WRITE: RequestFacts =
    RequestFacts { is_read: false, is_idempotent: false, is_replayable: false };

/// How an origin behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Answers after so many milliseconds, give or take a tenth.
    Well(u64),
    /// Answers 404 at once.
    Empty,
    /// Refuses connections.
    Dead,
    /// Takes requests and says nothing.
    Silent,
    /// Answers with garbage.
    Garbage,
    /// Answers 503, with or without a time in seconds.
    Away(Option<u64>),
    /// Answers well after 20 ms or breaks, one as often as the other.
    Flapping,
}

/// An attempt that was begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) at_ms: u64,
    pub(crate) slot: usize,
    pub(crate) kind: PickKind,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Arrive,
    /// Ask the plan of a request for its next step.
    Step(u64),
    Hedge(u64),
    /// The attempt of a request at this origin ends so.
    Head(u64, OriginId, Outcome),
    Body(u64, Outcome),
    Probed(OriginId, bool),
    /// The pool said that something changes by itself.
    Deadline,
}

struct Running {
    plan: Plan,
    attempts: Vec<Attempt>,
}

/// A pool, its origins and its clients.
pub(crate) struct Sim {
    pub(crate) pool: Pool,
    pub(crate) rng: Rng,
    now: Instant,
    events: BTreeMap<(Instant, u64), Event>,
    serial: u64,
    /// Per slot: from when (ms) it behaves how.
    scripts: Vec<Vec<(u64, Behaviour)>>,
    running: BTreeMap<u64, Running>,
    waiting: BTreeMap<WaitId, u64>,
    /// Time between two arrivals, on average.
    every: Duration,
    arrivals_end: Instant,
    facts: Vec<RequestFacts>,
    deadline_set: Option<Instant>,
    pub(crate) asked: Vec<Asked>,
    pub(crate) served: u64,
    pub(crate) stops: BTreeMap<String, u64>,
    pub(crate) in_flight_max: u32,
}

pub(crate) fn at(ms: u64) -> Instant {
    Instant::new(Duration::from_millis(ms))
}

impl Sim {
    /// Origins with scripts, in order of their slots.
    pub(crate) fn new(
        settings: Settings,
        origins: Vec<(Origin, Vec<(u64, Behaviour)>)>,
        rng: Rng,
    ) -> Self {
        let (origins, scripts): (Vec<_>, Vec<_>) = origins.into_iter().unzip();
        Self {
            pool: Pool::new(settings, origins, at(0)).unwrap(),
            rng,
            now: at(0),
            events: BTreeMap::new(),
            serial: 0,
            scripts,
            running: BTreeMap::new(),
            waiting: BTreeMap::new(),
            every: Duration::ZERO,
            arrivals_end: at(0),
            facts: vec![READ],
            deadline_set: None,
            asked: Vec::new(),
            served: 0,
            stops: BTreeMap::new(),
            in_flight_max: 0,
        }
    }

    /// `count` origins that are named by their numbers, all with the same script.
    pub(crate) fn of(count: usize, settings: Settings, behaviour: Behaviour, rng: Rng) -> Self {
        let origin = |at: usize| (Origin::new(at.to_string()), vec![(0, behaviour)]);
        Self::new(settings, (0..count).map(origin).collect(), rng)
    }

    /// From `from_ms` on, the origin behaves so.
    pub(crate) fn script(&mut self, slot: usize, from_ms: u64, behaviour: Behaviour) {
        self.scripts[slot].push((from_ms, behaviour));
    }

    /// Requests are of these kinds, one as often as another.
    pub(crate) fn requests(&mut self, facts: Vec<RequestFacts>) {
        self.facts = facts;
    }

    /// Lets `per_second` requests arrive until `until_ms`, and runs until all are answered.
    pub(crate) fn run(&mut self, per_second: u64, until_ms: u64) {
        self.every = Duration::from_micros(1_000_000 / per_second);
        self.arrivals_end = at(until_ms);
        self.push(Duration::ZERO, Event::Arrive);
        for _ in 0..5_000_000 {
            self.poll();
            let Some(((when, _), event)) = self.events.pop_first() else { break };
            assert!(when >= self.now, "time runs forward");
            self.now = when;
            if self.now > self.arrivals_end && self.running.is_empty() {
                break;
            }
            self.handle(event);
            self.check();
        }
        assert!(self.running.is_empty(), "every request ends");
        for state in self.pool.states(self.now) {
            assert_eq!(state.in_flight, 0, "{}", state.origin.name);
        }
        assert_eq!(self.pool.waiting(), 0);
        let ended = self.served + self.stops.values().sum::<u64>();
        assert_eq!(ended, self.pool.counts().requests);
    }

    /// Attempts at an origin from one moment to another, by how it was chosen.
    pub(crate) fn asked(
        &self,
        slot: usize,
        from_ms: u64,
        to_ms: u64,
    ) -> impl Iterator<Item = PickKind> {
        let is_meant =
            move |asked: &&Asked| asked.slot == slot && (from_ms..to_ms).contains(&asked.at_ms);
        self.asked.iter().filter(is_meant).map(|asked| asked.kind)
    }

    /// What of the attempts of a time an origin got, in percent.
    pub(crate) fn share(&self, slot: usize, from_ms: u64, to_ms: u64) -> u64 {
        let all: usize =
            (0..self.scripts.len()).map(|slot| self.asked(slot, from_ms, to_ms).count()).sum();
        let part = self.asked(slot, from_ms, to_ms).count() * 100;
        u64::try_from(part.checked_div(all).unwrap_or(0)).unwrap()
    }

    fn push(&mut self, after: Duration, event: Event) {
        self.push_at(self.now.after(after), event);
    }

    fn push_at(&mut self, when: Instant, event: Event) {
        self.serial += 1;
        self.events.insert((when.max(self.now), self.serial), event);
    }

    /// What the pool's owner does after every event.
    fn poll(&mut self) {
        loop {
            let random = self.rng.next();
            let Some(id) = self.pool.poll_probe(self.now, random) else { break };
            match self.behaviour(usize::from(id.slot())) {
                Behaviour::Silent => {}
                Behaviour::Well(_) | Behaviour::Empty | Behaviour::Flapping => {
                    self.push(Duration::from_millis(5), Event::Probed(id, true));
                }
                _ => self.push(Duration::from_millis(5), Event::Probed(id, false)),
            }
        }
        while let Some(id) = self.pool.poll_waiting(self.now) {
            if let Some(request) = self.waiting.remove(&id) {
                self.step(request);
            }
        }
        let deadline = self.pool.poll_deadline(self.now);
        if deadline != self.deadline_set
            && let Some(deadline) = deadline
        {
            self.push_at(deadline.max(self.now.after(Duration::from_micros(1))), Event::Deadline);
        }
        self.deadline_set = deadline;
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrive => self.arrive(),
            Event::Step(request) => self.step(request),
            Event::Hedge(request) => {
                let random = self.rng.next();
                let Some(running) = self.running.get_mut(&request) else { return };
                if let Some(attempt) = running.plan.hedge(&mut self.pool, self.now, random) {
                    self.begin(request, attempt);
                }
            }
            Event::Head(request, origin, outcome) => self.head(request, origin, outcome),
            Event::Body(request, outcome) => {
                let mut running = self.running.remove(&request).unwrap();
                let mut attempt = running.attempts.pop().unwrap();
                self.pool.end(&mut attempt.ticket, outcome, self.now);
                self.served += 1;
            }
            Event::Probed(origin, is_ok) => self.pool.handle_probe(origin, is_ok, self.now),
            Event::Deadline => self.deadline_set = None,
        }
    }

    fn check(&mut self) {
        let max = self.pool.settings().balance.in_flight_max;
        let attempts: usize = self.running.values().map(|running| running.attempts.len()).sum();
        let mut sum = 0;
        for state in self.pool.states(self.now) {
            assert!(state.in_flight <= max, "{} of {}", state.in_flight, state.origin.name);
            self.in_flight_max = self.in_flight_max.max(state.in_flight);
            sum += usize::try_from(state.in_flight).unwrap();
        }
        assert_eq!(sum, attempts, "every place in flight has an attempt");
    }

    fn arrive(&mut self) {
        if self.now >= self.arrivals_end {
            return;
        }
        let micros = u64::try_from(self.every.as_micros()).unwrap();
        let wait = self.rng.below(2 * micros + 1);
        self.push(Duration::from_micros(wait), Event::Arrive);
        let kinds = u64::try_from(self.facts.len()).unwrap();
        let facts = self.facts[usize::try_from(self.rng.below(kinds)).unwrap()];
        self.serial += 1;
        let request = self.serial;
        let plan = Plan::new(facts, &mut self.pool, self.now);
        self.running.insert(request, Running { plan, attempts: Vec::new() });
        self.step(request);
    }

    fn step(&mut self, request: u64) {
        let random = self.rng.next();
        let running = self.running.get_mut(&request).unwrap();
        match running.plan.next(&mut self.pool, self.now, random) {
            Step::Try(attempt) => {
                assert!(attempt.head_timeout <= running.plan.deadline().since(self.now));
                self.begin(request, attempt);
                let plan = &self.running[&request].plan;
                if let Some(when) = plan.hedge_at(&self.pool) {
                    self.push_at(when, Event::Hedge(request));
                }
            }
            Step::WaitUntil(until) => self.push_at(until, Event::Step(request)),
            Step::WaitInQueue(id) => {
                self.waiting.insert(id, request);
            }
            Step::Await => {}
            Step::Stop(stop) => {
                assert_ne!(stop, Stop::Settled);
                let running = self.running.remove(&request).unwrap();
                assert!(running.attempts.is_empty());
                *self.stops.entry(format!("{stop:?}")).or_default() += 1;
            }
        }
    }

    fn begin(&mut self, request: u64, attempt: Attempt) {
        let slot = usize::from(attempt.origin.slot());
        let at_ms = u64::try_from(self.now.since_start().as_millis()).unwrap();
        self.asked.push(Asked { at_ms, slot, kind: attempt.kind });
        let (after, outcome) = self.play(slot, &attempt);
        self.push(after, Event::Head(request, attempt.origin, outcome));
        self.running.get_mut(&request).unwrap().attempts.push(attempt);
    }

    fn behaviour(&self, slot: usize) -> Behaviour {
        let now_ms = self.now.since_start().as_millis();
        let script = &self.scripts[slot];
        script.iter().rfind(|(from, _)| u128::from(*from) <= now_ms).unwrap().1
    }

    fn play(&mut self, slot: usize, attempt: &Attempt) -> (Duration, Outcome) {
        let ms = Duration::from_millis;
        let answered = |status, latency| (latency, Outcome::answered(status, latency));
        let (after, outcome) = match self.behaviour(slot) {
            Behaviour::Well(about) => {
                let about = about * 1_000;
                let micros = about * 9 / 10 + self.rng.below(about / 5 + 1);
                answered(StatusCode::OK, Duration::from_micros(micros))
            }
            Behaviour::Empty => answered(StatusCode::NOT_FOUND, ms(1)),
            Behaviour::Dead => (ms(1), Outcome::NotSent),
            Behaviour::Silent => (attempt.head_timeout, Outcome::TimedOut),
            Behaviour::Garbage => (ms(3), Outcome::Broken),
            Behaviour::Away(seconds) => {
                let retry_after = seconds.map(Duration::from_secs);
                let status = StatusCode::SERVICE_UNAVAILABLE;
                (ms(2), Outcome::Answered { status, latency: ms(2), retry_after })
            }
            Behaviour::Flapping if self.rng.below(2) == 0 => (ms(3), Outcome::Broken),
            Behaviour::Flapping => answered(StatusCode::OK, ms(20)),
        };
        if after > attempt.head_timeout {
            return (attempt.head_timeout, Outcome::TimedOut);
        }
        (after, outcome)
    }

    fn head(&mut self, request: u64, origin: OriginId, outcome: Outcome) {
        // The attempt was cancelled meanwhile, or the request has ended.
        let Some(running) = self.running.get_mut(&request) else { return };
        if running.plan.is_settled() {
            return;
        }
        let Some(at) = running.attempts.iter().position(|a| a.origin == origin) else { return };
        let mut attempt = running.attempts.remove(at);
        running.plan.report(&mut attempt, outcome, &mut self.pool, self.now);
        if !running.plan.is_settled() {
            return self.step(request);
        }
        for mut other in running.attempts.drain(..) {
            running.plan.report(&mut other, Outcome::Cancelled, &mut self.pool, self.now);
        }
        running.attempts.push(attempt);
        self.push(Duration::from_millis(1), Event::Body(request, outcome));
    }
}

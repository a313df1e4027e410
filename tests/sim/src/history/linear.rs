//! Is there one order of all operations, in keeping with who waited for whom, that explains every answer?
//!
//! The search is Wing and Gong's (1993) with Lowe's memory (2017): try, as the next operation, each one that began
//! before all others still open had ended; never look twice at the same set of operations with the same state. An
//! operation of unknown outcome may have happened at any time after it was asked, or never.
//!
//! Cost: exponential in the number of operations that overlap on one object, at worst; linear when few do. Histories
//! of some hundred operations an object with a dozen overlapping take milliseconds. The search gives up, and says so,
//! after [`NODES_MAX`] sets.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::Hash;

use domain::order::{Consequence, OrderEvent};
use domain::{OrderStatus, PaymentStatus};

use super::log::{Answer, Call, Operation, Outcome};

/// Sets of operations that one search looks at before it gives up: 2 000 000, some seconds and 200 MB at worst.
pub const NODES_MAX: usize = 2_000_000;

/// What an object may do.
pub trait Model {
    /// What the object is at one moment.
    type State: Clone + Eq + Hash;

    /// Returns what it is before the first operation.
    fn start(&self) -> Self::State;

    /// Carries out a call and returns what the object is then; `None` when it cannot have been answered so.
    /// Without an `answer` every answer is possible.
    fn apply(
        &self,
        state: &Self::State,
        call: &Call,
        answer: Option<&Answer>,
    ) -> Option<Self::State>;
}

/// What a search found out about one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// There is such an order.
    Linearizable,
    /// There is none.
    Violated(Violation),
    /// Too many operations overlap: [`NODES_MAX`] sets were not enough.
    Undecided {
        /// Which object.
        object: String,
    },
}

/// An object whose answers nothing explains.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object}: nothing explains operation {stuck:?} after {explained} of {operations}")]
pub struct Violation {
    /// Which object.
    pub object: String,
    /// Operations of it that ended.
    pub operations: usize,
    /// How many of them the best attempt explained.
    pub explained: usize,
    /// The operations that could not come next there.
    pub stuck: Vec<u64>,
}

/// Judges each object by itself; returns those that are not in order.
pub fn check_objects<M: Model>(operations: &[Operation], model: &M) -> Vec<Verdict> {
    let mut objects: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        objects.entry(&operation.object).or_default().push(operation);
    }
    objects
        .into_iter()
        .map(|(object, operations)| check(object, &operations, model))
        .filter(|verdict| *verdict != Verdict::Linearizable)
        .collect()
}

/// Judges the operations of one object.
pub fn check<M: Model>(object: &str, operations: &[&Operation], model: &M) -> Verdict {
    let mut operations: Vec<Item<'_>> = operations.iter().filter_map(|one| Item::of(one)).collect();
    operations.sort_by_key(|item| (item.invoked_us, item.op));
    let ended = operations.iter().filter(|item| item.is_ended()).count();
    let mut search = Search {
        model,
        operations: &operations,
        seen: HashSet::new(),
        best: (0, Vec::new()),
        done: Set::new(operations.len()),
        explained: 0,
        ended,
    };
    match search.run() {
        Some(true) => Verdict::Linearizable,
        None => Verdict::Undecided { object: object.to_owned() },
        Some(false) => {
            let (explained, stuck) = search.best;
            let (object, operations) = (object.to_owned(), ended);
            Verdict::Violated(Violation { object, operations, explained, stuck })
        }
    }
}

/// An operation that may have had an effect, or whose answer must be explained.
struct Item<'a> {
    op: u64,
    call: &'a Call,
    answer: Option<&'a Answer>,
    invoked_us: i64,
    /// `None`: it may still happen.
    returned_us: Option<i64>,
}

impl<'a> Item<'a> {
    fn of(operation: &'a Operation) -> Option<Self> {
        let (answer, returned_us) = match &operation.outcome {
            Outcome::Refused => return None,
            // A question without an answer changes nothing and says nothing.
            Outcome::Unknown if operation.call == Call::Read => return None,
            Outcome::Unknown => (None, None),
            Outcome::Done(answer) => (answer.as_ref(), Some(operation.returned_us)),
        };
        let Operation { op, ref call, invoked_us, .. } = *operation;
        Some(Self { op, call, answer, invoked_us, returned_us })
    }

    const fn is_ended(&self) -> bool {
        self.returned_us.is_some()
    }
}

/// A set of operations by their place.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Set(Vec<u64>);

impl Set {
    fn new(size: usize) -> Self {
        Self(vec![0; size.div_ceil(64)])
    }

    fn has(&self, place: usize) -> bool {
        self.0[place / 64] & (1 << (place % 64)) != 0
    }

    fn flip(&mut self, place: usize) {
        self.0[place / 64] ^= 1 << (place % 64);
    }
}

struct Search<'a, M: Model> {
    model: &'a M,
    /// In the order in which they were asked.
    operations: &'a [Item<'a>],
    seen: HashSet<(Set, M::State)>,
    /// How far the best attempt came, and what it could not explain.
    best: (usize, Vec<u64>),
    done: Set,
    /// How many of `done` were answered.
    explained: usize,
    /// How many were answered at all.
    ended: usize,
}

/// One step of an attempt: which operation led here, and which may come next.
struct Frame<S> {
    place: Option<usize>,
    state: S,
    next: Vec<usize>,
}

impl<M: Model> Search<'_, M> {
    /// `None`: given up.
    fn run(&mut self) -> Option<bool> {
        let (state, next) = (self.model.start(), self.candidates());
        let mut path = vec![Frame { place: None, state, next }];
        self.remember();
        while self.explained < self.ended {
            let frame = path.last_mut()?;
            let Some(place) = frame.next.pop() else {
                let Some(place) = path.pop().and_then(|frame| frame.place) else {
                    return Some(false);
                };
                self.flip(place);
                continue;
            };
            let item = &self.operations[place];
            let Some(state) = self.model.apply(&frame.state, item.call, item.answer) else {
                continue;
            };
            self.flip(place);
            if !self.seen.insert((self.done.clone(), state.clone())) {
                self.flip(place);
                continue;
            }
            if self.seen.len() > NODES_MAX {
                return None;
            }
            path.push(Frame { place: Some(place), state, next: self.candidates() });
            self.remember();
        }
        Some(true)
    }

    /// Puts an operation into the set, or takes it out again.
    fn flip(&mut self, place: usize) {
        let was_in = self.done.has(place);
        self.done.flip(place);
        if self.operations[place].is_ended() {
            self.explained = if was_in { self.explained - 1 } else { self.explained + 1 };
        }
    }

    /// Operations that may come next: those that began before any other open one had ended. The first to be tried
    /// stand last.
    fn candidates(&self) -> Vec<usize> {
        let (mut places, mut first_end) = (Vec::new(), i64::MAX);
        for (place, item) in self.operations.iter().enumerate() {
            // All that follow began later still, so none of them ends before `first_end` either.
            if item.invoked_us > first_end {
                break;
            }
            if !self.done.has(place) {
                places.push(place);
                first_end = first_end.min(item.returned_us.unwrap_or(i64::MAX));
            }
        }
        places.retain(|&place| self.operations[place].invoked_us <= first_end);
        // What ended first is tried first; what never ended is tried when nothing else explains.
        places.sort_by_key(|&place| {
            std::cmp::Reverse(self.operations[place].returned_us.unwrap_or(i64::MAX))
        });
        places
    }

    /// Keeps the longest attempt, for the report.
    fn remember(&mut self) {
        if self.explained > self.best.0 || self.best.1.is_empty() {
            let ends = self.candidates().into_iter();
            let ends = ends.filter(|&place| self.operations[place].is_ended());
            self.best = (self.explained, ends.map(|place| self.operations[place].op).collect());
        }
    }
}

/// A value that is read and written as a whole.
#[derive(Debug, Clone)]
pub struct Register {
    start: RegisterState,
}

/// What a [`Register`] is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RegisterState {
    /// Not known yet: the first read tells.
    Open,
    /// This, or absent.
    Is(Option<String>),
}

impl Register {
    /// Starts with a value, or absent.
    #[must_use]
    pub fn starting_at(value: Option<&str>) -> Self {
        Self { start: RegisterState::Is(value.map(str::to_owned)) }
    }

    /// Starts with a value that nobody wrote down.
    #[must_use]
    pub const fn found() -> Self {
        Self { start: RegisterState::Open }
    }
}

impl Model for Register {
    type State = RegisterState;

    fn start(&self) -> RegisterState {
        self.start.clone()
    }

    fn apply(
        &self,
        state: &RegisterState,
        call: &Call,
        answer: Option<&Answer>,
    ) -> Option<RegisterState> {
        use RegisterState::{Is, Open};
        match (call, answer) {
            (Call::Write(value), _) => Some(Is(Some(value.clone()))),
            (Call::Read, Some(Answer::Value(seen))) => {
                let is_possible = matches!(state, Open) || *state == Is(seen.clone());
                is_possible.then(|| Is(seen.clone()))
            }
            (Call::CompareAndSet { from, to }, answer) => {
                let is_from = match state {
                    Is(value) => value.as_ref() == Some(from),
                    // Either may be so; the answer tells.
                    Open => matches!(answer, Some(Answer::Swapped(true))),
                };
                match answer {
                    Some(Answer::Swapped(swapped)) if *swapped != is_from => None,
                    Some(Answer::Swapped(_)) | None if is_from => Some(Is(Some(to.clone()))),
                    Some(Answer::Swapped(_)) | None => Some(state.clone()),
                    Some(_) => None,
                }
            }
            _ => None,
        }
    }
}

/// An object that clients only watch while it goes through its states by itself, as an order does.
#[derive(Debug, Clone)]
pub struct Life {
    /// For each state, which ones may be seen later.
    later: BTreeMap<String, BTreeSet<String>>,
}

impl Life {
    /// Makes a life of its single moves; a state may always be seen again.
    #[must_use]
    pub fn of_moves<'a>(moves: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut later: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in moves {
            later.entry(from.to_owned()).or_default().insert(to.to_owned());
            later.entry(to.to_owned()).or_default();
        }
        // Moves of moves, until there are no more; each round makes the longest known chain twice as long.
        for _ in 0..later.len() {
            let known = later.clone();
            for seen in later.values_mut() {
                let more: Vec<String> =
                    seen.iter().filter_map(|to| known.get(to)).flatten().cloned().collect();
                seen.extend(more);
            }
        }
        for (state, seen) in &mut later {
            seen.insert(state.clone());
        }
        Self { later }
    }

    /// Returns an order's life, as `domain` lets it go.
    #[must_use]
    pub fn of_orders() -> Self {
        Self::of_moves(Self::moves_of_orders())
    }

    /// Returns the life of an order that its shopper asked to call off.
    #[must_use]
    pub fn of_orders_called_off() -> Self {
        let (paid, ended) = (OrderStatus::Confirmed.as_str(), OrderStatus::Cancelled.as_str());
        Self::of_moves(Self::moves_of_orders().into_iter().chain([(paid, ended)]))
    }

    fn moves_of_orders() -> Vec<(&'static str, &'static str)> {
        let payments = PaymentStatus::ALL.into_iter().map(OrderEvent::Payment);
        let events: Vec<OrderEvent> = payments.chain([OrderEvent::HoldExpired]).collect();
        let moves = OrderStatus::ALL.into_iter().flat_map(|from| {
            events.iter().filter_map(move |&event| {
                let to = match from.on(event) {
                    Consequence::Nothing => return None,
                    Consequence::Confirm | Consequence::RetakeOrRefund => OrderStatus::Confirmed,
                    Consequence::End(to) => to,
                };
                Some((from.as_str(), to.as_str()))
            })
        });
        moves.collect()
    }
}

impl Model for Life {
    type State = Option<String>;

    fn start(&self) -> Self::State {
        None
    }

    fn apply(
        &self,
        state: &Self::State,
        call: &Call,
        answer: Option<&Answer>,
    ) -> Option<Self::State> {
        match (call, answer) {
            (Call::Read, Some(Answer::Value(Some(seen)))) => {
                let is_possible = match state {
                    None => self.later.contains_key(seen),
                    Some(before) => self.later.get(before).is_some_and(|all| all.contains(seen)),
                };
                is_possible.then(|| Some(seen.clone()))
            }
            // Nothing yet: possible only as long as nobody has seen it.
            (Call::Read, Some(Answer::Value(None))) => state.is_none().then_some(None),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

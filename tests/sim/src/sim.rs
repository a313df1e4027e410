//! The world's time and its tasks, as those who live in it see them: sleep, spawn, wait for an answer.
//!
//! [`Sim`] is a handle that every agent has; [`crate::executor`] is who lets them run, one at a time.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use app::Clock;
use domain::Timestamp;

use crate::dice::Dice;
use crate::trace::Trace;

/// When the world begins: 2026-11-01T00:00:00Z.
const EPOCH_MS: i64 = 1_793_491_200_000;

/// Something that runs in the world.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
/// The number of a task.
pub(crate) type TaskId = u64;

/// Whose a task is: what ends it, and what stops it for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A shopper, on a machine of their own.
    Client,
    /// What asks an origin to do its jobs.
    Job,
    /// Whoever breaks things.
    Chaos,
    /// A message under way, or the payment provider: nothing ends it.
    Outside,
    /// A process of the shop, by its place: its tasks end when it is killed, and stop when it is stopped.
    Origin(usize),
}

/// What a task waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It may go on.
    Ready,
    /// It waits for somebody to wake it, or for this moment.
    Parked { until_ms: Option<i64> },
}

#[derive(Debug)]
struct Entry {
    owner: Owner,
    state: State,
}

/// What all parts of the world share. Only one task runs at a time, so the lock never waits.
struct Core {
    now_ms: i64,
    dice: Dice,
    trace: Trace,
    tasks: BTreeMap<TaskId, Entry>,
    next_task: TaskId,
    spawned: Vec<(TaskId, Task)>,
    cancelled: Vec<TaskId>,
    current: TaskId,
    /// Set by whoever waits in the poll under way.
    parked: Option<Option<i64>>,
    /// Until when tasks of an owner stand still.
    frozen: Vec<(Owner, i64)>,
    is_rough: bool,
    step: u64,
    /// The clocks of the shop's processes, and how far each is ahead.
    clocks: Vec<(Clock, i64)>,
}

/// A handle to the world. Cloning it is cheap.
#[derive(Clone)]
pub(crate) struct Sim(Arc<Mutex<Core>>);

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sim")
    }
}

impl Sim {
    pub(crate) fn new(dice: Dice, keeps_trace: bool) -> Self {
        Self(Arc::new(Mutex::new(Core {
            now_ms: EPOCH_MS,
            dice,
            trace: Trace::new(keeps_trace),
            tasks: BTreeMap::new(),
            next_task: 1,
            spawned: Vec::new(),
            cancelled: Vec::new(),
            current: 0,
            parked: None,
            frozen: Vec::new(),
            is_rough: true,
            step: 0,
            clocks: Vec::new(),
        })))
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the true time, which no clock in the world needs to show.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.now_ms())
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.core().now_ms
    }

    pub(crate) fn now_us(&self) -> i64 {
        self.now_ms().saturating_sub(EPOCH_MS).saturating_mul(1_000)
    }

    /// Throws the dice that belong to no agent: the network's and the scheduler's.
    pub(crate) fn throw<T>(&self, with: impl FnOnce(&mut Dice) -> T) -> T {
        with(&mut self.core().dice)
    }

    /// Whether faults happen now.
    pub(crate) fn is_rough(&self) -> bool {
        self.core().is_rough
    }

    /// From now on the world is kind: nothing is lost, nothing breaks.
    pub(crate) fn calm_down(&self) {
        let mut core = self.core();
        core.is_rough = false;
        core.frozen.clear();
        core.clocks.iter_mut().for_each(|(_, ahead_ms)| *ahead_ms = 0);
        for task in core.tasks.values_mut().filter(|task| task.owner == Owner::Chaos) {
            task.state = State::Ready;
        }
    }

    /// Makes the clock of one more process.
    pub(crate) fn add_clock(&self) -> Clock {
        let mut core = self.core();
        let clock = Clock::standing_at(Timestamp::from_unix_ms(core.now_ms));
        core.clocks.push((clock.clone(), 0));
        clock
    }

    /// Sets the clock of a process so far ahead of the true time, or behind it.
    pub(crate) fn skew(&self, place: usize, by_ms: i64) {
        if let Some((_, ahead_ms)) = self.core().clocks.get_mut(place) {
            *ahead_ms = by_ms;
        }
    }

    /// Lets every clock show the moment.
    pub(crate) fn set_clocks(&self) {
        self.core().set_clocks();
    }

    /// Whether something bad happens that happens so often in 1 000 cases; never in a calm world.
    pub(crate) fn mishap(&self, in_thousand: u64) -> bool {
        let mut core = self.core();
        core.is_rough && core.dice.in_thousand(in_thousand)
    }

    /// Writes a line of the trace.
    pub(crate) fn say(&self, text: impl AsRef<str>) {
        let mut core = self.core();
        let line = format!(
            "{:>5} {:>11} #{} {}",
            core.step,
            core.now_ms.saturating_sub(EPOCH_MS),
            core.current,
            text.as_ref()
        );
        core.trace.line(line);
    }

    /// Returns the run's own name for an id.
    pub(crate) fn name(&self, kind: &'static str, id: &impl ToString) -> String {
        self.core().trace.name(kind, id)
    }

    pub(crate) fn with_trace<T>(&self, with: impl FnOnce(&mut Trace) -> T) -> T {
        with(&mut self.core().trace)
    }

    /// Lets a new task run; it begins when its turn comes.
    pub(crate) fn spawn(
        &self,
        owner: Owner,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> TaskId {
        let mut core = self.core();
        let id = core.next_task;
        core.next_task += 1;
        core.tasks.insert(id, Entry { owner, state: State::Ready });
        core.spawned.push((id, Box::pin(task)));
        id
    }

    /// Ends a task where it stands. The one that runs ends itself by returning.
    pub(crate) fn cancel(&self, id: TaskId) {
        let mut core = self.core();
        if core.tasks.remove(&id).is_some() {
            core.cancelled.push(id);
        }
    }

    /// Ends all tasks of an owner where they stand.
    pub(crate) fn cancel_all(&self, owner: Owner) {
        let ids: Vec<TaskId> = self.tasks_of(owner);
        ids.into_iter().for_each(|id| self.cancel(id));
    }

    pub(crate) fn tasks_of(&self, owner: Owner) -> Vec<TaskId> {
        let core = self.core();
        core.tasks.iter().filter(|(_, task)| task.owner == owner).map(|(&id, _)| id).collect()
    }

    /// Lets an owner's tasks stand still for a while.
    pub(crate) fn freeze(&self, owner: Owner, for_ms: i64) {
        let mut core = self.core();
        let until_ms = core.now_ms.saturating_add(for_ms);
        core.frozen.retain(|(other, _)| *other != owner);
        core.frozen.push((owner, until_ms));
    }

    /// Waits, but not beyond the rough time: for whoever breaks things.
    pub(crate) async fn sleep_while_rough(&self, for_ms: i64) {
        let until_ms = self.now_ms().saturating_add(for_ms);
        std::future::poll_fn(|_context| {
            let mut core = self.core();
            if core.now_ms >= until_ms || !core.is_rough {
                return Poll::Ready(());
            }
            core.parked = Some(Some(until_ms));
            Poll::Pending
        })
        .await;
    }

    /// Waits.
    pub(crate) async fn sleep(&self, for_ms: i64) {
        let until_ms = self.now_ms().saturating_add(for_ms);
        std::future::poll_fn(|_context| {
            let mut core = self.core();
            if core.now_ms >= until_ms {
                return Poll::Ready(());
            }
            core.parked = Some(Some(until_ms));
            Poll::Pending
        })
        .await;
    }

    /// Lets a task go on when its turn comes.
    pub(crate) fn wake(&self, id: TaskId) {
        if let Some(task) = self.core().tasks.get_mut(&id) {
            task.state = State::Ready;
        }
    }

    // === what the executor needs ===

    pub(crate) fn owner(&self, id: TaskId) -> Option<Owner> {
        self.core().tasks.get(&id).map(|task| task.owner)
    }

    /// Chooses who goes on, moving time forward when nobody can. `None`: nobody ever will.
    pub(crate) fn choose(&self) -> Option<TaskId> {
        let mut core = self.core();
        core.step += 1;
        // Every step takes a moment, so that no two of them are at the same time.
        let tick = core.dice.between(1, 8);
        core.now_ms = core.now_ms.saturating_add(tick);
        let mut ready = core.ready();
        if ready.is_empty() {
            let next = core.tasks.values().filter_map(|task| core.due_ms(task)).min()?;
            core.now_ms = core.now_ms.max(next);
            ready = core.ready();
        }
        // When several have waited for their moment, the first to be due goes first three times in four: a long pause
        // of one of them must not turn the order of all others around.
        let place = if core.dice.in_thousand(750) {
            0
        } else {
            usize::try_from(core.dice.below(u64::try_from(ready.len()).unwrap_or(1))).unwrap_or(0)
        };
        ready.get(place).map(|&(_, id)| id)
    }

    /// Notes whose turn a step is.
    pub(crate) fn begin_step(&self, id: TaskId) {
        let mut core = self.core();
        let (step, now_ms) = (core.step, core.now_ms);
        core.trace.step(step, id, now_ms);
    }

    /// How many polls a step has may be the store's decision, so they leave no trace.
    pub(crate) fn begin_poll(&self, id: TaskId) {
        let mut core = self.core();
        core.current = id;
        core.parked = None;
        core.set_clocks();
    }

    /// Notes what the polled task waits for. `false`: for nothing in this world, so it must be the store.
    pub(crate) fn end_poll(&self, id: TaskId) -> bool {
        let mut core = self.core();
        core.current = 0;
        let parked = core.parked.take();
        let now_ms = core.now_ms;
        if let Some(task) = core.tasks.get_mut(&id) {
            // What has been answered by the store is due now: it goes behind those that have waited longer.
            let until_ms = parked.unwrap_or(Some(now_ms));
            task.state = State::Parked { until_ms };
        }
        parked.is_some()
    }

    /// Lets a task wait until somebody wakes it.
    pub(crate) fn leave_to_store(&self, id: TaskId) {
        if let Some(task) = self.core().tasks.get_mut(&id) {
            task.state = State::Parked { until_ms: None };
        }
    }

    /// Whether anybody may go on now, or so soon.
    pub(crate) fn is_due_within(&self, ahead_ms: i64) -> bool {
        let core = self.core();
        let until_ms = core.now_ms.saturating_add(ahead_ms);
        core.tasks.values().filter_map(|task| core.due_ms(task)).any(|due_ms| due_ms <= until_ms)
    }

    pub(crate) fn forget(&self, id: TaskId) {
        self.core().tasks.remove(&id);
    }

    pub(crate) fn take_spawned(&self) -> (Vec<(TaskId, Task)>, Vec<TaskId>) {
        let mut core = self.core();
        (std::mem::take(&mut core.spawned), std::mem::take(&mut core.cancelled))
    }

    pub(crate) fn step(&self) -> u64 {
        self.core().step
    }
}

impl Core {
    fn set_clocks(&self) {
        for (clock, ahead_ms) in &self.clocks {
            clock.set(Timestamp::from_unix_ms(self.now_ms.saturating_add(*ahead_ms)));
        }
    }

    /// Returns who may go on, the longest due first.
    fn ready(&self) -> Vec<(i64, TaskId)> {
        let mut ready: Vec<(i64, TaskId)> = self
            .tasks
            .iter()
            .filter_map(|(&id, task)| Some((self.due_ms(task)?, id)))
            .filter(|&(due_ms, _)| due_ms <= self.now_ms)
            .collect();
        ready.sort_unstable();
        ready
    }

    /// Returns when a task may go on; `None`: when somebody wakes it.
    fn due_ms(&self, task: &Entry) -> Option<i64> {
        let due_ms = match task.state {
            State::Ready => self.now_ms,
            State::Parked { until_ms } => until_ms?,
        };
        let frozen = self.frozen.iter().find(|(owner, _)| *owner == task.owner);
        Some(frozen.map_or(due_ms, |&(_, until_ms)| due_ms.max(until_ms)))
    }
}

/// A place where an answer will be, for one who waits for it.
pub(crate) struct Slot<T>(Arc<Mutex<SlotState<T>>>, Sim);

struct SlotState<T> {
    value: Option<T>,
    waiter: Option<TaskId>,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), self.1.clone())
    }
}

impl<T> Slot<T> {
    pub(crate) fn new(sim: &Sim) -> Self {
        let state = SlotState { value: None, waiter: None };
        Self(Arc::new(Mutex::new(state)), sim.clone())
    }

    /// Puts an answer there, unless one is there already.
    pub(crate) fn fill(&self, value: T) {
        let waiter = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.value.get_or_insert(value);
            state.waiter.take()
        };
        if let Some(waiter) = waiter {
            self.1.wake(waiter);
        }
    }

    /// Waits for the answer, but not for ever.
    pub(crate) async fn wait(&self, for_ms: i64) -> Option<T> {
        let until_ms = self.1.now_ms().saturating_add(for_ms);
        std::future::poll_fn(|_context: &mut Context<'_>| {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(value) = state.value.take() {
                return Poll::Ready(Some(value));
            }
            let mut core = self.1.core();
            if core.now_ms >= until_ms {
                return Poll::Ready(None);
            }
            state.waiter = Some(core.current);
            core.parked = Some(Some(until_ms));
            Poll::Pending
        })
        .await
    }
}

//! Who lets the tasks of the world run: one at a time, in an order that the seed gives.
//!
//! A task that gives way either waits for something in the world (it said so through [`Sim`]) or for the store, which
//! works on threads of its own. In the second case the executor waits, really, until the store has answered, and then
//! lets the dice decide who goes on. So at most one command is with the store at any moment and its threads cannot
//! change the order of anything, while use cases still interleave at each of their awaits.
//!
//! One race is left: a quick store might answer before the task has even begun to wait, and then there would be no
//! wait at all. So the store's threads are held back while a task of the shop is polled ([`Gate`]).

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::sim::{Owner, Sim, Task, TaskId};
use crate::store_kind::Place;
use crate::world::World;

/// Longest that the store may really take for one command: 30 s. Longer means that it hangs.
const STORE_WAIT_MAX: Duration = Duration::from_secs(30);

/// What a task that waits for the store does when it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interleaving {
    /// Others may go first: every await of a use case is a place where it can be overtaken or killed. Only for a store
    /// that wakes a task once, with its answer.
    EveryAwait,
    /// It goes on at once until it waits for something outside: for a store whose driver wakes a task more often.
    CallsOnly,
    /// Others go on meanwhile, so that several commands are with the store at the same time. When which of them is
    /// answered is the store's decision: two runs of a seed differ.
    AtOnce,
}

/// How far the world's time may go on while the store works, with [`Interleaving::AtOnce`]: 1 s.
const AHEAD_MAX_MS: i64 = 1_000;

pub(crate) struct Executor {
    world: Arc<World>,
    sim: Sim,
    tasks: BTreeMap<TaskId, Task>,
    interleaving: Interleaving,
    /// Who waits for the store, with [`Interleaving::AtOnce`].
    at_store: BTreeMap<TaskId, Arc<Signal>>,
}

/// What became of a task's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// It has ended, or waits for something in the world.
    Over,
    /// It waits for the store, and others go on.
    AtStore,
}

impl Executor {
    pub(crate) fn new(world: Arc<World>, interleaving: Interleaving) -> Self {
        let (sim, at_store) = (world.sim.clone(), BTreeMap::new());
        Self { sim, world, tasks: BTreeMap::new(), interleaving, at_store }
    }

    /// Lets tasks go on until one of them waits for something in the world. What the store does in between with
    /// [`Interleaving::AtOnce`] is no step, for its round trips are many.
    pub(crate) fn step(&mut self) {
        while self.turn() == Turn::AtStore {}
    }

    /// Lets one task go on until it waits.
    fn turn(&mut self) -> Turn {
        self.take_changes();
        self.let_store_work();
        // Nobody: there is nobody left who ever will.
        let Some(id) = self.sim.choose() else {
            return Turn::Over;
        };
        // It may have been spawned by a task that then ended it.
        let Some(mut task) = self.tasks.remove(&id) else {
            self.sim.forget(id);
            return Turn::Over;
        };
        let mut turn = Turn::Over;
        self.sim.begin_step(id);
        let signal = Signal::new();
        let waker = Waker::from(Arc::clone(&signal));
        loop {
            let is_shop = matches!(self.sim.owner(id), Some(Owner::Origin(_)));
            self.sim.begin_poll(id);
            // Nobody else has anything to do with the store.
            let gate = is_shop.then(|| Gate::close(&*self.world.place)).flatten();
            let poll = task.as_mut().poll(&mut Context::from_waker(&waker));
            drop(gate);
            if poll.is_ready() {
                self.sim.end_poll(id);
                self.sim.forget(id);
                break;
            }
            if self.sim.end_poll(id) {
                self.tasks.insert(id, task);
                break;
            }
            if self.interleaving == Interleaving::AtOnce {
                if !self.at_store.is_empty() {
                    self.world.count("waits beside another");
                }
                self.sim.leave_to_store(id);
                self.at_store.insert(id, signal);
                self.tasks.insert(id, task);
                turn = Turn::AtStore;
                break;
            }
            signal.wait();
            if self.interleaving == Interleaving::EveryAwait {
                self.tasks.insert(id, task);
                break;
            }
        }
        self.take_changes();
        turn
    }

    /// Whether any task of an owner is left.
    pub(crate) fn has_any(&self, owner: Owner) -> bool {
        !self.sim.tasks_of(owner).is_empty()
    }

    /// Waits until the world can go on without those who wait for the store, or one of them is answered.
    fn let_store_work(&mut self) {
        if self.at_store.is_empty() {
            return;
        }
        // Half of the time the world does not wait: the store is as slow as that.
        let ahead = self.sim.throw(|dice| i64::from(dice.in_thousand(500)));
        let since = Instant::now();
        loop {
            self.at_store.retain(|&id, signal| {
                let is_answered = signal.take();
                if is_answered {
                    self.sim.wake(id);
                }
                !is_answered
            });
            if self.at_store.is_empty() || self.sim.is_due_within(ahead * AHEAD_MAX_MS) {
                return;
            }
            Signal::park(since);
        }
    }

    fn take_changes(&mut self) {
        // Dropping a task may spawn and end others: what a broken connection tells its client.
        loop {
            let (spawned, cancelled) = self.sim.take_spawned();
            if spawned.is_empty() && cancelled.is_empty() {
                return;
            }
            self.tasks.extend(spawned);
            for id in cancelled {
                self.at_store.remove(&id);
                drop(self.tasks.remove(&id));
            }
        }
    }
}

/// Holds the store's threads back for as long as it lives: what they are asked meanwhile they do afterwards.
struct Gate<'a> {
    place: &'a dyn Place,
    /// Dropping it lets the blocking pool go on. Its one thread is busy waiting for that.
    _reads: SyncSender<()>,
}

impl<'a> Gate<'a> {
    fn close(place: &'a dyn Place) -> Option<Self> {
        if !place.is_held_back() {
            return None;
        }
        let (reads, end) = sync_channel::<()>(0);
        // Reads queue up behind it: the runtime of a run has one blocking thread.
        drop(tokio::task::spawn_blocking(move || end.recv()));
        place.hold_writes();
        Some(Self { place, _reads: reads })
    }
}

impl Drop for Gate<'_> {
    fn drop(&mut self) {
        self.place.release_writes();
    }
}

/// Runs what waits for the store alone, outside of the world's time.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let signal = Signal::new();
    let waker = Waker::from(Arc::clone(&signal));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        signal.wait();
    }
}

/// The same, but ends it after so many polls: what a kill does to it.
pub(crate) fn block_on_for<T>(
    place: &dyn Place,
    future: impl Future<Output = T>,
    polls_max: usize,
) -> Option<T> {
    let signal = Signal::new();
    let waker = Waker::from(Arc::clone(&signal));
    let mut future = pin!(future);
    for _ in 0..polls_max {
        let gate = Gate::close(place);
        let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
        drop(gate);
        match poll {
            Poll::Ready(value) => return Some(value),
            Poll::Pending => signal.wait(),
        }
    }
    None
}

/// Lets a future go on for so many polls at most, within the world's time.
pub(crate) async fn for_polls<T>(future: impl Future<Output = T>, polls_max: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut polls = 0;
    std::future::poll_fn(|context| {
        if polls == polls_max {
            return Poll::Ready(None);
        }
        polls += 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Wakes the one thread of the simulation.
struct Signal {
    is_set: AtomicBool,
    thread: Thread,
}

impl Signal {
    fn new() -> Arc<Self> {
        Arc::new(Self { is_set: AtomicBool::new(false), thread: std::thread::current() })
    }

    fn take(&self) -> bool {
        self.is_set.swap(false, Ordering::Acquire)
    }

    fn wait(&self) {
        let since = Instant::now();
        while !self.take() {
            Self::park(since);
        }
    }

    /// Waits until any signal is set.
    #[expect(clippy::panic, reason = "a store that hangs cannot be simulated any further")]
    fn park(since: Instant) {
        std::thread::park_timeout(STORE_WAIT_MAX);
        if since.elapsed() > STORE_WAIT_MAX {
            panic!("the store gave no answer for {STORE_WAIT_MAX:?}");
        }
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.is_set.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

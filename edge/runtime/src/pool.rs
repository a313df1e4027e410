//! The instances of one component: capped, reused, one request at a time in each.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::ThreadId,
};

use manifest::Grants;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, timeout_at},
};

use crate::{
    Body, InvokeError, Limits, PoolStats,
    body::Parking,
    guest::Guest,
    host::{Capabilities, Passage},
    outbound::Ways,
    output::Printer,
    outside::Step,
    stats::Counters,
    worker,
};

/// What all instances of a pool have in common.
pub(crate) struct Blueprint {
    /// The component's id, or `outer>inner` for a middleware.
    pub(crate) name: String,
    pub(crate) component: Arc<str>,
    pub(crate) printer: Arc<Printer>,
    pub(crate) guest: Guest,
    pub(crate) grants: Grants,
    pub(crate) base_dir: PathBuf,
    pub(crate) capabilities: Arc<Capabilities>,
    pub(crate) ways: Ways,
    pub(crate) parking: Parking,
    pub(crate) next: Option<Step>,
    /// Instances alive on this node, all versions together.
    pub(crate) alive: Arc<AtomicUsize>,
    pub(crate) limits: Arc<Limits>,
    /// Whether the component has less time than the whole request.
    pub(crate) has_own_timeout: bool,
}

/// Where a worker takes what it is told: a request, or `None` to end.
pub(crate) type Desk = mpsc::Sender<Option<Job>>;

/// A request for a worker.
pub(crate) struct Job {
    pub(crate) request: http::Request<Body>,
    pub(crate) passage: Passage,
    pub(crate) reply: oneshot::Sender<Result<http::Response<Body>, InvokeError>>,
    /// Given back when the request is wholly done, body and all.
    pub(crate) permit: OwnedSemaphorePermit,
    /// Given back when the component waits for something, or is done.
    pub(crate) turn: OwnedSemaphorePermit,
}

/// The instances of one component with one set of grants.
pub(crate) struct Pool {
    pub(crate) blueprint: Blueprint,
    pub(crate) counters: Counters,
    permits: Arc<Semaphore>,
    /// One for each request whose component has not waited for anything yet. Without them a request took an instance as
    /// soon as it was there, 64 of them one each before the first had run, and none found its memory in a cache.
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    idle: Mutex<Idle>,
}

/// Requests of one component that a core begins before it has finished one, as long as they wait for nothing: 4.
const TURNS_PER_CORE: usize = 4;

/// Workers without a request.
#[derive(Default)]
struct Idle {
    /// The last used at the end: its instance is the warmest. Each with the thread that it was last seen on.
    workers: Vec<(ThreadId, Desk)>,
    /// Whether nobody will ask any more: then nobody may wait to be asked.
    is_retired: bool,
}

impl Pool {
    pub(crate) fn new(blueprint: Blueprint) -> Self {
        let permits = Arc::new(Semaphore::new(blueprint.limits.instances_max));
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let turns = Arc::new(Semaphore::new(TURNS_PER_CORE.saturating_mul(cores)));
        Self {
            blueprint,
            counters: Counters::default(),
            permits,
            turns,
            waiting: AtomicUsize::new(0),
            idle: Mutex::default(),
        }
    }

    /// Serves `request`, waiting for an instance if there is room in the queue.
    pub(crate) async fn handle(
        self: &Arc<Self>,
        request: http::Request<Body>,
        passage: Passage,
    ) -> Result<http::Response<Body>, InvokeError> {
        let answer = self.handle_uncounted(request, passage).await;
        if let Err(error) = &answer {
            self.count(error);
        }
        answer
    }

    /// Counts a failure of this component; what an inner component did is counted there.
    pub(crate) fn count(&self, error: &InvokeError) {
        if error.component() == &*self.blueprint.component {
            self.counters.count(error);
        }
        tracing::debug!(component.id = %self.blueprint.name, "request failed: {error}");
    }

    async fn handle_uncounted(
        self: &Arc<Self>,
        request: http::Request<Body>,
        passage: Passage,
    ) -> Result<http::Response<Body>, InvokeError> {
        let permit = self.permit(passage.deadline).await?;
        self.counters.requests.fetch_add(1, Relaxed);
        let turn = self.turn(passage.deadline).await?;
        let (reply, answer) = oneshot::channel();
        self.dispatch(Job { request, passage, reply, permit, turn });
        answer.await.unwrap_or_else(|_| {
            let component = self.component();
            Err(InvokeError::Trap { component, reason: "the worker is gone".to_owned() })
        })
    }

    /// Makes an instance and drops it.
    pub(crate) async fn try_instance(&self, deadline: Instant) -> Result<(), InvokeError> {
        // Held while the instance lives, for the permits guard the room in the memory pool.
        let _permit = self.permit(deadline).await?;
        worker::try_instance(self, &Passage::until(deadline)).await
    }

    /// Waits for the right to serve one request, if there is room in the queue.
    pub(crate) async fn permit(
        &self,
        deadline: Instant,
    ) -> Result<OwnedSemaphorePermit, InvokeError> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let busy = || InvokeError::Busy { component: self.component() };
        let _place =
            Place::take(&self.waiting, self.blueprint.limits.queue_max).ok_or_else(busy)?;
        let until = deadline.min(Instant::now() + self.blueprint.limits.queue_timeout);
        match timeout_at(until, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }

    /// Waits until few enough requests have begun. Mostly short, but an instance in the making may take long.
    async fn turn(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, InvokeError> {
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            return Ok(turn);
        }
        match timeout_at(deadline, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(InvokeError::Timeout { component: self.component() }),
        }
    }

    /// Takes a permit if one is free.
    pub(crate) fn try_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// Gives `job` to the warmest idle worker of this thread, or to a new one: the permit guarantees room.
    ///
    /// Where each thread has a scheduler of its own, waking another one costs more than the request. So a worker of
    /// another thread is only taken when there may be no further one.
    fn dispatch(self: &Arc<Self>, mut job: Job) {
        loop {
            let Some(worker) = self.take_idle() else {
                tokio::spawn(worker::run(Arc::clone(self), job));
                return;
            };
            // A worker that expired in this very moment gives the job back.
            match worker.try_send(Some(job)) {
                Ok(()) => return,
                Err(error) => match error.into_inner() {
                    Some(back) => job = back,
                    None => return,
                },
            }
        }
    }

    fn take_idle(&self) -> Option<Desk> {
        let here = std::thread::current().id();
        let mut idle = self.idle();
        if let Some(position) = idle.workers.iter().rposition(|(thread, _)| *thread == here) {
            return Some(idle.workers.remove(position).1);
        }
        // Each free permit has room for one instance, unless an idle one is in it.
        if idle.workers.len() <= self.permits.available_permits() {
            return None;
        }
        idle.workers.pop().map(|(_, worker)| worker)
    }

    /// A worker offers itself for the next request; `false` if there will be none.
    pub(crate) fn offer(&self, worker: Desk) -> bool {
        let here = std::thread::current().id();
        let mut idle = self.idle();
        if !idle.is_retired {
            idle.workers.push((here, worker));
        }
        !idle.is_retired
    }

    /// Ends idle workers now and busy ones after their request: the version that they belong to is gone.
    pub(crate) fn retire(&self) {
        let mut idle = self.idle();
        idle.is_retired = true;
        for (_, worker) in idle.workers.drain(..) {
            // Idle workers have room; one that expired in this very moment ends anyway.
            let _ = worker.try_send(None);
        }
    }

    /// Removes a worker that expired; `false` if word is already on its way to it.
    pub(crate) fn withdraw(&self, worker: &Desk) -> bool {
        let mut idle = self.idle();
        match idle.workers.iter().position(|(_, other)| other.same_channel(worker)) {
            Some(position) => {
                idle.workers.remove(position);
                true
            }
            None => false,
        }
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.idle().is_retired
    }

    pub(crate) fn stats(&self) -> PoolStats {
        let limit = self.blueprint.limits.instances_max;
        let in_flight = limit.saturating_sub(self.permits.available_permits());
        self.counters.read(&self.blueprint.name, in_flight)
    }

    pub(crate) fn component(&self) -> String {
        self.blueprint.component.to_string()
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue, left when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        let place = Self(waiting);
        // Counted first, so that two can never share the last place.
        (waiting.fetch_add(1, Relaxed) < max).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

//! The express lane: a component that exports `vitrine:express` is asked in short synchronous calls.
//!
//! One request at a time in an instance, as in the standard lane. Between two calls the host does what the component
//! asked for: it runs a statement, reads the body, lets the request go on. A call that takes too long ends the instance
//! and the request, nothing else; a component that answers "standard lane" is served there from the start.

pub(crate) mod ahead;
mod clock;
mod instance;
pub(crate) mod known;
mod message;
mod questions;
mod written;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed};

use bytes::Bytes;
use express_wire::{Body as WireBody, Next, Verdict};
use header_edits::Edit;
use tokio::time::{Instant, timeout_at};
use wasmtime::component::{ComponentExportIndex, InstancePre};

use self::{
    ahead::{Decided, Said},
    instance::Instance,
};
use crate::{
    Body, InvokeError,
    host::{Host, Passage},
    outside::Step,
    pool::Pool,
};

/// One component's place in a chain, in each lane that it has.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) standard: Arc<Pool>,
    pub(crate) express: Option<Arc<Express>>,
}

impl Link {
    /// Serves `request` in the better lane.
    pub(crate) async fn handle(
        &self,
        request: http::Request<Body>,
        mut passage: Passage,
    ) -> Result<http::Response<Body>, InvokeError> {
        let blueprint = &self.standard.blueprint;
        if blueprint.has_own_timeout {
            let until = Instant::now() + blueprint.limits.request_timeout;
            passage.deadline = passage.deadline.min(until);
        }
        match &self.express {
            Some(express) => Box::pin(express.handle(request, passage)).await,
            None => self.standard.handle(request, passage).await,
        }
    }
}

/// What a component exports for this lane.
#[derive(Clone)]
pub(crate) struct Exports {
    instance: InstancePre<Host>,
    first: ComponentExportIndex,
    resume: ComponentExportIndex,
}

impl Exports {
    /// Finds the exports of a middleware, or of a component that answers.
    pub(crate) fn find(instance: &InstancePre<Host>, is_gate: bool) -> Option<Self> {
        let component = instance.component();
        let (interface, first) = if is_gate { (GATE, "decide") } else { (ANSWER, "handle") };
        let interface = component.get_export_index(None, interface)?;
        Some(Self {
            instance: instance.clone(),
            first: component.get_export_index(Some(&interface), first)?,
            resume: component.get_export_index(Some(&interface), "resume")?,
        })
    }
}

const GATE: &str = "vitrine:express/gate@1.0.0";
const ANSWER: &str = "vitrine:express/answer@1.0.0";
/// Calls for one request: 64, where four are common. Beyond it the component is taken for broken.
const CALLS_MAX: usize = 64;

/// The instances of one place in a chain.
pub(crate) struct Express {
    /// The same place in the standard lane: its grants, its permits, its counts.
    pool: Arc<Pool>,
    exports: Exports,
    pub(crate) next: Option<Step>,
    /// Instances without a request, the last used at the end: it is the warmest.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    instance: Instance,
    since: Instant,
}

impl Express {
    pub(crate) fn new(pool: Arc<Pool>, exports: Exports, next: Option<Step>) -> Self {
        Self { pool, exports, next, idle: Mutex::default() }
    }

    async fn handle(
        &self,
        request: http::Request<Body>,
        passage: Passage,
    ) -> Result<http::Response<Body>, InvokeError> {
        let answer = match self.serve(request, &passage).await {
            Ok(Served::Answer(response)) => Ok(response),
            Ok(Served::Standard(request)) => return self.pool.handle(request, passage).await,
            Ok(Served::Passed(passed)) => self.pass(passed, passage).await,
            Err(error) => Err(error),
        };
        match &answer {
            Ok(_) => {
                self.pool.counters.express.fetch_add(1, Relaxed);
            }
            Err(error) => self.pool.count(error),
        }
        answer
    }

    /// Lets a request go on that its component is done with, and edits what comes of it.
    async fn pass(
        &self,
        Passed { request, answer: edits }: Passed,
        passage: Passage,
    ) -> Result<http::Response<Body>, InvokeError> {
        match self.next()?.handle(request, passage.clone()).await {
            Ok(mut response) => {
                header_edits::apply(edits, response.headers_mut());
                Ok(response)
            }
            Err(error) => {
                passage.note(&error);
                Err(passage.noted().unwrap_or(error))
            }
        }
    }

    async fn serve(
        &self,
        mut request: http::Request<Body>,
        passage: &Passage,
    ) -> Result<Served, InvokeError> {
        let said = request.extensions_mut().remove::<Decided>().and_then(|one| one.of(self));
        // Not given back where this fails or is dropped on the way: what the instance was doing is not known.
        let (_permit, mut instance, verdict) = match said {
            Some(Said { verdict, instance, permit, .. }) => (permit, instance, Some(verdict?)),
            None => {
                let permit = self.pool.permit(passage.deadline).await?;
                (permit, self.instance(passage).await?, None)
            }
        };
        let served = self.exchange(&mut instance, verdict, request, passage).await?;
        self.give_back(instance, Instant::now());
        Ok(served)
    }

    /// One request: calls, and between them what they ask for. The first may have been made already.
    async fn exchange(
        &self,
        instance: &mut Instance,
        verdict: Option<Bytes>,
        request: http::Request<Body>,
        passage: &Passage,
    ) -> Result<Served, InvokeError> {
        let (parts, body) = request.into_parts();
        let mut waiting = Some(body);
        let mut answered = None;
        let deadline = passage.deadline;
        let mut verdict = match verdict {
            Some(verdict) => verdict,
            None => {
                let message = message::request(&parts, waiting.as_ref());
                instance.first(self, message, deadline).await?
            }
        };
        for call in 0..CALLS_MAX {
            let resumed_by =
                match Verdict::read(&verdict).map_err(|_| self.broken("a verdict that is none"))? {
                    Verdict::Answer { status, fields, body } => {
                        let body = match body {
                            WireBody::Whole(bytes) => crate::full(verdict.slice_ref(bytes)),
                            WireBody::Unread => {
                                answered.ok_or_else(|| self.broken("a body that nobody has"))?
                            }
                        };
                        let answer = message::response(status, fields, body, &verdict);
                        return answer
                            .map(Served::Answer)
                            .ok_or_else(|| self.broken("an answer that HTTP has not"));
                    }
                    Verdict::Standard if call == 0 => {
                        let body = waiting.unwrap_or_else(|| crate::full(""));
                        return Ok(Served::Standard(http::Request::from_parts(parts, body)));
                    }
                    Verdict::Standard => return Err(self.broken("the standard lane too late")),
                    Verdict::Failed(why) => return Err(self.failed(passage, why)),
                    Verdict::Forward { .. } | Verdict::Pass { .. } if answered.is_some() => {
                        return Err(self.broken("a request that goes on twice"));
                    }
                    Verdict::Forward { method, scheme, authority, target, fields, body } => {
                        let body = onward_body(body, &verdict, &mut waiting);
                        let words = [method, scheme, authority, target];
                        let onward = message::onward(words, fields, body, &verdict)
                            .ok_or_else(|| self.broken("a request that HTTP has not"))?;
                        self.forward(onward, passage, &mut answered).await?
                    }
                    Verdict::Pass { request: edits, body, answer } => {
                        let body = onward_body(body, &verdict, &mut waiting);
                        let request = http::Request::from_parts(parts, body);
                        let passed = Passed::new(request, [edits, answer], &verdict);
                        return passed
                            .map(Served::Passed)
                            .ok_or_else(|| self.broken("edits that HTTP has not"));
                    }
                    Verdict::Ask(questions) => {
                        let answering = self.answer(&questions, &mut waiting, passage);
                        timeout_at(passage.deadline, answering).await.map_err(|_| self.late())??
                    }
                };
            verdict = instance.resume(self, resumed_by, deadline).await?;
        }
        Err(self.broken("no end of verdicts"))
    }

    /// Lets the request go on; keeps the answer's body, and tells the component of its head.
    async fn forward(
        &self,
        onward: http::Request<Body>,
        passage: &Passage,
        answered: &mut Option<Body>,
    ) -> Result<Vec<u8>, InvokeError> {
        match self.next()?.handle(onward, passage.clone()).await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                *answered = Some(body);
                Ok(Next::write_answer(head.status.as_u16(), message::fields(&head.headers)))
            }
            Err(error) => {
                passage.note(&error);
                Ok(Next::write_failure())
            }
        }
    }

    fn next(&self) -> Result<&Step, InvokeError> {
        self.next.as_ref().ok_or_else(|| self.broken("this component is no middleware"))
    }

    fn late(&self) -> InvokeError {
        InvokeError::Timeout { component: self.pool.component() }
    }

    /// The component broke the lane's rules.
    fn broken(&self, rule: &str) -> InvokeError {
        InvokeError::Answer { component: self.pool.component(), reason: rule.to_owned() }
    }

    /// A middleware that has no answer usually only hands on what went wrong behind it.
    fn failed(&self, passage: &Passage, why: &str) -> InvokeError {
        passage.noted().unwrap_or_else(|| self.broken(why))
    }

    /// Makes an instance and drops it.
    pub(crate) async fn try_instance(&self, deadline: Instant) -> Result<(), InvokeError> {
        // Held while the instance lives, for the permits guard the room in the memory pool.
        let _permit = self.pool.permit(deadline).await?;
        Instance::make(self, &Passage::until(deadline)).await.map(drop)
    }

    async fn instance(&self, passage: &Passage) -> Result<Instance, InvokeError> {
        let warm = self.idle().pop();
        match warm {
            Some(idle) => Ok(idle.instance),
            None => Instance::make(self, passage).await,
        }
    }

    /// Keeps an instance for the next request, unless it is worn out.
    fn give_back(&self, mut instance: Instance, now: Instant) {
        let limits = &self.pool.blueprint.limits;
        instance.served += 1;
        if instance.served >= limits.requests_per_instance_max || self.pool.is_retired() {
            return;
        }
        let mut idle = self.idle();
        idle.push(Idle { instance, since: now });
        // The one that was not needed for longest is the first.
        let is_stale = idle
            .first()
            .is_some_and(|first| now.saturating_duration_since(first.since) > limits.idle_timeout);
        let stale = is_stale.then(|| idle.remove(0));
        drop(idle);
        drop(stale);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops idle instances: nobody will ask any more.
    pub(crate) fn retire(&self) {
        let ended = std::mem::take(&mut *self.idle());
        drop(ended);
    }
}

/// The body that goes on with a request.
fn onward_body(body: WireBody<'_>, verdict: &Bytes, waiting: &mut Option<Body>) -> Body {
    match body {
        WireBody::Whole(bytes) => crate::full(verdict.slice_ref(bytes)),
        WireBody::Unread => waiting.take().unwrap_or_else(|| crate::full("")),
    }
}

/// How a request ends in this lane.
enum Served {
    /// With an answer.
    Answer(http::Response<Body>),
    /// Not at all: it goes to the standard lane, untouched.
    Standard(http::Request<Body>),
    /// By the next component, and the instance is free.
    Passed(Passed),
}

/// A request that goes on, and what changes in its answer.
struct Passed {
    request: http::Request<Body>,
    answer: Vec<Edit>,
}

impl Passed {
    /// Carries out the first list of a verdict's edits; `None` if one of them is none.
    fn new(
        mut request: http::Request<Body>,
        [asked, answer]: [Vec<express_wire::Edit<'_>>; 2],
        verdict: &Bytes,
    ) -> Option<Self> {
        let answer = message::edits(answer, verdict)?;
        header_edits::apply(message::edits(asked, verdict)?, request.headers_mut());
        message::remove_the_hosts(request.headers_mut());
        Some(Self { request, answer })
    }
}

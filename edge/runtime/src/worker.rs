//! One instance's life: made for a request, reused for others, dropped at the first fault.
//!
//! A request here: the store is driven by [`serve`] until the head of the answer is there, the body is passed on and
//! the guest has nothing left to do. Around it the worker watches deadline, processor time and whether anybody still
//! waits. Whatever goes wrong, the store is dropped and with it everything the guest had.

mod incoming;
mod instance;

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
};

use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::{Instant, timeout},
};
use wasmtime::{AsContextMut as _, Store, component::Accessor};
use wasmtime_wasi_http::p3::{self, bindings::Service};

use self::instance::Instance;
pub(crate) use self::instance::{made_in, store};
use crate::{
    Body, InvokeError,
    body::{Parking, Pipe, ReaderGone},
    guest::Running,
    host::{Host, Passage},
    meter::Meter,
    outbound::Inbound,
    pool::{Job, Pool},
};

/// Serves `first` and then what the pool sends, until idle for long, worn out, or at fault.
pub(crate) async fn run(pool: Arc<Pool>, first: Job) {
    let made = instance::make(&pool, &first.passage).await;
    let mut instance = match made {
        Ok(instance) => instance,
        Err(error) => {
            // Nobody waits any more if this fails.
            let _ = first.reply.send(Err(error));
            return;
        }
    };
    pool.counters.created.fetch_add(1, Relaxed);
    let (sender, mut jobs) = mpsc::channel(1);
    let limits = Arc::clone(&pool.blueprint.limits);
    let mut job = first;
    let mut served = 0_u64;
    // Held while the instance is dropped: whoever gets a permit must find room in the memory pool.
    let _permit = loop {
        let (permit, fate) = serve_one(&pool, &mut instance, job).await;
        served = served.saturating_add(1);
        let is_worn = served >= limits.requests_per_instance_max || instance.is_spent_by_one();
        if fate == Fate::Spent || is_worn {
            break Some(permit);
        }
        // Offered before the permit goes back: who gets the permit finds this instance.
        if !pool.offer(sender.clone()) {
            break Some(permit);
        }
        drop(permit);
        let told = match timeout(limits.idle_timeout, jobs.recv()).await {
            Ok(told) => told,
            Err(_) if pool.withdraw(&sender) => break pool.try_permit(),
            // Taken from the list an instant ago: word is on its way.
            Err(_) => jobs.recv().await,
        };
        match told.flatten() {
            Some(next) => job = next,
            None => break pool.try_permit(),
        }
    };
    drop(instance);
    pool.counters.dropped.fetch_add(1, Relaxed);
}

/// Makes an instance and drops it.
pub(crate) async fn try_instance(pool: &Pool, passage: &Passage) -> Result<(), InvokeError> {
    instance::make(pool, passage).await.map(drop)
}

/// Whether an instance may serve again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is as good as before.
    Reusable,
    /// It failed, or was interrupted somewhere.
    Spent,
}

type Reply = oneshot::Sender<Result<http::Response<Body>, InvokeError>>;

/// Who waits for the head; taken out when it is sent.
#[derive(Clone)]
struct Waiting(Arc<Mutex<Option<Reply>>>);

impl Waiting {
    fn take(&self) -> Option<Reply> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the head is still owed and nobody waits for it.
    fn poll_gone(&self, cx: &mut Context<'_>) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.as_mut().is_some_and(|reply| reply.poll_closed(cx).is_ready())
    }

    fn is_owed(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// Serves one job; gives its permit back and tells what became of the instance.
async fn serve_one(pool: &Pool, instance: &mut Instance, job: Job) -> (OwnedSemaphorePermit, Fate) {
    let Job { request, passage, reply, permit, turn } = job;
    let waiting = Waiting(Arc::new(Mutex::new(Some(reply))));
    let result = drive(pool, instance, request, &passage, &waiting, turn).await;
    let error = match result {
        Ok(Served::Answered) => return (permit, Fate::Reusable),
        Ok(Served::Refused(reason)) => {
            if let Some(reply) = waiting.take() {
                let _ = reply.send(Err(refusal(pool, &passage, reason)));
            }
            return (permit, Fate::Reusable);
        }
        Ok(Served::Abandoned) => InvokeError::Cancelled { component: pool.component() },
        Err(error) => error,
    };
    match waiting.take() {
        Some(reply) => {
            let _ = reply.send(Err(error));
        }
        // The head is out: the body ends with an error, and here is why.
        None => {
            pool.counters.count(&error);
            tracing::warn!(component.id = %pool.blueprint.name, "answer cut short: {error}");
        }
    }
    (permit, Fate::Spent)
}

/// Runs the instance for one request under its limits.
async fn drive(
    pool: &Pool,
    instance: &mut Instance,
    request: http::Request<Body>,
    passage: &Passage,
    waiting: &Waiting,
    turn: OwnedSemaphorePermit,
) -> Result<Served, InvokeError> {
    let Instance { store, guest, meter } = instance;
    meter.reset();
    store.data_mut().enter(passage);
    store.set_epoch_deadline(1);
    let component = pool.component();
    let parking = &pool.blueprint.parking;
    let mut running = pin!(run_guest(store, guest, request, waiting, parking));
    let mut limit = pin!(tokio::time::sleep_until(passage.deadline));
    let mut is_streaming = false;
    let mut looks = 0;
    let mut turn = Some(turn);
    let ended = poll_fn(|cx| {
        meter.enter();
        let polled = running.as_mut().poll(cx);
        meter.leave();
        if let Poll::Ready(ended) = polled {
            return Poll::Ready(Ok(ended));
        }
        if waiting.poll_gone(cx) {
            return Poll::Ready(Err(InvokeError::Cancelled { component: component.clone() }));
        }
        if looks < LOOKS_BEFORE_TIMER {
            looks += 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        turn.take();
        while limit.as_mut().poll(cx).is_ready() {
            if is_streaming || waiting.is_owed() {
                return Poll::Ready(Err(InvokeError::Timeout { component: component.clone() }));
            }
            is_streaming = true;
            limit.as_mut().reset(Instant::now() + pool.blueprint.limits.stream_timeout);
        }
        Poll::Pending
    })
    .await?;
    ended.map_err(|fault| classify(component, &fault, meter))
}

/// How often a request is looked at before its deadline gets a timer: 3. To set one and take it back costs more than these
/// looks, a system call among it, and most guests have answered by then.
const LOOKS_BEFORE_TIMER: u8 = 3;

/// How a guest that did not fail can end.
enum Served {
    /// With a response, which has been passed on.
    Answered,
    /// With an error code instead.
    Refused(String),
    /// Not at all: its reader left, and it went on.
    Abandoned,
}

fn classify(component: String, fault: &wasmtime::Error, meter: &Meter) -> InvokeError {
    if meter.was_over_budget() {
        return InvokeError::CpuBudget { component };
    }
    if meter.was_memory_refused() {
        return InvokeError::Memory { component };
    }
    InvokeError::Trap { component, reason: format!("{fault:#}").replace('\n', " ") }
}

/// A middleware that answers with a code usually only hands on what went wrong behind it.
fn refusal(pool: &Pool, passage: &Passage, reason: String) -> InvokeError {
    passage.noted().unwrap_or_else(|| InvokeError::Answer { component: pool.component(), reason })
}

async fn run_guest(
    store: &mut Store<Host>,
    guest: &Running,
    request: http::Request<Body>,
    waiting: &Waiting,
    parking: &Parking,
) -> wasmtime::Result<Served> {
    match guest {
        Running::Handler(service) => run_store(store, service, request, waiting, parking).await,
        // Boxed: it is larger, and the other lane would carry it.
        Running::Incoming(proxy) => {
            Box::pin(incoming::run(store, proxy, request, waiting, parking)).await
        }
    }
}

async fn run_store(
    store: &mut Store<Host>,
    service: &Service,
    request: http::Request<Body>,
    waiting: &Waiting,
    parking: &Parking,
) -> wasmtime::Result<Served> {
    store
        .as_context_mut()
        .run_concurrent(async |accessor| serve(accessor, service, request, waiting, parking).await)
        .await?
}

/// Calls the guest, sends the head, passes the body on, and waits until the guest has nothing left to do.
async fn serve(
    accessor: &Accessor<Host>,
    service: &Service,
    request: http::Request<Body>,
    waiting: &Waiting,
    parking: &Parking,
) -> wasmtime::Result<Served> {
    let (request, sent) = accessor.with(|mut access| {
        let (request, sent) = p3::Request::from_http(&mut Inbound, request);
        let sent: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(sent);
        wasmtime::Result::<_>::Ok((access.get().table.push(request)?, sent))
    })?;
    let answer = service.wasi_http_handler().call_handle(accessor, request).await?;
    let mut done = pin!(poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)));
    match answer {
        Ok(response) => {
            let response = accessor.with(|mut access| {
                let response = access.get().table.delete(response)?;
                response.into_http(&mut access, sent)
            })?;
            if pass_on(response, waiting, parking).await == Err(ReaderGone)
                && timeout(FAREWELL_MAX, done.as_mut()).await.is_err()
            {
                return Ok(Served::Abandoned);
            }
            done.await;
            Ok(Served::Answered)
        }
        Err(code) => {
            done.await;
            Ok(Served::Refused(format!("{code:?}")))
        }
    }
}

/// How long a guest may go on when its reader has left: 1 s. Whoever asked for the head alone leaves too, and an
/// instance that notices is as good as before.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// Sends the head to whoever waits and then the body, as fast as it is read or has room to wait.
async fn pass_on(
    response: http::Response<Body>,
    waiting: &Waiting,
    parking: &Parking,
) -> Result<(), ReaderGone> {
    let (parts, mut body) = response.into_parts();
    let is_ended = body.is_end_stream();
    let (pipe, piped) = Pipe::new(parking.clone(), body.size_hint(), is_ended);
    let head = http::Response::from_parts(parts, piped.boxed_unsync());
    // Behind the head when its reader looks: head and first frame in one piece are one system call, and wake it once.
    let mut early = if is_ended { None } else { early_frame(&mut body).await };
    let Some(reply) = waiting.take() else { return Err(ReaderGone) };
    reply.send(Ok(head)).map_err(|_| ReaderGone)?;
    if is_ended {
        return Ok(());
    }
    loop {
        let frame = match early.take() {
            Some(frame) => frame,
            // The guest may wait for long before it writes, and would only then hear of it.
            None => tokio::select! {
                biased;
                frame = body.frame() => frame,
                () = pipe.reader_gone() => return Err(ReaderGone),
            },
        };
        match frame {
            Some(Ok(frame)) => pipe.send(frame).await?,
            // Without the end the reader sees that the body is not whole.
            Some(Err(_)) => return Ok(()),
            None => break,
        }
    }
    pipe.end();
    Ok(())
}

/// How often a guest gets on with its work before the head of its answer goes out alone: twice. Most write the body right
/// behind it; whoever waits for something first does not hold up the head.
const TURNS_FOR_BODY: u8 = 2;

/// Takes the first frame of a body if it comes at once; `Some(None)` is the end.
async fn early_frame(
    body: &mut Body,
) -> Option<Option<Result<http_body::Frame<bytes::Bytes>, crate::BodyError>>> {
    let mut turns = 0;
    poll_fn(|cx| {
        if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
            return Poll::Ready(Some(frame));
        }
        if turns == TURNS_FOR_BODY {
            return Poll::Ready(None);
        }
        turns += 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;
    use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;

    use super::*;

    #[tokio::test]
    async fn a_reader_that_leaves_is_noticed_while_the_guest_writes_nothing() {
        let silent =
            futures::stream::pending::<Result<http_body::Frame<bytes::Bytes>, ErrorCode>>();
        let silent = StreamBody::new(silent).map_err(Into::into).boxed_unsync();
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting(Arc::new(Mutex::new(Some(reply))));
        let parking = Parking::new(0);
        let passing = pass_on(http::Response::new(silent), &waiting, &parking);
        let leaving = async { drop(answer.await) };
        let (passed, ()) = tokio::join!(passing, leaving);
        assert_eq!(passed, Err(ReaderGone));
    }
}

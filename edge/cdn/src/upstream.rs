//! A pool of origins, asked over HTTP/1.1: connections, attempts and what became of them.
//!
//! `pool-core` decides whom to ask and how often; here it is done.

mod attempts;
mod body;
mod idle;
mod probe;
mod relay;
mod stream;
mod traced;

use std::{
    cell::Cell,
    collections::BTreeMap,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use http::{HeaderMap, Method, Response, StatusCode, uri::Scheme};
use http1::{Client, Failed, Interim, RequestHead, Reuse, SendError};
use pool_core::{
    Origin, OriginId, Outcome, Pool, RequestFacts, Settings, Step, Stop, Ticket, WaitId,
};
use tokio::{
    sync::oneshot,
    time::{sleep_until, timeout},
};

use self::{attempts::Attempts, idle::Idle};
pub use self::{
    body::{Flow, RequestContent, UpstreamBody},
    relay::{Ahead, Relay},
    stream::OriginStream,
    traced::{Beginning, TracedAttempt, Tracer},
};

/// Where an origin is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginAddress {
    /// Its host, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it speaks TLS.
    pub is_tls: bool,
}

impl OriginAddress {
    /// Returns host and port as `Host` names them.
    fn authority(&self) -> String {
        let Self { host, port, is_tls } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let is_usual = *port == if *is_tls { 443 } else { 80 };
        if is_usual { host } else { format!("{host}:{port}") }
    }
}

/// Why an address was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an origin is `http(s)://host[:port]`, without a path, a query or a user")]
pub struct AddressError;

impl std::str::FromStr for OriginAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parts = text.parse::<http::Uri>().map_err(|_| AddressError)?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(AddressError);
        };
        let has_path = parts.path_and_query.is_some_and(|path| path.as_str() != "/");
        if has_path || authority.as_str().contains('@') {
            return Err(AddressError);
        }
        let is_tls = scheme == Scheme::HTTPS;
        if !is_tls && scheme != Scheme::HTTP {
            return Err(AddressError);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Self { host, port, is_tls })
    }
}

/// A pool of origins.
pub struct Upstream {
    name: String,
    started: Instant,
    state: Mutex<State>,
    targets: BTreeMap<String, Arc<Target>>,
    limits: http1::Limits,
    tracer: Option<Arc<dyn Tracer>>,
}

struct State {
    pool: Pool,
    waiting: BTreeMap<WaitId, oneshot::Sender<()>>,
}

struct Target {
    address: OriginAddress,
    idle: idle::Address,
    reuse: Arc<dyn Reuse<OriginStream>>,
}

/// Largest head of an origin's answer: 64 KiB and 256 fields.
const ANSWER_LIMITS: http1::Limits = http1::Limits { head_bytes_max: 64 * 1024, fields_max: 256 };
/// Longest time in which an origin takes nothing of a request: 30 s.
const STALL_MAX: Duration = Duration::from_secs(30);

/// What is asked of a pool.
#[derive(Debug)]
pub struct Asking<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query, or `*`.
    pub target: &'a str,
    /// What the origin is told, `Host` among it.
    pub headers: &'a HeaderMap,
    /// The body.
    pub content: RequestContent,
    /// Where interim answers go.
    pub interim: &'a Interim,
    /// What was done for it already.
    pub ahead: Option<Relay>,
}

/// Why no origin answered.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No origin could be asked, or none of those that could was there.
    #[error("no origin answers ({0:?})")]
    Unavailable(Stop),
    /// Too many requests wait already.
    #[error("too many requests wait for an origin")]
    Overloaded,
    /// An origin took too long.
    #[error("the origin took too long")]
    TimedOut,
    /// An origin's answer was none.
    #[error("the origin gave no answer")]
    Broken(#[source] SendError),
    /// The client's body broke off.
    #[error("the client's body broke off")]
    RequestBody,
}

/// An answer, and who gave it after how many attempts.
#[derive(Debug)]
pub struct Fetched {
    /// The answer.
    pub response: Response<UpstreamBody>,
    /// Attempts that were made.
    pub attempts: usize,
}

type Answer = Response<http1::ResponseBody<OriginStream, RequestContent>>;

impl Upstream {
    /// Makes a pool of origins, each with its address.
    ///
    /// # Errors
    /// When the list is empty, too long, or names an origin twice.
    pub fn new(
        name: impl Into<String>,
        settings: Settings,
        origins: Vec<(Origin, OriginAddress)>,
    ) -> Result<Self, pool_core::OriginsError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let target = |address: OriginAddress| {
            let idle = NEXT.fetch_add(1, Relaxed);
            Arc::new(Target { address, idle, reuse: Arc::new(Idle(idle)) })
        };
        let targets = origins
            .iter()
            .map(|(origin, address)| (origin.name.clone(), target(address.clone())))
            .collect();
        let origins = origins.into_iter().map(|(origin, _)| origin).collect();
        let pool = Pool::new(settings, origins, pool_core::Instant::new(Duration::ZERO))?;
        let state = Mutex::new(State { pool, waiting: BTreeMap::new() });
        let name = name.into();
        let limits = ANSWER_LIMITS;
        Ok(Self { name, started: Instant::now(), state, targets, limits, tracer: None })
    }

    /// Tells `tracer` of every attempt from now on.
    #[must_use]
    pub fn traced_by(self, tracer: Arc<dyn Tracer>) -> Self {
        Self { tracer: Some(tracer), ..self }
    }

    /// Returns its name in configuration, logs and metrics.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lets `look` see what is known of the origins.
    pub fn inspect<R>(&self, look: impl FnOnce(&Pool, pool_core::Instant) -> R) -> R {
        let now = self.now();
        look(&self.state().pool, now)
    }

    fn now(&self) -> pool_core::Instant {
        pool_core::Instant::new(self.started.elapsed())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a request's place, and lets those in who wait for one.
    fn end(&self, ticket: &mut Ticket, outcome: Outcome) {
        let now = self.now();
        let mut state = self.state();
        state.pool.end(ticket, outcome, now);
        state.admit(now);
    }

    /// Asks an origin, or several after each other or at once, as the pool's settings say.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn fetch(self: &Arc<Self>, mut asking: Asking<'_>) -> Result<Fetched, FetchError> {
        let facts = RequestFacts::of(asking.method, asking.headers, asking.content.is_replayable());
        let mut attempts = match asking.ahead.take() {
            Some(relay) => {
                let (mut attempts, begun, answered) = relay.go_on(&asking).await;
                if let Some(fetched) = attempts.report(begun, answered) {
                    return Ok(fetched);
                }
                attempts
            }
            None => Attempts::new(self, facts),
        };
        loop {
            let step = attempts.step();
            match step {
                Step::Try(attempt) => {
                    if let Some(fetched) = attempts.run(attempt, &asking).await {
                        return Ok(fetched);
                    }
                }
                Step::WaitUntil(until) => {
                    sleep_until((self.started + until.since_start()).into()).await;
                }
                Step::WaitInQueue(id) => self.wait(id).await,
                Step::Await => return Err(FetchError::TimedOut),
                Step::Stop(stop) => return attempts.stop(stop),
            }
        }
    }

    async fn wait(&self, id: WaitId) {
        let (admit, admitted) = oneshot::channel();
        let longest = {
            let mut state = self.state();
            state.waiting.insert(id, admit);
            state.pool.settings().balance.pending_wait_max
        };
        // Either way the pool says what is next.
        let _ = timeout(longest, admitted).await;
        self.state().waiting.remove(&id);
    }

    async fn connect(&self, target: &Target, limit: Duration) -> Option<Client<OriginStream>> {
        let address = &target.address;
        let connecting = OriginStream::connect(&address.host, address.port, address.is_tls);
        match timeout(limit, connecting).await {
            Ok(Ok(stream)) => Some(Client::new(stream, self.limits, STALL_MAX)),
            Ok(Err(error)) => {
                tracing::debug!(pool = self.name, host = address.host, "not connected: {error}");
                None
            }
            Err(_) => None,
        }
    }

    /// One attempt: on an idle connection if there is one, and on a new one if that turns out to be dead.
    async fn attempt(
        &self,
        target: &Target,
        limits: (Duration, Duration),
        asking: &Asking<'_>,
        is_repeatable: bool,
    ) -> Result<Answer, (Outcome, Option<SendError>)> {
        let (_, head_timeout) = limits;
        let idle = idle::take(target.idle, !is_repeatable);
        if let Some(client) = idle {
            match self.send(client, target, head_timeout, asking).await {
                // The origin had closed it: that says nothing about this request.
                Err((_, Some(Failed { error: SendError::Closed, has_taken_body })))
                    if is_repeatable || (!has_taken_body && !asking.content.is_replayable()) => {}
                Err((outcome, failed)) => return Err((outcome, failed.map(|failed| failed.error))),
                Ok(answer) => return Ok(answer),
            }
        }
        self.attempt_anew(target, limits, asking).await
    }

    /// One attempt on a new connection.
    async fn attempt_anew(
        &self,
        target: &Target,
        (connect_timeout, head_timeout): (Duration, Duration),
        asking: &Asking<'_>,
    ) -> Result<Answer, (Outcome, Option<SendError>)> {
        let client = self.connect(target, connect_timeout).await.ok_or((Outcome::NotSent, None))?;
        let sent = self.send(client, target, head_timeout, asking).await;
        sent.map_err(|(outcome, failed)| (outcome, failed.map(|failed| failed.error)))
    }

    async fn send(
        &self,
        client: Client<OriginStream>,
        target: &Target,
        head_timeout: Duration,
        asking: &Asking<'_>,
    ) -> Result<Answer, (Outcome, Option<Failed>)> {
        let head =
            RequestHead { method: asking.method, target: asking.target, headers: asking.headers };
        let mut on_interim =
            |status: StatusCode, headers: HeaderMap| asking.interim.send(status, headers);
        let content = asking.content.clone();
        let mut sending = pin!(client.send(head, content, &target.reuse, &mut on_interim));
        let sent = loop {
            let before = asking.content.progress();
            match timeout(head_timeout, sending.as_mut()).await {
                // While the client's body comes, the origin cannot be expected to answer.
                Err(_) if asking.content.progress() > before => {}
                sent => break sent,
            }
        };
        match sent {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failed)) => {
                let outcome = match failed.error {
                    SendError::RequestBody => Outcome::Refused,
                    _ => Outcome::Broken,
                };
                Err((outcome, Some(failed)))
            }
            Err(_) => Err((Outcome::TimedOut, None)),
        }
    }
}

impl State {
    /// Wakes those whose turn it is.
    fn admit(&mut self, now: pool_core::Instant) {
        while let Some(id) = self.pool.poll_waiting(now) {
            if let Some(admit) = self.waiting.remove(&id) {
                // Whoever waited may be gone.
                let _ = admit.send(());
            }
        }
    }
}

impl Upstream {
    fn target(&self, id: OriginId) -> Option<Arc<Target>> {
        let state = self.state();
        self.targets.get(&state.pool.origin(id)?.name).cloned()
    }
}

/// For spreading load, not for secrets: `SplitMix64`, seeded by the system.
fn random() -> u64 {
    thread_local! {
        static STATE: Cell<Option<u64>> = const { Cell::new(None) };
    }
    let state = STATE.get().unwrap_or_else(|| {
        let mut seed = [0; 8];
        // Without a seed the threads choose alike, which costs balance and nothing else.
        let _ = getrandom::fill(&mut seed);
        u64::from_le_bytes(seed)
    });
    let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    STATE.set(Some(state));
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Upstream").field("name", &self.name).finish_non_exhaustive()
    }
}

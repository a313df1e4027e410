//! Spans of requests for a collector: OTLP over HTTP in JSON, from a thread of its own.
//!
//! Why not the `opentelemetry-otlp` crates: their HTTP exporter comes with `reqwest` or asks for a client and an async
//! runtime through traits of four crates (`opentelemetry`, `-sdk`, `-http`, `-proto` with `prost`), and their SDK keeps
//! its own clock, sampler, batch thread and context beside ours. What this node tells is one flat span per request, and one
//! below it for each attempt at an origin: a hundred lines that write JSON, which every collector takes at `/v1/traces`, over the HTTP client that is here anyway.
//! Given up: metrics and logs over OTLP (Prometheus scrapes, the log is on standard error), gRPC, TLS to the collector.
//! We would be wrong if collectors stopped taking JSON, or if spans inside components were wanted: then the crates would
//! earn their place.
//!
//! A request never waits: what finds a full queue is dropped and counted, and so is a batch that the collector does not
//! take in time. Nothing is sent twice.

mod attempt;
mod collector;
mod span;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError},
    },
    time::{Duration, Instant},
};

use self::span::Told;
pub(crate) use self::{attempt::Attempts, collector::Endpoint, span::Span};
use crate::trace_context::TraceContext;

/// Spans of one request to the collector: 512, some 400 KiB.
const BATCH_MAX: usize = 512;
/// How long spans wait for others: 1 s.
const GATHERING: Duration = Duration::from_secs(1);
/// Longest wait for the last spans at the end: 2 s; the collector may be gone.
const FAREWELL_MAX: Duration = Duration::from_secs(2);

/// Where spans go, how many, and under which name.
pub(crate) struct Settings {
    pub(crate) endpoint: Endpoint,
    /// Of traces that begin here, how many are recorded: 0 to 1.
    pub(crate) ratio: f64,
    /// Spans that may wait.
    pub(crate) queue_max: usize,
    /// This node's name.
    pub(crate) node_id: String,
}

/// Takes spans, and sends them by and by.
pub(crate) struct Exporter {
    queue: SyncSender<Message>,
    /// A trace that begins here is recorded if its number is below this.
    draw_max: u64,
    counts: Arc<Counts>,
    is_done: std::sync::Mutex<Receiver<()>>,
}

enum Message {
    Span(Box<Told>),
    Stop,
}

/// What became of spans.
#[derive(Debug, Default)]
struct Counts {
    exported: AtomicU64,
    /// The queue was full.
    crowded_out: AtomicU64,
    /// The collector did not take them.
    refused: AtomicU64,
}

/// Numbers of traces are below this: 56 bits are random.
const DRAWS: f64 = (1_u64 << 56) as f64;

impl Exporter {
    /// Starts the thread.
    pub(crate) fn start(settings: Settings) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::sync_channel(settings.queue_max.max(1));
        let (done, is_done) = mpsc::sync_channel(1);
        let counts = Arc::new(Counts::default());
        let share = settings.ratio.clamp(0.0, 1.0) * DRAWS;
        let tasks = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let worker = Worker {
            waiting,
            counts: Arc::clone(&counts),
            endpoint: settings.endpoint,
            node_id: settings.node_id,
            tasks,
            is_failing: false,
        };
        std::thread::Builder::new().name("otlp".to_owned()).spawn(move || {
            worker.run();
            // Nobody waits for it unless the node ends.
            let _ = done.send(());
        })?;
        // A float becomes the nearest whole number; here it is one from 0 to 2^56.
        let draw_max = share as u64;
        Ok(Self { queue, draw_max, counts, is_done: std::sync::Mutex::new(is_done) })
    }

    /// Decides whether a trace that begins here is recorded; one that goes on is recorded if its caller's was.
    pub(crate) fn sample(&self, context: &mut TraceContext) {
        if context.parent_id.is_none() && context.trace_id.draw() < self.draw_max {
            context.sample();
        }
    }

    /// Puts a span down, or counts it as dropped; never waits.
    pub(crate) fn tell(&self, span: impl Into<Told>) {
        let told = self.queue.try_send(Message::Span(Box::new(span.into())));
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = told {
            self.counts.crowded_out.fetch_add(1, Relaxed);
        }
    }

    /// Returns what became of spans, each with its word.
    pub(crate) fn figures(&self) -> [(&'static str, u64); 3] {
        let counts = &self.counts;
        [
            ("exported", &counts.exported),
            ("dropped_queue_full", &counts.crowded_out),
            ("dropped_by_collector", &counts.refused),
        ]
        .map(|(word, count)| (word, count.load(Relaxed)))
    }

    /// Sends what waits; gives up after two seconds.
    pub(crate) fn stop(&self) {
        // With a full queue the collector is behind anyhow: what it has not taken by now, it will not.
        if self.queue.try_send(Message::Stop).is_ok() {
            let done = self.is_done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let _ = done.recv_timeout(FAREWELL_MAX);
        }
    }
}

struct Worker {
    waiting: Receiver<Message>,
    counts: Arc<Counts>,
    endpoint: Endpoint,
    node_id: String,
    tasks: tokio::runtime::Runtime,
    is_failing: bool,
}

impl Worker {
    fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            let is_last = self.gather(&mut batch);
            if !batch.is_empty() {
                self.send(&batch);
                batch.clear();
            }
            if is_last {
                return;
            }
        }
    }

    /// Waits for spans and for some time after the first; `true` if these are the last.
    fn gather(&self, batch: &mut Vec<Told>) -> bool {
        let mut until = None;
        while batch.len() < BATCH_MAX {
            let received = match until {
                None => self.waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(until) => {
                    let left = Instant::saturating_duration_since(&until, Instant::now());
                    self.waiting.recv_timeout(left)
                }
            };
            match received {
                Ok(Message::Span(span)) => {
                    batch.push(*span);
                    until.get_or_insert_with(|| Instant::now() + GATHERING);
                }
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
        false
    }

    fn send(&mut self, batch: &[Told]) {
        let body = span::write(batch, &self.node_id);
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        match self.tasks.block_on(self.endpoint.post(body)) {
            Ok(()) => {
                self.counts.exported.fetch_add(count, Relaxed);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("the collector takes spans again");
                }
            }
            Err(error) => {
                self.counts.refused.fetch_add(count, Relaxed);
                // Once, until it changes: the counter says how many.
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(spans = count, "spans dropped: {error}");
                }
            }
        }
    }
}

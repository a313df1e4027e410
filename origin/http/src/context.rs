//! What every handler can reach.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use app::App;
use tokio::sync::Semaphore;

use crate::edge_secrets::EdgeSecrets;
use crate::identity::Nonces;
use crate::metrics::Metrics;

/// How much is taken on.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest body of a request: 64 KiB, as at the edge.
    pub body_bytes_max: usize,
    /// Requests under `/v1` at once: 512. More are answered 503.
    pub in_flight_max: usize,
    /// Longest time for one request under `/v1`: 10 s. More than a payment provider may take.
    pub deadline: Duration,
    /// Whole copies that may be streamed at once: 4.
    pub snapshots_max: usize,
    /// Exports that may be streamed to the staff at once: 4. Each holds a read transaction while its reader is slow.
    pub exports_max: usize,
    /// Media that may be streamed to edges at once: 64.
    pub media_max: usize,
    /// Longest wait for an edge to take the next piece of a copy: 30 s. Until then the copy keeps the database from
    /// shortening its log.
    pub snapshot_stall_max: Duration,
    /// Longest time for one export, however steadily its reader takes a little: 1 hour. Until then it keeps the database
    /// from clearing away what was deleted meanwhile.
    pub export_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: api_types::REQUEST_BYTES_MAX,
            in_flight_max: 512,
            deadline: Duration::from_secs(10),
            snapshots_max: 4,
            exports_max: 4,
            media_max: 64,
            snapshot_stall_max: Duration::from_secs(30),
            export_max: Duration::from_hours(1),
        }
    }
}

/// Shared by all handlers.
pub struct Context {
    pub(crate) app: App,
    pub(crate) edge_secrets: EdgeSecrets,
    pub(crate) limits: Limits,
    pub(crate) in_flight: Arc<Semaphore>,
    pub(crate) snapshots: Arc<Semaphore>,
    pub(crate) exports: Arc<Semaphore>,
    pub(crate) media: Option<PathBuf>,
    pub(crate) media_places: Arc<Semaphore>,
    pub(crate) nonces: Nonces,
    pub(crate) metrics: Metrics,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({:?})", self.limits)
    }
}

impl Context {
    /// Puts a shop behind HTTP. `edge_secrets` are what the edges sign with; the feed's tokens
    /// are derived from them. `media` is the folder of models and pictures, if this origin has one.
    #[must_use]
    pub fn new(
        app: App,
        edge_secrets: EdgeSecrets,
        limits: Limits,
        media: Option<PathBuf>,
    ) -> Arc<Self> {
        Arc::new(Self {
            app,
            edge_secrets,
            limits,
            in_flight: Arc::new(Semaphore::new(limits.in_flight_max)),
            snapshots: Arc::new(Semaphore::new(limits.snapshots_max)),
            exports: Arc::new(Semaphore::new(limits.exports_max)),
            media,
            media_places: Arc::new(Semaphore::new(limits.media_max)),
            nonces: Nonces::default(),
            metrics: Metrics::default(),
        })
    }

    /// Returns the shop, for the jobs that run beside the server.
    #[must_use]
    pub const fn app(&self) -> &App {
        &self.app
    }
}

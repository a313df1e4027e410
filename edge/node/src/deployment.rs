//! One version of the application, loaded: what it is, its components, its counts.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use cdn::{Proxy, files::Files};
use http::{HeaderMap, StatusCode};
use manifest::App;
use runtime::Application;

use crate::{
    metrics::{Metrics, RouteMetrics, Totals},
    origins,
    serve::StaticAnswers,
    shard::PerThread,
};

/// A version's number in its state directory; grows with each deployment.
pub(crate) type VersionId = u64;

/// A version that is loaded. It is unloaded when the last request that was given it is wholly answered.
pub(crate) struct Deployment {
    pub(crate) id: VersionId,
    pub(crate) app: Arc<App>,
    pub(crate) application: Application,
    /// For each route of the manifest, in its order.
    pub(crate) routes: Vec<Arc<RouteMetrics>>,
    /// The answers that its manifest gives.
    pub(crate) static_answers: StaticAnswers,
    /// For each route, who answers it without a component.
    pub(crate) proxies: Vec<Option<Proxy>>,
    /// For each route, the folder whose files it serves.
    files: Vec<Option<Arc<Files>>>,
    /// For each route, what is sent ahead.
    pub(crate) hints: Vec<HeaderMap>,
    /// Answers by the first digit of their status.
    by_class: PerThread<[AtomicU64; 5]>,
    totals: Arc<Totals>,
}

impl Deployment {
    pub(crate) fn new(
        id: VersionId,
        app: Arc<App>,
        application: Application,
        proxies: Vec<Option<Proxy>>,
        files: Vec<Option<Arc<Files>>>,
        metrics: &Metrics,
    ) -> Self {
        Self {
            id,
            routes: metrics.routes(&app),
            static_answers: StaticAnswers::new(&app),
            proxies,
            files,
            hints: origins::hints(&app),
            app,
            application,
            by_class: PerThread::new(),
            totals: metrics.totals(),
        }
    }

    /// Returns the folder that route number `route` serves, if nothing stands before it.
    pub(crate) fn files(&self, route: usize) -> Option<&Files> {
        let is_direct = self.app.routes().get(route)?.middleware.is_empty();
        self.files.get(route)?.as_deref().filter(|_| is_direct)
    }

    /// Returns the proxy that answers route number `route`, if nothing stands before it.
    pub(crate) fn direct(&self, route: usize) -> Option<&Proxy> {
        let is_direct = self.app.routes().get(route)?.middleware.is_empty();
        self.proxies.get(route)?.as_ref().filter(|_| is_direct)
    }

    /// Counts an answer of this version.
    pub(crate) fn count(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(count) = self.by_class.mine().get(class) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Returns the answers so far, each class with its name.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        names.into_iter().enumerate().map(|(at, name)| {
            let counts = self.by_class.iter().filter_map(|classes| classes.get(at));
            (name, counts.map(|count| count.load(Relaxed)).sum())
        })
    }

    /// Returns how many answers were 5xx.
    pub(crate) fn failures(&self) -> u64 {
        self.answers().filter(|(class, _)| *class == "5xx").map(|(_, count)| count).sum()
    }

    /// Returns how many instances it has, of all its components.
    pub(crate) fn instances(&self) -> u64 {
        self.application.stats().iter().map(|pool| pool.instances).sum()
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        self.totals.absorb(&self.application.stats());
        tracing::info!(version = self.id, "version unloaded");
    }
}

/// The versions in memory: those that serve, the one to return to, and those that still finish requests.
#[derive(Default)]
pub(crate) struct Loaded(Mutex<Vec<Weak<Deployment>>>);

impl Loaded {
    pub(crate) fn add(&self, deployment: &Arc<Deployment>) {
        let mut loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|one| one.strong_count() > 0);
        loaded.push(Arc::downgrade(deployment));
    }

    pub(crate) fn list(&self) -> Vec<Arc<Deployment>> {
        let loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.iter().filter_map(Weak::upgrade).collect()
    }
}

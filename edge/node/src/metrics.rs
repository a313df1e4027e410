//! What `/metrics` tells, in the text format of Prometheus.

mod render;
mod text;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use cache_core::cache_status::Word;
use http::StatusCode;
use manifest::{App, Target};
use replica::Replica;
use runtime::PoolStats;

use self::text::Text;
use crate::{
    deployment::Deployment,
    histogram::{Histogram, Sum},
    operation::Operation,
    serve::Place,
    shard::PerThread,
};

/// Counters of this node. Those of routes and components go on from version to version.
pub(crate) struct Metrics {
    /// Every route that a version had so far.
    routes: Mutex<Vec<Arc<RouteMetrics>>>,
    own: RouteMetrics,
    nowhere: RouteMetrics,
    in_flight: PerThread<AtomicI64>,
    contact: PerThread<Mutex<Option<Contact>>>,
    totals: Arc<Totals>,
}

/// When the replica was asked, and for how long no origin had answered then.
type Contact = (Instant, Option<Duration>);

/// What versions that are unloaded have counted.
#[derive(Default)]
pub(crate) struct Totals(Mutex<BTreeMap<String, PoolStats>>);

impl Totals {
    /// Takes the last counts of a version.
    pub(crate) fn absorb(&self, pools: &[PoolStats]) {
        let mut totals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        add(&mut totals, pools);
    }

    /// Returns these and those of `loaded` versions, for each component.
    fn with(&self, loaded: &[Arc<Deployment>]) -> Vec<PoolStats> {
        let mut totals = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for pool in totals.values_mut() {
            // These are counts of what is, and it is no more.
            (pool.in_flight, pool.instances) = (0, 0);
        }
        for deployment in loaded {
            add(&mut totals, &deployment.application.stats());
        }
        totals.into_values().collect()
    }
}

fn add(totals: &mut BTreeMap<String, PoolStats>, pools: &[PoolStats]) {
    for pool in pools {
        match totals.get_mut(&pool.component) {
            Some(total) => total.add(pool),
            None => {
                totals.insert(pool.component.clone(), pool.clone());
            }
        }
    }
}

/// Counters of one route, a set for each serving thread.
pub(crate) struct RouteMetrics {
    route: String,
    component: String,
    counts: PerThread<RouteCounts>,
}

#[derive(Default)]
struct RouteCounts {
    /// By the status's first digit, which is 1 to 9, and then by the rest: most of them never occur.
    by_class: [OnceLock<Box<[AtomicU64; 100]>>; 9],
    /// By what the cache had to do with it, in the order of [`WORDS`].
    by_word: [AtomicU64; WORDS.len()],
    duration: Histogram,
}

/// Every word of the cache.
const WORDS: [Word; 8] = [
    Word::Hit,
    Word::Miss,
    Word::Stale,
    Word::Updating,
    Word::Revalidated,
    Word::Expired,
    Word::Bypass,
    Word::Collapsed,
];

impl RouteCounts {
    fn count(&self, status: StatusCode, word: Option<Word>, duration: Duration) {
        let at = word.and_then(|word| WORDS.iter().position(|one| *one == word));
        if let Some(count) = at.and_then(|at| self.by_word.get(at)) {
            count.fetch_add(1, Relaxed);
        }
        let status = usize::from(status.as_u16());
        if let Some(class) = (status / 100).checked_sub(1).and_then(|at| self.by_class.get(at)) {
            let counts = class.get_or_init(|| Box::new([const { AtomicU64::new(0) }; 100]));
            if let Some(count) = counts.get(status % 100) {
                count.fetch_add(1, Relaxed);
            }
        }
        self.duration.observe(duration);
    }

    fn of(&self, status: usize) -> u64 {
        let class = (status / 100).checked_sub(1).and_then(|at| self.by_class.get(at)?.get());
        class.and_then(|counts| counts.get(status % 100)).map_or(0, |count| count.load(Relaxed))
    }
}

impl RouteMetrics {
    fn new(route: &str, component: &str) -> Self {
        Self { route: route.to_owned(), component: component.to_owned(), counts: PerThread::new() }
    }

    /// Returns each status that was sent, with how often.
    fn by_status(&self) -> impl Iterator<Item = (usize, u64)> {
        let count = |status| self.counts.iter().map(|counts| counts.of(status)).sum();
        (100..1000).map(move |status| (status, count(status))).filter(|(_, count)| *count > 0)
    }

    /// Returns each word that the cache said here, with how often.
    fn by_word(&self) -> impl Iterator<Item = (Word, u64)> {
        let count = |at: usize| {
            let counts = self.counts.iter().filter_map(|counts| counts.by_word.get(at));
            counts.map(|count| count.load(Relaxed)).sum()
        };
        let all = WORDS.into_iter().enumerate().map(move |(at, word)| (word, count(at)));
        all.filter(|(_, count)| *count > 0)
    }

    fn duration(&self) -> Sum {
        self.counts.iter().map(|counts| &counts.duration).collect()
    }
}

/// A request being served; counted out when dropped, where it was counted in.
pub(crate) struct InFlight<'a>(&'a AtomicI64);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// What is known outside the counters.
pub(crate) struct Gathered<'a> {
    pub(crate) loaded: &'a [Arc<Deployment>],
    /// In both lanes, of all versions.
    pub(crate) instances: usize,
    pub(crate) replica: Option<&'a Replica>,
    /// Of the access log.
    pub(crate) lines_dropped: u64,
    pub(crate) operation: &'a Operation,
}

/// Routes that are told apart, of all versions together: 1 000. Beyond it a new route's requests are not shown.
const ROUTES_MAX: usize = 1000;

/// How long the age of the last contact is believed: asking takes a lock that the follower also wants.
const CONTACT_KEPT: Duration = Duration::from_millis(500);

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            routes: Mutex::default(),
            own: RouteMetrics::new("own", "node"),
            nowhere: RouteMetrics::new("none", "none"),
            in_flight: PerThread::new(),
            contact: PerThread::new(),
            totals: Arc::default(),
        }
    }

    /// Returns where each route of `app` is counted: together with the same route of other versions.
    pub(crate) fn routes(&self, app: &App) -> Vec<Arc<RouteMetrics>> {
        let mut known = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = app.routes().iter().map(|route| {
            let path = route.path.as_deref().unwrap_or("private");
            let component = match &route.target {
                Target::Component(id) => id.as_str(),
                Target::Static(_) => "static",
                Target::Pool(name) => name.as_str(),
                Target::Files(_) => "files",
            };
            let found = known.iter().find(|one| one.route == path && one.component == component);
            if let Some(found) = found {
                return Arc::clone(found);
            }
            let made = Arc::new(RouteMetrics::new(path, component));
            if known.len() < ROUTES_MAX {
                known.push(Arc::clone(&made));
            }
            made
        });
        counted.collect()
    }

    /// Returns where versions leave their counts.
    pub(crate) fn totals(&self) -> Arc<Totals> {
        Arc::clone(&self.totals)
    }

    pub(crate) fn enter(&self) -> InFlight<'_> {
        let count = self.in_flight.mine();
        count.fetch_add(1, Relaxed);
        InFlight(count)
    }

    pub(crate) fn count(
        &self,
        place: Place<'_>,
        status: StatusCode,
        word: Option<Word>,
        duration: Duration,
    ) {
        self.of(place).counts.mine().count(status, word, duration);
    }

    /// Returns the route as the manifest writes it.
    pub(crate) fn label<'a>(&'a self, place: Place<'a>) -> &'a str {
        &self.of(place).route
    }

    fn of<'a>(&'a self, place: Place<'a>) -> &'a RouteMetrics {
        match place {
            Place::Route(metrics) => metrics,
            Place::Own => &self.own,
            Place::Nowhere => &self.nowhere,
        }
    }

    /// Returns for how long no origin has answered, at most half a second old.
    pub(crate) fn contact_age(&self, replica: &Replica) -> Option<Duration> {
        let mut contact = self.contact.mine().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((asked, age)) = *contact
            && asked.elapsed() < CONTACT_KEPT
        {
            return age;
        }
        let age = replica.status().last_contact_age_ms.map(Duration::from_millis);
        *contact = Some((Instant::now(), age));
        age
    }

    /// Writes everything.
    pub(crate) fn render(&self, gathered: &Gathered<'_>) -> String {
        let Gathered { loaded, operation, .. } = gathered;
        let mut text = Text::default();
        self.render_requests(&mut text);
        const DROPPED: &str = "vitrine_edge_access_log_dropped_total";
        text.head(DROPPED, "counter", "Lines of the access log that nobody took in time.");
        text.line(DROPPED, &[], gathered.lines_dropped);
        render::connections(&mut text, &operation.connections);
        if let Some(exporter) = &operation.exporter {
            render::spans(&mut text, exporter);
        }
        render::cache(&mut text, &operation.cache);
        render::origins(&mut text, loaded);
        render::components(&mut text, &self.totals.with(loaded));
        render::versions(&mut text, loaded, gathered.instances);
        if let Some(replica) = gathered.replica {
            render::replica(&mut text, &replica.status());
        }
        text.into_string()
    }

    fn render_requests(&self, text: &mut Text) {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let all = || routes.iter().map(|route| &**route).chain([&self.own, &self.nowhere]);
        text.head("vitrine_edge_requests_total", "counter", "Requests answered.");
        for metrics in all() {
            for (status, count) in metrics.by_status() {
                let labels = [
                    ("route", metrics.route.as_str()),
                    ("component", metrics.component.as_str()),
                    ("status", &status.to_string()),
                ];
                text.line("vitrine_edge_requests_total", &labels, count);
            }
        }
        const WORDS: &str = "vitrine_edge_route_cache_total";
        text.head(WORDS, "counter", "Answers by what the cache had to do with them.");
        for metrics in all() {
            for (word, count) in metrics.by_word() {
                let labels = [
                    ("route", metrics.route.as_str()),
                    ("component", metrics.component.as_str()),
                    ("word", word.as_str()),
                ];
                text.line(WORDS, &labels, count);
            }
        }
        const DURATION: &str = "vitrine_edge_request_duration_seconds";
        text.head(DURATION, "histogram", "Time to the head of the answer.");
        let durations = all().map(|metrics| (metrics.route.as_str(), metrics.duration()));
        for (route, duration) in durations.filter(|(_, duration)| duration.count > 0) {
            let route = ("route", route);
            for (bound, count) in duration.cumulative() {
                let labels = [route, ("le", &bound.to_string())];
                text.line(&format!("{DURATION}_bucket"), &labels, count);
            }
            text.line(&format!("{DURATION}_bucket"), &[route, ("le", "+Inf")], duration.count);
            text.line(&format!("{DURATION}_sum"), &[route], duration.sum_s());
            text.line(&format!("{DURATION}_count"), &[route], duration.count);
        }
        text.head("vitrine_edge_requests_in_flight", "gauge", "Requests being answered.");
        let in_flight: i64 = self.in_flight.iter().map(|count| count.load(Relaxed)).sum();
        text.line("vitrine_edge_requests_in_flight", &[], in_flight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_status_that_was_sent() {
        let metrics = RouteMetrics::new("/a", "a");
        for status in [200, 200, 503, 999] {
            let status = StatusCode::from_u16(status).expect("is a status");
            metrics.counts.mine().count(status, Some(Word::Stale), Duration::from_millis(2));
        }
        let counts: Vec<(usize, u64)> = metrics.by_status().collect();
        assert_eq!(counts, [(200, 2), (503, 1), (999, 1)]);
        assert_eq!(metrics.by_word().collect::<Vec<_>>(), [(Word::Stale, 4)]);
        assert_eq!(metrics.duration().count, 4);
    }
}

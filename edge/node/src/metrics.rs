//! What `/metrics` tells, in the text format of Prometheus.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use http::StatusCode;
use manifest::{App, Target};
use replica::Replica;
use runtime::PoolStats;

use crate::{
    deployment::Deployment,
    histogram::{Histogram, Sum},
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
    duration: Histogram,
}

impl RouteCounts {
    fn count(&self, status: StatusCode, duration: Duration) {
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

    pub(crate) fn count(&self, place: Place<'_>, status: StatusCode, duration: Duration) {
        self.of(place).counts.mine().count(status, duration);
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
    pub(crate) fn render(
        &self,
        loaded: &[Arc<Deployment>],
        instances: usize,
        replica: Option<&Replica>,
        lines_dropped: u64,
    ) -> String {
        let mut text = Text::default();
        self.render_requests(&mut text);
        const DROPPED: &str = "vitrine_edge_access_log_dropped_total";
        text.head(DROPPED, "counter", "Lines of the access log that nobody took in time.");
        text.line(DROPPED, &[], lines_dropped);
        render_pools(&mut text, &self.totals.with(loaded));
        render_versions(&mut text, loaded, instances);
        if let Some(replica) = replica {
            render_replica(&mut text, &replica.status());
        }
        text.0
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

/// A metric's name, type, help, and where its value is.
type Column<T> = (&'static str, &'static str, &'static str, fn(&T) -> u64);

fn render_pools(text: &mut Text, pools: &[PoolStats]) {
    let columns: [Column<PoolStats>; 11] = [
        ("express_total", "counter", "Requests answered in the express lane.", |pool| pool.express),
        ("instances", "gauge", "Instances alive.", |pool| pool.instances),
        ("busy_instances", "gauge", "Instances with a request.", |pool| {
            u64::try_from(pool.in_flight).unwrap_or(u64::MAX)
        }),
        ("instances_created_total", "counter", "Instances ever made.", |p| p.instances_created),
        ("calls_total", "counter", "Requests handed to the component.", |pool| pool.requests),
        ("traps_total", "counter", "Requests that trapped.", |pool| pool.traps),
        ("timeouts_total", "counter", "Requests beyond their deadline.", |pool| pool.timeouts),
        ("cpu_exceeded_total", "counter", "Requests beyond their time.", |p| p.over_budget),
        ("memory_exceeded_total", "counter", "Requests beyond their memory.", |p| p.over_memory),
        ("refused_total", "counter", "Requests refused for want of instances.", |pool| pool.busy),
        ("failures_total", "counter", "Requests that failed otherwise.", |pool| pool.failures),
    ];
    for (name, kind, help, value) in columns {
        let name = format!("vitrine_edge_component_{name}");
        text.head(&name, kind, help);
        for pool in pools {
            text.line(&name, &[("component", &pool.component)], value(pool));
        }
    }
}

fn render_versions(text: &mut Text, loaded: &[Arc<Deployment>], instances: usize) {
    const ANSWERS: &str = "vitrine_edge_version_answers_total";
    text.head(ANSWERS, "counter", "Answers of each loaded version, by class of status.");
    for deployment in loaded {
        let id = deployment.id.to_string();
        for (class, count) in deployment.answers() {
            text.line(ANSWERS, &[("version", &id), ("class", class)], count);
        }
    }
    const INSTANCES: &str = "vitrine_edge_version_instances";
    text.head(INSTANCES, "gauge", "Instances of each loaded version, in the standard lane.");
    for deployment in loaded {
        text.line(INSTANCES, &[("version", &deployment.id.to_string())], deployment.instances());
    }
    const ALL: &str = "vitrine_edge_instances";
    text.head(ALL, "gauge", "Instances alive, in both lanes and of all versions.");
    text.line(ALL, &[], instances);
}

fn render_replica(text: &mut Text, status: &replica::Status) {
    let columns: [Column<replica::Status>; 7] = [
        ("position", "gauge", "Position up to which the copy is complete.", |now| now.position),
        ("head", "gauge", "The origin's position when last heard of.", |now| now.head),
        ("lag_transactions", "gauge", "Transactions known to be missing.", |now| {
            now.lag_transactions
        }),
        ("lag_milliseconds", "gauge", "Age of the newest here while some miss.", |now| now.lag_ms),
        ("generation", "gauge", "Rises with every new file.", |now| now.generation),
        ("snapshots_total", "counter", "Files built from a snapshot.", |now| now.snapshots),
        ("rebuilds_total", "counter", "How often continuity was lost.", |now| now.rebuilds),
    ];
    for (name, kind, help, value) in columns {
        let name = format!("vitrine_edge_replica_{name}");
        text.head(&name, kind, help);
        text.line(&name, &[], value(status));
    }
    if let Some(age_ms) = status.last_contact_age_ms {
        let name = "vitrine_edge_replica_contact_age_seconds";
        text.head(name, "gauge", "Since an origin last answered.");
        text.line(name, &[], Duration::from_millis(age_ms).as_secs_f64());
    }
}

/// The exposition format.
#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_status_that_was_sent() {
        let metrics = RouteMetrics::new("/a", "a");
        for status in [200, 200, 503, 999] {
            let status = StatusCode::from_u16(status).expect("is a status");
            metrics.counts.mine().count(status, Duration::from_millis(2));
        }
        let counts: Vec<(usize, u64)> = metrics.by_status().collect();
        assert_eq!(counts, [(200, 2), (503, 1), (999, 1)]);
        assert_eq!(metrics.duration().count, 4);
    }

    #[test]
    fn writes_lines_that_prometheus_reads() {
        let mut text = Text::default();
        text.head("a_total", "counter", "Help.");
        text.line("a_total", &[("route", "/\"x\"")], 3_u64);
        text.line("b", &[], 0.5);
        let expected = "# HELP a_total Help.\n# TYPE a_total counter\na_total{route=\"/\\\"x\\\"\"} 3\nb 0.5\n";
        assert_eq!(text.0, expected);
    }
}

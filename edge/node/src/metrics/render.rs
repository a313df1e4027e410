//! Metrics of what others count: components, versions, pools, the cache, connections, the replica.

use std::{sync::Arc, time::Duration};

use cdn::{Cache, store::DiskFigures};
use pool_core::{Condition, Counts};
use runtime::PoolStats;

use super::text::Text;
use crate::{
    connections::{Connections, Protocol},
    deployment::Deployment,
    operation,
    otlp::Exporter,
};

/// A metric's name, type, help, and where its value is.
type Column<T> = (&'static str, &'static str, &'static str, fn(&T) -> u64);

pub(super) fn components(text: &mut Text, pools: &[PoolStats]) {
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

pub(super) fn versions(text: &mut Text, loaded: &[Arc<Deployment>], instances: usize) {
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

pub(super) fn replica(text: &mut Text, status: &replica::Status) {
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

pub(super) fn connections(text: &mut Text, connections: &Connections) {
    const OPEN: &str = "vitrine_edge_connections";
    text.head(OPEN, "gauge", "Connections of clients that are open.");
    for protocol in Protocol::ALL {
        text.line(OPEN, &[("protocol", protocol.as_str())], connections.open_of(protocol));
    }
    const ENDED: &str = "vitrine_edge_connections_ended_total";
    text.head(ENDED, "counter", "Connections of clients that have ended.");
    for protocol in Protocol::ALL {
        text.line(ENDED, &[("protocol", protocol.as_str())], connections.ended_of(protocol));
    }
    const FAILED: &str = "vitrine_edge_tls_handshakes_failed_total";
    text.head(FAILED, "counter", "TLS handshakes that failed or took too long.");
    text.line(FAILED, &[], connections.handshakes_failed());
}

pub(super) fn spans(text: &mut Text, exporter: &Exporter) {
    const SPANS: &str = "vitrine_edge_spans_total";
    text.head(SPANS, "counter", "Spans of requests, by what became of them.");
    for (result, count) in exporter.figures() {
        text.line(SPANS, &[("result", result)], count);
    }
}

pub(super) fn cache(text: &mut Text, cache: &Cache) {
    const REQUESTS: &str = "vitrine_cache_requests_total";
    text.head(REQUESTS, "counter", "Requests by what the cache had to do with them.");
    for (word, count) in cache.figures().all() {
        text.line(REQUESTS, &[("word", word.as_str())], count);
    }
    let figures = cache.store_figures();
    for (name, kind, help, value) in [
        ("addresses", "gauge", "Addresses with stored answers.", figures.addresses),
        ("bytes", "gauge", "Bytes of stored answers.", figures.bytes),
        ("bytes_max", "gauge", "Most bytes of stored answers.", figures.bytes_max),
        ("stored_total", "counter", "Answers stored since the start.", figures.stored),
    ] {
        let name = format!("vitrine_cache_{name}");
        text.head(&name, kind, help);
        text.line(&name, &[], value);
    }
    if let Some(disk) = figures.disk {
        cache_disk(text, &disk);
    }
}

fn cache_disk(text: &mut Text, disk: &DiskFigures) {
    let columns: [Column<DiskFigures>; 8] = [
        ("addresses", "gauge", "Addresses with answers on the disk.", |disk| disk.addresses),
        ("bytes", "gauge", "Bytes of answers on the disk.", |disk| disk.bytes),
        ("bytes_max", "gauge", "Most bytes of answers on the disk.", |disk| disk.bytes_max),
        ("scanned", "gauge", "Whether the disk has been looked through.", |disk| {
            u64::from(disk.is_scanned)
        }),
        ("hits_total", "counter", "Answers not in memory that were found there.", |disk| disk.hits),
        ("written_total", "counter", "Answers written.", |disk| disk.written),
        ("dropped_total", "counter", "Answers not written, for want of time or room.", |disk| {
            disk.dropped
        }),
        ("damaged_total", "counter", "Files that were not what had been written.", |disk| {
            disk.damaged
        }),
    ];
    for (name, kind, help, value) in columns {
        let name = format!("vitrine_cache_disk_{name}");
        text.head(&name, kind, help);
        text.line(&name, &[], value(disk));
    }
    const FAILURES: &str = "vitrine_cache_disk_failures_total";
    text.head(FAILURES, "counter", "What the disk did not do.");
    text.line(FAILURES, &[("of", "read")], disk.read_failures);
    text.line(FAILURES, &[("of", "write")], disk.write_failures);
}

/// One origin's figures, taken while its pool was looked at.
struct Origin {
    labels: [(&'static str, String); 3],
    condition: Condition,
    in_flight: u32,
    latency: Duration,
    requests: u64,
    failures: u64,
    ejections: u64,
}

/// At most 64 origins of each pool, and the few versions that are loaded at once.
pub(super) fn origins(text: &mut Text, loaded: &[Arc<Deployment>]) {
    let mut origins = Vec::new();
    let mut pools = Vec::new();
    for (version, upstream) in operation::upstreams(loaded) {
        let version = version.to_string();
        upstream.inspect(|pool, now| {
            pools.push(PoolFigures {
                labels: [("pool", upstream.name().to_owned()), ("version", version.clone())],
                counts: pool.counts(),
                waiting: pool.waiting(),
            });
            origins.extend(pool.states(now).map(|state| Origin {
                labels: [
                    ("pool", upstream.name().to_owned()),
                    ("origin", state.origin.name.clone()),
                    ("version", version.clone()),
                ],
                condition: state.condition,
                in_flight: state.in_flight,
                latency: state.latency,
                requests: state.requests,
                failures: state.failures,
                ejections: state.ejections,
            }));
        });
    }
    if !pools.is_empty() {
        pool_lines(text, &pools);
        origin_lines(text, &origins);
    }
}

/// One pool's figures.
struct PoolFigures {
    labels: [(&'static str, String); 2],
    counts: Counts,
    waiting: usize,
}

fn pool_lines(text: &mut Text, pools: &[PoolFigures]) {
    let columns: [Column<Counts>; 7] = [
        ("requests_total", "counter", "Requests for an origin.", |counts| counts.requests),
        ("retries_total", "counter", "Attempts after a failure.", |counts| counts.retries),
        ("hedges_total", "counter", "Attempts beside a slow one.", |counts| counts.hedges),
        ("over_budget_total", "counter", "Attempts beyond the budget.", |c| c.over_budget),
        ("trials_total", "counter", "Trial requests.", |counts| counts.trials),
        ("panics_total", "counter", "Choices among all, as too many were down.", |c| c.panics),
        ("overloaded_total", "counter", "Requests refused by the queue.", |c| c.overloaded),
    ];
    for (name, kind, help, value) in columns {
        let name = format!("vitrine_pool_{name}");
        text.head(&name, kind, help);
        for pool in pools {
            text.line(&name, &borrowed(&pool.labels), value(&pool.counts));
        }
    }
    text.head("vitrine_pool_waiting", "gauge", "Requests that wait for an origin.");
    for pool in pools {
        text.line("vitrine_pool_waiting", &borrowed(&pool.labels), pool.waiting);
    }
}

fn origin_lines(text: &mut Text, origins: &[Origin]) {
    let columns: [Column<Origin>; 5] = [
        ("up", "gauge", "Whether it gets requests.", |origin| {
            u64::from(matches!(origin.condition, Condition::Usable | Condition::Starting { .. }))
        }),
        ("in_flight", "gauge", "Requests in flight.", |origin| origin.in_flight.into()),
        ("requests_total", "counter", "Attempts that were begun.", |origin| origin.requests),
        ("failures_total", "counter", "Attempts that failed.", |origin| origin.failures),
        ("ejections_total", "counter", "How often it was ejected.", |origin| origin.ejections),
    ];
    for (name, kind, help, value) in columns {
        let name = format!("vitrine_origin_{name}");
        text.head(&name, kind, help);
        for origin in origins {
            text.line(&name, &borrowed(&origin.labels), value(origin));
        }
    }
    const LATENCY: &str = "vitrine_origin_latency_seconds";
    text.head(LATENCY, "gauge", "Estimate of the time to the head of an answer.");
    for origin in origins {
        text.line(LATENCY, &borrowed(&origin.labels), origin.latency.as_secs_f64());
    }
}

fn borrowed<'a, const N: usize>(
    labels: &'a [(&'static str, String); N],
) -> [(&'a str, &'a str); N] {
    labels.each_ref().map(|(name, value)| (*name, value.as_str()))
}

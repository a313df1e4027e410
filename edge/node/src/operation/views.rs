//! What operators are shown of pools and cache.

use std::{sync::Arc, time::Duration};

use cdn::{Cache, upstream::Upstream};
use pool_core::{Condition, OriginState, Tier};
use serde_json::{Map, Value, json};

use crate::deployment::{Deployment, VersionId};

/// Returns every pool of every loaded version, each once, whatever number of routes leads to it.
pub(crate) fn upstreams(loaded: &[Arc<Deployment>]) -> Vec<(VersionId, Arc<Upstream>)> {
    let mut found: Vec<(VersionId, Arc<Upstream>)> = Vec::new();
    for deployment in loaded {
        for proxy in deployment.proxies.iter().flatten() {
            let upstream = proxy.upstream();
            if !found.iter().any(|(_, known)| Arc::ptr_eq(known, upstream)) {
                found.push((deployment.id, Arc::clone(upstream)));
            }
        }
    }
    found
}

/// Returns the word for an origin's condition.
const fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::Usable => "usable",
        Condition::Starting { .. } => "starting",
        Condition::Ejected { .. } => "ejected",
        Condition::OnTrial => "on_trial",
        Condition::Down => "down",
        Condition::Drained => "drained",
    }
}

/// Tells of every pool and its origins.
pub(super) fn pools(loaded: &[Arc<Deployment>]) -> Value {
    let pools = upstreams(loaded).into_iter().map(|(version, upstream)| {
        upstream.inspect(|pool, now| {
            let counts = pool.counts();
            json!({
                "name": upstream.name(),
                "version": version,
                "waiting": pool.waiting(),
                "requests": counts.requests,
                "retries": counts.retries,
                "hedges": counts.hedges,
                "over_budget": counts.over_budget,
                "panics": counts.panics,
                "overloaded": counts.overloaded,
                "origins": pool.states(now).map(|state| origin(&state, now)).collect::<Vec<_>>(),
            })
        })
    });
    json!({ "pools": pools.collect::<Vec<_>>() })
}

fn origin(state: &OriginState<'_>, now: pool_core::Instant) -> Value {
    let mut told = json!({
        "name": state.origin.name,
        "tier": match state.origin.tier {
            Tier::Primary => "primary",
            Tier::Secondary => "secondary",
        },
        "weight": state.origin.weight,
        "condition": condition(state.condition),
        "in_flight": state.in_flight,
        "latency_us": micros(state.latency),
        "requests": state.requests,
        "failures": state.failures,
        "failures_in_row": state.failures_in_row,
        "ejections": state.ejections,
    });
    match state.condition {
        Condition::Ejected { until } => told["ejected_for_ms"] = millis(until.since(now)).into(),
        Condition::Starting { share_permille } => told["share_permille"] = share_permille.into(),
        Condition::Usable | Condition::OnTrial | Condition::Down | Condition::Drained => {}
    }
    told
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Tells what the cache holds and has done.
pub(super) fn cache(cache: &Cache) -> Value {
    let store = cache.store_figures();
    let words = cache.figures().all();
    let requests: Map<String, Value> =
        words.map(|(word, count)| (word.as_str().to_owned(), count.into())).collect();
    let mut told = json!({
        "store": {
            "addresses": store.addresses,
            "bytes": store.bytes,
            "bytes_max": store.bytes_max,
            "stored": store.stored,
        },
        "requests": requests,
    });
    if let Some(disk) = store.disk {
        told["disk"] = json!({
            "addresses": disk.addresses,
            "bytes": disk.bytes,
            "bytes_max": disk.bytes_max,
            "is_scanned": disk.is_scanned,
            "hits": disk.hits,
            "written": disk.written,
            "dropped": disk.dropped,
            "damaged": disk.damaged,
            "write_failures": disk.write_failures,
            "read_failures": disk.read_failures,
        });
    }
    told
}

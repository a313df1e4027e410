//! Limits that a manifest sets for one component: `[component.<id>.tool.vitrine]`.
//!
//! They only tighten what the operator allows the whole node. Unknown keys are refused: a limit that is misspelt and
//! ignored is worse than none.

use std::{sync::Arc, time::Duration};

use manifest::Component;
use serde::Deserialize;

use crate::{Limits, LoadError};

/// The table as written; all keys are optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    memory_mib: Option<u64>,
    instances_max: Option<u64>,
    cpu_budget_ms: Option<u64>,
    request_timeout_ms: Option<u64>,
    /// Whether its answers are cached. Default false.
    #[serde(default)]
    cache: bool,
}

/// Returns `limits` as they are for `component`.
pub(crate) fn of(component: &Component, limits: &Arc<Limits>) -> Result<Arc<Limits>, LoadError> {
    let Some(settings) = settings(component)? else { return Ok(Arc::clone(limits)) };
    let refused = |reason: String| LoadError::Settings { id: component.id.clone(), reason };
    tightened(&settings, limits).map(Arc::new).map_err(refused)
}

/// Whether answers of `component` are cached.
pub(crate) fn is_cached(component: &Component) -> Result<bool, LoadError> {
    Ok(settings(component)?.is_some_and(|settings| settings.cache))
}

fn settings(component: &Component) -> Result<Option<Settings>, LoadError> {
    let Some(table) = component.tool.get("vitrine") else { return Ok(None) };
    let refused = |reason: String| LoadError::Settings { id: component.id.clone(), reason };
    let settings = table.clone().try_into();
    settings.map(Some).map_err(|error: toml::de::Error| refused(one_line(error.message())))
}

fn tightened(settings: &Settings, node: &Limits) -> Result<Limits, String> {
    const MIB: u64 = 1024 * 1024;
    let mut own = node.clone();
    if let Some(mib) = settings.memory_mib {
        let most = u64::try_from(node.memory_bytes_max).unwrap_or(u64::MAX) / MIB;
        let mib = within("memory_mib", mib, most)?;
        own.memory_bytes_max = usize::try_from(mib.saturating_mul(MIB)).unwrap_or(usize::MAX);
    }
    if let Some(count) = settings.instances_max {
        let most = u64::try_from(node.instances_max).unwrap_or(u64::MAX);
        let count = within("instances_max", count, most)?;
        own.instances_max = usize::try_from(count).unwrap_or(usize::MAX);
    }
    if let Some(ms) = settings.cpu_budget_ms {
        own.cpu_budget = within_ms("cpu_budget_ms", ms, node.cpu_budget)?;
        own.express_budget = own.express_budget.min(own.cpu_budget);
    }
    if let Some(ms) = settings.request_timeout_ms {
        own.request_timeout = within_ms("request_timeout_ms", ms, node.request_timeout)?;
    }
    Ok(own)
}

fn within_ms(key: &str, ms: u64, most: Duration) -> Result<Duration, String> {
    let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    within(key, ms, most).map(Duration::from_millis)
}

fn within(key: &str, value: u64, most: u64) -> Result<u64, String> {
    if (1..=most).contains(&value) {
        return Ok(value);
    }
    Err(format!("`{key}` is {value}, and this node allows 1 to {most}"))
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(table: &str, expected: Result<(usize, usize, u128, u128), &str>) {
        let settings =
            toml::from_str::<Settings>(table).map_err(|error| error.message().to_owned());
        let node = Limits::default();
        let found = settings.and_then(|settings| tightened(&settings, &node)).map(|own| {
            let (cpu, time) = (own.cpu_budget.as_millis(), own.request_timeout.as_millis());
            (own.memory_bytes_max, own.instances_max, cpu, time)
        });
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(reason), Err(word)) => assert!(reason.contains(word), "{reason}"),
            (found, _) => panic!("{table}: {found:?}"),
        }
    }

    #[test]
    fn a_component_may_ask_for_less_and_never_for_more() {
        const MIB: usize = 1024 * 1024;
        check("", Ok((128 * MIB, 64, 2000, 10_000)));
        let all = "memory_mib = 8\ninstances_max = 2\ncpu_budget_ms = 50\nrequest_timeout_ms = 500";
        check(all, Ok((8 * MIB, 2, 50, 500)));
        check("memory_mib = 129", Err("`memory_mib` is 129, and this node allows 1 to 128"));
        check("instances_max = 0", Err("`instances_max` is 0, and this node allows 1 to 64"));
        check("cpu_budget_ms = 2001", Err("cpu_budget_ms"));
        check("request_timeout_ms = 10001", Err("request_timeout_ms"));
        check("memory_mb = 8", Err("memory_mb"));
        check("memory_mib = -1", Err("invalid value"));
        check("memory_mib = \"8\"", Err("invalid type"));
    }
}

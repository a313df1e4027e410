//! How long a Worker takes to start, out of the profile that wrangler records of it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// A profile as V8 writes it: samples of what ran, and the time since the sample before.
#[derive(Debug, Deserialize)]
struct Profile {
    nodes: Vec<Node>,
    samples: Vec<u64>,
    #[serde(rename = "timeDeltas")]
    deltas_us: Vec<i64>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: u64,
    #[serde(rename = "callFrame")]
    frame: Frame,
}

#[derive(Debug, Deserialize)]
struct Frame {
    #[serde(rename = "functionName")]
    function: String,
}

/// The time in which anything ran at all.
pub(crate) fn busy(profile: &str) -> Result<Duration> {
    let profile: Profile = serde_json::from_str(profile).context("read a start-up profile")?;
    let names: BTreeMap<u64, &str> =
        profile.nodes.iter().map(|node| (node.id, node.frame.function.as_str())).collect();
    let busy_us = profile
        .samples
        .iter()
        .zip(&profile.deltas_us)
        .filter(|(node, _)| names.get(node).is_none_or(|name| *name != "(idle)"))
        .map(|(_, delta)| u64::try_from(*delta).unwrap_or(0))
        .sum();
    Ok(Duration::from_micros(busy_us))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::busy;

    #[test]
    fn idle_time_does_not_count() {
        let profile = r#"{
            "nodes": [
                {"id": 1, "callFrame": {"functionName": "(idle)"}},
                {"id": 2, "callFrame": {"functionName": "main"}}
            ],
            "startTime": 0, "endTime": 900, "samples": [2, 1, 2], "timeDeltas": [300, 500, 100]
        }"#;
        assert_eq!(busy(profile).unwrap(), Duration::from_micros(400));
        assert!(busy("{}").is_err());
    }
}

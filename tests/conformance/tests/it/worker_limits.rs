//! Exact rate limits, by Durable Objects in real workerd.

use std::collections::BTreeMap;

use anyhow::Result;
use harness::Client;
use serde_json::json;

use crate::worker::{self, Options};

/// A login that the origin refuses before it computes anything; returns the problem's code.
async fn login(client: &Client) -> Result<String> {
    let problem = client.post("/v1/auth/login", &json!({})).await?.json()?;
    let code = problem["type"].as_str().and_then(|text| text.rsplit_once('/'));
    Ok(code.map(|(_, code)| code.to_owned()).unwrap_or_default())
}

#[test]
fn of_a_thousand_requests_at_once_exactly_the_limit_pass() {
    worker::with_world(async |world| {
        let process = worker::start(world, &Options { scale: 10, ..Options::default() }).await?;
        let client = worker::client(&process, "192.0.2.1")?;
        let asked = (0..1_000).map(|_| {
            let client = client.clone();
            tokio::spawn(async move { login(&client).await })
        });
        let mut counts = BTreeMap::<String, usize>::new();
        for one in asked.collect::<Vec<_>>() {
            *counts.entry(one.await??).or_default() += 1;
        }
        // What passed is at the origin's mercy, and on a busy machine at its deadlines'. A counter that failed would say
        // `unavailable`, and is counted nowhere here.
        let refused = counts.get("rate-limited").copied().unwrap_or(0);
        let beyond = ["invalid-input", "origin-unavailable", "deadline-exceeded"];
        let passed: usize = beyond.iter().filter_map(|code| counts.get(*code)).sum();
        assert_eq!((passed, refused), (100, 900), "{counts:?}\n{}", process.log());
        // Another client has a limit of its own.
        assert_ne!(login(&worker::client(&process, "192.0.2.2")?).await?, "rate-limited");
        println!("conformance worker: 1000 requests at once, limit 100: {counts:?}");
        Ok(())
    });
}

#[test]
fn counters_outlive_the_worker() {
    worker::with_world(async |world| {
        let state = Some(world.stack().new_folder("limits-state")?);
        let options = Options { scale: 1, state, ..Options::default() };
        let mut process = worker::start(world, &options).await?;
        let client = worker::client(&process, "192.0.2.3")?;
        for _ in 0..10 {
            assert_ne!(login(&client).await?, "rate-limited");
        }
        process.terminate(std::time::Duration::from_secs(20)).await?;
        let process = worker::start(world, &options).await?;
        assert_eq!(login(&worker::client(&process, "192.0.2.3")?).await?, "rate-limited");
        assert_ne!(login(&worker::client(&process, "192.0.2.4")?).await?, "rate-limited");
        Ok(())
    });
}

//! A panic costs one request: faults on purpose in real workerd, in a build that has them.

use std::time::{Duration, Instant};

use anyhow::Result;
use conformance::world::World;
use harness::{Answer, Client, Process, eventually};

use crate::worker::{self, Options};

/// What must be built: `cargo xtask worker build --test-faults`.
const FAULTY: &str = "target/worker/test-faults";
/// Panics after 300 ms.
const PANIC: &str = "/.test-faults/panic";
/// Waits 600 ms and goes on to the files, which have none of that name.
const SLOW: &str = "/.test-faults/slow";
/// Requests under way when others panic.
const SLOW_REQUESTS: usize = 40;
const PANICS: usize = 3;

const LOG_LIMIT: Duration = Duration::from_secs(10);

/// An answer and when it was there.
type Timed = (Answer, Instant);

async fn start(world: &World, address: &str) -> Result<(Process, Client)> {
    let options = Options { scale: 10, build: Some(FAULTY), ..Options::default() };
    let process = worker::start(world, &options).await?;
    let client = worker::client(&process, address)?;
    // The first request starts the isolate; only then all others are in flight together.
    assert_eq!(client.get("/healthz").await?.header("vitrine-edge"), "worker-tst");
    Ok((process, client))
}

/// Sends requests and does not wait for them.
fn send(
    client: &Client,
    path: &'static str,
    count: usize,
) -> Vec<tokio::task::JoinHandle<Result<Timed>>> {
    (0..count)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { Ok((client.get(path).await?, Instant::now())) })
        })
        .collect()
}

async fn answers(sent: Vec<tokio::task::JoinHandle<Result<Timed>>>) -> Result<Vec<Timed>> {
    let mut answers = Vec::new();
    for one in sent {
        answers.push(one.await??);
    }
    Ok(answers)
}

/// The last word of the problem's type.
fn code(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.text());
    let problem = answer.json().unwrap_or_default();
    assert_eq!(problem["status"], answer.status);
    assert!(problem["request_id"].as_str().is_some_and(|id| id == answer.header("x-request-id")));
    problem["type"].as_str().and_then(|kind| kind.rsplit('/').next()).unwrap_or_default().to_owned()
}

#[test]
fn a_panic_costs_its_own_request_and_none_of_those_in_flight() {
    worker::with_world(async |world| {
        if !super::root().join(FAULTY).join("index.js").is_file() {
            println!("conformance worker: left out ({FAULTY} is missing)");
            return Ok(());
        }
        let (process, client) = start(world, "192.0.2.20").await?;
        let slow = send(&client, SLOW, SLOW_REQUESTS);
        let panics = send(&client, PANIC, PANICS);
        let (slow, panics) = (answers(slow).await?, answers(panics).await?);
        for (answer, _) in &panics {
            assert_eq!((answer.status, code(answer)), (500, "internal".to_owned()));
        }
        let panicked = panics.iter().map(|(_, at)| *at).min();
        for (answer, at) in &slow {
            assert_eq!((answer.status, code(answer)), (404, "not-found".to_owned()));
            assert!(panicked < Some(*at), "it was not in flight when another panicked");
        }
        // The Worker's log comes through two pipes.
        let logged =
            || async { (process.log().matches("told to").count() == PANICS).then_some(()) };
        eventually(LOG_LIMIT, "each panic is logged once", logged).await?;
        // The same isolate goes on.
        for (answer, _) in answers(send(&client, SLOW, SLOW_REQUESTS)).await? {
            assert_eq!(answer.status, 404, "{}", answer.text());
        }
        assert_eq!(client.get("/").await?.status, 200);
        println!(
            "conformance worker: {PANICS} panics: {PANICS} answers 500, {SLOW_REQUESTS} of {SLOW_REQUESTS} in flight as ever"
        );
        Ok(())
    });
}

#[test]
fn the_worker_to_deploy_has_no_faults_to_ask_for() {
    worker::with_world(async |world| {
        let process = worker::start(world, &Options { scale: 10, ..Options::default() }).await?;
        let client = worker::client(&process, "192.0.2.21")?;
        for path in [PANIC, SLOW] {
            let answer = client.get(path).await?;
            assert_eq!((answer.status, code(&answer)), (404, "not-found".to_owned()), "{path}");
        }
        Ok(())
    });
}

//! The built Worker in real workerd with its remote stores: the catalogue in a libSQL, rate limits in a Redis, events
//! through its queue. Left out, in one printed line, where the Worker is not built.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use api_types::events::INTERNAL_PATH;
use api_types::feed::bearer;
use harness::{Client, Environment, Process, Program, Role, Stack, StackOptions, eventually};
use remotes::redis::Redis;
use remotes::{Server, hrana, upstash};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// What must be built: `cargo xtask worker build`.
const BUILT: &str = "target/worker/build/index.js";
const TOKEN: &str = "a-token";
/// Longest wait for anything. The queue waits half a minute between its tries.
const LIMIT: Duration = Duration::from_secs(120);

struct World {
    stack: Stack,
    redis: Redis,
    upstash: Server,
    libsql: Server,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_lives_on_remote_stores() {
    let root = harness::root();
    if !root.join(BUILT).is_file() {
        println!("remotes: left out ({BUILT} is missing: `cargo xtask worker build`)");
        return;
    }
    journey().await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn journey() -> Result<()> {
    let options = StackOptions { without_edge: true, ..StackOptions::default() };
    let stack = Stack::start_with(Environment::from_env()?, options).await?;
    let redis = Redis::start().await?;
    let upstash = upstash::serve(redis.socket(), TOKEN).await?;
    let file = stack.new_folder("libsql")?.join("catalogue.db");
    let libsql = hrana::serve(file, TOKEN).await?;
    let mut world = World { stack, redis, upstash, libsql };
    let mut remote = world.start("remote", true).await?;
    let outcome = with_worker(&mut world, &remote).await.with_context(|| remote.log());
    remote.kill().await?;
    outcome
}

async fn with_worker(world: &mut World, remote: &Process) -> Result<()> {
    let client = client(remote, "192.0.2.1")?;
    ready(&client).await?;
    a_change_arrives(world, &client).await?;
    events_are_counted(world, remote, &client).await?;
    // The queue tries again after half a minute: time for the rest.
    reads_are_those_of_d1(world, &client).await?;
    exactly_the_limit_passes(remote).await?;
    events_that_waited_are_counted_once(world).await?;
    a_dead_redis_closes_the_login_alone(world, &client).await
}

impl World {
    async fn start(&self, name: &str, is_remote: bool) -> Result<Process> {
        let node = std::env::var_os("VITRINE_NODE").map_or_else(|| "node".into(), PathBuf::from);
        let mut args = vec!["edge/worker/serve.mjs".to_owned(), "--scheduled".to_owned()];
        let mut add = |option: &str, value: String| args.extend([option.to_owned(), value]);
        add("--origin", self.stack.url(Role::Origin));
        add("--secret-file", self.stack.edge_secret_file().display().to_string());
        add("--variable", "trusted_proxies=127.0.0.0/8".to_owned());
        add("--variable", "rate_limit_scale=10".to_owned());
        if is_remote {
            for variable in [
                "counters=upstash".to_owned(),
                format!("upstash_url={}", self.upstash.url()),
                format!("upstash_token={TOKEN}"),
                "catalogue=libsql".to_owned(),
                format!("libsql_url={}", self.libsql.url()),
                format!("libsql_token={TOKEN}"),
            ] {
                add("--variable", variable);
            }
        }
        let program = Program {
            name: name.to_owned(),
            path: node,
            args,
            env: Vec::new(),
            announces: "listening ",
        };
        self.stack.start_program(program).await
    }

    /// Reads at the origin how often what was counted today.
    async fn counted(&self, name: &str) -> Result<u64> {
        let token = bearer(self.stack.edge_secret()?.as_bytes());
        let client = Client::new(&self.stack.url(Role::Origin))
            .with_header("authorization", &format!("Bearer {token}"))?;
        let answer = client.get(INTERNAL_PATH).await?;
        ensure!(answer.status == 200, "{}", answer.text());
        let counts = answer.json()?;
        let counts = counts["counts"].as_array().into_iter().flatten();
        let count = |count: &Value| count["count"].as_u64().unwrap_or(0);
        Ok(counts.filter(|one| one["name"] == name).map(count).sum())
    }
}

/// Asks as if from that address.
fn client(process: &Process, address: &str) -> Result<Client> {
    Client::new(process.url()).with_header("x-forwarded-for", address)
}

async fn ready(client: &Client) -> Result<()> {
    eventually(LIMIT, "the Worker has a copy", || async {
        let answer = client.get("/healthz").await.ok()?;
        (answer.json().ok()?["ready"] == true).then_some(())
    })
    .await
}

async fn reads_are_those_of_d1(world: &World, remote: &Client) -> Result<()> {
    let mut worker = world.start("d1", false).await?;
    let outcome = compare(&client(&worker, "192.0.2.1")?, remote).await;
    worker.kill().await?;
    outcome
}

async fn compare(d1: &Client, remote: &Client) -> Result<()> {
    ready(d1).await?;
    let list = remote.get("/v1/products?limit=100").await?.json()?;
    let first = list["items"][0].clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let handle = text(&first["handle"]);
    let product = remote.get(&format!("/v1/products/{handle}")).await?.json()?;
    let sku = text(&product["variants"][0]["sku"]);
    ensure!(!handle.is_empty() && !sku.is_empty(), "{first}");
    let mut paths = vec![
        "/v1/categories".to_owned(),
        "/v1/products?limit=100".to_owned(),
        "/v1/products?limit=3&sort=price_asc&currency=JPY".to_owned(),
        "/v1/search?q=chair".to_owned(),
        "/v1/products/no-such-thing".to_owned(),
        format!("/v1/ar/{sku}"),
    ];
    for item in list["items"].as_array().into_iter().flatten() {
        paths.push(format!("/v1/products/{}", text(&item["handle"])));
    }
    for path in &paths {
        let (ours, theirs) = (remote.get(path).await?, d1.get(path).await?);
        ensure!(ours.status == theirs.status, "{path}: {} {}", ours.status, theirs.status);
        ensure!(ours.header("etag") == theirs.header("etag"), "{path}");
        // A problem has the request's id in it.
        let is_same = ours.status != 200 || ours.body == theirs.body;
        ensure!(is_same, "{path}: {} {}", ours.text(), theirs.text());
    }
    println!("remotes: {} answers from libSQL were those from D1", paths.len());
    Ok(())
}

async fn a_change_arrives(world: &World, client: &Client) -> Result<()> {
    let position = |text: &str| text.rsplit('.').next().and_then(|text| text.parse::<u64>().ok());
    let before = position(client.get("/v1/categories").await?.header("vitrine-position"));
    let program = Environment::from_env()?.bin_dir.join("vitrine-origin");
    let output = tokio::process::Command::new(program)
        .args(["flag", "--data"])
        .arg(world.stack.data(Role::Origin))
        .args(["remotes", "on"])
        .output()
        .await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    eventually(LIMIT, "the change arrives in libSQL", || async {
        let answer = client.get("/v1/categories").await.ok()?;
        (position(answer.header("vitrine-position")) > before).then_some(())
    })
    .await
}

/// A login that the origin refuses before it computes anything.
async fn login(client: &Client) -> Result<u16> {
    Ok(client.post("/v1/auth/login", &json!({})).await?.status)
}

/// Requests of the crowd at once: 64. A counter is waited for one second, and everything here shares this machine;
/// a thousand at once are tried without the Worker, in `upstash_counters.rs`.
const CROWD_AT_ONCE: usize = 64;

async fn exactly_the_limit_passes(remote: &Process) -> Result<()> {
    let places = Arc::new(Semaphore::new(CROWD_AT_ONCE));
    let asked: Vec<_> = (0..1_000)
        .map(|_| {
            // A connection each: workerd ends one whose request was refused before its body was read.
            let (client, places) = (client(remote, "192.0.2.7"), Arc::clone(&places));
            tokio::spawn(async move {
                let _place = places.acquire().await?;
                login(&client?).await
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for one in asked {
        statuses.push(one.await??);
    }
    let count = |status: u16| statuses.iter().filter(|one| **one == status).count();
    ensure!((count(422), count(429)) == (100, 900), "{} {}", count(422), count(429));
    println!(
        "remotes: 1000 requests over Upstash, 64 at once, limit 100: 100 passed, 900 were 429"
    );
    Ok(())
}

async fn events_are_counted(world: &mut World, remote: &Process, client: &Client) -> Result<()> {
    let send = |events: Value| async move { client.post("/v1/events", &events).await };
    let views = json!({"events": [{"name": "page_view", "subject": "home"}, {"name": "search"}]});
    for _ in 0..7 {
        let answer = send(views.clone()).await?;
        ensure!(answer.status == 202, "{} {}", answer.status, answer.text());
        ensure!(answer.json()? == json!({"accepted": 2}), "{}", answer.text());
    }
    ensure!(send(json!({"events": [{"name": "no_such"}]})).await?.status == 422);
    let world_ref = &*world;
    eventually(LIMIT, "the queue brings events", || async {
        (world_ref.counted("search").await.ok()? >= 7).then_some(())
    })
    .await?;
    ensure!(world.counted("search").await? == 7);
    // What comes while the origin is away waits in the queue.
    world.stack.kill(Role::Origin).await?;
    let start = json!({"events": [{"name": "checkout_start"}]});
    for _ in 0..5 {
        ensure!(send(start.clone()).await?.status == 202);
    }
    // The first try must have failed, or this would show nothing.
    eventually(LIMIT, "a try to bring events fails", || async {
        remote.log().contains("were not brought").then_some(())
    })
    .await?;
    world.stack.restart(Role::Origin).await
}

async fn events_that_waited_are_counted_once(world: &World) -> Result<()> {
    eventually(LIMIT, "the queue tries again", || async {
        (world.counted("checkout_start").await.ok()? >= 5).then_some(())
    })
    .await?;
    ensure!(world.counted("checkout_start").await? == 5);
    ensure!(world.counted("page_view").await? == 7, "nothing is counted twice");
    Ok(())
}

async fn a_dead_redis_closes_the_login_alone(world: &mut World, client: &Client) -> Result<()> {
    world.redis.kill().await?;
    ensure!(client.get("/v1/categories").await?.status == 200, "reading goes on uncounted");
    // Last: workerd ends a connection whose request was refused before its body was read.
    ensure!(login(client).await? == 503, "a login that cannot be counted is refused");
    Ok(())
}

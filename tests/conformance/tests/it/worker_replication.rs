//! The Worker's copy of the catalogue in real workerd, against an origin of its own: filled, followed, killed, restored.
//!
//! One journey, for each step needs the one before. What D1 holds in the end, and after every kill, is read out of its
//! file and held against a snapshot of the origin. Left out, in one printed line, where the Worker is not built.

#![expect(clippy::print_stdout, reason = "helpers of a test print what it measured")]

mod copy;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use conformance::world::RUNTIME;
use harness::{Client, Environment, Process, Program, Role, Stack, StackOptions, eventually};
use serde_json::{Value, json};

/// What must be built: `cargo xtask worker build`.
const BUILT: &str = "target/worker/build/index.js";
/// Longest wait for anything but the cron. An idle machine needs a second or two.
const LIMIT: Duration = Duration::from_secs(60);
/// How often the Worker is killed.
const KILLS: u64 = 6;
/// Longest life before a kill, in milliseconds after it listens: a snapshot takes a few hundred.
const LIFE_MS_MAX: u64 = 1_500;

#[test]
fn a_copy_is_filled_followed_and_survives_whatever_ends() {
    if !super::root().join(BUILT).is_file() {
        println!("conformance worker: left out ({BUILT} is missing: `cargo xtask worker build`)");
        return;
    }
    let outcome = RUNTIME.block_on(async {
        let environment = Environment::from_env()?;
        let options = StackOptions { without_edge: true, ..StackOptions::default() };
        let mut shop =
            Shop { state: PathBuf::new(), stack: Stack::start_with(environment, options).await? };
        shop.state = shop.stack.new_folder("worker-state")?;
        let outcome = journey(&mut shop).await;
        for role in [Role::Origin, Role::Payments] {
            shop.stack.kill(role).await?;
        }
        outcome
    });
    outcome.unwrap_or_else(|error| panic!("{error:#}"));
}

struct Shop {
    stack: Stack,
    state: PathBuf,
}

async fn journey(shop: &mut Shop) -> Result<()> {
    dies_in_the_middle_of_anything(shop).await?;
    let mut worker = shop.start_worker().await?;
    let outcome = lives(shop, &Client::new(worker.url())).await;
    let log = worker.log();
    worker.kill().await?;
    outcome.with_context(|| log)?;
    // Nothing is in flight any more: what is there must be the origin, row by row.
    shop.check_copy(true).await?.context("there is a copy")?;
    Ok(())
}

/// Kills the Worker at any time while it is filled and followed, and looks at what it left.
async fn dies_in_the_middle_of_anything(shop: &Shop) -> Result<()> {
    let mut seed = seed();
    println!("SEED={seed}");
    let mut places = Vec::new();
    for _ in 0..KILLS {
        let mut worker = shop.start_worker().await?;
        let url = worker.url().to_owned();
        // The request that finds no copy starts a run beside the cron's, and changes arrive meanwhile.
        let changes = tokio::spawn(async move {
            let client = Client::new(&url);
            loop {
                // Fails when the Worker is gone, and may before.
                if end_a_session(&client).await.is_err() && client.get("/healthz").await.is_err() {
                    return;
                }
            }
        });
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let life = Duration::from_millis((seed >> 33) % LIFE_MS_MAX);
        // sleeps because the time of death is what is tried
        tokio::time::sleep(life).await;
        worker.kill().await?;
        changes.abort();
        places.push(shop.check_copy(false).await?);
    }
    println!("copies after a kill: {places:?}");
    Ok(())
}

async fn lives(shop: &mut Shop, client: &Client) -> Result<()> {
    let started = Instant::now();
    eventually(LIMIT, "the Worker has a copy", || async {
        let seen = seen(client).await.ok()?;
        seen.epoch.is_some().then_some(())
    })
    .await?;
    println!("ready {:?} after the Worker listened", started.elapsed());
    ensure!(client.get("/v1/search?q=chair").await?.text().contains("\"sku\""), "search answers");
    follows(client).await?;
    starts_a_new_history(shop, client).await?;
    does_without_its_origin(shop, client).await?;
    caught_up(shop, client).await
}

/// Ends sessions at the origin and waits until the Worker is there. It remembers for 2 s where it is.
async fn follows(client: &Client) -> Result<()> {
    let mut lags = Vec::new();
    for _ in 0..5 {
        let before = seen(client).await?;
        end_a_session(client).await?;
        let since = Instant::now();
        eventually(LIMIT, "the Worker follows", || async {
            (seen(client).await.ok()?.position > before.position).then_some(())
        })
        .await?;
        lags.push(since.elapsed());
    }
    println!("from the answer to a logout until the Worker tells its position: {lags:?}");
    Ok(())
}

async fn starts_a_new_history(shop: &mut Shop, client: &Client) -> Result<()> {
    let before = seen(client).await?;
    shop.stack.process(Role::Origin)?.terminate(LIMIT).await?;
    let environment = Environment::from_env()?;
    let data = shop.stack.data(Role::Origin);
    let status = tokio::process::Command::new(environment.bin_dir.join("vitrine-origin"))
        .args([Path::new("new-epoch"), Path::new("--data"), &data])
        .status()
        .await?;
    ensure!(status.success(), "new-epoch ended with {status}");
    shop.stack.restart(Role::Origin).await?;
    let since = Instant::now();
    eventually(LIMIT, "the Worker has a copy of the new history", || async {
        let answer = client.get("/v1/products?limit=1").await.ok()?;
        if answer.status != 200 {
            return Some(Err(format!("a reader met {}", answer.status)));
        }
        let now = seen(client).await.ok()?;
        (now.epoch.is_some() && now.epoch != before.epoch).then_some(Ok(()))
    })
    .await?
    .map_err(anyhow::Error::msg)?;
    println!("new history {:?} after the origin was back", since.elapsed());
    Ok(())
}

async fn does_without_its_origin(shop: &mut Shop, client: &Client) -> Result<()> {
    let before = seen(client).await?;
    shop.stack.kill(Role::Origin).await?;
    for path in ["/v1/products?limit=3", "/v1/search?q=oak", "/v1/categories"] {
        let answer = client.get(path).await?;
        ensure!(answer.status == 200, "{path}: {}", answer.status);
        let expected = format!("{}.{}", before.epoch.as_deref().unwrap_or(""), before.position);
        ensure!(answer.header("vitrine-position") == expected, "{path} tells its position");
    }
    shop.stack.restart(Role::Origin).await
}

/// Waits until the Worker is where the origin is.
async fn caught_up(shop: &Shop, client: &Client) -> Result<()> {
    end_a_session(client).await?;
    let origin = copy::of_origin(&shop.stack).await?;
    eventually(LIMIT, "the Worker is where the origin is", || async {
        let seen = seen(client).await.ok()?;
        (seen.epoch.as_ref() == Some(&origin.epoch) && seen.position >= origin.position)
            .then_some(())
    })
    .await
}

impl Shop {
    async fn start_worker(&self) -> Result<Process> {
        let node =
            std::env::var_os("VITRINE_NODE").map_or_else(|| PathBuf::from("node"), PathBuf::from);
        let mut args = vec!["edge/worker/serve.mjs".to_owned(), "--scheduled".to_owned()];
        let mut add = |option: &str, value: String| args.extend([option.to_owned(), value]);
        add("--port", "0".to_owned());
        add("--origin", self.stack.url(Role::Origin));
        add("--secret-file", self.stack.edge_secret_file().display().to_string());
        add("--state", self.state.display().to_string());
        add("--variable", "rate_limit_scale=10000".to_owned());
        let program = Program {
            name: "worker".to_owned(),
            path: node,
            args,
            env: Vec::new(),
            announces: "listening ",
        };
        self.stack.start_program(program).await
    }

    /// Reads what D1 holds while nothing runs. Returns its position, if there is a copy. `is_now`: it must be the origin
    /// as it is now.
    async fn check_copy(&self, is_now: bool) -> Result<Option<u64>> {
        let Some(found) = copy::of_worker(&self.state)? else { return Ok(None) };
        let origin = copy::of_origin(&self.stack).await?;
        if found.epoch != origin.epoch || found.position > origin.position {
            bail!("the copy is at {}.{}, the origin is not", found.epoch, found.position);
        }
        if is_now || found.position == origin.position {
            ensure!(found.position == origin.position, "the copy has not caught up");
            found.require_same(&origin)?;
        }
        Ok(Some(found.position))
    }
}

/// Where the Worker says it is.
struct Seen {
    epoch: Option<String>,
    position: u64,
}

async fn seen(client: &Client) -> Result<Seen> {
    let body = client.get("/healthz").await?.json()?;
    let replica = &body["replica"];
    let epoch = replica["epoch"].as_str().map(str::to_owned);
    Ok(Seen { epoch, position: replica["position"].as_u64().unwrap_or(0) })
}

/// Registers somebody and logs them out: one transaction of the feed.
async fn end_a_session(client: &Client) -> Result<()> {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let body = json!({
        "email": format!("somebody-{number}@example.com"),
        "password": "correct horse battery staple",
        "name": "Somebody",
    });
    let answer = client.post("/v1/auth/register", &body).await?;
    ensure!(answer.status == 201, "register: {}", answer.text());
    let tokens: Value = answer.json()?;
    let token = tokens["access_token"].as_str().context("an access token")?.to_owned();
    let client = client.with_header("authorization", &format!("Bearer {token}"))?;
    let body = json!({ "refresh_token": tokens["refresh_token"] });
    let answer = client.post("/v1/auth/logout", &body).await?;
    ensure!(answer.status == 204, "log out: {}", answer.text());
    Ok(())
}

/// Takes the seed from `SEED`, or from the clock.
fn seed() -> u64 {
    let given = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs().wrapping_mul(1_000_003))
    })
}

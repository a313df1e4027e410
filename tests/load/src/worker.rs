//! The Worker against the edge node: the same routes, the same origin, interleaved rounds.
//!
//! The Worker runs in workerd as miniflare starts it, and is asked at a socket of its own, past the
//! simulation of Cloudflare's front. What D1, KV, R2, the cache and Durable Objects cost is the cost
//! of their simulations, which run in the same process: a real Worker pays for these with waiting,
//! not with its own CPU time.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use harness::{
    Client, EdgeOptions, Environment, Process, Program, Role, Stack, StackOptions, eventually,
};

use crate::affinity::Cores;
use crate::cli::WorkerArgs;
use crate::matrix::{self, Group, Target, address};
use crate::report::Report;
use crate::say;

/// Lifts the rate limits out of the way.
const RATE_LIMIT_SCALE: (&str, &str) = ("rate_limit_scale", "1000000");
/// What must be built: `cargo xtask worker build`.
const BUILT: &str = "target/worker/build/index.js";
/// Longest wait until the Worker has filled its copy by itself.
const FILLED_WITHIN: Duration = Duration::from_secs(60);

/// Starts node and Workers, measures, prints.
pub(crate) async fn run(args: &WorkerArgs) -> Result<()> {
    let environment = Environment::from_env()?;
    if !environment.root.join(BUILT).is_file() {
        bail!("{BUILT} is missing: run `cargo xtask worker build`");
    }
    let lifted = vec![(RATE_LIMIT_SCALE.0.to_owned(), RATE_LIMIT_SCALE.1.to_owned())];
    let options = StackOptions {
        edge: EdgeOptions { variables: lifted, ..EdgeOptions::default() },
        ..StackOptions::default()
    };
    say("start the shop")?;
    let mut stack = Stack::start_with(environment, options).await?;
    let exact = start_worker(&stack, "worker", &[]).await?;
    let memory = start_worker(&stack, "worker-memory", &["counters=memory"]).await?;
    let targets = [
        Target {
            name: "edge node",
            address: address(&stack.url(Role::Edge))?,
            pids: stack.process(Role::Edge)?.pid().into_iter().collect(),
        },
        target("Worker", &exact)?,
        target("Worker, counts in memory", &memory)?,
    ];
    let mut groups = Vec::new();
    for path in &args.paths {
        let answer = Client::new(exact.url()).get(path).await?;
        if answer.status != 200 {
            bail!("{path}: the Worker answers {}: {}", answer.status, answer.text());
        }
        let mut group =
            targets.iter().fold(Group::new("same path", path, answer.body.len()), Group::with);
        for series in &mut group.series {
            // The node's health is another document than the Worker's, and says how old it is.
            series.questions.iter_mut().for_each(|question| question.body_bytes = None);
        }
        groups.push(group);
    }
    // The Worker is two processes: they have the machine as they would have it.
    let mut report = Report::new(&args.effort, Cores::default());
    for round in 0..args.effort.rounds {
        matrix::round(&args.effort, None, round, &mut groups).await?;
    }
    report.groups = groups;
    drop((exact, memory));
    report.print()
}

/// Starts the built Worker and waits until it serves the catalogue.
async fn start_worker(stack: &Stack, name: &str, variables: &[&str]) -> Result<Process> {
    say(&format!("start {name}"))?;
    let (scale, times) = RATE_LIMIT_SCALE;
    let mut words = vec![
        "edge/worker/serve.mjs".to_owned(),
        "--scheduled".to_owned(),
        "--direct-port=0".to_owned(),
        format!("--origin={}", stack.url(Role::Origin)),
        format!("--secret-file={}", stack.edge_secret_file().display()),
        format!("--variable={scale}={times}"),
    ];
    words.extend(variables.iter().map(|variable| format!("--variable={variable}")));
    let program = Program {
        name: name.to_owned(),
        path: PathBuf::from("node"),
        args: words,
        env: Vec::new(),
        announces: "direct ",
    };
    let process = stack.start_program(program).await?;
    let client = Client::new(process.url());
    let filled = eventually(FILLED_WITHIN, "the Worker serves the catalogue", || async {
        let answer = client.get("/v1/products?limit=1").await.ok()?;
        (answer.status == 200 && answer.text().contains("\"sku\"")).then_some(())
    });
    filled.await.with_context(|| process.log())?;
    Ok(process)
}

/// The Worker with both of its processes: workerd, which serves, and Node.js, which holds it.
fn target(name: &'static str, process: &Process) -> Result<Target> {
    let log = process.log();
    let workerd = log.lines().find_map(|line| line.strip_prefix("workerd "));
    let workerd = workerd.context("find the number of workerd")?;
    let mut pids: Vec<u32> = process.pid().into_iter().collect();
    for word in workerd.split_whitespace() {
        pids.push(word.parse().context("read the number of workerd")?);
    }
    Ok(Target { name, address: address(process.url())?, pids })
}

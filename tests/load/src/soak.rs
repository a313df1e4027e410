//! A node under load while it is deployed to and rolled back, and while components trap and loop in both lanes.
//!
//! Fails if any request failed but those that themselves trapped or looped, and if one of those was answered otherwise
//! than it must be.

mod deploys;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use harness::{Environment, Role, Stack, StackOptions};
use serde_json::{Value, json};

use crate::affinity::Cores;
use crate::cli::SoakArgs;
use crate::edge::{PRODUCTS, hello_wasm, node_options};
use crate::generator::{self, Measured, Pace, Question, Turn};
use crate::machine;
use crate::manifest::{self, HELLO};
use crate::matrix::address;
use crate::say;
use deploys::{Deployed, Deploys};

/// Where `cargo xtask` put the misbehaving components of the node's tests.
const GUESTS_WASM: &str = "VITRINE_GUESTS_WASM";
/// Options of the node: no log of as many lines as there are requests; loops end after 200 ms, so that there are many; three versions with their chains of components
/// find room beside each other.
const NODE_ARGS: [&str; 3] = ["--access-log=off", "--cpu-budget-ms=200", "--instances-max=16"];
/// Cards of the deck: with twice a thousand, every share has as many traps as loops.
const DECK: u32 = 2000;

/// Starts everything, keeps it under load, prints, and judges.
pub(crate) async fn run(args: &SoakArgs) -> Result<()> {
    let environment = Environment::from_env()?;
    let folder = tempfile::tempdir().context("make a folder")?;
    let manifests = write_manifests(&environment, folder.path())?;
    // Every core, several threads: as a node is run, not as it is measured.
    let mut edge = node_options(manifests.first().cloned(), Cores::default());
    edge.args = NODE_ARGS.map(str::to_owned).to_vec();
    let options = StackOptions { edge, ..StackOptions::default() };
    say("start the shop")?;
    let mut stack = Stack::start_with(environment.clone(), options).await?;
    let faults = Faults { permille: args.faults_permille };
    let turn = Turn {
        address: address(&stack.url(Role::Edge))?,
        connections: args.connections as usize,
        questions: questions(),
        deck: faults.deck(),
        pace: Pace::Closed,
        warm_up: Duration::ZERO,
        duration: Duration::from_secs_f64(args.minutes * 60.0),
        core: None,
        origin: None,
    };
    say(&format!("load for {} minutes", args.minutes))?;
    let is_over = Arc::new(AtomicBool::new(false));
    let deploys = Deploys {
        program: environment.bin_dir.join("vitrine-edge"),
        state_dir: stack.data(Role::Edge),
        manifests,
        malformed: folder.path().join("malformed.toml"),
        every: Duration::from_millis(args.deploy_every_ms.into()),
    };
    let deploying =
        (!args.without_deploys).then(|| tokio::spawn(deploys.run(Arc::clone(&is_over))));
    let asked = turn.questions.clone();
    let measured = tokio::task::spawn_blocking(move || generator::run(&turn, || (), || ()));
    let measured = measured.await.context("run the load")?;
    is_over.store(true, Ordering::Relaxed);
    let deployed = match deploying {
        Some(deploying) => deploying.await.context("deploy")??,
        None => Deployed::default(),
    };
    let measured = measured.with_context(|| log_end(&mut stack))?;
    for role in [Role::Edge, Role::Origin, Role::Payments] {
        stack.kill(role).await?;
    }
    print(args, &asked, &measured, &deployed)?;
    if measured.failures() > 0 || !deployed.failures.is_empty() {
        bail!(
            "{} requests and {} commands failed that must not: {} {}",
            measured.failures(),
            deployed.failures.len(),
            measured.examples.join("; "),
            deployed.failures.join("; ")
        );
    }
    Ok(())
}

/// What is asked. Each that fails on purpose has the answer that it must get; a trap that comes after the processor time
/// is used up, as on a busy machine, ends as a loop does.
fn questions() -> Vec<Question> {
    vec![
        Question::get("hello, express lane", HELLO, &[]).of_length(12),
        Question::get("hello, standard lane", "/hello", &[]).of_length(5),
        Question::get("gateway and catalog", PRODUCTS, &[]),
        Question::get("gateway and catalog, small", "/v1/products?limit=3", &[]),
        Question::get("trap, express lane", "/bench/trap", &[]).answered_with(500).or_with(504),
        Question::get("trap, standard lane", "/trap", &[]).answered_with(500).or_with(504),
        Question::get("loop, express lane", "/bench/loop", &[]).answered_with(504),
        Question::get("loop, standard lane", "/loop", &[]).answered_with(504),
    ]
}

/// How many requests fail on purpose.
#[derive(Debug, Clone, Copy)]
struct Faults {
    permille: u32,
}

impl Faults {
    /// The order of questions: of a thousand so many traps and as many loops, spread evenly, alternating lanes; the
    /// rest are good requests in turn.
    fn deck(self) -> Vec<usize> {
        let mut deck = Vec::with_capacity(DECK as usize);
        let (mut faults, mut good) = (0, 0);
        for card in 0..DECK {
            if (card + 1) * self.permille * 2 / 1000 > faults {
                faults += 1;
                deck.push(4 + (faults as usize - 1) % 4);
            } else {
                deck.push(good % 4);
                good += 1;
            }
        }
        deck
    }
}

/// Two versions of one application, which differ in their version alone.
fn write_manifests(environment: &Environment, folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let original = environment.manifest();
    let text = std::fs::read_to_string(&original)
        .with_context(|| format!("read {}", original.display()))?;
    let guests = std::env::var_os(GUESTS_WASM)
        .with_context(|| format!("{GUESTS_WASM} is not set: run this through `cargo xtask`"))?;
    let mut manifest = manifest::with_hello(&text, &environment.root, &hello_wasm()?)?;
    manifest::add(&mut manifest, "guests", Path::new(&guests), &["/hello", "/trap", "/loop"])?;
    std::fs::write(folder.join("malformed.toml"), "spin_manifest_version = 2\nnonsense = true\n")
        .context("write a manifest")?;
    ["1.0.0", "2.0.0"]
        .iter()
        .map(|version| {
            let application = manifest.get_mut("application").and_then(toml::Value::as_table_mut);
            let application = application.context("find the application in spin.toml")?;
            application.insert("version".to_owned(), toml::Value::String((*version).to_owned()));
            let file = folder.join(format!("spin-{version}.toml"));
            manifest::write(&manifest, &file)?;
            Ok(file)
        })
        .collect()
}

fn log_end(stack: &mut Stack) -> String {
    let log = stack.process(Role::Edge).map(|process| process.log()).unwrap_or_default();
    let lines: Vec<&str> = log.lines().rev().take(20).collect();
    format!("the node's log ends with:\n{}", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
}

fn print(
    args: &SoakArgs,
    asked: &[Question],
    measured: &Measured,
    deployed: &Deployed,
) -> Result<()> {
    use std::io::Write as _;
    let text = if args.json {
        format!("{}\n", as_json(args, asked, measured, deployed))
    } else {
        as_table(asked, measured, deployed)
    };
    std::io::stdout().write_all(text.as_bytes()).context("write to standard output")
}

fn as_json(args: &SoakArgs, asked: &[Question], measured: &Measured, deployed: &Deployed) -> Value {
    let questions = asked.iter().enumerate().map(|(at, question)| {
        json!({
            "request": question.name,
            "status": question.status,
            "as_it_must_be": measured.met(at),
            "otherwise": others(measured, at),
        })
    });
    json!({
        "machine": machine::describe(),
        "minutes": args.minutes,
        "connections": args.connections,
        "requests": questions.collect::<Vec<_>>(),
        "failures": measured.failures(),
        "latency_us_p50": measured.latencies.quantile_us(500),
        "latency_us_p99": measured.latencies.quantile_us(990),
        "commands": deployed.counts,
        "failed_commands": deployed.failures,
    })
}

fn as_table(asked: &[Question], measured: &Measured, deployed: &Deployed) -> String {
    let mut text = format!("{}\n\n", machine::describe());
    text.push_str("request                       status   as it must be   otherwise\n");
    for (at, question) in asked.iter().enumerate() {
        let others = others(measured, at);
        text.push_str(&format!(
            "{:<29} {:>6}   {:>13}   {}\n",
            question.name,
            question.status,
            measured.met(at),
            if others.is_empty() { "none".to_owned() } else { others.join(", ") }
        ));
    }
    text.push_str("\ncommand                       done\n");
    for (command, count) in &deployed.counts {
        text.push_str(&format!("{command:<29} {count:>4}\n"));
    }
    text.push_str(&format!(
        "\n{} answers as they must be, {} failures, p50 {:.0} us, p99 {:.0} us, in {:.0} s\n",
        measured.answers,
        measured.failures(),
        measured.latencies.quantile_us(500),
        measured.latencies.quantile_us(990),
        measured.elapsed.as_secs_f64()
    ));
    text
}

/// What else came of a question, and how often.
fn others(measured: &Measured, question: usize) -> Vec<String> {
    let others = measured.outcomes.iter().filter(|((at, _), _)| *at == question);
    others.map(|((_, what), count)| format!("{count} x {what}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_a_thousand_trap_and_as_many_loop() {
        let questions = questions();
        for permille in [1, 5, 400] {
            let deck = Faults { permille }.deck();
            assert_eq!(deck.len(), 2000);
            let count = |status| {
                deck.iter().filter(|card| questions[**card].status == status).count() as u32
            };
            assert_eq!((count(500), count(504)), (2 * permille, 2 * permille));
            assert_eq!(count(200), 2000 - 4 * permille);
        }
    }
}

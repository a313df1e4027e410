//! Deployments and rollbacks of a running node, by the commands that an operator types.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::process::Command;

/// Longest wait for one command.
const COMMAND_LIMIT: Duration = Duration::from_secs(120);

/// What is deployed, where, and how often.
#[derive(Debug)]
pub(crate) struct Deploys {
    pub(crate) program: PathBuf,
    pub(crate) state_dir: PathBuf,
    /// Good ones, in turn.
    pub(crate) manifests: Vec<PathBuf>,
    /// One that must be refused.
    pub(crate) malformed: PathBuf,
    pub(crate) every: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Deployed {
    /// How often each command did what it must.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// Those that did not, with what they said.
    pub(crate) failures: Vec<String>,
}

/// One command and what must come of it.
#[derive(Debug, Clone)]
struct Step {
    name: &'static str,
    args: Vec<String>,
    is_refused: bool,
}

impl Deploys {
    /// Goes through the commands again and again until it is over.
    pub(crate) async fn run(self, is_over: Arc<AtomicBool>) -> Result<Deployed> {
        let mut deployed = Deployed::default();
        let mut pause = tokio::time::interval(self.every);
        // The first tick is now: the node gets a moment before anything changes.
        pause.tick().await;
        for step in self.steps().iter().cycle() {
            pause.tick().await;
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            let output = self.command(step).await?;
            if output.status.success() == step.is_refused {
                let said = String::from_utf8_lossy(&output.stderr);
                deployed.failures.push(format!("{}: {} {}", step.name, output.status, said.trim()));
                if deployed.failures.len() >= FAILURES_MAX {
                    break;
                }
            } else {
                *deployed.counts.entry(step.name).or_default() += 1;
            }
        }
        Ok(deployed)
    }

    fn steps(&self) -> Vec<Step> {
        let step = |name, words: &[&str], is_refused| {
            let args = words.iter().map(|word| (*word).to_owned()).collect();
            Step { name, args, is_refused }
        };
        let from = |file: &PathBuf| file.display().to_string();
        let first = self.manifests.first().map(from).unwrap_or_default();
        let second = self.manifests.get(1).map(from).unwrap_or_default();
        let malformed = self.malformed.display().to_string();
        vec![
            step("deploy", &["deploy", "--from", &second], false),
            step("rollback", &["rollback"], false),
            step("deploy, to be refused", &["deploy", "--from", &malformed], true),
            step("deploy a trial", &["deploy", "--from", &second, "--canary", "10"], false),
            step("promote", &["promote"], false),
            step("deploy", &["deploy", "--from", &first], false),
            step("deploy a trial", &["deploy", "--from", &second, "--canary", "50"], false),
            step("rollback", &["rollback"], false),
        ]
    }

    async fn command(&self, step: &Step) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.args(&step.args).arg("--state-dir").arg(&self.state_dir);
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        tokio::time::timeout(COMMAND_LIMIT, command.output())
            .await
            .with_context(|| format!("wait {COMMAND_LIMIT:?} for `{}`", step.name))?
            .with_context(|| format!("run `{}`", step.name))
    }
}

/// Failures after which it goes on no longer: they repeat.
const FAILURES_MAX: usize = 10;

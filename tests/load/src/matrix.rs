//! Who is asked what: groups of servers that give the same answer, each at every number of connections.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail};

use crate::cli::Effort;
use crate::generator::{self, Measured, Pace, Question, Turn};
use crate::histogram::Histogram;
use crate::machine::cpu_us;
use crate::responder::Origin;
use crate::say;

/// A server under measurement.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// The processes that it consists of.
    pub(crate) pids: Vec<u32>,
}

/// Servers that are asked the same; the first is the yardstick of the others.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) path: String,
    pub(crate) body_bytes: usize,
    pub(crate) series: Vec<Series>,
    /// The origin of the proxies among them, where they are to have one that costs nothing.
    pub(crate) origin: Option<Origin>,
}

/// One server's figures in a group.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) target: Target,
    /// What is asked, in turn.
    pub(crate) questions: Vec<Question>,
    /// One for each number of connections.
    pub(crate) figures: Vec<Figures>,
}

/// What the turns at one number of connections gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    pub(crate) connections: u32,
    pub(crate) answers: u64,
    pub(crate) cpu_us: u64,
    pub(crate) rates: Vec<f64>,
    pub(crate) latencies: Histogram,
}

impl Figures {
    /// Adds a turn and the CPU time that the server took for it.
    pub(crate) fn add(&mut self, measured: &Measured, cpu_us: u64) {
        self.rates.push(measured.answers as f64 / measured.elapsed.as_secs_f64().max(1e-9));
        self.answers += measured.answers;
        self.cpu_us += cpu_us;
        self.latencies.add(&measured.latencies);
    }

    /// The rate of the turn in the middle.
    pub(crate) fn rate(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or(0.0)
    }

    /// CPU time of the server per answer, in microseconds.
    pub(crate) fn cpu_us_per_answer(&self) -> f64 {
        self.cpu_us as f64 / self.answers.max(1) as f64
    }
}

impl Group {
    pub(crate) fn new(name: &'static str, path: &str, body_bytes: usize) -> Self {
        Self { name, path: path.to_owned(), body_bytes, series: Vec::new(), origin: None }
    }

    /// Adds a server.
    pub(crate) fn with(mut self, target: &Target) -> Self {
        self.add(target.clone(), &[]);
        self
    }

    /// Adds a server under a name, with further headers in its requests.
    pub(crate) fn add(&mut self, target: Target, headers: &[(&str, &str)]) {
        let question = Question::get(target.name, &self.path, headers).of_length(self.body_bytes);
        self.ask(target, vec![question]);
    }

    /// Adds a server with what it is asked, in turn.
    pub(crate) fn ask(&mut self, target: Target, questions: Vec<Question>) {
        self.series.push(Series { target, questions, figures: Vec::new() });
    }

    /// Replaces the headers of a series.
    pub(crate) fn ask_with(&mut self, name: &str, headers: &[(&str, &str)]) {
        for series in self.series.iter_mut().filter(|series| series.target.name == name) {
            let question = Question::get(name, &self.path, headers).of_length(self.body_bytes);
            series.questions = vec![question];
        }
    }
}

/// Gives every server its turn in one round, at every number of connections.
pub(crate) async fn round(
    effort: &Effort,
    core: Option<usize>,
    round: u32,
    groups: &mut [Group],
) -> Result<()> {
    say(&format!("round {} of {}", round + 1, effort.rounds))?;
    for group in groups {
        for connections in &effort.connections {
            let (count, origin) = (group.series.len(), group.origin.clone());
            // Another one begins each round, so that none always follows the same neighbour.
            for at in (0..count).map(|at| (at + round as usize) % count) {
                if let Some(series) = group.series.get_mut(at) {
                    let turn = turn(effort, core, *connections, series);
                    let turn = Turn { origin: origin.clone(), ..turn };
                    take_turn(turn, *connections, series).await?;
                }
            }
        }
    }
    Ok(())
}

fn turn(effort: &Effort, core: Option<usize>, connections: u32, series: &Series) -> Turn {
    Turn {
        address: series.target.address,
        connections: connections as usize,
        questions: series.questions.clone(),
        deck: (0..series.questions.len()).collect(),
        pace: Pace::Closed,
        warm_up: effort.warm_up(),
        duration: effort.turn(),
        core,
        origin: None,
    }
}

async fn take_turn(turn: Turn, connections: u32, series: &mut Series) -> Result<()> {
    let (measured, cpu_us) = measure(&series.target, turn).await?;
    let at = series.figures.iter().position(|figures| figures.connections == connections);
    let at = at.unwrap_or_else(|| {
        series.figures.push(Figures { connections, ..Figures::default() });
        series.figures.len() - 1
    });
    if let Some(figures) = series.figures.get_mut(at) {
        figures.add(&measured, cpu_us);
    }
    Ok(())
}

/// Runs a turn that must not fail; returns the CPU time that the server took for it too.
pub(crate) async fn measure(target: &Target, turn: Turn) -> Result<(Measured, u64)> {
    let pids = target.pids.clone();
    let measured = tokio::task::spawn_blocking(move || {
        let (before, after) = (AtomicU64::new(0), AtomicU64::new(0));
        let begin = || before.store(pids.iter().map(|pid| cpu_us(*pid)).sum(), Ordering::Relaxed);
        let end = || after.store(pids.iter().map(|pid| cpu_us(*pid)).sum(), Ordering::Relaxed);
        // A thread of its own: it stays on the core that it is given.
        let measured =
            std::thread::scope(|scope| scope.spawn(|| generator::run(&turn, begin, end)).join());
        let measured = measured.map_err(|_| anyhow::anyhow!("the load's thread panicked"))??;
        anyhow::Ok((measured, after.into_inner().saturating_sub(before.into_inner())))
    });
    let (measured, cpu_us) = measured.await.context("run the load")??;
    if measured.answers == 0 || measured.failures() > 0 {
        bail!(
            "{}: {} answers, {} failures: {}",
            target.name,
            measured.answers,
            measured.failures(),
            measured.examples.join("; ")
        );
    }
    Ok((measured, cpu_us))
}

/// Reads `http://127.0.0.1:8081`.
pub(crate) fn address(url: &str) -> Result<SocketAddr> {
    let authority = url.strip_prefix("http://").with_context(|| format!("use {url}"))?;
    authority.trim_end_matches('/').parse().with_context(|| format!("use {url}"))
}

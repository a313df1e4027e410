//! Latency at 70 % of the highest rate: what a shopper feels of a node that is well used, not drowned.

use anyhow::Result;

use crate::affinity::Cores;
use crate::cli::Effort;
use crate::generator::{Pace, Question, Turn};
use crate::matrix::{Target, measure};

/// Part of the highest rate that is asked.
const SHARE: f64 = 0.7;
/// Turns that one paced measurement lasts.
const TURNS: u32 = 5;

/// What one server gave.
#[derive(Debug, Clone)]
pub(crate) struct Paced {
    pub(crate) name: &'static str,
    pub(crate) path: String,
    pub(crate) highest: f64,
    pub(crate) asked: f64,
    pub(crate) answered: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
}

/// Finds each server's highest rate, then asks at its share of it.
pub(crate) async fn run(
    effort: &Effort,
    cores: Cores,
    targets: &[(Target, String)],
) -> Result<Vec<Paced>> {
    let mut all = Vec::new();
    for (target, path) in targets {
        let connections = effort.connections.iter().copied().max().unwrap_or(1) as usize;
        let turn = Turn {
            address: target.address,
            connections,
            questions: vec![Question::get(target.name, path, &[])],
            deck: vec![0],
            pace: Pace::Closed,
            warm_up: effort.warm_up(),
            duration: effort.turn(),
            core: cores.client,
            origin: None,
        };
        let (highest, _) = measure(target, turn.clone()).await?;
        let highest = highest.answers as f64 / highest.elapsed.as_secs_f64().max(1e-9);
        let asked = highest * SHARE;
        let pace = Pace::PerSecond(asked);
        let turn = Turn { pace, duration: effort.turn() * TURNS, ..turn };
        let (measured, _) = measure(target, turn).await?;
        all.push(Paced {
            name: target.name,
            path: path.clone(),
            highest,
            asked,
            answered: measured.answers as f64 / measured.elapsed.as_secs_f64().max(1e-9),
            p50_us: measured.latencies.quantile_us(500),
            p99_us: measured.latencies.quantile_us(990),
            p999_us: measured.latencies.quantile_us(999),
        });
    }
    Ok(all)
}

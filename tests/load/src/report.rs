//! What was measured, as a table or as JSON.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::cli::Effort;
use crate::client::Measured;

/// All figures of a run.
#[derive(Debug)]
pub(crate) struct Report {
    settings: Value,
    /// What the ratios are to, in one word.
    yardstick: &'static str,
    pub(crate) series: Vec<Series>,
}

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) path: &'a str,
    pub(crate) body_bytes: usize,
}

/// The figures of one server; the first is the yardstick of the others.
#[derive(Debug)]
pub(crate) struct Series {
    name: &'static str,
    answers: u64,
    cpu_us: u64,
    requests_per_second: Vec<f64>,
    latencies_us: Vec<u32>,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
struct Line {
    name: &'static str,
    requests_per_second: f64,
    slowest: f64,
    fastest: f64,
    p50_us: u32,
    p99_us: u32,
    cpu_us: f64,
}

impl Series {
    /// Adds a turn and the CPU time that the server took for it.
    pub(crate) fn add(&mut self, measured: Measured, cpu_us: u64) {
        self.requests_per_second.push(measured.answers as f64 / measured.elapsed.as_secs_f64());
        self.answers += measured.answers;
        self.cpu_us += cpu_us;
        self.latencies_us.extend(measured.latencies_us);
    }

    fn line(&self) -> Line {
        let mut rates = self.requests_per_second.clone();
        rates.sort_by(f64::total_cmp);
        let mut latencies = self.latencies_us.clone();
        latencies.sort_unstable();
        Line {
            name: self.name,
            requests_per_second: nth(&rates, 50).unwrap_or(0.0),
            slowest: rates.first().copied().unwrap_or(0.0),
            fastest: rates.last().copied().unwrap_or(0.0),
            p50_us: nth(&latencies, 50).unwrap_or(0),
            p99_us: nth(&latencies, 99).unwrap_or(0),
            cpu_us: self.cpu_us as f64 / self.answers.max(1) as f64,
        }
    }
}

impl Report {
    pub(crate) fn new(
        effort: &Effort,
        subject: Subject<'_>,
        yardstick: &'static str,
        names: impl Iterator<Item = &'static str>,
    ) -> Self {
        let settings = json!({
            "path": subject.path,
            "body_bytes": subject.body_bytes,
            "connections": effort.connections,
            "rounds": effort.rounds,
            "seconds": effort.seconds,
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
        });
        let series = names
            .map(|name| Series {
                name,
                answers: 0,
                cpu_us: 0,
                requests_per_second: Vec::new(),
                latencies_us: Vec::new(),
            })
            .collect();
        Self { settings, yardstick, series }
    }

    /// Prints to standard output.
    pub(crate) fn print(&self, as_json: bool) -> Result<()> {
        let text = if as_json { format!("{}\n", self.json()) } else { self.table() };
        std::io::stdout().write_all(text.as_bytes()).context("write to standard output")
    }

    fn lines(&self) -> Vec<(Line, f64, f64)> {
        let lines: Vec<Line> = self.series.iter().map(Series::line).collect();
        let Some(first) = lines.first().copied() else { return Vec::new() };
        let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        lines
            .into_iter()
            .map(|line| {
                let rate = ratio(line.requests_per_second, first.requests_per_second);
                (line, rate, ratio(line.cpu_us, first.cpu_us))
            })
            .collect()
    }

    fn json(&self) -> Value {
        let (rate_key, cpu_key) = (
            format!("requests_per_second_to_{}", self.yardstick),
            format!("cpu_to_{}", self.yardstick),
        );
        let servers: Vec<Value> = self
            .lines()
            .into_iter()
            .map(|(line, rate, cpu)| {
                json!({
                    "name": line.name,
                    "requests_per_second": line.requests_per_second,
                    "requests_per_second_min": line.slowest,
                    "requests_per_second_max": line.fastest,
                    "latency_us_p50": line.p50_us,
                    "latency_us_p99": line.p99_us,
                    "cpu_us_per_request": line.cpu_us,
                    rate_key.as_str(): rate,
                    cpu_key.as_str(): cpu,
                })
            })
            .collect();
        json!({ "settings": self.settings, "servers": servers })
    }

    fn table(&self) -> String {
        let mut text = format!("{}\n\n", self.settings);
        let (rate, cpu) =
            (format!("req/s : {}", self.yardstick), format!("CPU : {}", self.yardstick));
        text.push_str(&format!(
            "server                      requests/s   (slowest .. fastest)   p50 ms   p99 ms   CPU us/request   {rate:>13}   {cpu:>11}\n",
        ));
        for (line, rate, cpu) in self.lines() {
            text.push_str(&format!(
                "{:<26} {:>11.0}   {:>9.0} .. {:<8.0}   {:>6.2}   {:>6.2}   {:>14.1}   {:>13.2}   {:>11.2}\n",
                line.name,
                line.requests_per_second,
                line.slowest,
                line.fastest,
                f64::from(line.p50_us) / 1000.0,
                f64::from(line.p99_us) / 1000.0,
                line.cpu_us,
                rate,
                cpu,
            ));
        }
        text
    }
}

/// The value below which `percent` of `sorted` lie.
fn nth<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn series(name: &'static str, rates: &[u64], cpu_us: u64) -> Series {
        let mut series = Series {
            name,
            answers: 0,
            cpu_us: 0,
            requests_per_second: Vec::new(),
            latencies_us: Vec::new(),
        };
        for answers in rates {
            let latencies_us = (0..100).collect();
            let elapsed = Duration::from_secs(1);
            series.add(Measured { answers: *answers, refusals: 0, elapsed, latencies_us }, cpu_us);
        }
        series
    }

    #[test]
    fn figures_are_medians_and_ratios_to_the_first() {
        let series =
            vec![series("plain", &[100, 400, 200], 700), series("ours", &[100, 50, 60], 210)];
        let report = Report { settings: json!({}), yardstick: "plain", series };
        let json = report.json();
        assert_eq!(json["servers"][0]["requests_per_second"], 200.0);
        assert_eq!(json["servers"][0]["cpu_us_per_request"], 3.0);
        assert_eq!(json["servers"][1]["requests_per_second_to_plain"], 0.3);
        assert_eq!(json["servers"][1]["cpu_to_plain"], 1.0);
        assert_eq!(json["servers"][1]["latency_us_p99"], 99);
        assert_eq!(report.table().lines().count(), 5);
    }
}

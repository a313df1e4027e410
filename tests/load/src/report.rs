//! What was measured: tables for people, JSON for programs, and beside each figure what it was to be.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::affinity::Cores;
use crate::cli::Effort;
use crate::edge::{Memory, Paced, Profile, Starts};
use crate::goals::{self, Goal};
use crate::machine;
use crate::matrix::{Figures, Group, Series};

/// All figures of a run.
#[derive(Debug)]
pub(crate) struct Report {
    settings: Value,
    as_json: bool,
    notes: Vec<String>,
    pub(crate) groups: Vec<Group>,
    pub(crate) paced: Vec<Paced>,
    pub(crate) profiles: Vec<Profile>,
    pub(crate) starts: Vec<Starts>,
    pub(crate) memory: Vec<Memory>,
    /// What has a form of its own.
    pub(crate) sections: Vec<Section>,
    /// Goals beside those that follow from the figures above.
    pub(crate) goals: Vec<Goal>,
}

/// A part of a report that is not like the others.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its name in JSON.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) text: String,
    /// For programs.
    pub(crate) json: Value,
}

impl Report {
    pub(crate) fn new(effort: &Effort, cores: Cores) -> Self {
        let settings = json!({
            "machine": machine::describe(),
            "connections": effort.connections,
            "rounds": effort.rounds,
            "turn_ms": effort.turn_ms,
            "warm_up_ms": effort.warm_up_ms,
            "core_of_servers": cores.server,
            "core_of_client": cores.client,
        });
        Self {
            settings,
            as_json: effort.json,
            notes: Vec::new(),
            groups: Vec::new(),
            paced: Vec::new(),
            profiles: Vec::new(),
            starts: Vec::new(),
            memory: Vec::new(),
            sections: Vec::new(),
            goals: Vec::new(),
        }
    }

    /// Something that the reader must know.
    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Prints to standard output.
    pub(crate) fn print(&self) -> Result<()> {
        let text = if self.as_json { format!("{}\n", self.json()) } else { self.tables() };
        std::io::stdout().write_all(text.as_bytes()).context("write to standard output")
    }

    fn json(&self) -> Value {
        let sections = self.sections.iter();
        let sections = sections.map(|section| (section.name.to_owned(), section.json.clone()));
        json!({
            "settings": self.settings,
            "notes": self.notes,
            "groups": self.groups.iter().map(group_json).collect::<Vec<_>>(),
            "paced": self.paced.iter().map(paced_json).collect::<Vec<_>>(),
            "profiles": self.profiles.iter().map(profile_json).collect::<Vec<_>>(),
            "starts": self.starts.iter().map(starts_json).collect::<Vec<_>>(),
            "memory": self.memory.iter().map(memory_json).collect::<Vec<_>>(),
            "sections": sections.collect::<serde_json::Map<_, _>>(),
            "goals": goals::of(self).iter().map(Goal::json).collect::<Vec<_>>(),
        })
    }

    fn tables(&self) -> String {
        let mut text = format!("{}\n", self.settings);
        for note in &self.notes {
            text.push_str(&format!("{note}\n"));
        }
        for group in &self.groups {
            text.push_str(&group_table(group));
        }
        if !self.paced.is_empty() {
            text.push_str(&paced_table(&self.paced));
        }
        for profile in &self.profiles {
            text.push_str(&profile_table(profile));
        }
        if !self.starts.is_empty() {
            text.push_str("\nstart, compiled components on the disk                        answer ms (least .. most)   engine ms   load ms\n");
        }
        for starts in &self.starts {
            let (least, most) = borders(&starts.answered_ms);
            text.push_str(&format!(
                "{:<59}   {:>9.1} ({least:.1} .. {most:.1})   {:>9.2}   {:>7.2}\n",
                starts.name,
                middle(&starts.answered_ms),
                middle(&starts.engine_ms),
                middle(&starts.loaded_ms),
            ));
        }
        if !self.memory.is_empty() {
            text.push_str(
                "\nidle instance of hello     instances   private KiB each   made in us\n",
            );
        }
        for memory in &self.memory {
            text.push_str(&format!(
                "{:<26} {:>9}   {:>16.1}   {:>10.1}\n",
                memory.lane, memory.instances, memory.kib_per_instance, memory.instantiate_us
            ));
        }
        for section in &self.sections {
            text.push_str(&section.text);
        }
        let goals = goals::of(self);
        if !goals.is_empty() {
            text.push_str("\ngoal                                                                      figure\n");
        }
        for goal in goals {
            text.push_str(&goal.line());
        }
        text
    }
}

/// A figure and the same of the yardstick.
pub(crate) fn with_yardstick(group: &Group) -> Vec<(&Series, &Figures, f64, f64)> {
    let mut lines = Vec::new();
    let Some(first) = group.series.first() else { return lines };
    for yardstick in &first.figures {
        for series in &group.series {
            let figures =
                series.figures.iter().find(|one| one.connections == yardstick.connections);
            let Some(figures) = figures else { continue };
            let rate = ratio(figures.rate(), yardstick.rate());
            let cpu = ratio(figures.cpu_us_per_answer(), yardstick.cpu_us_per_answer());
            lines.push((series, figures, rate, cpu));
        }
    }
    lines
}

pub(crate) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

pub(crate) fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

fn borders(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().min_by(f64::total_cmp);
    let most = values.iter().copied().max_by(f64::total_cmp);
    (least.unwrap_or(0.0), most.unwrap_or(0.0))
}

fn group_table(group: &Group) -> String {
    let yardstick = group.series.first().map_or("", |series| series.target.name);
    let mut text = format!(
        "\n{}: {} ({} bytes), ratios to: {yardstick}\n{:<34} {:>5}   {:>10}   {:<21}   {:>7}   {:>7}   {:>6}   {:>10}   {:>9}\n",
        group.name,
        group.path,
        group.body_bytes,
        "server",
        "conn.",
        "requests/s",
        "(slowest .. fastest)",
        "p50 us",
        "p99 us",
        "CPU us",
        "rate ratio",
        "CPU ratio",
    );
    let mut connections = 0;
    for (series, figures, rate, cpu) in with_yardstick(group) {
        if connections != 0 && connections != figures.connections {
            text.push('\n');
        }
        connections = figures.connections;
        let (slowest, fastest) = borders(&figures.rates);
        text.push_str(&format!(
            "{:<34} {:>5}   {:>10.0}   {:>8.0} .. {:<9.0}   {:>7.0}   {:>7.0}   {:>6.1}   {:>10.3}   {:>9.2}\n",
            series.target.name,
            figures.connections,
            figures.rate(),
            slowest,
            fastest,
            figures.latencies.quantile_us(500),
            figures.latencies.quantile_us(990),
            figures.cpu_us_per_answer(),
            rate,
            cpu,
        ));
    }
    text
}

fn paced_table(paced: &[Paced]) -> String {
    let mut text = "\nat 70 % of the highest rate                               highest/s     asked/s   answered/s   p50 us   p99 us   p99.9 us\n".to_owned();
    for one in paced {
        text.push_str(&format!(
            "{:<22} {:<30}   {:>10.0}   {:>9.0}   {:>10.0}   {:>6.0}   {:>6.0}   {:>8.0}\n",
            one.name,
            one.path,
            one.highest,
            one.asked,
            one.answered,
            one.p50_us,
            one.p99_us,
            one.p999_us,
        ));
    }
    text
}

fn profile_table(profile: &Profile) -> String {
    let mut text = format!(
        "\n{}, {}: {:.1} us of processor time per request, {} samples\n",
        profile.name, profile.path, profile.cpu_us, profile.samples
    );
    for (layer, part) in &profile.layers {
        let us = part * profile.cpu_us;
        text.push_str(&format!("{us:>7.2} us {:>5.1} %  {layer}\n", part * 100.0));
    }
    let symbols =
        profile.symbols.iter().map(|(symbol, part)| format!("{:.1} % {symbol}", part * 100.0));
    text.push_str(&format!("  of it: {}\n", symbols.collect::<Vec<_>>().join("; ")));
    text
}

fn profile_json(profile: &Profile) -> Value {
    let layers = profile
        .layers
        .iter()
        .map(|(layer, part)| json!({ "layer": layer, "part": part, "us": part * profile.cpu_us }));
    json!({
        "server": profile.name,
        "path": profile.path,
        "samples": profile.samples,
        "cpu_us_per_request": profile.cpu_us,
        "layers": layers.collect::<Vec<_>>(),
        "symbols": profile.symbols,
    })
}

fn group_json(group: &Group) -> Value {
    let lines = with_yardstick(group).into_iter().map(|(series, figures, rate, cpu)| {
        let (slowest, fastest) = borders(&figures.rates);
        json!({
            "server": series.target.name,
            "connections": figures.connections,
            "requests_per_second": figures.rate(),
            "requests_per_second_min": slowest,
            "requests_per_second_max": fastest,
            "latency_us_p50": figures.latencies.quantile_us(500),
            "latency_us_p99": figures.latencies.quantile_us(990),
            "cpu_us_per_request": figures.cpu_us_per_answer(),
            "rate_ratio": rate,
            "cpu_ratio": cpu,
        })
    });
    json!({
        "name": group.name,
        "path": group.path,
        "body_bytes": group.body_bytes,
        "yardstick": group.series.first().map(|series| series.target.name),
        "figures": lines.collect::<Vec<_>>(),
    })
}

fn paced_json(paced: &Paced) -> Value {
    json!({
        "server": paced.name,
        "path": paced.path,
        "requests_per_second_max": paced.highest,
        "requests_per_second_asked": paced.asked,
        "requests_per_second": paced.answered,
        "latency_us_p50": paced.p50_us,
        "latency_us_p99": paced.p99_us,
        "latency_us_p999": paced.p999_us,
    })
}

fn starts_json(starts: &Starts) -> Value {
    let (least, most) = borders(&starts.answered_ms);
    json!({
        "application": starts.name,
        "starts": starts.answered_ms.len(),
        "first_answer_ms": middle(&starts.answered_ms),
        "first_answer_ms_min": least,
        "first_answer_ms_max": most,
        "engine_ms": middle(&starts.engine_ms),
        "load_ms": middle(&starts.loaded_ms),
    })
}

fn memory_json(memory: &Memory) -> Value {
    json!({
        "lane": memory.lane,
        "instances": memory.instances,
        "private_kib_per_instance": memory.kib_per_instance,
        "instantiate_us": memory.instantiate_us,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::generator::Measured;
    use crate::matrix::Target;

    fn figures(rates: &[u64], cpu_us: u64) -> Figures {
        let mut figures = Figures { connections: 16, ..Figures::default() };
        for answers in rates {
            let mut measured = Measured::default();
            (measured.answers, measured.elapsed) = (*answers, Duration::from_secs(1));
            figures.add(&measured, cpu_us);
        }
        figures
    }

    /// A group of a yardstick and another.
    fn group(name: &'static str, yardstick: &'static str, other: &'static str) -> Group {
        let target = |name| Target { name, address: ([127, 0, 0, 1], 1).into(), pids: vec![] };
        let mut group = Group::new(name, "/", 2).with(&target(yardstick)).with(&target(other));
        for (series, rates, cpu_us) in [(0, [100, 400, 200], 700), (1, [100, 50, 60], 210)] {
            group.series[series].figures.push(figures(&rates, cpu_us));
        }
        group
    }

    #[test]
    fn figures_are_medians_and_ratios_to_the_first() {
        let json = group_json(&group("hello", "plain", "ours"));
        let (plain, ours) = (&json["figures"][0], &json["figures"][1]);
        assert_eq!(plain["requests_per_second"], 200.0);
        assert_eq!(plain["cpu_us_per_request"], 3.0);
        assert_eq!(ours["rate_ratio"], 0.3);
        assert_eq!(ours["cpu_ratio"], 1.0);
        assert_eq!(
            (&ours["requests_per_second_min"], &json["yardstick"]),
            (&json!(50.0), &json!("plain"))
        );
    }

    #[test]
    fn a_table_has_a_line_for_each_server_and_number_of_connections() {
        let text = group_table(&group("hello", "plain", "ours"));
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.contains("ratios to: plain"), "{text}");
    }
}

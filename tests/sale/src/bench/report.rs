//! The figures, beside what they should be.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::json;

use super::sale::Outcome;

/// What an outcome is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    /// One SKU, combined.
    Hot,
    /// Many SKUs, combined.
    Spread,
    /// One SKU, a transaction for each order.
    Peer,
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    outcomes: BTreeMap<(&'static str, Figure), Vec<Outcome>>,
    grown: Vec<(&'static str, u32, Outcome)>,
    anchors: Vec<f64>,
    sync: Duration,
}

impl Report {
    /// Measures what the disk takes to keep 8 KiB: the floor of every commit.
    pub(crate) fn machine(&mut self, folder: &Path) -> Result<()> {
        let mut file = File::create(folder.join("sync")).context("make a file")?;
        let mut times = Vec::new();
        for _ in 0..50 {
            file.write_all(&[1; 8_192]).context("write a file")?;
            let begun = Instant::now();
            file.sync_data().context("sync a file")?;
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        self.sync = times.get(times.len() / 2).copied().unwrap_or_default();
        Ok(())
    }

    pub(crate) fn add(&mut self, place: &'static str, figure: Figure, outcome: Outcome) {
        self.outcomes.entry((place, figure)).or_default().push(outcome);
    }

    pub(crate) fn anchor(&mut self, per_s: f64) {
        self.anchors.push(per_s);
    }

    pub(crate) fn grown(&mut self, place: &'static str, orders: u32, outcome: Outcome) {
        self.grown.push((place, orders, outcome));
    }

    pub(crate) fn print(&self, is_json: bool) -> Result<()> {
        let mut out = std::io::stdout();
        if is_json {
            return writeln!(out, "{}", self.json()).context("write the report");
        }
        self.write(&mut out).context("write the report")
    }

    fn write(&self, out: &mut impl std::io::Write) -> std::io::Result<()> {
        writeln!(out, "a sync of 8 KiB takes {:.2} ms here (median)\n", ms(self.sync))?;
        writeln!(
            out,
            "{:<20} {:<30} {:>10} {:>10} {:>9} {:>9} {:>9}",
            "on", "sale", "orders/s", "paid/s", "p50 ms", "p99 ms", "paid p99"
        )?;
        for ((place, figure), outcomes) in &self.outcomes {
            row(out, place, figure.title(), &median(outcomes))?;
        }
        for (place, orders, outcome) in &self.grown {
            row(out, place, &format!("one SKU, {orders} orders before"), outcome)?;
        }
        writeln!(out)?;
        let places: Vec<&'static str> = self.places();
        for place in places {
            let of = |figure| {
                self.outcomes.get(&(place, figure)).map(|outcomes| median(outcomes).placed_per_s)
            };
            if let (Some(hot), Some(spread), Some(peer)) =
                (of(Figure::Hot), of(Figure::Spread), of(Figure::Peer))
            {
                writeln!(out, "{place}: combined ÷ one by one {:.1} (goal 20)", hot / peer)?;
                writeln!(
                    out,
                    "{place}: one SKU ÷ many SKUs {:.2} (goal 0.8 to 1.2)",
                    hot / spread
                )?;
                if let Some(anchor) = self.anchor_of(place) {
                    writeln!(
                        out,
                        "{place}: combined ÷ pgbench's TPC-B-like {:.1} ({anchor:.0} tps)",
                        hot / anchor
                    )?;
                }
            }
            let grown: Vec<&(&str, u32, Outcome)> =
                self.grown.iter().filter(|(of, ..)| *of == place).collect();
            if let (Some((_, _, first)), Some((_, many, last))) = (grown.first(), grown.last()) {
                let ratio = last.placed_per_s / first.placed_per_s;
                writeln!(out, "{place}: with {many} orders ÷ with few {ratio:.2}")?;
            }
        }
        Ok(())
    }

    fn places(&self) -> Vec<&'static str> {
        let mut places: Vec<&'static str> = self.outcomes.keys().map(|(place, _)| *place).collect();
        places.dedup();
        places
    }

    fn anchor_of(&self, place: &str) -> Option<f64> {
        if !place.starts_with("PostgreSQL") {
            return None;
        }
        let mut anchors = self.anchors.clone();
        anchors.sort_by(f64::total_cmp);
        anchors.get(anchors.len() / 2).copied()
    }

    fn json(&self) -> serde_json::Value {
        let figures: Vec<_> = self
            .outcomes
            .iter()
            .map(|((place, figure), outcomes)| {
                let outcome = median(outcomes);
                json!({"on": place, "sale": figure.title(), "orders_per_s": outcome.placed_per_s,
                    "paid_per_s": outcome.paid_per_s, "p50_ms": ms(outcome.placing_p50), "p99_ms": ms(outcome.placing_p99)})
            })
            .collect();
        let grown: Vec<_> = self
            .grown
            .iter()
            .map(|(place, orders, outcome)| json!({"on": place, "orders": orders, "orders_per_s": outcome.placed_per_s}))
            .collect();
        json!({"sync_ms": ms(self.sync), "figures": figures, "grown": grown, "pgbench_tps": self.anchors})
    }
}

impl Figure {
    const fn title(self) -> &'static str {
        match self {
            Self::Hot => "one SKU, combined",
            Self::Spread => "many SKUs, combined",
            Self::Peer => "one SKU, one by one",
        }
    }
}

fn row(
    out: &mut impl std::io::Write,
    place: &str,
    title: &str,
    outcome: &Outcome,
) -> std::io::Result<()> {
    writeln!(
        out,
        "{place:<20} {title:<30} {:>10.0} {:>10.0} {:>9.1} {:>9.1} {:>9.1}",
        outcome.placed_per_s,
        outcome.paid_per_s,
        ms(outcome.placing_p50),
        ms(outcome.placing_p99),
        ms(outcome.paying_p99)
    )
}

/// The outcome whose rate is in the middle.
fn median(outcomes: &[Outcome]) -> Outcome {
    let mut sorted = outcomes.to_vec();
    sorted.sort_by(|one, other| one.placed_per_s.total_cmp(&other.placed_per_s));
    sorted[sorted.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

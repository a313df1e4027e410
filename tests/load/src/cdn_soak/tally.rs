//! What came of every request.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::catalogue::Wish;
use super::faults::Faults;
use super::judge::Wrong;
use crate::machine;

/// Failures that are described; all are counted.
const EXAMPLES_MAX: usize = 20;

/// Counts of everything.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// By rule: how many, and how old the oldest was when it was asked for, in milliseconds.
    right: BTreeMap<&'static str, (u64, u64)>,
    /// By what the cache said.
    words: BTreeMap<&'static str, u64>,
    nodes: BTreeMap<usize, u64>,
    /// Connections, by node and certificate.
    opened: BTreeMap<(usize, &'static str), u64>,
    retried: BTreeMap<String, u64>,
    wrong: BTreeMap<Wrong, u64>,
    lost: u64,
    examples: Vec<String>,
}

impl Tally {
    /// An answer as it must be.
    pub(crate) fn right(&self, wish: &Wish, node: usize, age_ms: u64, word: &'static str) {
        let mut counts = self.counts();
        let (count, oldest) = counts.right.entry(wish.plan.tag()).or_default();
        (*count, *oldest) = (*count + 1, age_ms.max(*oldest));
        *counts.words.entry(word).or_default() += 1;
        *counts.nodes.entry(node).or_default() += 1;
    }

    /// An attempt that another node or connection made good, or was to.
    pub(crate) fn retried(&self, why: &str) {
        *self.counts().retried.entry(why.to_owned()).or_default() += 1;
    }

    /// A new connection.
    pub(crate) fn opened(&self, node: usize, certificate: &'static str) {
        *self.counts().opened.entry((node, certificate)).or_default() += 1;
    }

    /// A request that a client saw fail.
    pub(crate) fn lost(&self, wish: &Wish, node: usize, why: &str) {
        let mut counts = self.counts();
        counts.lost += 1;
        counts.example(format!("lost: {} of node {node}: {why}", wish.path));
    }

    /// An answer that must not be.
    pub(crate) fn wrong(&self, wish: &Wish, node: usize, wrong: Wrong, what: &str) {
        let mut counts = self.counts();
        *counts.wrong.entry(wrong).or_default() += 1;
        counts.example(format!("{wrong:?}: {} of node {node}: {what}", wish.path));
    }

    /// Why the run has failed, if it has.
    pub(crate) fn complaint(&self) -> Option<String> {
        let counts = self.counts();
        let wrong: u64 = counts.wrong.values().sum();
        let answers: u64 = counts.right.values().map(|(count, _)| count).sum();
        if answers == 0 {
            return Some("no client got an answer".to_owned());
        }
        (wrong + counts.lost > 0).then(|| {
            let (lost, examples) = (counts.lost, counts.examples.join("\n"));
            format!("{lost} requests lost, {wrong} answers wrong:\n{examples}")
        })
    }

    /// Prints to standard output.
    pub(crate) fn print(
        &self,
        seed: u64,
        elapsed: Duration,
        faults: &Faults,
        as_json: bool,
    ) -> Result<()> {
        let counts = self.counts();
        let text = if as_json {
            format!("{}\n", counts.json(seed, elapsed, faults))
        } else {
            counts.table(seed, elapsed, faults)
        };
        std::io::stdout().write_all(text.as_bytes()).context("write to standard output")
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn example(&mut self, text: String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text);
        }
    }

    fn table(&self, seed: u64, elapsed: Duration, faults: &Faults) -> String {
        let mut text = format!(
            "{}\n\nseed {seed}, {:.0} s\n\nanswers as they must be      count   oldest ms\n",
            machine::describe(),
            elapsed.as_secs_f64()
        );
        for (rule, (count, oldest)) in &self.right {
            text.push_str(&format!("{rule:<24} {count:>9}   {oldest:>9}\n"));
        }
        let mut part = |title: &str, lines: Vec<(String, u64)>| {
            text.push_str(&format!("\n{title}\n"));
            for (what, count) in lines {
                text.push_str(&format!("{count:>9}   {what}\n"));
            }
        };
        let words = self.words.iter().map(|(word, count)| ((*word).to_owned(), *count));
        part("of them, as the caches say", words.collect());
        part("connections, by node and certificate", self.opened_lines());
        let retried = self.retried.iter().map(|(why, count)| (why.clone(), *count));
        part("attempts without any answer, made again", retried.collect());
        let came = faults.came.iter().map(|(what, came)| {
            let met = match came.met {
                0 => String::new(),
                met => format!(", met by {met} requests at its origin"),
            };
            (format!("{what}{met}"), came.times)
        });
        part("faults", came.collect());
        let wrong = self.wrong.iter().map(|(wrong, count)| (format!("{wrong:?}"), *count));
        let lost = std::iter::once(("lost".to_owned(), self.lost));
        part("must not be", lost.chain(wrong).collect());
        let longest = faults.recoveries.iter().max().copied().unwrap_or_default();
        text.push_str(&format!(
            "\nused again after a fault: {} times, after {:.1} s at most\n",
            faults.recoveries.len(),
            longest.as_secs_f64()
        ));
        text
    }

    fn opened_lines(&self) -> Vec<(String, u64)> {
        let line = |((node, certificate), count): (&(usize, &str), &u64)| {
            (format!("node {node}, certificate {certificate}"), *count)
        };
        self.opened.iter().map(line).collect()
    }

    fn json(&self, seed: u64, elapsed: Duration, faults: &Faults) -> Value {
        let right = self
            .right
            .iter()
            .map(|(rule, (count, oldest))| (*rule, json!({ "count": count, "oldest_ms": oldest })));
        let wrong = self.wrong.iter().map(|(wrong, count)| (format!("{wrong:?}"), *count));
        json!({
            "machine": machine::describe(),
            "seed": seed,
            "seconds": elapsed.as_secs_f64(),
            "right": right.collect::<BTreeMap<_, _>>(),
            "cache": self.words,
            "nodes": self.nodes,
            "connections": self.opened_lines().into_iter().collect::<BTreeMap<_, _>>(),
            "retried": self.retried,
            "faults": faults.came.iter().map(|(what, came)| (*what, came.times)).collect::<BTreeMap<_, _>>(),
            "requests_that_met_faults": faults.came.iter().map(|(what, came)| (*what, came.met)).collect::<BTreeMap<_, _>>(),
            "used_again_after_s": faults.recoveries.iter().map(Duration::as_secs_f64).collect::<Vec<_>>(),
            "lost": self.lost,
            "wrong": wrong.collect::<BTreeMap<_, _>>(),
            "examples": self.examples,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::faults::Came;
    use super::*;
    use crate::random::Random;

    #[test]
    fn a_run_fails_for_what_is_lost_or_wrong_and_for_nothing_else() {
        let wish = Wish::next(&mut Random::seeded(1));
        let tally = Tally::default();
        assert!(tally.complaint().is_some_and(|why| why.contains("no client")));
        tally.right(&wish, 0, 7, "hit");
        tally.retried("closed");
        tally.opened(0, "one");
        assert_eq!(tally.complaint(), None);
        tally.wrong(&wish, 1, Wrong::Body, "other bytes");
        tally.lost(&wish, 1, "cut");
        let why = tally.complaint().unwrap();
        assert!(why.contains("1 requests lost, 1 answers wrong") && why.contains("cut"), "{why}");
        let mut faults = Faults::default();
        faults.came.insert("slow", Came { times: 1, met: 3 });
        let text = tally.counts().table(5, Duration::from_secs(1), &faults);
        assert!(
            text.contains("met by 3 requests") && text.contains("node 0, certificate one"),
            "{text}"
        );
    }
}

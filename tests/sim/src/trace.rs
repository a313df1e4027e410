//! What happened in a run, line by line, and its digest.
//!
//! The shop draws its ids from the system's randomness, so no line may show one. Whoever writes a line asks for the
//! [`Trace::name`] of an id first: `order-3` is the third order that this run met, and that is the same in every run of a seed.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Lines kept for the report of a failure: 60.
const TAIL_LINES: usize = 60;

/// The trace of one run.
#[derive(Debug)]
pub(crate) struct Trace {
    digest: Sha256,
    tail: VecDeque<String>,
    /// Every line, for those who asked for them.
    all: Option<Vec<String>>,
    names: BTreeMap<String, String>,
    counts: BTreeMap<&'static str, u64>,
}

impl Trace {
    pub(crate) fn new(keeps_all: bool) -> Self {
        Self {
            digest: Sha256::new(),
            tail: VecDeque::with_capacity(TAIL_LINES),
            all: keeps_all.then(Vec::new),
            names: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    pub(crate) fn line(&mut self, text: String) {
        self.digest.update(text.as_bytes());
        self.digest.update(b"\n");
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        if let Some(all) = &mut self.all {
            all.push(text.clone());
        }
        self.tail.push_back(text);
    }

    /// Puts a step into the digest without a line: who went on, and when.
    pub(crate) fn step(&mut self, step: u64, task: u64, now_ms: i64) {
        self.digest.update(step.to_le_bytes());
        self.digest.update(task.to_le_bytes());
        self.digest.update(now_ms.to_le_bytes());
    }

    /// Returns the run's own name for an id, made when it is met for the first time.
    pub(crate) fn name(&mut self, kind: &'static str, id: &impl ToString) -> String {
        let counts = &mut self.counts;
        let make = || {
            let count = counts.entry(kind).or_insert(0);
            *count += 1;
            format!("{kind}-{count}")
        };
        self.names.entry(format!("{kind} {}", id.to_string())).or_insert_with(make).clone()
    }

    /// Returns the digest of all lines and steps so far, in hexadecimal.
    pub(crate) fn digest(&self) -> String {
        let mut text = String::new();
        for byte in self.digest.clone().finalize() {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    pub(crate) fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }

    pub(crate) fn take_all(&mut self) -> Vec<String> {
        self.all.take().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_lines_have_the_same_digest_and_ids_get_names() {
        let of = |lines: &[&str]| {
            let mut trace = Trace::new(true);
            lines.iter().for_each(|line| trace.line((*line).to_owned()));
            trace.digest()
        };
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        assert_ne!(of(&["a", "b"]), of(&["ab", ""]));
        let mut trace = Trace::new(false);
        let names = [7, 9, 7].map(|id| trace.name("order", &id));
        assert_eq!(names, ["order-1", "order-2", "order-1"]);
        assert_eq!(trace.name("cart", &7), "cart-1");
    }

    #[test]
    fn keeps_the_last_lines() {
        let mut trace = Trace::new(false);
        (0..200).for_each(|line| trace.line(line.to_string()));
        assert_eq!(trace.tail().len(), TAIL_LINES);
        assert_eq!(trace.tail().last().map(String::as_str), Some("199"));
        assert!(trace.take_all().is_empty());
    }
}

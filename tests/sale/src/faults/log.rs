//! The clients' log: the lines of `sim`'s histories, so that its checkers can judge them, and a file for people.
//!
//! An order is an object that clients watch: `order/KEY` is read by the checkout that asks for it and by every look at it
//! afterwards; the value is its status.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sim::history::linear::{Life, check_objects};

/// How a question ended.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// The order was seen so; `None` says that there is none.
    Seen(Option<String>),
    /// Certainly not done.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// A log that several clients write.
#[derive(Debug)]
pub(crate) struct Log {
    began: Instant,
    path: PathBuf,
    out: Mutex<(BufWriter<File>, u64)>,
}

impl Log {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("make {}", path.display()))?;
        let (began, path) = (Instant::now(), path.to_owned());
        Ok(Self { began, path, out: Mutex::new((BufWriter::new(file), 0)) })
    }

    /// Writes that a client asks; returns the number of the operation.
    pub(crate) fn ask(&self, client: usize, key: &str) -> Result<u64> {
        let mut out = self.out.lock().map_err(|_poisoned| anyhow::anyhow!("a client panicked"))?;
        out.1 += 1;
        let op = out.1;
        let line = json!({"op": op, "at_us": self.at_us(), "phase": "invoke", "client": client,
            "object": format!("order/{key}"), "call": "read"});
        writeln!(out.0, "{line}").context("write the log")?;
        Ok(op)
    }

    /// Writes how it ended.
    pub(crate) fn end(&self, op: u64, end: &End) -> Result<()> {
        let at_us = self.at_us();
        let line = match end {
            End::Seen(value) => {
                json!({"op": op, "at_us": at_us, "phase": "ok", "answer": {"value": value}})
            }
            End::Refused => json!({"op": op, "at_us": at_us, "phase": "fail"}),
            End::Unknown => json!({"op": op, "at_us": at_us, "phase": "unknown"}),
        };
        let mut out = self.out.lock().map_err(|_poisoned| anyhow::anyhow!("a client panicked"))?;
        writeln!(out.0, "{line}").context("write the log")
    }

    /// Lets everything that was written reach the file.
    pub(crate) fn flush(&self) -> Result<()> {
        let mut out = self.out.lock().map_err(|_poisoned| anyhow::anyhow!("a client panicked"))?;
        out.0.flush().context("write the log")
    }

    /// Judges all that was written: each order must have gone through its life as one register would, whatever each
    /// client saw of it. Returns what does not fit.
    pub(crate) fn faults(&self) -> Result<Vec<String>> {
        self.flush()?;
        let text = std::fs::read_to_string(&self.path).context("read the log")?;
        judge(&text)
    }

    /// Returns microseconds since the begin.
    fn at_us(&self) -> Value {
        json!(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

fn judge(text: &str) -> Result<Vec<String>> {
    let operations = sim::history::log::read(text).context("read the log")?;
    let verdicts = check_objects(&operations, &Life::of_orders());
    Ok(verdicts.iter().map(|verdict| format!("the history of an order: {verdict:?}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_read_by_the_checker_and_a_lost_order_found() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::create(&folder.path().join("history.ndjson")).unwrap();
        let write = |key: &str, ends: &[End]| {
            for end in ends {
                let op = log.ask(0, key).unwrap();
                log.end(op, end).unwrap();
            }
        };
        let seen = |status: &str| End::Seen(Some(status.to_owned()));
        write("right", &[End::Unknown, seen("pending_payment"), seen("confirmed")]);
        write("refused", &[End::Unknown, End::Refused]);
        assert_eq!(log.faults().unwrap(), Vec::<String>::new());
        write("lost", &[seen("confirmed"), End::Seen(None)]);
        write("undone", &[seen("confirmed"), seen("pending_payment")]);
        let faults = log.faults().unwrap();
        assert_eq!(faults.len(), 2, "{faults:?}");
    }
}

//! The clients' log: the lines of `sim`'s histories, so that its checkers can judge them, and a file for people.
//!
//! An order is an object that clients watch: `order/KEY` is read by the checkout that asks for it and by every look at it
//! afterwards; the value is its status.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

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
    out: Mutex<(BufWriter<File>, u64)>,
}

impl Log {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self { began: Instant::now(), out: Mutex::new((BufWriter::new(file), 0)) })
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

    /// Returns microseconds since the begin.
    fn at_us(&self) -> Value {
        json!(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

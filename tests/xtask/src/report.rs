//! The only way to the terminal: text with a spinner, plain lines, or JSON lines.
//!
//! Progress goes to stderr and results to stdout, except with `--json`, where stdout has one
//! object a line and stderr only the last error.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

/// A step that is silent for this long says that it still runs (plain text only).
const STILL_RUNNING_EVERY: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Terminal,
    Plain,
    Json,
}

/// Speaks to whoever started this program.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    mode: Mode,
    bar: Arc<std::sync::Mutex<Option<ProgressBar>>>,
}

impl Reporter {
    /// Chooses text or JSON, and a spinner where there is a terminal to draw it.
    pub(crate) fn choose(json: bool) -> Self {
        let mode = if json {
            Mode::Json
        } else if std::io::stderr().is_terminal() && std::env::var_os("CI").is_none() {
            Mode::Terminal
        } else {
            Mode::Plain
        };
        Self { mode, bar: Arc::default() }
    }

    /// A reporter for tests: plain lines.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { mode: Mode::Plain, bar: Arc::default() }
    }

    /// A result: what the command was asked for.
    pub(crate) fn result(&self, text: &str) {
        if self.mode != Mode::Json {
            self.around_bar(|| write_stdout(text));
        }
    }

    /// Something worth a line on the way.
    pub(crate) fn note(&self, text: &str) {
        match self.mode {
            Mode::Json => self.event(&json!({"event": "note", "message": text})),
            Mode::Terminal | Mode::Plain => self.around_bar(|| write_stderr(text)),
        }
    }

    /// A machine-readable event; text modes leave it out.
    pub(crate) fn event(&self, event: &Value) {
        if self.mode == Mode::Json {
            write_stdout(&event.to_string());
        }
    }

    /// The reason why this program ends without success.
    pub(crate) fn failure(&self, text: &str) {
        self.event(&json!({"event": "error", "message": text}));
        self.around_bar(|| write_stderr(&format!("error: {text}")));
    }

    /// Announces a step; the answer ends it.
    pub(crate) fn step(&self, title: &str) -> StepReport {
        let started = Instant::now();
        self.event(&json!({"event": "step", "step": title, "status": "start"}));
        let bar = (self.mode == Mode::Terminal).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) =
                ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg:.dim}")
            {
                bar.set_style(style);
            }
            bar.set_prefix(title.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if self.mode == Mode::Plain {
            write_stderr(&format!("{title} …"));
        }
        *lock(&self.bar) = bar.clone();
        StepReport {
            reporter: self.clone(),
            title: title.to_owned(),
            started,
            said_at: started,
            bar,
        }
    }

    fn around_bar(&self, write: impl FnOnce()) {
        match lock(&self.bar).as_ref() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// One step under way.
#[derive(Debug)]
pub(crate) struct StepReport {
    reporter: Reporter,
    title: String,
    started: Instant,
    said_at: Instant,
    bar: Option<ProgressBar>,
}

impl StepReport {
    /// Shows the newest line of a step's output, or that it still runs.
    pub(crate) fn progress(&mut self, line: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(line.trim().to_owned());
        } else if self.said_at.elapsed() >= STILL_RUNNING_EVERY {
            self.said_at = Instant::now();
            let seconds = self.started.elapsed().as_secs();
            match self.reporter.mode {
                Mode::Plain => {
                    write_stderr(&format!("{} … {seconds} s: {}", self.title, line.trim()));
                }
                Mode::Json => self.reporter.event(&json!({
                    "event": "step", "step": self.title, "status": "running",
                    "seconds": seconds, "message": line.trim(),
                })),
                Mode::Terminal => {}
            }
        }
    }

    /// Ends the step well.
    pub(crate) fn done(self) -> Duration {
        let took = self.started.elapsed();
        self.end("done", &format!("{} done in {:.1} s", self.title, took.as_secs_f64()));
        took
    }

    /// Ends the step badly; the error itself is reported by whoever handles it.
    pub(crate) fn failed(self) {
        let took = self.started.elapsed();
        self.end("failed", &format!("{} failed after {:.1} s", self.title, took.as_secs_f64()));
    }

    /// Ends the step as it went.
    pub(crate) fn ended(self, is_success: bool) {
        if is_success {
            self.done();
        } else {
            self.failed();
        }
    }

    fn end(&self, status: &str, line: &str) {
        if let Some(bar) = lock(&self.reporter.bar).take() {
            bar.finish_and_clear();
        }
        match self.reporter.mode {
            Mode::Json => self.reporter.event(&json!({
                "event": "step", "step": self.title, "status": status,
                "seconds": (self.started.elapsed().as_secs_f64() * 10.0).round() / 10.0,
            })),
            Mode::Terminal | Mode::Plain => write_stderr(line),
        }
    }
}

// A reader that has gone away (a closed pipe) must not stop a shop that runs.
fn write_stdout(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn write_stderr(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

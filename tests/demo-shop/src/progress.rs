//! Says how far the work is.

use std::io::Write;
use std::sync::Mutex;
use std::sync::PoisonError;

use clap::ValueEnum;

/// How progress is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Style {
    /// One JSON object per line: `{"done":3,"total":31,"what":"chair-lyra"}`.
    Json,
    /// One line of text per step.
    Plain,
    /// Not at all.
    None,
}

/// Counts steps; may be used from several threads.
#[derive(Debug)]
pub struct Progress {
    style: Style,
    state: Mutex<(usize, usize)>,
}

impl Progress {
    /// Starts at nothing of nothing.
    #[must_use]
    pub fn new(style: Style) -> Self {
        Self { style, state: Mutex::new((0, 0)) }
    }

    /// Says how many steps there will be in all.
    pub fn expect(&self, total: usize) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = total;
    }

    /// Counts one finished step.
    pub fn step(&self, what: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        let (done, total) = *state;
        let mut out = std::io::stdout().lock();
        // A closed pipe must not stop the work.
        let _ = match self.style {
            Style::Json => {
                writeln!(out, "{}", serde_json::json!({"done": done, "total": total, "what": what}))
            }
            Style::Plain => writeln!(out, "[{done:>3}/{total}] {what}"),
            Style::None => Ok(()),
        };
    }
}

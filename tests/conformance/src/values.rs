//! Values behind the `{names}` of a case: set before, or captured from answers.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use crate::case::{Case, Place, Want};
use crate::wire::Answer;

/// Shortest value that is recognised in answers when hosts are compared: shorter ones occur by accident.
const RECOGNISED_BYTES_MIN: usize = 8;

/// Names and what they stand for on one host.
#[derive(Debug, Clone, Default)]
pub struct Values(BTreeMap<String, String>);

impl Values {
    /// Sets a value.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Returns a value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Puts the values in the place of their names.
    #[must_use]
    pub fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| {
            let marked = format!("{{{name}}}");
            if text.contains(&marked) { text.replace(&marked, value) } else { text }
        })
    }

    /// Fills what is expected.
    #[must_use]
    pub fn fill_want(&self, want: &Want) -> Want {
        match want {
            Want::Is(text) => Want::Is(self.fill(text)),
            Want::Starts(text) => Want::Starts(self.fill(text)),
            Want::Has(text) => Want::Has(self.fill(text)),
            Want::HasNot(text) => Want::HasNot(self.fill(text)),
            Want::Json(serde_json::Value::String(text)) => Want::Json(self.fill(text).into()),
            other => other.clone(),
        }
    }

    /// Takes the values out again: what is left is the same on every host. One mark stands for all of them, for two
    /// names may have one value on one host and two on another (tokens made within one second are equal).
    #[must_use]
    pub fn unfill(&self, text: &str) -> String {
        // The longest first: a short value may be part of a long one.
        let mut values: Vec<&String> =
            self.0.values().filter(|value| value.len() >= RECOGNISED_BYTES_MIN).collect();
        values.sort_by_key(|value| usize::MAX - value.len());
        values.iter().fold(text.to_owned(), |text, value| {
            if text.contains(value.as_str()) { text.replace(value.as_str(), "{…}") } else { text }
        })
    }

    /// Keeps what a case captures.
    ///
    /// # Errors
    /// When the answer has no such value.
    pub fn capture(&mut self, case: &Case, answer: &Answer) -> Result<()> {
        for (name, place) in &case.captures {
            let found = match place {
                Place::Header(header) => answer.header(header),
                Place::Json(pointer) => {
                    let body: serde_json::Value = serde_json::from_slice(&answer.body)
                        .with_context(|| format!("keep {name} of a body that is no JSON"))?;
                    body.pointer(pointer).map(|value| {
                        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                    })
                }
            };
            self.set(name, found.with_context(|| format!("find {name} at {place:?}"))?);
        }
        for (name, make) in &case.makes {
            let made = make(self);
            self.set(name, made);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_values_and_values_marks() {
        let mut values = Values::default();
        values.set("host", "nativexx");
        values.set("cart", "0190-nativexx-7");
        values.set("version", "1");
        let text = "{\"id\":\"{cart}\",\"of\":\"{host}\",\"v\":{version}}";
        let filled = values.fill(text);
        assert_eq!(filled, "{\"id\":\"0190-nativexx-7\",\"of\":\"nativexx\",\"v\":1}");
        let expected = "{\"id\":\"{…}\",\"of\":\"{…}\",\"v\":1}";
        assert_eq!(values.unfill(&filled), expected);
    }
}

//! Where in the text something stands, for errors that are found after parsing.

use toml::de::{DeTable, DeValue};

use crate::ManifestError;

/// One step on the way from the top of the document to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// A broken rule and the way to the value that breaks it.
#[derive(Debug)]
pub(crate) struct Fault {
    error: ManifestError,
    /// The innermost step first: callers add theirs at the end.
    steps: Vec<Step>,
}

impl From<ManifestError> for Fault {
    fn from(error: ManifestError) -> Self {
        Self { error, steps: Vec::new() }
    }
}

impl Fault {
    /// Puts the line of `text` before the reason, where it can be told.
    pub(crate) fn locate(self, text: &str) -> ManifestError {
        let steps: Vec<&Step> = self.steps.iter().rev().collect();
        match line(text, &steps) {
            Some(line) => ManifestError::At { line, cause: Box::new(self.error) },
            None => self.error,
        }
    }
}

/// Says where a result's error stands.
pub(crate) trait Within<T> {
    /// Adds the step that leads to where the callee's way begins.
    fn within(self, step: impl Into<Step>) -> Result<T, Fault>;
}

impl<T, E: Into<Fault>> Within<T> for Result<T, E> {
    fn within(self, step: impl Into<Step>) -> Result<T, Fault> {
        self.map_err(|error| {
            let mut fault = error.into();
            fault.steps.push(step.into());
            fault
        })
    }
}

/// The ids below `component` and the entries below `trigger`, without which a line would mislead.
const STEPS_MIN: usize = 2;

/// Follows `steps` as far as they exist; what is missing is reported where it is missing from.
fn line(text: &str, steps: &[&Step]) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let (first, rest) = steps.split_first()?;
    let Step::Key(name) = first else { return None };
    let (key, mut value) =
        root.get_ref().iter().find(|(key, _)| key.get_ref().as_ref() == name.as_str())?;
    let (mut offset, mut followed) = (key.span().start, 1_usize);
    for step in rest {
        let next = match (step, value.get_ref()) {
            (Step::Key(name), DeValue::Table(table)) => table
                .iter()
                .find(|(key, _)| key.get_ref().as_ref() == name.as_str())
                .map(|(key, value)| (key.span().start, value)),
            (Step::Index(index), DeValue::Array(array)) => {
                array.get(*index).map(|value| (value.span().start, value))
            }
            _ => None,
        };
        let Some((start, inner)) = next else { break };
        (offset, value) = (start, inner);
        followed = followed.saturating_add(1);
    }
    (followed >= steps.len().min(STEPS_MIN)).then(|| line_of(text, offset))
}

/// Returns the line, from 1, of byte `offset`.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.bytes().take(offset);
    before.filter(|byte| *byte == b'\n').count().saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_steps_as_far_as_they_lead() {
        let text = "a = 1\n[component.x]\nsource = \"x\"\nfiles = [\n  \"p\",\n  \"q\",\n]\n[[trigger.http]]\nroute = \"/\"\n[[trigger.http]]\nroute = \"/b\"\n";
        for (steps, expected) in [
            (vec!["a".into()], Some(1)),
            (vec!["component".into(), "x".into()], Some(2)),
            (vec!["component".into(), "x".into(), "gone".into()], Some(2)),
            (vec!["component".into(), "y".into()], None),
            (vec!["component".into(), "x".into(), "files".into(), 1_usize.into()], Some(6)),
            (vec!["trigger".into(), "http".into(), 1_usize.into(), "route".into()], Some(11)),
            (vec!["gone".into()], None),
            (vec![], None),
        ] {
            let steps: Vec<Step> = steps;
            assert_eq!(line(text, &steps.iter().collect::<Vec<_>>()), expected, "{steps:?}");
        }
    }
}

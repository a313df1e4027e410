//! Values of application variables and where they may come from.

use std::{collections::BTreeMap, fmt};

/// A text that may be secret: it prints as `***` and is read only by [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `value`.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Returns the value; the caller must not print it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

/// What the caller found: the command line wins over the environment, which wins over the default.
#[derive(Debug, Clone, Default)]
pub struct VariableSources {
    command_line: BTreeMap<String, Secret>,
    environment: BTreeMap<String, Secret>,
}

impl VariableSources {
    /// Starts with nothing: only defaults apply.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds values from the command line, by variable name.
    #[must_use]
    pub fn with_command_line<N: Into<String>, V: Into<String>>(
        mut self,
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.into(), Secret::new(value)));
        self.command_line.extend(values);
        self
    }

    /// Adds environment variables; only those named `SPIN_VARIABLE_…` are kept.
    #[must_use]
    pub fn with_environment<N: AsRef<str>, V: Into<String>>(
        mut self,
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        for (name, value) in values {
            if let Some(name) = name.as_ref().strip_prefix(ENVIRONMENT_PREFIX) {
                self.environment.insert(name.to_ascii_lowercase(), Secret::new(value));
            }
        }
        self
    }

    /// Returns the value of `name` from the strongest source that has one.
    pub(crate) fn value(&self, name: &str) -> Option<&Secret> {
        self.command_line.get(name).or_else(|| self.environment.get(name))
    }

    /// Returns the names given on the command line.
    pub(crate) fn command_line_names(&self) -> impl Iterator<Item = &String> {
        self.command_line.keys()
    }
}

/// Before the upper-case name of a variable in the environment.
const ENVIRONMENT_PREFIX: &str = "SPIN_VARIABLE_";

/// Returns the environment variable that supplies `name`.
pub(crate) fn environment_name(name: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", name.to_ascii_uppercase())
}

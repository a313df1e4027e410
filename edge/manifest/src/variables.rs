//! Values of application variables and where they may come from.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A text that may be secret: it prints as `***` and is read only by [`Secret::expose`], or by turning it into a
/// `String`.
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

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        secret.0
    }
}

/// What the caller found, in Spin's order: the command line wins over the providers of the runtime configuration, these
/// over the environment, and that over the default.
#[derive(Debug, Clone, Default)]
pub struct VariableSources {
    command_line: BTreeMap<String, Secret>,
    /// Those of the command line that were typed one by one, and so are meant for this application.
    typed: BTreeSet<String>,
    /// The strongest first.
    providers: Vec<BTreeMap<String, Secret>>,
    environment: BTreeMap<String, Secret>,
}

impl VariableSources {
    /// Starts with nothing: only defaults apply.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds values typed on the command line, by variable name; of two equal names the last counts. A name that the
    /// manifest does not declare is an error.
    #[must_use]
    pub fn with_command_line<N: Into<String>, V: Into<String>>(
        mut self,
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        for (name, value) in values {
            let name = name.into();
            self.typed.insert(name.clone());
            self.command_line.insert(name, Secret::new(value));
        }
        self
    }

    /// Adds the values of a file that the command line names. They are as strong as those typed there, but one file may
    /// serve several applications: names that the manifest does not declare are left alone.
    #[must_use]
    pub fn with_command_line_file<N: Into<String>, V: Into<String>>(
        mut self,
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.command_line.extend(secrets(values));
        self
    }

    /// Adds a provider of the runtime configuration, weaker than those added before. Names that the manifest does not
    /// declare are left alone.
    #[must_use]
    pub fn with_provider<N: Into<String>, V: Into<String>>(
        mut self,
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.providers.push(secrets(values).collect());
        self
    }

    /// Adds a provider that takes `<PREFIX>_<NAME>` from `environment`, weaker than those added before. Of two equal
    /// names the first counts, so that a `.env` file may follow the environment itself.
    #[must_use]
    pub fn with_environment_provider<N: AsRef<str>, V: Into<String>>(
        mut self,
        prefix: &str,
        environment: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut values = BTreeMap::new();
        collect(&mut values, prefix, environment);
        self.providers.push(values);
        self
    }

    /// Adds environment variables; only those named `SPIN_VARIABLE_…` are kept. Of two equal names the first counts, so
    /// that a `.env` file may follow the environment itself.
    #[must_use]
    pub fn with_environment<N: AsRef<str>, V: Into<String>>(
        mut self,
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        collect(&mut self.environment, ENVIRONMENT_PREFIX, values);
        self
    }

    /// Returns the value of `name` from the strongest source that has one.
    pub(crate) fn value(&self, name: &str) -> Option<&Secret> {
        let provided = || self.providers.iter().find_map(|provider| provider.get(name));
        self.command_line.get(name).or_else(provided).or_else(|| self.environment.get(name))
    }

    /// Returns the names typed on the command line.
    pub(crate) fn typed(&self) -> impl Iterator<Item = &String> {
        self.typed.iter()
    }
}

/// Before the upper-case name of a variable in the environment, with an underscore between.
pub const ENVIRONMENT_PREFIX: &str = "SPIN_VARIABLE";

/// Returns the environment variable that supplies `name`.
pub(crate) fn environment_name(name: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}_{}", name.to_ascii_uppercase())
}

fn secrets<N: Into<String>, V: Into<String>>(
    values: impl IntoIterator<Item = (N, V)>,
) -> impl Iterator<Item = (String, Secret)> {
    values.into_iter().map(|(name, value)| (name.into(), Secret::new(value)))
}

/// Keeps what is named `<PREFIX>_<NAME>`, the name in upper case only: Spin asks for exactly that.
fn collect<N: AsRef<str>, V: Into<String>>(
    into: &mut BTreeMap<String, Secret>,
    prefix: &str,
    values: impl IntoIterator<Item = (N, V)>,
) {
    for (name, value) in values {
        let name = name.as_ref().strip_prefix(prefix).and_then(|name| name.strip_prefix('_'));
        if let Some(name) = name.filter(|name| !name.contains(|c: char| c.is_ascii_lowercase())) {
            into.entry(name.to_ascii_lowercase()).or_insert_with(|| Secret::new(value));
        }
    }
}

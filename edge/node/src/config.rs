//! Settings of `up` and `proxy` from the command line, the environment and a file, in this order of precedence, and an
//! explanation of where each comes from.
//!
//! What there is to set is read from the command line's own description ([`clap::Command`]): an option that is added
//! there can be set everywhere and is explained, and no second list can fall behind. What the environment and the file
//! say is put in front of the command line as further arguments, so that one parser judges all of it, conflicts and
//! requirements included.

mod explain;
mod file;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{
    Arg, ArgAction, ArgMatches, Command, CommandFactory as _, Parser as _,
    error::{ContextKind, ContextValue},
    parser::ValueSource,
};

pub(crate) use self::explain::run;
use self::file::{File, FileError};
use crate::cli::Cli;

/// The commands that have settings.
const COMMANDS: [&str; 2] = ["up", "proxy"];
/// Variables of the environment are this and the option's name.
const PREFIX: &str = "VITRINE_";

/// Looks up a variable of the environment.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The command line, or all of it together.
    #[error("{0}")]
    Line(clap::Error),
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A variable of the environment.
    #[error("{name} is `true`, `false`, `1` or `0`")]
    Switch {
        /// The variable.
        name: String,
    },
    /// A value that is good for nothing, wherever it stands.
    #[error("{place}: {why}")]
    Value {
        /// Where it stands.
        place: String,
        /// What is wrong with it; the value itself may be a secret.
        why: String,
    },
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Default,
    /// On this line.
    File(usize),
    /// In this variable.
    Environment(String),
    Flag,
}

/// One setting as it was found.
#[derive(Debug)]
struct Setting {
    arg: Arg,
    source: Source,
    /// None where it is not set.
    values: Vec<OsString>,
}

impl Setting {
    fn long(&self) -> &str {
        self.arg.get_long().unwrap_or_default()
    }

    /// Returns the arguments that say the same.
    fn arguments(&self) -> Vec<OsString> {
        if is_switch(&self.arg) {
            let is_on = self.values.iter().any(|value| value == "true");
            return if is_on { vec![format!("--{}", self.long()).into()] } else { Vec::new() };
        }
        let argument = |value: &OsString| {
            let mut argument = OsString::from(format!("--{}=", self.long()));
            argument.push(value);
            argument
        };
        self.values.iter().map(argument).collect()
    }
}

/// Reads the command line, with what the environment and the file add to it.
pub(crate) fn read(line: &[OsString], environment: Environment<'_>) -> Result<Cli, ConfigError> {
    let name = line.get(1).and_then(|word| word.to_str());
    let Some(name) = name.filter(|name| COMMANDS.contains(name)) else {
        return Cli::try_parse_from(line).map_err(ConfigError::Line);
    };
    let own = line.get(2..).unwrap_or_default();
    let settings = match gather(name, own, None, environment) {
        Ok(settings) => settings,
        // Help, for instance.
        Err(ConfigError::Line(_)) => Vec::new(),
        Err(error) => return Err(error),
    };
    parse(name, own, &settings)
}

/// Reads everything together.
fn parse(name: &str, own: &[OsString], settings: &[Setting]) -> Result<Cli, ConfigError> {
    let added = settings.iter().filter(|setting| is_added(setting)).flat_map(Setting::arguments);
    let line = ["vitrine-edge".into(), name.into()].into_iter().chain(added);
    let line: Vec<OsString> = line.chain(own.iter().cloned()).collect();
    Cli::try_parse_from(line).map_err(|error| placed(error, settings))
}

/// Whether it stands elsewhere than where clap looks by itself.
fn is_added(setting: &Setting) -> bool {
    match &setting.source {
        Source::File(_) => true,
        Source::Environment(variable) => variable.starts_with(PREFIX),
        Source::Default | Source::Flag => false,
    }
}

/// Says where the value stands that an error is about, if it was not given on the command line.
fn placed(error: clap::Error, settings: &[Setting]) -> ConfigError {
    let Some(ContextValue::String(about)) = error.get(ContextKind::InvalidArg) else {
        return ConfigError::Line(error);
    };
    let long = about.trim_start_matches("--").split([' ', '=']).next().unwrap_or_default();
    let found = settings.iter().find(|setting| setting.long() == long && is_added(setting));
    let place = match found.map(|setting| &setting.source) {
        Some(Source::File(line)) => format!("`{long}` on line {line} of the configuration file"),
        Some(Source::Environment(name)) => name.clone(),
        Some(Source::Default | Source::Flag) | None => return ConfigError::Line(error),
    };
    let why = match (std::error::Error::source(&error), error.get(ContextKind::ValidValue)) {
        (Some(cause), _) => cause.to_string(),
        (None, Some(ContextValue::Strings(valid))) if !valid.is_empty() => {
            format!("it is one of {}", valid.join(", "))
        }
        // The first line says what; the others are about how the program is called.
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            first.trim_start_matches("error: ").to_owned()
        }
    };
    ConfigError::Value { place, why }
}

/// Finds every setting of a command: by its arguments, by the environment, in the file, or by default.
fn gather(
    name: &str,
    own: &[OsString],
    file: Option<&Path>,
    environment: Environment<'_>,
) -> Result<Vec<Setting>, ConfigError> {
    let command = command(name);
    // What is wrong with the line is said when all of it is read.
    let lenient = command.clone().no_binary_name(true).ignore_errors(true);
    let given = lenient.try_get_matches_from(own).map_err(ConfigError::Line)?;
    let named = given.try_get_one::<PathBuf>("config").ok().flatten().cloned();
    let path = named.or_else(|| file.map(Path::to_owned));
    let path = path.or_else(|| environment(&format!("{PREFIX}CONFIG")).map(PathBuf::from));
    let file = path.map(|path| File::read(&path, name, &command)).transpose()?;
    options(&command).map(|arg| find(arg, &given, file.as_ref(), environment)).collect()
}

fn command(name: &str) -> Command {
    let mut all = Cli::command();
    // Otherwise what is flattened and global is not there yet.
    all.build();
    all.find_subcommand(name).cloned().unwrap_or_else(|| Command::new("none"))
}

/// The options that can be set; help and version cannot.
fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| {
        let is_setting = !matches!(
            arg.get_action(),
            ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
        );
        is_setting && arg.get_long().is_some()
    })
}

fn find(
    arg: &Arg,
    given: &ArgMatches,
    file: Option<&File>,
    environment: Environment<'_>,
) -> Result<Setting, ConfigError> {
    let id = arg.get_id().as_str();
    let long = arg.get_long().unwrap_or_default();
    let setting = |source, values| Ok(Setting { arg: arg.clone(), source, values });
    let raw = || given.get_raw(id).into_iter().flatten().map(OsString::from).collect::<Vec<_>>();
    let by = given.value_source(id);
    if by == Some(ValueSource::CommandLine) {
        let values = if is_switch(arg) { vec!["true".into()] } else { raw() };
        return setting(Source::Flag, values);
    }
    let name = format!("{PREFIX}{}", long.replace('-', "_").to_ascii_uppercase());
    if let Some(value) = environment(&name) {
        let values = of_variable(arg, &name, value)?;
        return setting(Source::Environment(name), values);
    }
    if by == Some(ValueSource::EnvVariable) {
        let name = arg.get_env().map(|name| name.to_string_lossy().into_owned());
        return setting(Source::Environment(name.unwrap_or_default()), raw());
    }
    if let Some((line, values)) = file.and_then(|file| file.get(long)) {
        let values = values.iter().map(OsString::from).collect();
        return setting(Source::File(line), values);
    }
    let default = arg.get_default_values().iter().map(|value| (**value).to_owned());
    let values =
        if is_switch(arg) { vec!["false".into()] } else { default.collect::<Vec<OsString>>() };
    setting(Source::Default, values)
}

fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// Several values are separated by commas.
fn of_variable(arg: &Arg, name: &str, value: OsString) -> Result<Vec<OsString>, ConfigError> {
    if is_switch(arg) {
        return match value.to_str() {
            Some("true" | "1") => Ok(vec!["true".into()]),
            Some("false" | "0") => Ok(vec!["false".into()]),
            _ => Err(ConfigError::Switch { name: name.to_owned() }),
        };
    }
    match value.to_str() {
        Some(text) if is_list(arg) => {
            let values = text.split(',').map(str::trim).filter(|one| !one.is_empty());
            Ok(values.map(OsString::from).collect())
        }
        _ => Ok(vec![value]),
    }
}

#[cfg(test)]
mod tests;

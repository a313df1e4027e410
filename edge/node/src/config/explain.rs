//! `config`: checks settings, and explains each in the form of a configuration file.

use std::{ffi::OsString, fmt::Write as _, path::Path};

use clap::Arg;

use super::{
    COMMANDS, ConfigError, Environment, Setting, Source, gather, is_list, is_switch, parse,
};
use crate::cli;

/// Prints every setting of every command, or of the one in the line, after all of them were checked.
#[expect(clippy::print_stdout, reason = "it is what was asked for")]
pub(crate) fn run(options: &cli::Config, environment: Environment<'_>) -> Result<(), ConfigError> {
    let told = explained(options, environment)?;
    if options.explain {
        print!("{told}");
    } else {
        println!("the settings can be used");
    }
    Ok(())
}

pub(super) fn explained(
    options: &cli::Config,
    environment: Environment<'_>,
) -> Result<String, ConfigError> {
    let (named, own) = match options.line.split_first() {
        Some((name, own)) => (Some(name), own),
        None => (None, &[][..]),
    };
    if let Some(named) = named.filter(|named| !COMMANDS.iter().any(|name| *named == name)) {
        return Err(ConfigError::Value {
            place: named.to_string_lossy().into_owned(),
            why: format!("only {} have settings", COMMANDS.join(" and ")),
        });
    }
    let mut told = String::new();
    for name in COMMANDS.iter().filter(|name| named.is_none_or(|named| named == **name)) {
        let settings = gather(name, own, options.config.as_deref(), environment)?;
        check(name, own, &settings)?;
        if !told.is_empty() {
            told.push('\n');
        }
        tell(&mut told, name, &settings, options.config.as_deref());
    }
    Ok(told)
}

/// Reads all of it as the command itself would. What is not said at all may still come on its command line.
fn check(name: &str, own: &[OsString], settings: &[Setting]) -> Result<(), ConfigError> {
    match parse(name, own, settings) {
        Err(ConfigError::Line(error))
            if error.kind() == clap::error::ErrorKind::MissingRequiredArgument =>
        {
            Ok(())
        }
        parsed => parsed.map(drop),
    }
}

/// Writes a table of the file's form, so that what is shown can be kept.
fn tell(told: &mut String, name: &str, settings: &[Setting], file: Option<&Path>) {
    // Writing to a string cannot fail.
    let _ = writeln!(told, "[{name}]");
    for setting in settings {
        let help = setting.arg.get_help().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(told, "# {}", help.replace('\n', " "));
        let source = match &setting.source {
            Source::Default => "default".to_owned(),
            Source::File(line) => match file {
                Some(file) => format!("file {}, line {line}", file.display()),
                None => format!("file, line {line}"),
            },
            Source::Environment(name) => format!("env {name}"),
            Source::Flag => "flag".to_owned(),
        };
        let unit = unit(&setting.arg).map(|unit| format!("{unit}, ")).unwrap_or_default();
        let key = setting.long();
        let _ = match value(setting) {
            // The file itself cannot name another one.
            Some(value) if key == "config" => writeln!(told, "# {key} = {value} # {unit}{source}"),
            Some(value) => writeln!(told, "{key} = {value} # {unit}{source}"),
            None => writeln!(told, "# {key} is not set # {unit}{source}"),
        };
    }
}

/// Returns the value as TOML has it.
fn value(setting: &Setting) -> Option<String> {
    let arg = &setting.arg;
    if setting.values.is_empty() {
        return None;
    }
    let mut values = setting.values.iter().map(|value| shown(arg, &value.to_string_lossy()));
    if is_switch(arg) {
        return setting.values.first().map(|value| value.to_string_lossy().into_owned());
    }
    let one = |text: String| match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => text,
        _ => toml::Value::String(text).to_string(),
    };
    if is_list(arg) {
        return Some(format!("[{}]", values.map(one).collect::<Vec<_>>().join(", ")));
    }
    values.next().map(one)
}

/// What an option takes as `NAME=VALUE` may hold a secret, which its name is not; a file's path is none either.
fn shown(arg: &Arg, value: &str) -> String {
    let is_pair = |name: &clap::builder::Str| name.contains("NAME=VALUE");
    if !arg.get_value_names().is_some_and(|names| names.iter().any(is_pair)) {
        return value.to_owned();
    }
    match value.split_once('=') {
        _ if value.starts_with('@') => value.to_owned(),
        Some((_, path)) if path.starts_with('@') => value.to_owned(),
        Some((name, _)) => format!("{name}=***"),
        None => "***".to_owned(),
    }
}

/// The unit is in the option's name, as everywhere.
fn unit(arg: &Arg) -> Option<&'static str> {
    let long = arg.get_long()?;
    let takes = arg.get_value_names().and_then(|names| names.first()).map(|name| name.as_str());
    let units = [("-ms", "ms"), ("-s", "s"), ("-mib", "MiB"), ("-percent", "%")];
    let by_name = units.iter().find(|(end, _)| long.ends_with(end)).map(|(_, unit)| *unit);
    let is_bytes = long.contains("bytes") || takes == Some("BYTES");
    by_name.or_else(|| is_bytes.then_some("bytes"))
}

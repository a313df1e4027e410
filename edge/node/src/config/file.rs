//! The configuration file: TOML, a key for each option, at the top for every command or in the command's own table.

use std::{
    collections::BTreeMap,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::{Arg, Command};
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::{COMMANDS, is_list, is_switch, options};

/// Largest file: 1 MiB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// It cannot be read.
    #[error("read {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// Something is wrong in it. Of values nothing is told, for they may be secrets.
    #[error("{}, line {line}: {why}", .path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What.
        why: String,
    },
}

/// What a file says to one command.
#[derive(Debug)]
pub(super) struct File {
    /// By the option's long name: the line, and its values as a command line would have them.
    settings: BTreeMap<String, (usize, Vec<String>)>,
}

impl File {
    /// Returns the line and the values of a setting.
    pub(super) fn get(&self, long: &str) -> Option<(usize, &[String])> {
        self.settings.get(long).map(|(line, values)| (*line, values.as_slice()))
    }

    /// Reads the file for the command called `name`.
    pub(super) fn read(path: &Path, name: &str, command: &Command) -> Result<Self, FileError> {
        let unreadable = |cause| FileError::Unreadable { path: path.to_owned(), cause };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut text = String::new();
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
        if u64::try_from(text.len()).is_ok_and(|length| length > FILE_BYTES_MAX) {
            return Err(unreadable(io::Error::other("it has more than 1 MiB")));
        }
        Self::parse(&text, name, command).map_err(|(line, why)| FileError::Wrong {
            path: path.to_owned(),
            line,
            why,
        })
    }

    fn parse(text: &str, name: &str, command: &Command) -> Result<Self, (usize, String)> {
        let line_at = |at: usize| text.get(..at).unwrap_or(text).lines().count().max(1);
        let line_at = |at: usize| {
            let ends = text.get(..at).is_some_and(|before| before.ends_with('\n'));
            line_at(at) + usize::from(ends && at > 0)
        };
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            (line_at(at), error.message().to_owned())
        })?;
        let mut settings = BTreeMap::new();
        let mut own = None;
        for (key, value) in table.get_ref() {
            let word = key.get_ref().as_ref();
            match value.get_ref() {
                DeValue::Table(table) if word == name => own = Some(table),
                // What another command is told is read when that one is.
                DeValue::Table(_) if COMMANDS.contains(&word) => {}
                _ => add(&mut settings, command, key, value, &line_at)?,
            }
        }
        let mut special = BTreeMap::new();
        for (key, value) in own.into_iter().flatten() {
            add(&mut special, command, key, value, &line_at)?;
        }
        // What is said to the command wins over what is said to all.
        settings.extend(special);
        Ok(Self { settings })
    }
}

type Settings = BTreeMap<String, (usize, Vec<String>)>;

fn add(
    settings: &mut Settings,
    command: &Command,
    key: &Spanned<DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
    line_at: &impl Fn(usize) -> usize,
) -> Result<(), (usize, String)> {
    let line = line_at(key.span().start);
    let word = key.get_ref().as_ref();
    let long = word.replace('_', "-");
    let arg = options(command).find(|arg| arg.get_long() == Some(&long) && long != "config");
    let Some(arg) = arg else {
        let name = command.get_name();
        return Err((line, format!("`{name}` has no setting `{word}`")));
    };
    let values = values(arg, value.get_ref()).ok_or_else(|| {
        let kind = if is_switch(arg) {
            "`true` or `false`"
        } else if is_list(arg) {
            "a text or a list of texts"
        } else {
            "a text or a number"
        };
        (line, format!("`{word}` is {kind}"))
    })?;
    if settings.insert(long, (line, values)).is_some() {
        return Err((line, format!("`{word}` is set twice")));
    }
    Ok(())
}

fn values(arg: &Arg, value: &DeValue<'_>) -> Option<Vec<String>> {
    match value {
        DeValue::Boolean(is_on) => is_switch(arg).then(|| vec![is_on.to_string()]),
        DeValue::Array(all) if is_list(arg) => {
            all.iter().map(|one| scalar(one.get_ref())).collect()
        }
        _ if is_switch(arg) => None,
        one => scalar(one).map(|one| vec![one]),
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            let text = number.as_str();
            i64::from_str_radix(text, number.radix()).ok().map(|number| number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

//! Values of variables, from wherever they may come.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use manifest::{ENVIRONMENT_PREFIX, Secret, VariableProvider, VariableSources};

use super::{dotenv, read_text};
use crate::cli::{AppOptions, VariableArgument};

/// Collects everything: command line, providers, the environment, and `.env` in the working directory.
pub(super) fn sources(
    options: &AppOptions,
    providers: &[VariableProvider],
) -> anyhow::Result<VariableSources> {
    let mut sources = VariableSources::new();
    for argument in &options.variables {
        sources = add_argument(sources, argument)?;
    }
    for provider in providers {
        sources = match provider {
            VariableProvider::Static(values) => sources.with_provider(values.clone()),
            VariableProvider::Env { prefix, dotenv_path } => {
                let prefix = prefix.as_deref().unwrap_or(ENVIRONMENT_PREFIX);
                let pairs = environment(prefix, dotenv_path.as_deref())?;
                sources.with_environment_provider(prefix, pairs)
            }
        };
    }
    let pairs = environment(ENVIRONMENT_PREFIX, Some(Path::new(".env")))?;
    Ok(sources.with_environment(pairs))
}

fn add_argument(
    sources: VariableSources,
    argument: &VariableArgument,
) -> anyhow::Result<VariableSources> {
    let read = |path: &PathBuf| {
        read_text(path).with_context(|| format!("read variables from {}", path.display()))
    };
    let broken = |path: &Path| format!("{} is no map from names to strings", path.display());
    Ok(match argument {
        VariableArgument::Value(pair) => {
            sources.with_command_line([(pair.name.clone(), pair.value.clone())])
        }
        VariableArgument::Content { name, path } => {
            sources.with_command_line([(name.clone(), read(path)?)])
        }
        // The parsers' reasons could show a value.
        VariableArgument::Toml(path) => {
            let values: Option<BTreeMap<String, String>> = toml::from_str(&read(path)?).ok();
            sources.with_command_line_file(values.with_context(|| broken(path))?)
        }
        VariableArgument::Json(path) => {
            let values: Option<BTreeMap<String, String>> = serde_json::from_str(&read(path)?).ok();
            sources.with_command_line_file(values.with_context(|| broken(path))?)
        }
    })
}

/// The environment, then what `dotenv_path` adds to it; only what begins with `prefix`.
fn environment(prefix: &str, dotenv_path: Option<&Path>) -> anyhow::Result<Vec<(String, Secret)>> {
    let mut pairs = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.into_string().ok().filter(|name| name.starts_with(prefix)) else {
            continue;
        };
        let Ok(value) = value.into_string() else {
            bail!("environment variable {name} is not UTF-8")
        };
        pairs.push((name, Secret::new(value)));
    }
    if let Some(path) = dotenv_path {
        pairs.extend(dotenv::read(path)?);
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use manifest::Manifest;

    use super::*;
    use crate::cli::Pair;

    const TEXT: &str = "spin_manifest_version = 2\n[application]\nname = \"a\"\n[variables]\n\
        a = { default = \"d\" }\n[[trigger.http]]\nroute = \"/\"\nstatic_response = {}\n";

    /// Adds the arguments and returns the value of `a`.
    fn value(arguments: &[VariableArgument]) -> anyhow::Result<String> {
        let mut sources = VariableSources::new();
        for argument in arguments {
            sources = add_argument(sources, argument)?;
        }
        let app = Manifest::parse(TEXT)?.resolve(&sources)?;
        Ok(app.fill("{{ a }}", "test")?.expose().to_owned())
    }

    #[test]
    fn reads_values_from_files_and_takes_the_last() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("writes");
            path
        };
        let content =
            VariableArgument::Content { name: "a".to_owned(), path: file("a.txt", "of a file\n") };
        let toml = VariableArgument::Toml(file("a.toml", "a = \"of toml\"\nother = \"x\""));
        let json = VariableArgument::Json(file("a.json", "{\"a\": \"of json\"}"));
        let typed =
            VariableArgument::Value(Pair { name: "a".to_owned(), value: "typed".to_owned() });
        for (arguments, expected) in [
            (vec![], "d"),
            (vec![content.clone()], "of a file\n"),
            (vec![content.clone(), toml.clone()], "of toml"),
            (vec![toml, json.clone()], "of json"),
            (vec![json, typed.clone()], "typed"),
            (vec![typed, content], "of a file\n"),
        ] {
            assert_eq!(value(&arguments).ok().as_deref(), Some(expected), "{arguments:?}");
        }
    }

    #[test]
    fn refuses_files_that_hold_no_values_without_showing_them() {
        let dir = tempfile::tempdir().expect("makes a folder");
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("writes");
            path
        };
        let gone = dir.path().join("gone.toml");
        for argument in [
            VariableArgument::Toml(file("a.toml", "a = [\"s3cret\"]")),
            VariableArgument::Toml(file("b.toml", "a = s3cret")),
            VariableArgument::Json(file("a.json", "{\"a\": 53}")),
            VariableArgument::Json(file("b.json", "s3cret")),
            VariableArgument::Toml(gone.clone()),
            VariableArgument::Content { name: "a".to_owned(), path: gone },
        ] {
            let error =
                format!("{:#}", value(std::slice::from_ref(&argument)).expect_err("is refused"));
            assert!(!error.contains("s3cret") && !error.contains('\n'), "{error}");
            assert!(error.contains(&dir.path().display().to_string()), "{error}");
        }
    }
}

//! wrangler's configuration: read from `wrangler.toml`, derived for one environment of it.
//!
//! A derived configuration has no `[build]`, for what it names is built already, and absolute
//! paths, for it lies elsewhere. Secrets are never in it.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use crate::Context;

/// The environments of `wrangler.toml`.
pub(crate) const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "production"];
/// Secrets by their names: never variables, never in a configuration.
const SECRETS: [&str; 3] = ["edge_secret", "upstash_token", "libsql_token"];

/// `wrangler.toml` as it is.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    root: PathBuf,
    whole: Map<String, Value>,
}

impl Config {
    pub(crate) fn read(context: &Context) -> Result<Self> {
        let path = context.workspace.path("wrangler.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        Self::parse(&text, context.workspace.root())
    }

    fn parse(text: &str, root: &Path) -> Result<Self> {
        let table: toml::Table = text.parse().context("read wrangler.toml")?;
        let Value::Object(whole) = serde_json::to_value(table).context("read wrangler.toml")?
        else {
            bail!("read wrangler.toml: it is not a table");
        };
        Ok(Self { root: root.to_path_buf(), whole })
    }

    /// One environment alone: its settings over those of the top level.
    pub(crate) fn environment(&self, name: &str) -> Result<Map<String, Value>> {
        let mut config = self.whole.clone();
        let environments = config.remove("env").unwrap_or_default();
        let own = environments
            .get(name)
            .and_then(Value::as_object)
            .with_context(|| format!("wrangler.toml has no environment `{name}`"))?;
        for (key, value) in own {
            config.insert(key.clone(), value.clone());
        }
        config.remove("build");
        config.insert("main".to_owned(), json!(self.absolute(config.get("main"))?));
        if let Some(assets) = config.get_mut("assets").and_then(Value::as_object_mut) {
            let folder = self.absolute(assets.get("directory"))?;
            assets.insert("directory".to_owned(), json!(folder));
        }
        Ok(config)
    }

    /// The queues of an environment, which must exist before a Worker can use them.
    pub(crate) fn queues(&self, name: &str) -> Result<BTreeSet<String>> {
        let config = self.environment(name)?;
        let queues = config.get("queues").cloned().unwrap_or_default();
        let mut names = BTreeSet::new();
        for side in ["producers", "consumers"] {
            for entry in queues.get(side).and_then(Value::as_array).into_iter().flatten() {
                for key in ["queue", "dead_letter_queue"] {
                    names.extend(entry.get(key).and_then(Value::as_str).map(str::to_owned));
                }
            }
        }
        Ok(names)
    }

    fn absolute(&self, path: Option<&Value>) -> Result<String> {
        let path = path.and_then(Value::as_str).context("wrangler.toml names no path")?;
        Ok(self.root.join(path).display().to_string())
    }
}

/// Sets variables, each `name=value`, and returns those that are secrets instead.
pub(crate) fn set_variables(
    config: &mut Map<String, Value>,
    settings: &[String],
) -> Result<Vec<(String, String)>> {
    let vars = config.entry("vars").or_insert_with(|| json!({}));
    let vars = vars.as_object_mut().context("wrangler.toml: `vars` is not a table")?;
    let mut secrets = Vec::new();
    for setting in settings {
        let (name, value) = split(setting)?;
        if SECRETS.contains(&name) {
            secrets.push((name.to_owned(), value.to_owned()));
        } else if vars.contains_key(name) {
            vars.insert(name.to_owned(), json!(value));
        } else {
            let known: Vec<&str> = vars.keys().map(String::as_str).collect();
            bail!("there is no variable `{name}`; wrangler.toml has {}", known.join(", "));
        }
    }
    Ok(secrets)
}

/// A `name=value` in its two parts.
pub(crate) fn split(setting: &str) -> Result<(&str, &str)> {
    setting.split_once('=').with_context(|| format!("`{setting}` is not NAME=VALUE"))
}

/// Writes a configuration and, beside it, the secrets that only its owner may read.
pub(crate) fn write(
    folder: &Path,
    config: &Map<String, Value>,
    secrets: &[(String, String)],
) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let file = folder.join("wrangler.json");
    let text = serde_json::to_string_pretty(config).context("write a configuration")?;
    fs::write(&file, text + "\n").with_context(|| format!("write {}", file.display()))?;
    let file_of_secrets = folder.join(".dev.vars");
    let mut text = String::new();
    for (name, value) in secrets {
        // Its quotes are taken as they are: there is no escape in this format.
        if value.contains(['\n', '\'']) {
            bail!("the secret `{name}` has a line break or a quote in it");
        }
        text.push_str(&format!("{name}='{value}'\n"));
    }
    // A file that is already there keeps its mode: begin with a new one.
    let _ = fs::remove_file(&file_of_secrets);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&file_of_secrets)
        .and_then(|mut out| out.write_all(text.as_bytes()))
        .with_context(|| format!("write {}", file_of_secrets.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use serde_json::{Map, Value};

    use super::{Config, ENVIRONMENTS, SECRETS, set_variables, write};

    fn ours() -> Config {
        Config::parse(include_str!("../../../../wrangler.toml"), Path::new("/clone")).unwrap()
    }

    /// Everything that code can ask the environment for, by the name that it asks for.
    fn bindings(config: &Map<String, Value>) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for path in ["d1_databases", "kv_namespaces", "r2_buckets"] {
            let list = config.get(path).and_then(Value::as_array).unwrap();
            names.extend(list.iter().map(|one| format!("{path}.{}", one["binding"])));
        }
        for one in config["durable_objects"]["bindings"].as_array().unwrap() {
            names.insert(format!("object.{}={}", one["name"], one["class_name"]));
        }
        for one in config["queues"]["producers"].as_array().unwrap() {
            names.insert(format!("queue.{}", one["binding"]));
        }
        let consumer = &config["queues"]["consumers"][0];
        assert_eq!(consumer["queue"], config["queues"]["producers"][0]["queue"]);
        assert_eq!(
            consumer["dead_letter_queue"].as_str().unwrap(),
            format!("{}-dead", consumer["queue"].as_str().unwrap())
        );
        names.insert(format!("assets.{}", config["assets"]["binding"]));
        assert_eq!(config["assets"]["run_worker_first"], true);
        names.extend(config["vars"].as_object().unwrap().keys().map(|name| format!("var.{name}")));
        names
    }

    #[test]
    fn every_environment_has_every_binding_and_variable_of_the_top_level() {
        let config = ours();
        let expected = bindings(&config.whole);
        for name in ENVIRONMENTS {
            assert_eq!(bindings(&config.environment(name).unwrap()), expected, "{name}");
        }
    }

    #[test]
    fn the_top_level_is_production_and_no_other_environment_shares_its_resources() {
        let config = ours();
        let resources = |config: &Map<String, Value>| {
            ["name", "d1_databases", "r2_buckets", "queues"].map(|key| config[key].clone())
        };
        let production = resources(&config.environment("production").unwrap());
        assert_eq!(resources(&config.whole), production);
        for name in ["staging", "dev"] {
            let own = resources(&config.environment(name).unwrap());
            assert!(own.iter().zip(&production).all(|(own, theirs)| own != theirs), "{name}");
        }
    }

    #[test]
    fn every_durable_object_is_stored_in_sqlite_by_a_migration() {
        let config = ours();
        let name = |class: &Value| class.as_str().unwrap().to_owned();
        let stored: BTreeSet<String> = config.whole["migrations"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|step| step["new_sqlite_classes"].as_array().unwrap())
            .map(name)
            .collect();
        let bound = config.whole["durable_objects"]["bindings"].as_array().unwrap();
        assert_eq!(stored, bound.iter().map(|one| name(&one["class_name"])).collect());
    }

    #[test]
    fn no_secret_is_a_variable_and_none_is_in_the_file() {
        let config = ours();
        for name in ENVIRONMENTS {
            let vars = &config.environment(name).unwrap()["vars"];
            assert!(SECRETS.iter().all(|secret| vars.get(secret).is_none()), "{name}");
        }
    }

    #[test]
    fn an_environment_alone_has_absolute_paths_and_no_build() {
        let config = ours().environment("dev").unwrap();
        assert_eq!(config["main"], "/clone/target/worker/build/index.js");
        assert_eq!(config["assets"]["directory"], "/clone/assets/storefront/dist");
        assert_eq!(config["name"], "vitrine-dev");
        assert!(!config.contains_key("build") && !config.contains_key("env"));
        assert!(ours().environment("elsewhere").is_err());
    }

    #[test]
    fn dead_letter_queues_are_queues_too() {
        let queues = ours().queues("staging").unwrap();
        let expected = ["vitrine-staging-events", "vitrine-staging-events-dead"];
        assert_eq!(queues, expected.map(str::to_owned).into());
    }

    #[test]
    fn variables_are_set_secrets_are_kept_apart_and_unknown_names_are_refused() {
        let mut config = ours().environment("dev").unwrap();
        let settings = ["cors_origins=https://a.example?x=1", "edge_secret=s3cret"];
        let secrets = set_variables(&mut config, &settings.map(str::to_owned)).unwrap();
        assert_eq!(config["vars"]["cors_origins"], "https://a.example?x=1");
        assert_eq!(secrets, [("edge_secret".to_owned(), "s3cret".to_owned())]);
        for wrong in ["origin-url=x", "public_url"] {
            assert!(set_variables(&mut config, &[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn secrets_are_written_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let config = ours().environment("dev").unwrap();
        let file = folder.path().join(".dev.vars");
        std::fs::write(&file, "open to all").unwrap();
        let secret = |value: &str| vec![("edge_secret".to_owned(), value.to_owned())];
        let written = write(folder.path(), &config, &secret("a\"$b")).unwrap();
        assert!(!std::fs::read_to_string(written).unwrap().contains("a\\\"$b"));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "edge_secret='a\"$b'\n");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write(folder.path(), &config, &secret("a\nb='c")).is_err());
    }
}

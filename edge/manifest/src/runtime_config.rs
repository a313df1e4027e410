//! Spin's runtime-config file: where stores, databases and variables come from on this machine.
//!
//! What Spin can and this node cannot is refused by name here, before anything is served.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{BlockedNetworks, Secret};

/// A runtime-config file, checked and immutable. The default is `spin up` without the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimeConfig {
    key_value_stores: BTreeMap<String, KeyValueStore>,
    sqlite_databases: BTreeMap<String, SqliteDatabase>,
    variable_providers: Vec<VariableProvider>,
    blocked_networks: BlockedNetworks,
    state_dir: Directory,
    log_dir: Directory,
}

/// Where the entries of a key-value store are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyValueStore {
    /// `type = "spin"`.
    Spin {
        /// The SQLite file; without one the store is in memory and gone with the node.
        path: Option<PathBuf>,
    },
    /// `type = "redis"`.
    Redis {
        /// `redis://…`, which may hold a password.
        url: Secret,
    },
}

/// Where a SQLite database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqliteDatabase {
    /// `type = "spin"`.
    Spin {
        /// The file; without one the database is in memory and gone with the node.
        path: Option<PathBuf>,
    },
    /// `type = "libsql"`.
    Libsql {
        /// `http://…` or `https://…`.
        url: String,
        /// Sent as bearer token.
        token: Secret,
    },
}

/// Where values of variables come from, beside the command line and the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableProvider {
    /// `type = "static"`: values by the variable's name.
    Static(BTreeMap<String, Secret>),
    /// `type = "env"`: environment variables named `PREFIX_NAME`.
    Env {
        /// The prefix, without the underscore behind it; without one `SPIN_VARIABLE`.
        prefix: Option<String>,
        /// A file of `NAME=value` lines for what the environment does not have, relative to the working directory.
        dotenv_path: Option<PathBuf>,
    },
}

/// A directory that may be left to the host, or switched off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Directory {
    /// The file does not say.
    #[default]
    Default,
    /// The file says `""`: there shall be none.
    Nowhere,
    /// This one, relative to the working directory.
    At(PathBuf),
}

/// One reason to refuse a runtime-config file. Never contains a URL, token or value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeConfigError {
    /// The text is not TOML.
    #[error("line {line}: {message}")]
    Syntax {
        /// The line, counted from 1; 0 when the parser did not say.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// A key that neither Spin nor this node knows.
    #[error("`{key}` is no key of a runtime-config file")]
    Unknown {
        /// The key.
        key: String,
    },
    /// A key that Spin knows and this node does not.
    #[error("`{key}` is not supported by this node")]
    Unsupported {
        /// The key.
        key: String,
    },
    /// A table of a type that this node does not support.
    #[error("`{table}` has type `{kind}`, and this node supports {supported}")]
    Type {
        /// The table, as written.
        table: String,
        /// Its type.
        kind: String,
        /// What there is instead.
        supported: &'static str,
    },
    /// A table without its keys, or with others.
    #[error("`{table}`: {message}")]
    Shape {
        /// The table, as written.
        table: String,
        /// What the parser said.
        message: String,
    },
    /// An address of another scheme.
    #[error("`url` of `{table}` must start with {expected}")]
    Url {
        /// The table, as written.
        table: String,
        /// The schemes that it may have.
        expected: &'static str,
    },
    /// An entry of `block_networks` that is no network.
    #[error("`{entry}` of outbound_networking.block_networks is neither a network nor `private`")]
    Network {
        /// The entry.
        entry: String,
    },
}

impl RuntimeConfig {
    /// Reads the text of a runtime-config file; paths of key-value stores start at `dir`, where the file is. All other
    /// paths start at the working directory, as in Spin.
    ///
    /// # Errors
    /// At the first thing that is wrong, unknown or not supported.
    pub fn parse(text: &str, dir: &Path) -> Result<Self, RuntimeConfigError> {
        let table: toml::Table = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| crate::resolve::line_of(text, span.start));
            let message = error.message().lines().next().unwrap_or_default().to_owned();
            RuntimeConfigError::Syntax { line, message }
        })?;
        let mut config = Self::default();
        for (key, value) in &table {
            match key.as_str() {
                "key_value_store" => config.key_value_stores = key_value_stores(value, dir)?,
                "sqlite_database" => config.sqlite_databases = sqlite_databases(value)?,
                "variables_provider" | "config_provider" => {
                    if !config.variable_providers.is_empty() {
                        return Err(shape(key, "is there twice, under its old and its new name"));
                    }
                    config.variable_providers = variable_providers(key, value)?;
                }
                "outbound_networking" => config.blocked_networks = outbound_networking(value)?,
                "state_dir" => config.state_dir = directory(key, value)?,
                "log_dir" => config.log_dir = directory(key, value)?,
                _ if OF_SPIN.contains(&key.as_str()) => {
                    return Err(RuntimeConfigError::Unsupported { key: key.clone() });
                }
                _ => return Err(RuntimeConfigError::Unknown { key: key.clone() }),
            }
        }
        Ok(config)
    }

    /// Returns what the file says of the store `label`. Without a word of it `default` is the host's own store, and
    /// any other does not exist.
    #[must_use]
    pub fn key_value_store(&self, label: &str) -> Option<&KeyValueStore> {
        self.key_value_stores.get(label)
    }

    /// Returns what the file says of the database `label`. Without a word of it `default` is the host's own file, and
    /// any other does not exist.
    #[must_use]
    pub fn sqlite_database(&self, label: &str) -> Option<&SqliteDatabase> {
        self.sqlite_databases.get(label)
    }

    /// Returns all key-value stores by label.
    #[must_use]
    pub fn key_value_stores(&self) -> &BTreeMap<String, KeyValueStore> {
        &self.key_value_stores
    }

    /// Returns all databases by label.
    #[must_use]
    pub fn sqlite_databases(&self) -> &BTreeMap<String, SqliteDatabase> {
        &self.sqlite_databases
    }

    /// Returns the providers of variables, strongest first. They are weaker than the command line and stronger than
    /// `SPIN_VARIABLE_…` in the environment.
    #[must_use]
    pub fn variable_providers(&self) -> &[VariableProvider] {
        &self.variable_providers
    }

    /// Returns the networks that no component may reach.
    #[must_use]
    pub fn blocked_networks(&self) -> &BlockedNetworks {
        &self.blocked_networks
    }

    /// Returns where state is kept; the command line is stronger.
    #[must_use]
    pub fn state_dir(&self) -> &Directory {
        &self.state_dir
    }

    /// Returns where the output of components is kept; the command line is stronger.
    #[must_use]
    pub fn log_dir(&self) -> &Directory {
        &self.log_dir
    }
}

/// Keys of Spin 4 that this node has nothing for.
const OF_SPIN: [&str; 5] =
    ["llm_compute", "client_tls", "outbound_http", "blob_store", "blobstore"];

fn shape(table: &str, message: &str) -> RuntimeConfigError {
    RuntimeConfigError::Shape { table: table.to_owned(), message: message.to_owned() }
}

/// Reads a value into a shape. Of the parser's message only the part that cannot hold a value is kept.
fn read<T: for<'de> Deserialize<'de>>(
    table: &str,
    value: toml::Value,
) -> Result<T, RuntimeConfigError> {
    value.try_into().map_err(|error: toml::de::Error| {
        let message = error.message().lines().next().unwrap_or_default();
        match message.rsplit_once(", expected") {
            Some((found, expected)) if found.starts_with("invalid") => {
                shape(table, &format!("has a value of the wrong type, expected{expected}"))
            }
            _ => shape(table, message),
        }
    })
}

/// The tables below `table`, each with its type taken out.
fn typed(
    table: &str,
    value: &toml::Value,
) -> Result<Vec<(String, String, toml::Value)>, RuntimeConfigError> {
    let toml::Value::Table(labels) = value else {
        return Err(shape(table, "must be a table of tables"));
    };
    labels
        .iter()
        .map(|(label, value)| {
            let (kind, rest) = split_type(&format!("{table}.{label}"), value)?;
            Ok((label.clone(), kind, rest))
        })
        .collect()
}

fn split_type(
    table: &str,
    value: &toml::Value,
) -> Result<(String, toml::Value), RuntimeConfigError> {
    let toml::Value::Table(rest) = value else {
        return Err(shape(table, "must be a table"));
    };
    let mut rest = rest.clone();
    match rest.remove("type") {
        Some(toml::Value::String(kind)) => Ok((kind, toml::Value::Table(rest))),
        _ => Err(shape(table, "needs a `type`")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    path: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRedis {
    url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLibsql {
    url: String,
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStatic {
    values: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEnv {
    prefix: Option<String>,
    dotenv_path: Option<PathBuf>,
}

fn key_value_stores(
    value: &toml::Value,
    dir: &Path,
) -> Result<BTreeMap<String, KeyValueStore>, RuntimeConfigError> {
    let mut stores = BTreeMap::new();
    for (label, kind, rest) in typed("key_value_store", value)? {
        let table = format!("key_value_store.{label}");
        let store = match kind.as_str() {
            "spin" => {
                let file: RawFile = read(&table, rest)?;
                KeyValueStore::Spin { path: file.path.map(|path| dir.join(path)) }
            }
            "redis" => {
                let redis: RawRedis = read(&table, rest)?;
                if !redis.url.starts_with("redis://") {
                    return Err(RuntimeConfigError::Url { table, expected: "`redis://`" });
                }
                KeyValueStore::Redis { url: Secret::new(redis.url) }
            }
            _ => {
                let supported = "`spin` and `redis`";
                return Err(RuntimeConfigError::Type { table, kind, supported });
            }
        };
        stores.insert(label, store);
    }
    Ok(stores)
}

fn sqlite_databases(
    value: &toml::Value,
) -> Result<BTreeMap<String, SqliteDatabase>, RuntimeConfigError> {
    let mut databases = BTreeMap::new();
    for (label, kind, rest) in typed("sqlite_database", value)? {
        let table = format!("sqlite_database.{label}");
        let database = match kind.as_str() {
            "spin" => {
                let file: RawFile = read(&table, rest)?;
                SqliteDatabase::Spin { path: file.path }
            }
            "libsql" => {
                let RawLibsql { url, token } = read(&table, rest)?;
                if !url.starts_with("http://") && !url.starts_with("https://") {
                    let expected = "`http://` or `https://`";
                    return Err(RuntimeConfigError::Url { table, expected });
                }
                SqliteDatabase::Libsql { url, token: Secret::new(token) }
            }
            _ => {
                let supported = "`spin` and `libsql`";
                return Err(RuntimeConfigError::Type { table, kind, supported });
            }
        };
        databases.insert(label, database);
    }
    Ok(databases)
}

fn variable_providers(
    key: &str,
    value: &toml::Value,
) -> Result<Vec<VariableProvider>, RuntimeConfigError> {
    let toml::Value::Array(tables) = value else {
        return Err(shape(key, "must be a list of tables"));
    };
    let provider = |value| {
        let (kind, rest) = split_type(key, value)?;
        match kind.as_str() {
            "static" => {
                let RawStatic { values } = read(key, rest)?;
                let secret = |(name, value): (String, String)| (name, Secret::new(value));
                Ok(VariableProvider::Static(values.into_iter().map(secret).collect()))
            }
            "env" => {
                let RawEnv { prefix, dotenv_path } = read(key, rest)?;
                Ok(VariableProvider::Env { prefix, dotenv_path })
            }
            _ => {
                let (table, supported) = (key.to_owned(), "`static` and `env`");
                Err(RuntimeConfigError::Type { table, kind, supported })
            }
        }
    };
    tables.iter().map(provider).collect()
}

fn outbound_networking(value: &toml::Value) -> Result<BlockedNetworks, RuntimeConfigError> {
    const TABLE: &str = "outbound_networking";
    let toml::Value::Table(table) = value else { return Err(shape(TABLE, "must be a table")) };
    let mut blocked = BlockedNetworks::default();
    for (key, value) in table {
        let name = format!("{TABLE}.{key}");
        match key.as_str() {
            "block_networks" => {
                let entries: Vec<String> = read(&name, value.clone())?;
                blocked = BlockedNetworks::parse(entries.iter().map(String::as_str))
                    .map_err(|entry| RuntimeConfigError::Network { entry })?;
            }
            "max_socket_connections" | "max_total_connections" => {
                return Err(RuntimeConfigError::Unsupported { key: name });
            }
            _ => return Err(RuntimeConfigError::Unknown { key: name }),
        }
    }
    Ok(blocked)
}

fn directory(key: &str, value: &toml::Value) -> Result<Directory, RuntimeConfigError> {
    match value {
        toml::Value::String(path) if path.is_empty() => Ok(Directory::Nowhere),
        toml::Value::String(path) => Ok(Directory::At(PathBuf::from(path))),
        _ => Err(shape(key, "must be a string")),
    }
}

#[cfg(test)]
mod tests;

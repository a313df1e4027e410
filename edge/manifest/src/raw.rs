//! The manifest as written: the shapes that serde checks, unknown keys refused.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::text_or::TextOr;

/// Refuses unknown keys at the top.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawManifest {
    // Looked at before everything else.
    #[serde(rename = "spin_manifest_version")]
    pub(crate) _spin_manifest_version: i64,
    pub(crate) application: RawApplication,
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, RawVariable>,
    #[serde(default)]
    pub(crate) trigger: BTreeMap<String, Vec<RawTrigger>>,
    #[serde(default)]
    pub(crate) component: BTreeMap<String, RawComponent>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawApplication {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) version: String,
    #[serde(default, rename = "description")]
    pub(crate) _description: String,
    #[serde(default, rename = "authors")]
    pub(crate) _authors: Vec<String>,
    #[serde(default, rename = "targets")]
    pub(crate) _targets: Vec<toml::Value>,
    #[serde(default)]
    pub(crate) trigger: BTreeMap<String, RawTriggerDefaults>,
    #[serde(default)]
    pub(crate) tool: BTreeMap<String, toml::Table>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTriggerDefaults {
    pub(crate) base: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawVariable {
    #[serde(default)]
    pub(crate) required: bool,
    pub(crate) default: Option<String>,
    // Every value is kept from logs, secret or not.
    #[serde(default, rename = "secret")]
    pub(crate) _secret: bool,
    #[serde(default, rename = "description")]
    pub(crate) _description: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTrigger {
    #[serde(default)]
    pub(crate) id: String,
    pub(crate) route: TextOr<RawPrivate>,
    pub(crate) component: Option<TextOr<Box<RawComponent>>>,
    pub(crate) static_response: Option<RawStatic>,
    pub(crate) executor: Option<RawExecutor>,
    #[serde(default)]
    pub(crate) components: BTreeMap<String, toml::Value>,
    #[serde(default)]
    pub(crate) dependencies: RawTriggerDependencies,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPrivate {
    pub(crate) private: bool,
}

/// `http` (or `spin`, its old name) is what we do; `wagi` has further keys.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawExecutor {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(rename = "argv")]
    pub(crate) _argv: Option<String>,
    #[serde(rename = "entrypoint")]
    pub(crate) _entrypoint: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawStatic {
    pub(crate) status_code: Option<u16>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTriggerDependencies {
    #[serde(default)]
    pub(crate) middleware: Vec<RawMiddleware>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawMiddleware {
    pub(crate) component: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) package: Option<String>,
    #[serde(rename = "digest")]
    pub(crate) _digest: Option<String>,
    #[serde(rename = "version")]
    pub(crate) _version: Option<String>,
    #[serde(rename = "registry")]
    pub(crate) _registry: Option<String>,
    #[serde(default)]
    pub(crate) inherit_configuration: RawInherit,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "inherit_configuration is true, false or a list of keys")]
pub(crate) enum RawInherit {
    All(bool),
    Only(Vec<String>),
}

impl Default for RawInherit {
    fn default() -> Self {
        Self::All(false)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawComponent {
    pub(crate) source: TextOr<RawSource>,
    #[serde(default, rename = "description")]
    pub(crate) _description: String,
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) files: Vec<TextOr<RawMount>>,
    #[serde(default)]
    pub(crate) exclude_files: Vec<String>,
    #[serde(default)]
    pub(crate) allowed_http_hosts: Vec<String>,
    #[serde(default)]
    pub(crate) allowed_outbound_hosts: Vec<String>,
    #[serde(default)]
    pub(crate) key_value_stores: Vec<String>,
    #[serde(default)]
    pub(crate) sqlite_databases: Vec<String>,
    #[serde(default)]
    pub(crate) ai_models: Vec<String>,
    #[serde(rename = "targets")]
    pub(crate) _targets: Option<Vec<toml::Value>>,
    #[serde(rename = "build")]
    pub(crate) _build: Option<RawBuild>,
    #[serde(default)]
    pub(crate) tool: BTreeMap<String, toml::Table>,
    #[serde(rename = "dependencies_inherit_configuration")]
    pub(crate) _dependencies_inherit_configuration: Option<bool>,
    #[serde(default)]
    pub(crate) dependencies: BTreeMap<String, toml::Value>,
    #[serde(default)]
    pub(crate) profile: BTreeMap<String, RawProfile>,
}

impl RawComponent {
    /// A component that is nothing but a file.
    pub(crate) fn from_path(path: String) -> Self {
        Self {
            source: TextOr::Text(path),
            _description: String::new(),
            variables: BTreeMap::new(),
            environment: BTreeMap::new(),
            files: Vec::new(),
            exclude_files: Vec::new(),
            allowed_http_hosts: Vec::new(),
            allowed_outbound_hosts: Vec::new(),
            key_value_stores: Vec::new(),
            sqlite_databases: Vec::new(),
            ai_models: Vec::new(),
            _targets: None,
            _build: None,
            tool: BTreeMap::new(),
            _dependencies_inherit_configuration: None,
            dependencies: BTreeMap::new(),
            profile: BTreeMap::new(),
        }
    }
}

/// A component fetched from elsewhere, which no route of ours ever is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSource {
    #[serde(rename = "url")]
    pub(crate) _url: Option<String>,
    #[serde(rename = "digest")]
    pub(crate) _digest: Option<String>,
    pub(crate) package: Option<String>,
    #[serde(rename = "version")]
    pub(crate) _version: Option<String>,
    #[serde(rename = "registry")]
    pub(crate) _registry: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawMount {
    pub(crate) source: String,
    pub(crate) destination: String,
}

/// What `--profile <name>` changes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawProfile {
    pub(crate) source: Option<TextOr<RawSource>>,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) dependencies: BTreeMap<String, toml::Value>,
    #[serde(rename = "build")]
    pub(crate) _build: Option<RawProfileBuild>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawProfileBuild {
    #[serde(rename = "command")]
    pub(crate) _command: RawCommand,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBuild {
    #[serde(rename = "command")]
    pub(crate) _command: RawCommand,
    #[serde(rename = "workdir")]
    pub(crate) _workdir: Option<String>,
    #[serde(default, rename = "watch")]
    pub(crate) _watch: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "build.command is a string or a list of strings")]
pub(crate) enum RawCommand {
    One(#[expect(dead_code, reason = "checked for its shape only")] String),
    Many(#[expect(dead_code, reason = "checked for its shape only")] Vec<String>),
}

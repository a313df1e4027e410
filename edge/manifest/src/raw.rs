//! The manifest as written: the shapes that serde checks, unknown keys refused.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Refuses unknown keys at the top.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawManifest {
    pub(crate) spin_manifest_version: i64,
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
    #[serde(default, rename = "id")]
    pub(crate) _id: String,
    pub(crate) route: RawRoute,
    pub(crate) component: Option<String>,
    pub(crate) static_response: Option<RawStatic>,
    #[serde(default)]
    pub(crate) dependencies: RawTriggerDependencies,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "a route is a path or `{ private = true }`")]
pub(crate) enum RawRoute {
    Path(String),
    Private(RawPrivate),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPrivate {
    pub(crate) private: bool,
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
    pub(crate) component: String,
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
    pub(crate) source: RawSource,
    #[serde(default, rename = "description")]
    pub(crate) _description: String,
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) files: Vec<RawFiles>,
    #[serde(default)]
    pub(crate) exclude_files: Vec<String>,
    #[serde(default)]
    pub(crate) allowed_outbound_hosts: Vec<String>,
    #[serde(default)]
    pub(crate) key_value_stores: Vec<String>,
    #[serde(default)]
    pub(crate) sqlite_databases: Vec<String>,
    #[serde(default)]
    pub(crate) ai_models: Vec<String>,
    #[serde(rename = "build")]
    pub(crate) _build: Option<RawBuild>,
    #[serde(default)]
    pub(crate) tool: BTreeMap<String, toml::Table>,
    #[serde(default, rename = "dependencies_inherit_configuration")]
    pub(crate) _dependencies_inherit_configuration: bool,
    #[serde(default)]
    pub(crate) dependencies: BTreeMap<String, toml::Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "source is a path or `{ url, digest }`")]
pub(crate) enum RawSource {
    Path(String),
    Remote(#[expect(dead_code, reason = "checked for its shape only")] RawRemote),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRemote {
    #[serde(rename = "url")]
    pub(crate) _url: String,
    #[serde(rename = "digest")]
    pub(crate) _digest: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "files is a list of patterns or `{ source, destination }`")]
pub(crate) enum RawFiles {
    Pattern(#[expect(dead_code, reason = "checked for its shape only")] String),
    Mount(RawMount),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawMount {
    pub(crate) source: String,
    pub(crate) destination: String,
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

//! The validated application.

use std::collections::{BTreeMap, BTreeSet};

use crate::{AllowedHosts, FilesRoute, ManifestError, Pool, RouteMatch, Router, Secret, Template};

/// A whole application, checked and immutable: what it says can be served as it stands.
#[derive(Debug)]
pub struct App {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) routes: Vec<Route>,
    pub(crate) router: Router,
    pub(crate) components: BTreeMap<String, Component>,
    pub(crate) tool: BTreeMap<String, toml::Table>,
    pub(crate) variables: BTreeMap<String, Secret>,
    pub(crate) pools: BTreeMap<String, Pool>,
}

impl App {
    /// Returns the pools of origins that routes lead to, by name.
    #[must_use]
    pub fn pools(&self) -> &BTreeMap<String, Pool> {
        &self.pools
    }

    /// Returns the application's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the application's version, empty if it has none.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns every route, private ones included, in the order of the manifest.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Finds the route of `path` (without query) as Spin does, and what its wildcards caught.
    #[must_use]
    pub fn route(&self, path: &str) -> Option<(&Route, RouteMatch)> {
        let found = self.router.find(path)?;
        self.routes.get(found.index).map(|route| (route, found))
    }

    /// Finds the number of the route of `path`, without what its wildcards caught.
    #[must_use]
    pub fn route_index(&self, path: &str) -> Option<usize> {
        self.router.index(path)
    }

    /// Returns the component `id`.
    #[must_use]
    pub fn component(&self, id: &str) -> Option<&Component> {
        self.components.get(id)
    }

    /// Returns all components by id.
    #[must_use]
    pub fn components(&self) -> &BTreeMap<String, Component> {
        &self.components
    }

    /// Returns the application with other files behind its components; one that `sources` does not name keeps its own.
    #[must_use]
    pub fn with_sources(mut self, sources: &BTreeMap<String, String>) -> Self {
        for (id, component) in &mut self.components {
            if let Some(source) = sources.get(id) {
                component.source.clone_from(source);
            }
        }
        self
    }

    /// Returns `[application.tool.<name>]`, as written.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&toml::Table> {
        self.tool.get(name)
    }

    /// Gives every component further environment variables; they win over those of the manifest.
    pub fn extend_environment(&mut self, pairs: &[(String, String)]) {
        for component in self.components.values_mut() {
            component.grants.environment.extend(pairs.iter().cloned());
        }
    }

    /// Replaces the directories that component `id` may read; what [`Component::files`] asks for is then done.
    pub fn mount(&mut self, id: &str, mounts: Vec<Mount>) {
        if let Some(component) = self.components.get_mut(id) {
            component.grants.files = mounts;
        }
    }

    /// Puts the application's variables into `text`; `owner` says in errors where it stands.
    ///
    /// # Errors
    /// If the template is broken or names an undeclared variable.
    pub fn fill(&self, text: &str, owner: &str) -> Result<Secret, ManifestError> {
        Template::parse(text, owner)?.fill(&self.variables, owner)
    }
}

/// One `[[trigger.http]]`.
#[derive(Debug, Clone)]
pub struct Route {
    /// The route as written; `None` if private (reachable only from inside).
    pub path: Option<String>,
    /// What answers.
    pub target: Target,
    /// What stands before it, outermost first.
    pub middleware: Vec<Middleware>,
    /// Of a pool's route, the component whose grants its middleware works with.
    pub grants_of: Option<String>,
    /// `Link` values that are sent ahead, as `103 Early Hints`, to whoever opens a page here.
    pub early_hints: Vec<String>,
}

impl Route {
    /// Returns the name under which somebody answers at the end of its chain, where no component does.
    #[must_use]
    pub fn end(&self) -> Option<String> {
        match &self.target {
            Target::Component(_) | Target::Static(_) => None,
            Target::Pool(name) => Some(name.clone()),
            Target::Files(_) => Some(format!("files {}", self.path.as_deref().unwrap_or_default())),
        }
    }
}

/// What answers a route.
#[derive(Debug, Clone)]
pub enum Target {
    /// The component with this id, which exists.
    Component(String),
    /// A fixed answer.
    Static(StaticResponse),
    /// The pool of origins with this name, which exists.
    Pool(String),
    /// Files of a folder.
    Files(Box<FilesRoute>),
}

/// An answer written in the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticResponse {
    /// The status, 200 to 599.
    pub status: u16,
    /// Headers, by name.
    pub headers: BTreeMap<String, String>,
    /// The body, empty if there is none.
    pub body: String,
}

/// A component in front of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Middleware {
    /// The component with this id, which exists.
    pub component: String,
    /// What it may use of what the primary may use.
    pub inherit: Inherit,
}

/// How much of the primary's grants a middleware has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Inherit {
    /// Nothing.
    Nothing,
    /// Everything.
    Everything,
    /// The grants under these keys.
    Only(BTreeSet<String>),
}

/// One `[component.<id>]`.
#[derive(Debug, Clone)]
pub struct Component {
    /// The id, kebab-case.
    pub id: String,
    /// The wasm file, relative to the manifest.
    pub source: String,
    /// What it may use. Of the files only what can be mounted as it stands; see [`Component::files`].
    pub grants: Grants,
    /// `files` and `exclude_files`.
    pub files: Files,
    /// `[component.<id>.tool.<name>]`, as written.
    pub tool: BTreeMap<String, toml::Table>,
}

/// What a component may use of its host. The default is nothing.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    /// Environment variables it sees.
    pub environment: BTreeMap<String, String>,
    /// Directories it may read.
    pub files: Vec<Mount>,
    /// Where it may send requests.
    pub allowed_outbound_hosts: AllowedHosts,
    /// Key-value stores, by label.
    pub key_value_stores: BTreeSet<String>,
    /// SQLite databases, by label.
    pub sqlite_databases: BTreeSet<String>,
    /// Its variables, filled in.
    pub variables: BTreeMap<String, Secret>,
}

impl Grants {
    /// Returns the part of these grants that a middleware with `inherit` has.
    #[must_use]
    pub fn inherited(&self, inherit: &Inherit) -> Self {
        let only = match inherit {
            Inherit::Nothing => return Self::default(),
            Inherit::Everything => return self.clone(),
            Inherit::Only(keys) => keys,
        };
        let mut grants = Self::default();
        for key in only {
            match key.as_str() {
                "environment" => grants.environment.clone_from(&self.environment),
                "files" => grants.files.clone_from(&self.files),
                "allowed_outbound_hosts" => {
                    grants.allowed_outbound_hosts = self.allowed_outbound_hosts.clone();
                }
                "key_value_stores" => grants.key_value_stores.clone_from(&self.key_value_stores),
                "sqlite_databases" => grants.sqlite_databases.clone_from(&self.sqlite_databases),
                "variables" => grants.variables.clone_from(&self.variables),
                _ => {}
            }
        }
        grants
    }
}

/// The keys that [`Inherit::Only`] may hold.
pub(crate) const INHERITABLE: [&str; 7] = [
    "ai_models",
    "allowed_outbound_hosts",
    "environment",
    "files",
    "key_value_stores",
    "sqlite_databases",
    "variables",
];

/// What a component asks for in `files` and `exclude_files`: whoever loads the application turns it into mounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The entries, in the order of the manifest; later ones win.
    pub entries: Vec<FilesEntry>,
    /// Patterns, relative to the manifest, of files that the component does not see.
    pub exclude: Vec<String>,
}

/// One entry of `files`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilesEntry {
    /// A pattern or path relative to the manifest; what it matches is seen under the same path below `/`.
    Pattern(String),
    /// `{ source, destination }`: a directory, or one file.
    Placed(Mount),
}

/// A directory that a component sees read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The directory on this machine, relative to the manifest.
    pub source: String,
    /// Where the component sees it; starts with `/`.
    pub destination: String,
}

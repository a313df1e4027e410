//! From the text to the application: every rule that is not about one shape alone.

mod files;
mod routes;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use self::{
    files::files,
    routes::{check_chain, routes},
};
use crate::{
    AllowedHosts, App, Component, FilesEntry, Grants, HostPattern, ManifestError, Router, Secret,
    Template, VariableSources,
    normalize::{apply_profile, normalize},
    place::{Fault, Within},
    pools::pools,
    raw::{RawComponent, RawManifest, RawVariable},
    template::{is_kebab, is_label, is_lower_snake},
    text_or::TextOr,
    variables::environment_name,
};

pub(crate) use crate::place::line_of;

/// A manifest whose every key is known; variables are still open.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub(crate) raw: RawManifest,
    /// To say in which line a broken rule stands.
    text: String,
}

/// What is looked at first: of another version, every other key would seem unknown.
#[derive(Deserialize)]
struct Version {
    #[serde(alias = "spin_version")]
    spin_manifest_version: Option<toml::Spanned<toml::Value>>,
}

impl Manifest {
    /// Reads the text of a `spin.toml`, unknown keys being errors.
    ///
    /// # Errors
    /// At the first thing that is wrong in the text itself.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        check_version(text)?;
        let mut raw: RawManifest =
            toml::from_str(text).map_err(|error| syntax_error(text, &error))?;
        normalize(&mut raw).map_err(|fault| fault.locate(text))?;
        Ok(Self { raw, text: text.to_owned() })
    }

    /// Returns the manifest of an application that is one component on every route, as Spin runs a lone wasm file.
    ///
    /// # Errors
    /// Never for a path that can be written as a string.
    pub fn of_component(name: &str, path: &str) -> Result<Self, ManifestError> {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        Self::parse(&format!(
            "spin_manifest_version = 2\n[application]\nname = {}\n[[trigger.http]]\nroute = \"/...\"\n\
             component = {{ source = {} }}\n",
            quoted(name),
            quoted(path),
        ))
    }

    /// Returns the manifest of an application that is nothing but a pool of origins on every route, each of which may
    /// take `timeout_ms` milliseconds to begin an answer.
    ///
    /// # Errors
    /// Never for origins that can be written as strings.
    pub fn of_origins(
        origins: &[String],
        is_cached: bool,
        timeout_ms: u64,
    ) -> Result<Self, ManifestError> {
        let origins = toml::Value::from(origins.to_vec());
        Self::parse(&format!(
            "spin_manifest_version = 2\n[application]\nname = \"proxy\"\n\
             [application.tool.vitrine.pools.origin]\norigins = {origins}\ncache = {is_cached}\n\
             head_timeout_ms = {timeout_ms}\ntimeout_ms = {timeout_ms}\n\
             [[application.tool.vitrine.routes]]\nroute = \"/...\"\npool = \"origin\"\n",
        ))
    }

    /// Applies the profile `name` of every component that has it.
    ///
    /// # Errors
    /// If no component has it.
    pub fn with_profile(mut self, name: &str) -> Result<Self, ManifestError> {
        apply_profile(&mut self.raw, name).map_err(|fault| fault.locate(&self.text))?;
        Ok(self)
    }

    /// Returns the paths of the components' wasm files, as written.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.raw.component.values().filter_map(|component| match &component.source {
            TextOr::Text(path) => Some(path.as_str()),
            TextOr::Table(_) => None,
        })
    }

    /// Checks everything and fills the variables in.
    ///
    /// # Errors
    /// At the first rule that is broken, or the first required variable without a value.
    pub fn resolve(self, sources: &VariableSources) -> Result<App, ManifestError> {
        let Self { raw, text } = self;
        app(raw, sources).map_err(|fault| fault.locate(&text))
    }
}

fn app(raw: RawManifest, sources: &VariableSources) -> Result<App, Fault> {
    let variables = variables(&raw, sources)?;
    let components = components(&raw.component, &variables)?;
    let pools = pools(raw.application.tool.get("vitrine"), &components, &variables)?;
    let mut routes = routes(&raw, &components, !pools.routes.is_empty())?;
    for route in &pools.routes {
        check_chain(&raw, route)?;
    }
    routes.extend(pools.routes);
    let paths = routes.iter().enumerate();
    let router = Router::new(paths.filter_map(|(at, route)| Some((at, route.path.as_deref()?))))?;
    let application = raw.application;
    Ok(App {
        name: application.name,
        version: application.version,
        routes,
        router,
        components,
        tool: application.tool,
        variables,
        pools: pools.pools,
    })
}

fn check_version(text: &str) -> Result<(), ManifestError> {
    let version: Version = toml::from_str(text).map_err(|error| syntax_error(text, &error))?;
    // A manifest without one is refused below, for the missing key.
    let Some(found) = version.spin_manifest_version else { return Ok(()) };
    if found.get_ref().as_integer() == Some(2) {
        return Ok(());
    }
    let line = line_of(text, found.span().start);
    let found = found.get_ref().to_string().replace('\n', " ");
    Err(ManifestError::At { line, cause: Box::new(ManifestError::Version { found }) })
}

fn syntax_error(text: &str, error: &toml::de::Error) -> ManifestError {
    ManifestError::Syntax {
        line: error.span().map_or(0, |span| line_of(text, span.start)),
        message: error.message().lines().next().unwrap_or_default().to_owned(),
    }
}

fn variables(
    raw: &RawManifest,
    sources: &VariableSources,
) -> Result<BTreeMap<String, Secret>, Fault> {
    if let Some(name) = sources.typed().find(|name| !raw.variables.contains_key(*name)) {
        return Err(ManifestError::VariableUndeclared { name: name.clone() }.into());
    }
    let mut values = BTreeMap::new();
    for (name, variable) in &raw.variables {
        let value = variable_value(name, variable, sources);
        values.insert(name.clone(), value.within(name.as_str()).within("variables")?);
    }
    Ok(values)
}

fn variable_value(
    name: &str,
    raw: &RawVariable,
    sources: &VariableSources,
) -> Result<Secret, ManifestError> {
    check_variable_name(name, "the application")?;
    if raw.required == raw.default.is_some() {
        return Err(ManifestError::VariableShape { name: name.to_owned() });
    }
    let default = raw.default.as_ref().map(Secret::new);
    sources.value(name).cloned().or(default).ok_or_else(|| ManifestError::VariableMissing {
        name: name.to_owned(),
        environment: environment_name(name),
    })
}

fn check_variable_name(name: &str, owner: &str) -> Result<(), ManifestError> {
    if is_lower_snake(name) {
        return Ok(());
    }
    Err(ManifestError::VariableName { name: name.to_owned(), owner: owner.to_owned() })
}

fn components(
    raw: &BTreeMap<String, RawComponent>,
    variables: &BTreeMap<String, Secret>,
) -> Result<BTreeMap<String, Component>, Fault> {
    let mut components = BTreeMap::new();
    for (id, raw) in raw {
        let component = component(id, raw, variables).within(id.as_str()).within("component")?;
        components.insert(id.clone(), component);
    }
    Ok(components)
}

fn component(
    id: &str,
    raw: &RawComponent,
    variables: &BTreeMap<String, Secret>,
) -> Result<Component, Fault> {
    if !is_kebab(id) {
        return Err(ManifestError::ComponentId { id: id.to_owned() }.into());
    }
    let source = source(id, raw)?;
    let files = files(id, raw)?;
    // What needs no look at the disk is mounted as it stands.
    let mounts = files.entries.iter().map(|entry| match entry {
        FilesEntry::Placed(mount) if files.exclude.is_empty() => Some(mount.clone()),
        FilesEntry::Placed(_) | FilesEntry::Pattern(_) => None,
    });
    let grants = Grants {
        environment: raw.environment.clone(),
        files: mounts.collect::<Option<Vec<_>>>().unwrap_or_default(),
        allowed_outbound_hosts: allowed_hosts(id, &raw.allowed_outbound_hosts, variables)
            .within("allowed_outbound_hosts")?,
        key_value_stores: labels(id, &raw.key_value_stores).within("key_value_stores")?,
        sqlite_databases: labels(id, &raw.sqlite_databases).within("sqlite_databases")?,
        variables: component_variables(id, &raw.variables, variables)?,
    };
    Ok(Component { id: id.to_owned(), source, grants, files, tool: raw.tool.clone() })
}

/// Returns the path of the wasm file, refusing by name what Spin has and this node does not.
fn source(id: &str, raw: &RawComponent) -> Result<String, Fault> {
    let unsupported = |key| ManifestError::Unsupported { id: id.to_owned(), key };
    let source = match &raw.source {
        TextOr::Text(path) => path.clone(),
        TextOr::Table(remote) if remote.package.is_some() => {
            return Err(unsupported("source = { package, version }")).within("source");
        }
        TextOr::Table(_) => return Err(unsupported("source = { url, digest }")).within("source"),
    };
    for (key, is_empty) in [
        ("ai_models", raw.ai_models.is_empty()),
        ("allowed_http_hosts", raw.allowed_http_hosts.is_empty()),
        ("dependencies", raw.dependencies.is_empty()),
    ] {
        if !is_empty {
            return Err(unsupported(key)).within(key);
        }
    }
    Ok(source)
}

fn allowed_hosts(
    id: &str,
    entries: &[String],
    variables: &BTreeMap<String, Secret>,
) -> Result<AllowedHosts, ManifestError> {
    let owner = format!("allowed_outbound_hosts of component `{id}`");
    let mut patterns = Vec::new();
    for entry in entries {
        let template = Template::parse(entry, &owner)?;
        let is_literal = template.names().next().is_none();
        let pattern = HostPattern::parse(template.fill(variables, &owner)?.expose());
        patterns.push(pattern.map_err(|reason| {
            // A filled-in value may be secret, so the reason, which holds it, is not shown.
            let reason =
                if is_literal { reason } else { format!("`{entry}` is no host once filled in") };
            ManifestError::AllowedHost { id: id.to_owned(), reason }
        })?);
    }
    Ok(AllowedHosts::new(patterns))
}

fn labels(id: &str, labels: &[String]) -> Result<BTreeSet<String>, ManifestError> {
    match labels.iter().find(|label| !is_label(label)) {
        Some(label) => Err(ManifestError::Label { id: id.to_owned(), label: label.clone() }),
        None => Ok(labels.iter().cloned().collect()),
    }
}

fn component_variables(
    id: &str,
    raw: &BTreeMap<String, String>,
    variables: &BTreeMap<String, Secret>,
) -> Result<BTreeMap<String, Secret>, Fault> {
    let mut values = BTreeMap::new();
    for (name, text) in raw {
        let owner = format!("variable `{name}` of component `{id}`");
        let value = check_variable_name(name, &format!("component `{id}`"))
            .and_then(|()| Template::parse(text, &owner)?.fill(variables, &owner));
        values.insert(name.clone(), value.within(name.as_str()).within("variables")?);
    }
    Ok(values)
}

#[cfg(test)]
mod tests;

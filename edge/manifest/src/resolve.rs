//! From the text to the application: every rule that is not about one shape alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    AllowedHosts, App, Component, Grants, HostPattern, Inherit, ManifestError, Middleware, Mount,
    Route, Router, Secret, StaticResponse, Target, Template, VariableSources,
    app::INHERITABLE,
    raw::{
        RawComponent, RawFiles, RawInherit, RawManifest, RawMiddleware, RawRoute, RawSource,
        RawStatic, RawTrigger,
    },
    template::{is_kebab, is_label, is_lower_snake},
    variables::environment_name,
};

/// A manifest whose every key is known; variables are still open.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub(crate) raw: RawManifest,
}

impl Manifest {
    /// Reads the text of a `spin.toml`, unknown keys being errors.
    ///
    /// # Errors
    /// At the first thing that is wrong in the text itself.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let raw: RawManifest = toml::from_str(text).map_err(|error| ManifestError::Syntax {
            line: error.span().map_or(0, |span| line_of(text, span.start)),
            message: error.message().lines().next().unwrap_or_default().to_owned(),
        })?;
        if raw.spin_manifest_version != 2 {
            return Err(ManifestError::Version { found: raw.spin_manifest_version });
        }
        Ok(Self { raw })
    }

    /// Checks everything and fills the variables in.
    ///
    /// # Errors
    /// At the first rule that is broken, or the first required variable without a value.
    pub fn resolve(self, sources: &VariableSources) -> Result<App, ManifestError> {
        let variables = variables(&self.raw, sources)?;
        let components = components(&self.raw.component, &variables)?;
        let routes = routes(&self.raw, &components)?;
        let paths = routes.iter().enumerate();
        let router =
            Router::new(paths.filter_map(|(at, route)| Some((at, route.path.as_deref()?))))?;
        let application = self.raw.application;
        Ok(App {
            name: application.name,
            version: application.version,
            routes,
            router,
            components,
            tool: application.tool,
            variables,
        })
    }
}

/// Returns the line, from 1, of byte `offset`.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.bytes().take(offset);
    before.filter(|byte| *byte == b'\n').count().saturating_add(1)
}

fn variables(
    raw: &RawManifest,
    sources: &VariableSources,
) -> Result<BTreeMap<String, Secret>, ManifestError> {
    if let Some(name) = sources.command_line_names().find(|name| !raw.variables.contains_key(*name))
    {
        return Err(ManifestError::VariableUndeclared { name: name.clone() });
    }
    let mut values = BTreeMap::new();
    for (name, variable) in &raw.variables {
        check_variable_name(name, "the application")?;
        if variable.required == variable.default.is_some() {
            return Err(ManifestError::VariableShape { name: name.clone() });
        }
        let default = variable.default.as_ref().map(Secret::new);
        let Some(value) = sources.value(name).cloned().or(default) else {
            let environment = environment_name(name);
            return Err(ManifestError::VariableMissing { name: name.clone(), environment });
        };
        values.insert(name.clone(), value);
    }
    Ok(values)
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
) -> Result<BTreeMap<String, Component>, ManifestError> {
    raw.iter().map(|(id, raw)| Ok((id.clone(), component(id, raw, variables)?))).collect()
}

fn component(
    id: &str,
    raw: &RawComponent,
    variables: &BTreeMap<String, Secret>,
) -> Result<Component, ManifestError> {
    if !is_kebab(id) {
        return Err(ManifestError::ComponentId { id: id.to_owned() });
    }
    let unsupported = |key| ManifestError::Unsupported { id: id.to_owned(), key };
    let RawSource::Path(source) = &raw.source else {
        return Err(unsupported("source = { url, digest }"));
    };
    if !raw.ai_models.is_empty() {
        return Err(unsupported("ai_models"));
    }
    if !raw.exclude_files.is_empty() {
        return Err(unsupported("exclude_files"));
    }
    if !raw.dependencies.is_empty() {
        return Err(unsupported("dependencies"));
    }
    let grants = Grants {
        environment: raw.environment.clone(),
        files: raw.files.iter().map(|files| mount(id, files)).collect::<Result<_, _>>()?,
        allowed_outbound_hosts: allowed_hosts(id, &raw.allowed_outbound_hosts, variables)?,
        key_value_stores: labels(id, &raw.key_value_stores)?,
        sqlite_databases: labels(id, &raw.sqlite_databases)?,
        variables: component_variables(id, &raw.variables, variables)?,
    };
    Ok(Component { id: id.to_owned(), source: source.clone(), grants, tool: raw.tool.clone() })
}

fn mount(id: &str, files: &RawFiles) -> Result<Mount, ManifestError> {
    let unsupported = |key| ManifestError::Unsupported { id: id.to_owned(), key };
    match files {
        RawFiles::Pattern(_) => Err(unsupported("files = [\"pattern\"]")),
        RawFiles::Mount(mount) if !mount.destination.starts_with('/') => {
            Err(unsupported("a relative files.destination"))
        }
        RawFiles::Mount(mount) => {
            Ok(Mount { source: mount.source.clone(), destination: mount.destination.clone() })
        }
    }
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
) -> Result<BTreeMap<String, Secret>, ManifestError> {
    let mut values = BTreeMap::new();
    for (name, text) in raw {
        let owner = format!("variable `{name}` of component `{id}`");
        check_variable_name(name, &format!("component `{id}`"))?;
        values.insert(name.clone(), Template::parse(text, &owner)?.fill(variables, &owner)?);
    }
    Ok(values)
}

fn routes(
    raw: &RawManifest,
    components: &BTreeMap<String, Component>,
) -> Result<Vec<Route>, ManifestError> {
    if let Some(kind) = raw.trigger.keys().find(|kind| *kind != "http") {
        return Err(ManifestError::TriggerKind { kind: kind.clone() });
    }
    let base = raw.application.trigger.get("http").and_then(|http| http.base.as_deref());
    if let Some(base) = base.filter(|base| *base != "/") {
        return Err(ManifestError::Base { base: base.to_owned() });
    }
    let triggers = raw.trigger.get("http").map(Vec::as_slice).unwrap_or_default();
    if triggers.is_empty() {
        return Err(ManifestError::NoTrigger);
    }
    let routes: Result<Vec<Route>, _> =
        triggers.iter().map(|trigger| route(trigger, components)).collect();
    let routes = routes?;
    for middleware in routes.iter().flat_map(|route| &route.middleware) {
        check_middleware(&middleware.component, raw.component.get(&middleware.component))?;
    }
    Ok(routes)
}

/// A middleware inherits the primary's grants; Spin refuses one that declares its own.
fn check_middleware(id: &str, raw: Option<&RawComponent>) -> Result<(), ManifestError> {
    let Some(raw) = raw else { return Ok(()) };
    let own = [
        ("variables", !raw.variables.is_empty()),
        ("environment", !raw.environment.is_empty()),
        ("files", !raw.files.is_empty()),
        ("allowed_outbound_hosts", !raw.allowed_outbound_hosts.is_empty()),
        ("key_value_stores", !raw.key_value_stores.is_empty()),
        ("sqlite_databases", !raw.sqlite_databases.is_empty()),
    ];
    match own.into_iter().find(|(_, is_set)| *is_set) {
        Some((key, _)) => Err(ManifestError::MiddlewareGrant { id: id.to_owned(), key }),
        None => Ok(()),
    }
}

fn route(
    raw: &RawTrigger,
    components: &BTreeMap<String, Component>,
) -> Result<Route, ManifestError> {
    let path = match &raw.route {
        RawRoute::Path(path) => Some(path.clone()),
        RawRoute::Private(private) if private.private => None,
        RawRoute::Private(_) => return Err(ManifestError::RoutePrivacy),
    };
    let shown = || path.clone().unwrap_or_else(|| "private".to_owned());
    let unknown = |id: &String| ManifestError::ComponentUnknown { route: shown(), id: id.clone() };
    let target = match (&raw.component, &raw.static_response) {
        (Some(id), None) if components.contains_key(id) => Target::Component(id.clone()),
        (Some(id), None) => return Err(unknown(id)),
        (None, Some(answer)) if raw.dependencies.middleware.is_empty() => {
            Target::Static(static_response(answer, shown)?)
        }
        (None, Some(_)) => return Err(ManifestError::MiddlewareOnStatic { route: shown() }),
        _ => return Err(ManifestError::TriggerTarget { route: shown() }),
    };
    let chain = &raw.dependencies.middleware;
    if let Some(missing) = chain.iter().find(|raw| !components.contains_key(&raw.component)) {
        return Err(unknown(&missing.component));
    }
    let middleware = chain.iter().map(middleware).collect::<Result<_, _>>()?;
    Ok(Route { path, target, middleware })
}

fn middleware(raw: &RawMiddleware) -> Result<Middleware, ManifestError> {
    let inherit = match &raw.inherit_configuration {
        RawInherit::All(true) => Inherit::Everything,
        RawInherit::All(false) => Inherit::Nothing,
        RawInherit::Only(names) => {
            let unknown = names.iter().find(|name| !INHERITABLE.contains(&name.as_str()));
            if let Some(name) = unknown {
                return Err(ManifestError::InheritName { name: name.clone() });
            }
            Inherit::Only(names.iter().cloned().collect())
        }
    };
    Ok(Middleware { component: raw.component.clone(), inherit })
}

fn static_response(
    raw: &RawStatic,
    shown: impl Fn() -> String,
) -> Result<StaticResponse, ManifestError> {
    let broken = |reason| ManifestError::StaticResponse { route: shown(), reason };
    let status = raw.status_code.unwrap_or(200);
    if !(200..=599).contains(&status) {
        return Err(broken("the status must be between 200 and 599"));
    }
    if raw.headers.keys().any(|name| name.is_empty() || !name.bytes().all(is_token)) {
        return Err(broken("a header has a name that is none"));
    }
    if raw.headers.values().any(|value| !value.bytes().all(is_field)) {
        return Err(broken("a header has a value with control characters"));
    }
    let body = raw.body.clone().unwrap_or_default();
    Ok(StaticResponse { status, headers: raw.headers.clone(), body })
}

/// RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 9110, 5.5.
fn is_field(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests;

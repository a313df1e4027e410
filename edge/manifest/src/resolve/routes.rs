//! Triggers: which path leads to what, through which middleware.

use std::collections::BTreeMap;

use crate::{
    Component, Inherit, ManifestError, Middleware, Route, Router, StaticResponse, Target,
    app::INHERITABLE,
    place::{Fault, Within as _},
    raw::{RawComponent, RawInherit, RawManifest, RawMiddleware, RawStatic, RawTrigger},
    text_or::TextOr,
};

/// Every `[[trigger.http]]`, in the order of the manifest.
pub(super) fn routes(
    raw: &RawManifest,
    components: &BTreeMap<String, Component>,
    has_others: bool,
) -> Result<Vec<Route>, Fault> {
    if let Some(kind) = raw.trigger.keys().find(|kind| *kind != "http") {
        let kind_unknown = ManifestError::TriggerKind { kind: kind.clone() };
        return Err(kind_unknown).within(kind.as_str()).within("trigger");
    }
    let base = raw.application.trigger.get("http").and_then(|http| http.base.as_deref());
    if let Some(base) = base.filter(|base| *base != "/") {
        let unsupported = ManifestError::Base { base: base.to_owned() };
        return Err(unsupported).within("http").within("trigger").within("application");
    }
    let triggers = raw.trigger.get("http").map(Vec::as_slice).unwrap_or_default();
    if triggers.is_empty() && !has_others {
        return Err(ManifestError::NoTrigger.into());
    }
    let mut routes = Vec::new();
    for (at, trigger) in triggers.iter().enumerate() {
        let route = route(trigger, components).within(at).within("http").within("trigger")?;
        check_chain(raw, &route)?;
        routes.push(route);
    }
    Ok(routes)
}

/// Checks that the middleware of a route may be one.
pub(super) fn check_chain(raw: &RawManifest, route: &Route) -> Result<(), Fault> {
    for Middleware { component: id, .. } in &route.middleware {
        let checked = check_middleware(id, raw.component.get(id));
        checked.within(id.as_str()).within("component")?;
    }
    Ok(())
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

fn route(raw: &RawTrigger, components: &BTreeMap<String, Component>) -> Result<Route, Fault> {
    let path = match &raw.route {
        TextOr::Text(path) => Some(path.clone()),
        TextOr::Table(private) if private.private => None,
        TextOr::Table(_) => return Err(ManifestError::RoutePrivacy).within("route"),
    };
    let shown = || path.clone().unwrap_or_else(|| "private".to_owned());
    if let Some(path) = &path {
        Router::new([(0, path.as_str())]).within("route")?;
    }
    check_supported(raw, shown)?;
    let target = target(raw, components, shown)?;
    let chain = &raw.dependencies.middleware;
    let mut middleware = Vec::new();
    for (at, raw) in chain.iter().enumerate() {
        let link = link(raw, &target, components, shown);
        middleware.push(link.within(at).within("middleware").within("dependencies")?);
    }
    Ok(Route { path, target, middleware, grants_of: None, early_hints: Vec::new() })
}

/// Refuses by name what Spin has and this node does not.
fn check_supported(raw: &RawTrigger, shown: impl Fn() -> String) -> Result<(), Fault> {
    let unsupported = |key| ManifestError::TriggerUnsupported { route: shown(), key };
    if !raw.components.is_empty() {
        return Err(unsupported("components")).within("components");
    }
    match raw.executor.as_ref().map(|executor| executor.kind.as_str()) {
        None | Some("http" | "spin") => Ok(()),
        Some("wagi") => Err(unsupported("executor = { type = \"wagi\" }")).within("executor"),
        Some(_) => Err(unsupported("executor = { type = … }")).within("executor"),
    }
}

fn target(
    raw: &RawTrigger,
    components: &BTreeMap<String, Component>,
    shown: impl Fn() -> String,
) -> Result<Target, Fault> {
    match (&raw.component, &raw.static_response) {
        (Some(TextOr::Text(id)), None) if components.contains_key(id) => {
            Ok(Target::Component(id.clone()))
        }
        (Some(TextOr::Text(id)), None) => {
            let unknown = ManifestError::ComponentUnknown { route: shown(), id: id.clone() };
            Err(unknown).within("component")
        }
        (None, Some(answer)) if raw.dependencies.middleware.is_empty() => {
            static_response(answer, shown).map(Target::Static).within("static_response")
        }
        (None, Some(_)) => {
            Err(ManifestError::MiddlewareOnStatic { route: shown() }).within("dependencies")
        }
        _ => Err(ManifestError::TriggerTarget { route: shown() }.into()),
    }
}

fn link(
    raw: &RawMiddleware,
    target: &Target,
    components: &BTreeMap<String, Component>,
    shown: impl Fn() -> String,
) -> Result<Middleware, ManifestError> {
    let id = raw.component.as_ref().ok_or(ManifestError::MiddlewareSource)?;
    if !components.contains_key(id) {
        return Err(ManifestError::ComponentUnknown { route: shown(), id: id.clone() });
    }
    if matches!(target, Target::Component(primary) if primary == id) {
        return Err(ManifestError::MiddlewareSelf { route: shown(), id: id.clone() });
    }
    Ok(Middleware { component: id.clone(), inherit: inherit(&raw.inherit_configuration)? })
}

fn inherit(raw: &RawInherit) -> Result<Inherit, ManifestError> {
    let names = match raw {
        RawInherit::All(true) => return Ok(Inherit::Everything),
        RawInherit::All(false) => return Ok(Inherit::Nothing),
        RawInherit::Only(names) => names,
    };
    match names.iter().find(|name| !INHERITABLE.contains(&name.as_str())) {
        Some(name) => Err(ManifestError::InheritName { name: name.clone() }),
        None => Ok(Inherit::Only(names.iter().cloned().collect())),
    }
}

fn static_response(
    raw: &RawStatic,
    shown: impl Fn() -> String,
) -> Result<StaticResponse, ManifestError> {
    let broken = |reason| ManifestError::StaticResponse { route: shown(), reason };
    let status = raw.status_code.unwrap_or(200);
    if !(200..=999).contains(&status) {
        return Err(broken("the status must be between 200 and 999"));
    }
    if raw.headers.keys().any(|name| name.is_empty() || !name.bytes().all(is_token)) {
        return Err(broken("a header has a name that is none"));
    }
    if raw.headers.values().any(|value| !value.bytes().all(is_field)) {
        return Err(broken("a header has a value with control characters"));
    }
    let body = raw.body.clone().unwrap_or_default();
    for (name, value) in &raw.headers {
        let name = name.to_ascii_lowercase();
        if FRAMING.contains(&name.as_str()) {
            return Err(broken("it has a header about the connection, which the server decides"));
        }
        if name == "content-length" && *value != body.len().to_string() {
            return Err(broken("its `content-length` is not the length of its body"));
        }
    }
    Ok(StaticResponse { status, headers: raw.headers.clone(), body })
}

/// Headers of one connection (RFC 9110, 7.6.1): beside the server's own they would break the answer's framing.
const FRAMING: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];

/// RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 9110, 5.5.
fn is_field(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

//! What real `spin up`, without a runtime-config file, would object to in a manifest that we accept.

use std::collections::BTreeSet;

use crate::{Manifest, ManifestError, text_or::TextOr};

/// Reads `text` with every rule of Spin that needs no variable values, and lists further objections.
///
/// Those are labels that need a runtime configuration, routes that silently replace others, and
/// components that nothing uses.
///
/// # Errors
/// If the manifest is refused outright.
pub fn spin_rules(text: &str) -> Result<Vec<String>, ManifestError> {
    let manifest = Manifest::parse(text)?;
    let mut values = crate::VariableSources::new();
    for (name, variable) in &manifest.raw.variables {
        if variable.required {
            values = values.with_command_line([(name.clone(), stand_in(name))]);
        }
    }
    manifest.clone().resolve(&values)?;
    let mut objections = Vec::new();
    for (id, component) in &manifest.raw.component {
        let labels = component.key_value_stores.iter().chain(&component.sqlite_databases);
        objections.extend(labels.filter(|label| *label != "default").map(|label| {
            format!("component `{id}` uses `{label}`, which needs a runtime configuration")
        }));
    }
    objections.extend(replaced_routes(&manifest));
    objections.extend(unused_components(&manifest));
    Ok(objections)
}

/// A required variable may end up in a host pattern, so its stand-in is a host.
fn stand_in(name: &str) -> String {
    format!("http://{}.example:80", name.replace('_', "-"))
}

fn replaced_routes(manifest: &Manifest) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let triggers = manifest.raw.trigger.values().flatten();
    let paths = triggers.filter_map(|trigger| match &trigger.route {
        TextOr::Text(path) => Some(path),
        TextOr::Table(_) => None,
    });
    paths
        .filter(|path| !seen.insert(path.trim_matches('/').to_owned()))
        .map(|path| format!("route `{path}` replaces an earlier one"))
        .collect()
}

fn unused_components(manifest: &Manifest) -> Vec<String> {
    let triggers = || manifest.raw.trigger.values().flatten();
    let primaries = triggers().filter_map(|trigger| match &trigger.component {
        Some(TextOr::Text(id)) => Some(id),
        _ => None,
    });
    let middleware = triggers().flat_map(|trigger| &trigger.dependencies.middleware);
    let used: BTreeSet<&String> =
        primaries.chain(middleware.filter_map(|link| link.component.as_ref())).collect();
    let unused = manifest.raw.component.keys().filter(|id| !used.contains(id));
    unused.map(|id| format!("component `{id}` has no route")).collect()
}

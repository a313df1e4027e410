//! Shorthands written out: components inside triggers and middleware by path become components like any other.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ManifestError,
    place::{Fault, Within as _},
    raw::{RawComponent, RawManifest, RawMiddleware, RawTrigger},
    template::is_kebab,
    text_or::TextOr,
};

/// Leaves only triggers that name their components, and middleware too.
pub(crate) fn normalize(raw: &mut RawManifest) -> Result<(), Fault> {
    check_trigger_ids(raw)?;
    let components = &mut raw.component;
    for (kind, triggers) in &mut raw.trigger {
        for (at, trigger) in triggers.iter_mut().enumerate() {
            move_inline(kind, at, trigger, components);
            let chain = &mut trigger.dependencies.middleware;
            for (position, middleware) in chain.iter_mut().enumerate() {
                move_path(middleware, components)
                    .within(position)
                    .within("middleware")
                    .within("dependencies")
                    .within(at)
                    .within(kind.as_str())
                    .within("trigger")?;
            }
        }
    }
    Ok(())
}

/// Puts the changes of profile `name` over the components that have it.
pub(crate) fn apply_profile(raw: &mut RawManifest, name: &str) -> Result<(), Fault> {
    let mut is_known = false;
    for component in raw.component.values_mut() {
        let Some(profile) = component.profile.remove(name) else { continue };
        is_known = true;
        if let Some(source) = profile.source {
            component.source = source;
        }
        component.environment.extend(profile.environment);
        component.dependencies.extend(profile.dependencies);
    }
    if is_known {
        Ok(())
    } else {
        Err(ManifestError::ProfileUnknown { name: name.to_owned() }.into())
    }
}

fn check_trigger_ids(raw: &RawManifest) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for (kind, triggers) in &raw.trigger {
        for (at, trigger) in triggers.iter().enumerate() {
            if !trigger.id.is_empty() && !seen.insert(&trigger.id) {
                let twice = ManifestError::TriggerId { id: trigger.id.clone() };
                return Err(twice).within("id").within(at).within(kind.as_str()).within("trigger");
            }
        }
    }
    Ok(())
}

/// Moves `component = { source = … }` out, under the id that Spin gives it.
fn move_inline(
    kind: &str,
    at: usize,
    trigger: &mut RawTrigger,
    components: &mut BTreeMap<String, RawComponent>,
) {
    let trigger_id = match trigger.id.as_str() {
        "" => format!("{kind}-trigger{}", at.saturating_add(1)),
        id => id.to_owned(),
    };
    let component = trigger.component.take().map(|component| match component {
        TextOr::Text(id) => TextOr::Text(id),
        TextOr::Table(component) => {
            let natural = format!("{trigger_id}-component");
            let is_free = is_kebab(&natural) && !components.contains_key(&natural);
            let id = if is_free { natural } else { free_id("inline-component", components) };
            components.insert(id.clone(), *component);
            TextOr::Text(id)
        }
    });
    trigger.component = component;
}

/// Moves `{ path = … }` out; the same path is the same component.
fn move_path(
    middleware: &mut RawMiddleware,
    components: &mut BTreeMap<String, RawComponent>,
) -> Result<(), ManifestError> {
    for (key, is_set) in [("url", &middleware.url), ("package", &middleware.package)] {
        if is_set.is_some() {
            return Err(ManifestError::MiddlewareRemote { key });
        }
    }
    let path = match (&middleware.component, middleware.path.take()) {
        (Some(_), None) => return Ok(()),
        (None, Some(path)) => path,
        _ => return Err(ManifestError::MiddlewareSource),
    };
    let prefix = "middleware-by-path";
    let known = components.iter().find(|(id, component)| {
        id.starts_with(prefix)
            && matches!(&component.source, TextOr::Text(source) if *source == path)
    });
    let known = known.map(|(id, _)| id.clone());
    let id = known.unwrap_or_else(|| {
        let id = free_id(prefix, components);
        components.insert(id.clone(), RawComponent::from_path(path));
        id
    });
    middleware.component = Some(id);
    Ok(())
}

/// Returns `prefix` with the first number that no component has.
fn free_id(prefix: &str, components: &BTreeMap<String, RawComponent>) -> String {
    let ids = (1_usize..).map(|number| format!("{prefix}{number}"));
    let mut free = ids.filter(|id| !components.contains_key(id));
    free.next().unwrap_or_default()
}

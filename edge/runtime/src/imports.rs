//! Names every interface that a component imports and this node lacks.

use std::collections::BTreeSet;

use wasmtime::{
    bail,
    component::{
        Component, InstancePre, Linker, LinkerInstance, ResourceType,
        types::{ComponentFunc, ComponentItem},
    },
};

use crate::host::Host;

/// What is missing.
#[derive(Debug)]
pub(crate) struct Missing {
    /// Interfaces, by name.
    pub(crate) imports: Vec<String>,
    /// What the linker said about the first.
    pub(crate) reason: String,
}

/// Links `component`; in error names all that is missing, not the first alone.
pub(crate) fn link(
    linker: &Linker<Host>,
    component: &Component,
) -> Result<InstancePre<Host>, Missing> {
    linker.instantiate_pre(component).map_err(|error| Missing {
        imports: missing(linker, component, &error),
        reason: format!("{error:#}").replace('\n', " "),
    })
}

/// The linker stops at the first thing that it lacks. So that is filled with stubs in a copy of it, until it is content
/// or names nothing new; nothing is ever run with the stubs.
fn missing(linker: &Linker<Host>, component: &Component, first: &wasmtime::Error) -> Vec<String> {
    let mut linker = linker.clone();
    let mut found = BTreeSet::new();
    let mut reason = format!("{first:#}");
    while let Some(name) = named(component, &reason) {
        if !found.insert(name.clone()) || stub(&mut linker, component, &name).is_err() {
            break;
        }
        match linker.instantiate_pre(component) {
            Ok(_) => break,
            Err(error) => reason = format!("{error:#}"),
        }
    }
    if found.is_empty() {
        found.insert("something".to_owned());
    }
    found.into_iter().collect()
}

/// The first name in backquotes that is an import: wasmtime's linker names what it misses so.
fn named(component: &Component, reason: &str) -> Option<String> {
    let kind = component.component_type();
    let mut quoted = reason.split('`').skip(1).step_by(2);
    quoted.find(|name| kind.get_import(component.engine(), name).is_some()).map(str::to_owned)
}

fn stub(linker: &mut Linker<Host>, component: &Component, name: &str) -> wasmtime::Result<()> {
    let engine = component.engine();
    let kind = component.component_type();
    match kind.get_import(engine, name).map(|import| import.ty) {
        Some(ComponentItem::ComponentInstance(instance)) => {
            let mut into = linker.instance(name)?;
            for (name, export) in instance.exports(engine) {
                stub_item(&mut into, name, &export.ty);
            }
            Ok(())
        }
        Some(item) => {
            stub_item(&mut linker.root(), name, &item);
            Ok(())
        }
        None => bail!("no such import"),
    }
}

/// What is there already stays: an interface may lack one function only.
fn stub_item(into: &mut LinkerInstance<'_, Host>, name: &str, item: &ComponentItem) {
    let _ = match item {
        ComponentItem::ComponentFunc(function) => stub_function(into, name, function),
        ComponentItem::Resource(_) => {
            into.resource(name, ResourceType::host::<Stub>(), |_, _| Ok(()))
        }
        _ => Ok(()),
    };
}

fn stub_function(
    into: &mut LinkerInstance<'_, Host>,
    name: &str,
    function: &ComponentFunc,
) -> wasmtime::Result<()> {
    if function.async_() {
        return into.func_new_concurrent(name, |_, _, _, _| {
            Box::pin(async { bail!("a stub is never called") })
        });
    }
    into.func_new(name, |_, _, _, _| bail!("a stub is never called"))
}

/// Marks resources of interfaces that this node lacks.
struct Stub;

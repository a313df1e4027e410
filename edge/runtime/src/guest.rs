//! Which kind of HTTP guest a component is, decided once when it is loaded.
//!
//! A component says so by what it exports. One that exports both is asked by the newer interface: its instances are
//! reused, where those of WASI 0.2 serve one request each, as under Spin.

use wasmtime::{
    Engine, Store,
    component::{Component, InstancePre, types::ComponentItem},
};
use wasmtime_wasi_http::{
    p2::bindings::{Proxy, ProxyPre},
    p3::bindings::{Service, ServicePre},
};

use crate::host::Host;

/// A component that is compiled and linked.
#[derive(Clone)]
pub(crate) enum Guest {
    /// It exports `wasi:http/handler@0.3`.
    Handler(ServicePre<Host>),
    /// It exports `wasi:http/incoming-handler@0.2`.
    Incoming(ProxyPre<Host>),
}

impl Guest {
    /// Finds the handler among the exports; in error says which one is missing or what is there in its place.
    pub(crate) fn new(linked: InstancePre<Host>) -> Result<Self, String> {
        let told = |error: wasmtime::Error| format!("{error:#}").replace('\n', " ");
        match kind(linked.component())? {
            Kind::Handler => ServicePre::new(linked).map(Self::Handler).map_err(told),
            Kind::Incoming => ProxyPre::new(linked).map(Self::Incoming).map_err(told),
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        match self {
            Self::Handler(service) => service.engine(),
            Self::Incoming(proxy) => proxy.engine(),
        }
    }

    /// What other exports are looked for in.
    pub(crate) fn instance_pre(&self) -> &InstancePre<Host> {
        match self {
            Self::Handler(service) => service.instance_pre(),
            Self::Incoming(proxy) => proxy.instance_pre(),
        }
    }

    pub(crate) async fn instantiate(&self, store: &mut Store<Host>) -> wasmtime::Result<Running> {
        Ok(match self {
            Self::Handler(service) => Running::Handler(service.instantiate_async(store).await?),
            Self::Incoming(proxy) => Running::Incoming(proxy.instantiate_async(store).await?),
        })
    }
}

/// The exports of a running copy.
pub(crate) enum Running {
    /// Of `wasi:http/handler@0.3`.
    Handler(Service),
    /// Of `wasi:http/incoming-handler@0.2`.
    Incoming(Proxy),
}

enum Kind {
    Handler,
    Incoming,
}

fn kind(component: &Component) -> Result<Kind, String> {
    let mut kind = None;
    let mut others = Vec::new();
    for (name, export) in component.component_type().exports(component.engine()) {
        if !matches!(export.ty, ComponentItem::ComponentInstance(_)) {
            continue;
        }
        // A release candidate has a hyphen in its version and is another interface.
        if is_release(name, "wasi:http/handler@0.3.") {
            return Ok(Kind::Handler);
        }
        if is_release(name, "wasi:http/incoming-handler@0.2.") {
            kind = Some(Kind::Incoming);
        } else if name.contains("handler") || name.contains("inbound") {
            others.push(format!("`{name}`"));
        }
    }
    kind.ok_or_else(|| match others.as_slice() {
        [] => "it exports no HTTP handler".to_owned(),
        others => format!("it exports {} instead", others.join(", ")),
    })
}

/// Returns the import by which `component` calls the next one of its chain, if it has it.
pub(crate) fn next_import(component: &Component) -> Option<String> {
    let kind = component.component_type();
    let mut names = kind.imports(component.engine()).map(|(name, _)| name);
    names.find(|name| is_release(name, "wasi:http/handler@0.3.")).map(str::to_owned)
}

fn is_release(name: &str, interface: &str) -> bool {
    name.strip_prefix(interface)
        .is_some_and(|patch| patch.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_candidate_is_another_interface() {
        assert!(is_release("wasi:http/handler@0.3.0", "wasi:http/handler@0.3."));
        assert!(is_release("wasi:http/handler@0.3.12", "wasi:http/handler@0.3."));
        assert!(!is_release("wasi:http/handler@0.3.0-rc-2026-01-06", "wasi:http/handler@0.3."));
        assert!(!is_release("wasi:http/handler@0.4.0", "wasi:http/handler@0.3."));
    }
}

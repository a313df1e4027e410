//! `spin:variables`: the component's own variables, filled in at load.

use wasmtime::component::Accessor;

use crate::{
    bindings::spin::variables::variables,
    host::{Granted, Host},
};

impl variables::HostWithStore<Host> for Granted {
    async fn get(
        accessor: &Accessor<Host, Self>,
        name: String,
    ) -> wasmtime::Result<Result<String, variables::Error>> {
        let is_name = name.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_');
        if name.is_empty() || !is_name {
            return Ok(Err(variables::Error::InvalidName(name)));
        }
        let value = accessor.with(|mut access| {
            let capabilities = &access.get().capabilities;
            capabilities.variables.get(&name).map(|value| value.expose().to_owned())
        });
        Ok(value.ok_or(variables::Error::Undefined(name)))
    }
}

impl variables::Host for Host {}

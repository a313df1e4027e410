//! `wasi:config/store`: the same variables under the other interface.

use crate::{bindings::wasi::config::store, host::Host};

impl store::Host for Host {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, store::Error>> {
        let value = self.capabilities.variables.get(&key);
        Ok(Ok(value.map(|value| value.expose().to_owned())))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, store::Error>> {
        let all = self.capabilities.variables.iter();
        Ok(Ok(all.map(|(name, value)| (name.clone(), value.expose().to_owned())).collect()))
    }
}

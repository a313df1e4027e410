//! `spin:key-value` and `wasi:keyvalue` (store, atomics and batch) over the granted stores.

use std::sync::Arc;

use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

use crate::{
    bindings::{
        spin::key_value::key_value as spin,
        wasi::keyvalue::{atomics, batch, store},
    },
    capability::store::{SharedStore, StoreError, Version},
    host::{Granted, Host},
};

/// An open store: what a guest's handle stands for.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct OpenStore(pub(crate) SharedStore);

/// A value that a guest wants to replace if nobody else did.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct OpenCas {
    store: SharedStore,
    key: String,
    value: Option<Vec<u8>>,
    version: Version,
}

/// Keys in one page of `list-keys`.
const PAGE_KEYS: usize = 1000;

impl Host {
    fn open_store(&mut self, label: &str) -> wasmtime::Result<Option<Resource<OpenStore>>> {
        let Some(store) = self.capabilities.stores.get(label) else { return Ok(None) };
        Ok(Some(self.table.push(OpenStore(Arc::clone(store)))?))
    }

    fn store(&self, handle: &Resource<OpenStore>) -> wasmtime::Result<SharedStore> {
        Ok(Arc::clone(&self.table.get(handle)?.0))
    }
}

/// Finds the store behind a handle.
fn store_of(
    accessor: &Accessor<Host, Granted>,
    handle: &Resource<OpenStore>,
) -> wasmtime::Result<SharedStore> {
    accessor.with(|mut access| access.get().store(handle))
}

impl From<StoreError> for spin::Error {
    fn from(error: StoreError) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<StoreError> for store::Error {
    fn from(error: StoreError) -> Self {
        Self::Other(error.to_string())
    }
}

// === impl spin:key-value ===

impl spin::HostStoreWithStore<Host> for Granted {
    async fn open(
        accessor: &Accessor<Host, Self>,
        label: String,
    ) -> wasmtime::Result<Result<Resource<OpenStore>, spin::Error>> {
        let opened = accessor.with(|mut access| access.get().open_store(&label))?;
        Ok(opened.ok_or(spin::Error::AccessDenied))
    }

    async fn get(
        accessor: &Accessor<Host, Self>,
        handle: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, spin::Error>> {
        Ok(store_of(accessor, &handle)?.get(&key).await.map_err(Into::into))
    }

    async fn set(
        accessor: &Accessor<Host, Self>,
        handle: Resource<OpenStore>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), spin::Error>> {
        Ok(store_of(accessor, &handle)?.set(&key, value).await.map_err(Into::into))
    }

    async fn delete(
        accessor: &Accessor<Host, Self>,
        handle: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<(), spin::Error>> {
        Ok(store_of(accessor, &handle)?.delete(&key).await.map_err(Into::into))
    }

    async fn exists(
        accessor: &Accessor<Host, Self>,
        handle: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<bool, spin::Error>> {
        Ok(store_of(accessor, &handle)?.has(&key).await.map_err(Into::into))
    }

    async fn get_keys(
        accessor: &Accessor<Host, Self>,
        handle: Resource<OpenStore>,
    ) -> wasmtime::Result<(StreamReader<String>, FutureReader<Result<(), spin::Error>>)> {
        let (keys, ended) = match store_of(accessor, &handle)?.keys().await {
            Ok(keys) => (keys, Ok(())),
            Err(error) => (Vec::new(), Err(error.into())),
        };
        accessor.with(|mut access| {
            let keys = StreamReader::new(&mut access, keys)?;
            let done = async { wasmtime::Result::<_>::Ok(ended) };
            Ok((keys, FutureReader::new(&mut access, done)?))
        })
    }
}

impl spin::HostStore for Host {
    fn drop(&mut self, handle: Resource<OpenStore>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        Ok(())
    }
}

impl spin::Host for Host {}

// === impl wasi:keyvalue/store ===

impl store::Host for Host {
    fn open(
        &mut self,
        label: String,
    ) -> wasmtime::Result<Result<Resource<OpenStore>, store::Error>> {
        Ok(self.open_store(&label)?.ok_or(store::Error::AccessDenied))
    }
}

impl store::HostBucket for Host {
    async fn get(
        &mut self,
        bucket: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, store::Error>> {
        Ok(self.store(&bucket)?.get(&key).await.map_err(Into::into))
    }

    async fn set(
        &mut self,
        bucket: Resource<OpenStore>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), store::Error>> {
        Ok(self.store(&bucket)?.set(&key, value).await.map_err(Into::into))
    }

    async fn delete(
        &mut self,
        bucket: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<(), store::Error>> {
        Ok(self.store(&bucket)?.delete(&key).await.map_err(Into::into))
    }

    async fn exists(
        &mut self,
        bucket: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<bool, store::Error>> {
        Ok(self.store(&bucket)?.has(&key).await.map_err(Into::into))
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<OpenStore>,
        cursor: Option<String>,
    ) -> wasmtime::Result<Result<store::KeyResponse, store::Error>> {
        let keys = match self.store(&bucket)?.keys().await {
            Ok(keys) => keys,
            Err(error) => return Ok(Err(error.into())),
        };
        // The cursor is the last key that was given.
        let rest = keys.into_iter().filter(|key| cursor.as_ref().is_none_or(|last| key > last));
        let keys: Vec<String> = rest.take(PAGE_KEYS).collect();
        let cursor = if keys.len() == PAGE_KEYS { keys.last().cloned() } else { None };
        Ok(Ok(store::KeyResponse { keys, cursor }))
    }

    fn drop(&mut self, bucket: Resource<OpenStore>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

// === impl wasi:keyvalue/atomics ===

impl Host {
    async fn open_cas(
        &mut self,
        store: SharedStore,
        key: String,
    ) -> wasmtime::Result<Result<Resource<OpenCas>, StoreError>> {
        match store.get_versioned(&key).await {
            Ok((value, version)) => {
                Ok(Ok(self.table.push(OpenCas { store, key, value, version })?))
            }
            Err(error) => Ok(Err(error)),
        }
    }
}

impl atomics::Host for Host {
    async fn increment(
        &mut self,
        bucket: Resource<OpenStore>,
        key: String,
        delta: i64,
    ) -> wasmtime::Result<Result<i64, store::Error>> {
        Ok(self.store(&bucket)?.increment(&key, delta).await.map_err(Into::into))
    }

    async fn swap(
        &mut self,
        cas: Resource<OpenCas>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), atomics::CasError>> {
        let OpenCas { store, key, version, .. } = self.table.delete(cas)?;
        let failed = match store.swap(&key, version, value).await {
            Ok(true) => return Ok(Ok(())),
            Ok(false) => self.open_cas(store, key).await?,
            Err(error) => Err(error),
        };
        Ok(Err(match failed {
            Ok(again) => atomics::CasError::CasFailed(again),
            Err(error) => atomics::CasError::StoreError(error.into()),
        }))
    }
}

impl atomics::HostCas for Host {
    async fn new(
        &mut self,
        bucket: Resource<OpenStore>,
        key: String,
    ) -> wasmtime::Result<Result<Resource<OpenCas>, store::Error>> {
        let store = self.store(&bucket)?;
        Ok(self.open_cas(store, key).await?.map_err(Into::into))
    }

    fn current(
        &mut self,
        cas: Resource<OpenCas>,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, store::Error>> {
        Ok(Ok(self.table.get(&cas)?.value.clone()))
    }

    fn drop(&mut self, cas: Resource<OpenCas>) -> wasmtime::Result<()> {
        self.table.delete(cas)?;
        Ok(())
    }
}

// === impl wasi:keyvalue/batch ===

impl batch::Host for Host {
    async fn get_many(
        &mut self,
        bucket: Resource<OpenStore>,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<(String, Option<Vec<u8>>)>, store::Error>> {
        Ok(self.store(&bucket)?.get_many(keys).await.map_err(Into::into))
    }

    async fn set_many(
        &mut self,
        bucket: Resource<OpenStore>,
        entries: Vec<(String, Vec<u8>)>,
    ) -> wasmtime::Result<Result<(), store::Error>> {
        Ok(self.store(&bucket)?.set_many(entries).await.map_err(Into::into))
    }

    async fn delete_many(
        &mut self,
        bucket: Resource<OpenStore>,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<(), store::Error>> {
        Ok(self.store(&bucket)?.delete_many(keys).await.map_err(Into::into))
    }
}

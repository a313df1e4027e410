//! Values near the shopper, over Workers KV. A read may be a minute old, also one that found nothing.

use bytes::Bytes;
use ports::{KeyValue, KeyValueError};
use worker::KvStore;

use super::WorkerPorts;

/// The namespace's binding.
const KV: &str = "KV";

impl WorkerPorts {
    fn store(&self) -> Result<KvStore, KeyValueError> {
        self.env().kv(KV).map_err(failed)
    }
}

fn failed(error: impl core::fmt::Display) -> KeyValueError {
    KeyValueError::Failed(error.to_string())
}

impl KeyValue for WorkerPorts {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, KeyValueError> {
        let value = self.store()?.get(key).bytes().await.map_err(failed)?;
        Ok(value.map(Bytes::from))
    }

    async fn set(&self, key: &str, value: Bytes) -> Result<(), KeyValueError> {
        let put = self.store()?.put_bytes(key, &value).map_err(failed)?;
        put.execute().await.map_err(failed)
    }

    async fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.store()?.delete(key).await.map_err(failed)
    }
}

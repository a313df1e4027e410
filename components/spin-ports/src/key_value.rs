//! Values near the shopper, over `spin:key-value`.

use bytes::Bytes;
use express::ask::{self, Refusal};
use ports::{KeyValue, KeyValueError};
use spin_sdk::key_value::{Error, Store};

use crate::SpinPorts;

impl KeyValue for SpinPorts {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, KeyValueError> {
        if express::is_express() {
            return ask::key_get(crate::DEFAULT, key).await.map_err(from_express);
        }
        let value = open().await?.get(key).await.map_err(from_wit)?;
        Ok(value.map(Bytes::from))
    }

    async fn set(&self, key: &str, value: Bytes) -> Result<(), KeyValueError> {
        if express::is_express() {
            return ask::key_set(crate::DEFAULT, key, &value).await.map_err(from_express);
        }
        open().await?.set(key, value).await.map_err(from_wit)
    }

    async fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        if express::is_express() {
            return ask::key_delete(crate::DEFAULT, key).await.map_err(from_express);
        }
        open().await?.delete(key).await.map_err(from_wit)
    }
}

async fn open() -> Result<Store, KeyValueError> {
    Store::open(crate::DEFAULT).await.map_err(from_wit)
}

fn from_express(refusal: Refusal) -> KeyValueError {
    match refusal {
        Refusal::Denied => KeyValueError::Denied,
        other => KeyValueError::Failed(crate::said(other)),
    }
}

fn from_wit(error: Error) -> KeyValueError {
    match error {
        Error::AccessDenied => KeyValueError::Denied,
        Error::StoreTableFull => KeyValueError::Failed("too many open stores".to_owned()),
        Error::NoSuchStore => KeyValueError::Failed("no such store".to_owned()),
        Error::Other(text) => KeyValueError::Failed(text),
    }
}

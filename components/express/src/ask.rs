//! Questions to the host, for the express lane. Each returns when the host has answered.
//!
//! Only where [`is_express`](crate::is_express): in the standard lane the SDK's own functions do this.

use std::borrow::Cow;

use bytes::Bytes;
use express_wire::{Failure, Malformed, Question, RowReader, Value};

use crate::lane;

/// Why there is no result.
pub type Refusal = Failure<'static>;

fn owned(failure: Failure<'_>) -> Refusal {
    match failure {
        Failure::Denied => Failure::Denied,
        Failure::Missing => Failure::Missing,
        Failure::TooLarge => Failure::TooLarge,
        Failure::Other(why) => Failure::Other(Cow::Owned(why.into_owned())),
    }
}

async fn asked<T>(
    question: &Question<'_>,
    read: impl FnOnce(&[u8]) -> Result<T, Malformed>,
) -> Result<T, Refusal> {
    let answer = lane::ask(question, |result| match result {
        Ok(bytes) => read(bytes).map(Ok),
        Err(failure) => Ok(Err(owned(failure))),
    });
    answer.await.unwrap_or_else(|Malformed| Err(Failure::Other("a malformed result".into())))
}

/// Runs a statement; `read` takes its rows.
///
/// # Errors
/// [`Failure::Denied`] where the database was not granted, [`Failure::Missing`] where it has no data yet.
pub async fn sql<T>(
    database: &str,
    statement: &str,
    parameters: Vec<Value<'_>>,
    read: impl FnOnce(RowReader<'_>) -> Result<T, Malformed>,
) -> Result<T, Refusal> {
    let question = Question::Sql { database, statement, parameters };
    asked(&question, |bytes| read(RowReader::new(bytes)?)).await
}

/// Reads a variable of the component.
///
/// # Errors
/// [`Failure::Missing`] where the component has no such variable.
pub async fn variable(name: &str) -> Result<String, Refusal> {
    asked(&Question::Variable(name), |bytes| {
        core::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Malformed)
    })
    .await
}

/// Reads a key; `None` where it does not exist.
///
/// # Errors
/// [`Failure::Denied`] where the store was not granted.
pub async fn key_get(store: &str, key: &str) -> Result<Option<Bytes>, Refusal> {
    asked(&Question::KeyGet { store, key }, |bytes| match bytes.split_first() {
        Some((1, value)) => Ok(Some(Bytes::copy_from_slice(value))),
        Some((0, [])) => Ok(None),
        _ => Err(Malformed),
    })
    .await
}

/// Writes a key.
///
/// # Errors
/// [`Failure::Denied`] where the store was not granted.
pub async fn key_set(store: &str, key: &str, value: &[u8]) -> Result<(), Refusal> {
    asked(&Question::KeySet { store, key, value }, |_| Ok(())).await
}

/// Removes a key, whether it exists or not.
///
/// # Errors
/// [`Failure::Denied`] where the store was not granted.
pub async fn key_delete(store: &str, key: &str) -> Result<(), Refusal> {
    asked(&Question::KeyDelete { store, key }, |_| Ok(())).await
}

/// Reads the request's body, once.
pub(crate) async fn body(bytes_max: usize) -> Result<Bytes, Refusal> {
    let bytes_max = u32::try_from(bytes_max).unwrap_or(u32::MAX);
    asked(&Question::Body { bytes_max }, |bytes| Ok(Bytes::copy_from_slice(bytes))).await
}

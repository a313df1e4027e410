//! What a component needs of its host, as small traits; and fakes of them for tests.
//!
//! Layer: ports (L1). No host is named here: `spin-ports` implements the traits over spin-sdk, the Worker over its
//! bindings, [`fakes`] in memory. Futures need not be `Send`, and nothing is `dyn`.
//! Not here: decisions. A function with `await` fetches, hands over to a pure function, and stores.
//! Start at [`Sql`] and [`HttpClient`].
#![warn(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::expect_used,
    clippy::panic
)]
#![expect(async_fn_in_trait, reason = "static dispatch; Worker futures are not Send")]

use core::time::Duration;

use bytes::Bytes;
use domain::Timestamp;
use http::{Request, Response};

mod counters;
mod failures;
pub mod fakes;
pub mod sessions;

pub use counters::{CounterError, Counters, Taken};
pub use sessions::{Sessions, SigningKey};

/// A value in a statement's parameters or in a row.
#[derive(Debug, Clone, PartialEq)]
pub enum SqlValue {
    /// No value.
    Null,
    /// A 64-bit integer.
    Integer(i64),
    /// A 64-bit float.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// The rows that a query gave, at most [`SQL_ROWS_MAX`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// One vector per row, in the order of the statement's columns.
    pub rows: Vec<Vec<SqlValue>>,
}

/// Most rows that one query may give: 1 000. More is [`SqlError::TooManyRows`].
pub const SQL_ROWS_MAX: usize = 1_000;

/// Why a query gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// The copy is not there yet (an edge that has just started).
    #[error("the database is not ready")]
    NotReady,
    /// The host does not let this component read the database.
    #[error("access to the database is denied")]
    Denied,
    /// More rows than [`SQL_ROWS_MAX`].
    #[error("too many rows")]
    TooManyRows,
    /// Anything else. The text is for logs, never for answers.
    #[error("database: {0}")]
    Failed(String),
}

/// The edge's own copy of the catalogue. Read-only; may be seconds old.
pub trait Sql {
    /// Runs one statement with bound parameters.
    async fn query(&self, statement: &str, parameters: &[SqlValue]) -> Result<Rows, SqlError>;
}

/// Why a key-value call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyValueError {
    /// The host does not let this component use the store.
    #[error("access to the key-value store is denied")]
    Denied,
    /// The store is full or failed. The text is for logs, never for answers.
    #[error("key-value: {0}")]
    Failed(String),
}

/// Values kept near the shopper. Reads may be stale by up to a minute on Workers.
pub trait KeyValue {
    /// Reads `key`; `Ok(None)` if absent.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, KeyValueError>;
    /// Replaces `key`.
    async fn set(&self, key: &str, value: Bytes) -> Result<(), KeyValueError>;
    /// Removes `key`; absent is fine.
    async fn delete(&self, key: &str) -> Result<(), KeyValueError>;
}

/// Why a request to an upstream gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No connection: nothing was sent, so trying elsewhere is safe.
    #[error("connect: {0}")]
    Connect(String),
    /// The deadline passed; the upstream may have acted.
    #[error("no answer within the deadline")]
    Timeout,
    /// The connection broke after something was sent; the upstream may have acted.
    #[error("broken: {0}")]
    Broken(String),
    /// The host does not let this component call that address.
    #[error("access to the address is denied")]
    Denied,
    /// The answer's body is larger than the caller's limit.
    #[error("the answer is too large")]
    TooLarge,
}

/// Calls upstreams. Only addresses that the manifest grants.
pub trait HttpClient {
    /// Sends `request` and reads the whole answer (at most `body_bytes_max`) within `timeout`.
    async fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
        body_bytes_max: usize,
    ) -> Result<Response<Bytes>, HttpError>;
}

/// Tells the time.
pub trait Clock {
    /// Returns the present moment.
    fn now(&self) -> Timestamp;
}

/// Waits.
pub trait Timer {
    /// Returns after `duration`. Dropping the future ends the wait.
    async fn sleep(&self, duration: Duration);
}

/// Gives random bytes fit for cryptography.
pub trait Entropy {
    /// Fills `buffer`.
    fn fill(&self, buffer: &mut [u8]);
}

/// Why a variable has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// The manifest does not give this component the variable.
    #[error("variable `{0}` is not defined")]
    Undefined(String),
    /// Anything else. The text is for logs, never for answers.
    #[error("variable: {0}")]
    Failed(String),
}

/// Reads the application's variables.
pub trait Variables {
    /// Returns the value of `name`.
    async fn variable(&self, name: &str) -> Result<String, VariableError>;
}

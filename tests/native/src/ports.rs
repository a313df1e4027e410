//! The ports of this process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use domain::Timestamp;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use manifest::Secret;
use ports::{
    Clock, CounterError, Counters, Entropy, HttpClient, HttpError, Rows, Sessions, SigningKey, Sql,
    SqlError, SqlValue, Timer, VariableError, Variables,
};
use replica::Replica;

use crate::database::Database;

/// Longest wait for a connection, as in `spin-ports`.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(400);

/// What one request may use: the grants of its route's component.
pub(crate) struct NativePorts<'a> {
    pub(crate) variables: &'a BTreeMap<String, Secret>,
    pub(crate) replica: &'a Replica,
    pub(crate) database: &'a Database,
    pub(crate) outside: &'a Outside,
    pub(crate) counts: &'a Counts,
}

/// Counters in a map.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<BTreeMap<String, u64>>);

/// Connections to the origin.
#[derive(Debug)]
pub(crate) struct Outside(Client<HttpConnector, Full<Bytes>>);

impl Outside {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }
}

impl Variables for NativePorts<'_> {
    async fn variable(&self, name: &str) -> Result<String, VariableError> {
        let value = self.variables.get(name).map(|value| value.expose().to_owned());
        value.ok_or_else(|| VariableError::Undefined(name.to_owned()))
    }
}

impl Counters for NativePorts<'_> {
    async fn increment(&self, key: &str, delta: u32) -> Result<u64, CounterError> {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key.to_owned()).or_default();
        *count += u64::from(delta);
        Ok(*count)
    }

    async fn count(&self, key: &str) -> Result<u64, CounterError> {
        let counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(counts.get(key).copied().unwrap_or(0))
    }

    async fn forget(&self, key: &str) -> Result<(), CounterError> {
        self.counts.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        Ok(())
    }
}

impl Sessions for NativePorts<'_> {
    async fn signing_keys(&self) -> Result<Vec<SigningKey>, SqlError> {
        ports::sessions::signing_keys(self).await
    }

    async fn is_revoked(&self, session: &str) -> Result<bool, SqlError> {
        ports::sessions::is_revoked(self, session).await
    }
}

impl Clock for NativePorts<'_> {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_ms(0).after(since)
    }
}

impl Timer for NativePorts<'_> {
    async fn sleep(&self, duration: Duration) {
        // sleeps because that is what the port is for
        tokio::time::sleep(duration).await;
    }
}

impl Entropy for NativePorts<'_> {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the machine has randomness");
    }
}

impl Sql for NativePorts<'_> {
    async fn query(&self, statement: &str, parameters: &[SqlValue]) -> Result<Rows, SqlError> {
        self.database.query(self.replica, statement, parameters)
    }
}

impl HttpClient for NativePorts<'_> {
    async fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
        body_bytes_max: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let exchange = async {
            let answer = self.outside.0.request(request.map(Full::new)).await;
            let answer = answer.map_err(|error| {
                let text = error.to_string();
                if error.is_connect() { HttpError::Connect(text) } else { HttpError::Broken(text) }
            })?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, body_bytes_max).collect().await.map_err(|error| {
                match error.downcast::<http_body_util::LengthLimitError>() {
                    Ok(_) => HttpError::TooLarge,
                    Err(error) => HttpError::Broken(error.to_string()),
                }
            })?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(HttpError::Timeout))
    }
}

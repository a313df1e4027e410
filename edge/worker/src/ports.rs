//! The ports over the Worker's bindings. Names of bindings are those of `wrangler.toml`.

use core::cell::OnceCell;
use core::pin::pin;
use core::time::Duration;

use domain::Timestamp;
use futures::future::{Either, select};
use ports::{Clock, Entropy, Timer, VariableError, Variables};
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{Delay, Env};

use self::sql::Database;
use crate::log;

pub(crate) mod counters;
pub(crate) mod http_client;
pub(crate) mod key_value;
pub(crate) mod sessions;
pub(crate) mod sql;

/// Every port. Make one per request: it keeps the request's database session.
#[derive(Debug)]
pub(crate) struct WorkerPorts {
    env: Env,
    database: OnceCell<Database>,
}

impl WorkerPorts {
    /// Makes the ports over a request's bindings. Nothing is opened before it is used.
    pub(crate) const fn new(env: Env) -> Self {
        Self { env, database: OnceCell::new() }
    }

    /// Returns the bindings.
    pub(crate) const fn env(&self) -> &Env {
        &self.env
    }

    /// Reads a variable or a secret; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> String {
        self.env.var(name).map(|value| value.to_string()).unwrap_or_default()
    }
}

impl Variables for WorkerPorts {
    async fn variable(&self, name: &str) -> Result<String, VariableError> {
        // Secrets and variables are read alike. What is no text is as good as absent, and its text might be a secret.
        let value = self.env.var(name).map(|value| value.to_string());
        value.map_err(|_| VariableError::Undefined(name.to_owned()))
    }
}

/// Reads workerd's clock, which stands still while a request computes.
pub(crate) fn now() -> Timestamp {
    // Milliseconds since 1970 fit 53 bits for longer than there will be Workers.
    Timestamp::from_unix_ms(i64::try_from(worker::Date::now().as_millis()).unwrap_or(i64::MAX))
}

impl Clock for WorkerPorts {
    fn now(&self) -> Timestamp {
        now()
    }
}

impl Timer for WorkerPorts {
    async fn sleep(&self, duration: Duration) {
        Delay::from(duration).await;
    }
}

/// Waits for `future` until `limit`, another one, is over; `None` then. The loser is dropped.
pub(crate) async fn before<T>(
    limit: impl Future<Output = ()>,
    future: impl Future<Output = T>,
) -> Option<T> {
    match select(pin!(future), pin!(limit)).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn get_random_values(buffer: &mut [u8])
    -> Result<wasm_bindgen::JsValue, wasm_bindgen::JsValue>;
}

/// Most bytes that one call fills (Web Crypto, section 10.1.1).
const RANDOM_BYTES_MAX: usize = 65_536;

impl Entropy for WorkerPorts {
    fn fill(&self, buffer: &mut [u8]) {
        for part in buffer.chunks_mut(RANDOM_BYTES_MAX) {
            if get_random_values(part).is_err() {
                // Only possible outside of a request, where nothing of ours runs.
                log::error("entropy", "no random bytes");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use core::future::{pending, ready};

    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn nobody_is_waited_for_longer_than_the_limit() {
        assert_eq!(before(pending(), ready(1)).now_or_never(), Some(Some(1)));
        assert_eq!(before(ready(()), pending::<u8>()).now_or_never(), Some(None));
        // Who is there at the limit has made it.
        assert_eq!(before(ready(()), ready(1)).now_or_never(), Some(Some(1)));
    }
}

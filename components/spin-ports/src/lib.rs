//! The ports over spin-sdk, and over the express lane's questions where a request is served there.
//!
//! Layer: adapter (L3). With `express` the only guest crate that names WIT: shells and cores see `ports` and `http`
//! types.
//! Not here: a component's way in and out (`express`), decisions. Errors are mapped from their variants, never read from their texts.
//! Start at [`SpinPorts`] for what a core may call, and at [`serve::serve`] for a component's handler.

use core::time::Duration;

use domain::Timestamp;
use express::ask::Refusal;
use ports::{Clock, Entropy, Timer, VariableError, Variables};
use spin_sdk::wasip3::{clocks::system_clock, random};

pub mod counters;
pub mod http_client;
pub mod key_value;
pub mod serve;
mod sessions;
pub mod sql;

/// Label of the one key-value store and the one database that a manifest may name without further configuration.
const DEFAULT: &str = "default";

/// Every port, over the host's capabilities. Make one per request: it keeps the request's database connection.
#[derive(Debug, Default)]
pub struct SpinPorts {
    database: sql::Database,
}

impl SpinPorts {
    /// Makes the ports for one request. Nothing is opened before it is used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// A refusal that has no word of its own in a port.
fn said(refusal: Refusal) -> String {
    match refusal {
        Refusal::Denied => "denied".to_owned(),
        Refusal::Missing => "missing".to_owned(),
        Refusal::TooLarge => "too large".to_owned(),
        Refusal::Other(why) => why.into_owned(),
    }
}

impl Clock for SpinPorts {
    fn now(&self) -> Timestamp {
        let instant = system_clock::now();
        let ms = instant.seconds.saturating_mul(1_000);
        Timestamp::from_unix_ms(ms.saturating_add(i64::from(instant.nanoseconds / 1_000_000)))
    }
}

impl Entropy for SpinPorts {
    fn fill(&self, buffer: &mut [u8]) {
        let mut filled = 0;
        // The host may give fewer bytes than asked for (at least one, by the interface's contract).
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let bytes =
                random::random::get_random_bytes(u64::try_from(rest.len()).unwrap_or(u64::MAX));
            for (to, from) in rest.iter_mut().zip(&bytes) {
                *to = *from;
            }
            filled += bytes.len().max(1);
        }
    }
}

impl Variables for SpinPorts {
    async fn variable(&self, name: &str) -> Result<String, VariableError> {
        use spin_sdk::variables::Error;
        if express::is_express() {
            return express::ask::variable(name).await.map_err(|refusal| match refusal {
                Refusal::Missing => VariableError::Undefined(name.to_owned()),
                other => VariableError::Failed(said(other)),
            });
        }
        spin_sdk::variables::get(name).await.map_err(|error| match error {
            Error::Undefined(_) => VariableError::Undefined(name.to_owned()),
            Error::InvalidName(text) | Error::Provider(text) | Error::Other(text) => {
                VariableError::Failed(text)
            }
        })
    }
}

impl Timer for SpinPorts {
    async fn sleep(&self, duration: Duration) {
        spin_sdk::time::sleep(duration).await;
    }
}

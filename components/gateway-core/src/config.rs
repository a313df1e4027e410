//! The application's variables, read and checked.

use api_types::client_address::Cidr;
use api_types::payment::StripeJs;
use domain::Timestamp;
use ports::{VariableError, Variables};

use crate::cors::Origins;

/// Largest `rate_limit_scale`: one million.
const SCALE_MAX: u32 = 1_000_000;

/// What operators decide.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which other sites may read the API.
    pub cors_origins: Origins,
    /// Multiplies every limit.
    pub rate_limit_scale: u32,
    /// Proxies whose word about the client is believed.
    pub trusted_proxies: Vec<Cidr>,
    /// Whose script pages may load for a payment.
    pub stripe_js: StripeJs,
    /// Keys the signed identity. Empty where the component may not know it.
    pub(crate) edge_secret: Vec<u8>,
    /// When it was read.
    pub(crate) read_at: Timestamp,
}

/// Why the variables cannot be used. Names the variable, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The host gave no value.
    #[error("read variable")]
    Unreadable(#[source] VariableError),
    /// The value is wrong.
    #[error("variable `{0}` is not valid")]
    Invalid(&'static str),
}

/// Reads every variable. A wrong list of proxies or origins is refused rather than half believed.
///
/// # Errors
/// See [`ConfigError`].
pub async fn read<P: Variables>(ports: &P, now: Timestamp) -> Result<Config, ConfigError> {
    let cors = optional(ports, "cors_origins").await?;
    let scale = optional(ports, "rate_limit_scale").await?;
    let proxies = optional(ports, "trusted_proxies").await?;
    let stripe_js = optional(ports, "stripe_js_url").await?;
    let secret = optional(ports, "edge_secret").await?;
    Ok(Config {
        cors_origins: Origins::parse(&cors).ok_or(ConfigError::Invalid("cors_origins"))?,
        rate_limit_scale: parse_scale(&scale).ok_or(ConfigError::Invalid("rate_limit_scale"))?,
        trusted_proxies: entries(&proxies)
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| ConfigError::Invalid("trusted_proxies"))?,
        stripe_js: StripeJs::parse(&stripe_js)
            .map_err(|_| ConfigError::Invalid("stripe_js_url"))?,
        edge_secret: secret.into_bytes(),
        read_at: now,
    })
}

/// Splits a comma-separated list; spaces around entries and empty entries do not count.
pub(crate) fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn parse_scale(text: &str) -> Option<u32> {
    if text.is_empty() {
        return Some(1);
    }
    text.parse().ok().filter(|scale| (1..=SCALE_MAX).contains(scale))
}

async fn optional<P: Variables>(ports: &P, name: &str) -> Result<String, ConfigError> {
    match ports.variable(name).await {
        Ok(value) => Ok(value),
        Err(VariableError::Undefined(_)) => Ok(String::new()),
        Err(error @ VariableError::Failed(_)) => Err(ConfigError::Unreadable(error)),
    }
}

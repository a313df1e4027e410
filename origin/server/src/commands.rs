//! A file per subcommand.

pub(crate) mod admin;
pub(crate) mod flag;
pub(crate) mod jobs;
pub(crate) mod migrate;
pub(crate) mod new_epoch;
pub(crate) mod numbers;
pub(crate) mod payments;
pub(crate) mod seed;
pub(crate) mod serve;
pub(crate) mod stock;
mod webhooks;

use anyhow::Context;
use store::{ConnectionUrl, PostgresConfig, Store, StoreConfig};

use crate::cli::Database;

/// Opens the shop's database.
async fn open_store(options: &Database) -> anyhow::Result<Store> {
    let epoch = crate::secret::random_hex::<8>()?;
    let (config, place) = match (&options.database_url, &options.data) {
        (Some(url), _) => {
            let standby_url = options.database_standby_url.clone();
            let config = PostgresConfig {
                url: ConnectionUrl::new(url.0.clone()),
                standby_url: standby_url.map(|url| ConnectionUrl::new(url.0)),
                connections_max: options.database_connections_max.into(),
                waiting_max: 1_024,
            };
            (StoreConfig::Postgres(config), "the database cluster".to_owned())
        }
        (None, Some(data)) => {
            let path = data.join("origin.db");
            let place = path.display().to_string();
            (StoreConfig::file(path), place)
        }
        (None, None) => anyhow::bail!("name a database: DATABASE_URL or --data"),
    };
    Store::open(&config, &epoch).await.with_context(|| format!("open {place}"))
}

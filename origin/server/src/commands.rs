//! A file per subcommand.

pub(crate) mod flag;
pub(crate) mod jobs;
pub(crate) mod new_epoch;
pub(crate) mod payments;
pub(crate) mod seed;
pub(crate) mod serve;
mod webhooks;

use std::path::Path;

use anyhow::Context;
use store::{Store, StoreConfig};

/// Opens the shop's database in a folder.
fn open_store(data: &Path) -> anyhow::Result<Store> {
    let epoch = crate::secret::random_hex::<8>()?;
    let config = StoreConfig::new(data.join("origin.db"));
    Store::open(&config, &epoch).with_context(|| format!("open {}", config.path.display()))
}

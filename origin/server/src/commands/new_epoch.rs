//! `new-epoch`: a new history for the feed.

use anyhow::Context;

use super::open_store;
use crate::cli::NewEpoch;
use crate::secret::random_hex;

#[expect(clippy::print_stdout, reason = "the result of a command")]
pub(crate) async fn run(options: NewEpoch) -> anyhow::Result<()> {
    let store = open_store(&options.database).await?;
    let epoch = random_hex::<8>()?;
    store.new_epoch(epoch.clone()).await.context("write the epoch")?;
    println!("epoch {epoch}");
    Ok(())
}

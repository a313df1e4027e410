//! `numbers`: how a cluster numbers its orders.

use anyhow::{Context, ensure};
use domain::numbers::Drawing;

use super::open_store;
use crate::cli::Numbers;

#[expect(clippy::print_stdout, reason = "the result of a command")]
pub(crate) async fn run(options: Numbers) -> anyhow::Result<()> {
    let store = open_store(&options.database).await?;
    ensure!(store.is_shared(), "a file numbers its orders without gaps, and no other way");
    let (drawing, said) = match options.blocks {
        Some(size) => (Drawing::Blocks { size }, format!("from a sequence, {size} at once")),
        None => (Drawing::Gapless, "without gaps".to_owned()),
    };
    store.set_order_numbers(drawing).await.context("set how orders are numbered")?;
    println!("orders are numbered {said}");
    Ok(())
}

//! `numbers`: how a cluster numbers its orders.

use anyhow::{Context, ensure};
use app::Clock;
use domain::numbers::Drawing;
use store::{ChangeShop, NumbersChange, Once, ShopChange};

use super::open_store;
use crate::cli::Numbers;

/// Who changes the shop, as the event says it that tells of it.
const ACTOR: &str = "operator";

#[expect(clippy::print_stdout, reason = "the result of a command")]
pub(crate) async fn run(options: Numbers) -> anyhow::Result<()> {
    let store = open_store(&options.database).await?;
    ensure!(store.is_shared(), "a file numbers its orders without gaps, and no other way");
    let (drawing, said) = match options.blocks {
        Some(size) => (Drawing::Blocks { size }, format!("from a sequence, {size} at once")),
        None => (Drawing::Gapless, "without gaps".to_owned()),
    };
    // A change of the shop like the staff's: with a version of its own, and told to others. Said again, it is none.
    let order_numbers = NumbersChange { drawing: Some(drawing), ..NumbersChange::default() };
    let change = ShopChange { order_numbers, ..ShopChange::default() };
    let now = Clock::default().now();
    let command = ChangeShop { change, version: None, actor: ACTOR.to_owned(), now };
    let changed = store.change_shop(command, None).await.context("set how orders are numbered")?;
    ensure!(matches!(changed, Ok(Once::Fresh(_))), "the shop could not be changed");
    println!("orders are numbered {said}");
    Ok(())
}

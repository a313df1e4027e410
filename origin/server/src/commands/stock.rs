//! `stock`: what an operator asks about the stock.

use anyhow::{Context, bail};

use super::open_store;
use crate::cli::{Stock, StockCommand};

pub(crate) async fn run(options: Stock) -> anyhow::Result<()> {
    let store = open_store(&options.database).await?;
    match options.command {
        StockCommand::Prove => prove(&store).await,
    }
}

#[expect(clippy::print_stdout, reason = "the result of a command")]
async fn prove(store: &store::Store) -> anyhow::Result<()> {
    let proof = store.prove_stock().await.context("replay the movements")?;
    for fault in &proof.faults {
        println!("{fault}");
    }
    println!("{} SKUs, {} movements, {} faults", proof.skus, proof.movements, proof.faults.len());
    if !proof.faults.is_empty() {
        bail!(
            "counters are not what their movements say: see RUNBOOK, \"Stock that does not add up\""
        );
    }
    Ok(())
}

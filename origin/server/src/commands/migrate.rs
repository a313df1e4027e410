//! `migrate`: a shop from a file into a cluster.

use anyhow::{Context, ensure};
use store::{ConnectionUrl, PostgresConfig, Store};

use crate::cli::{Migrate, MigrateCommand};

#[expect(clippy::print_stdout, reason = "the result of a command")]
pub(crate) async fn run(options: Migrate) -> anyhow::Result<()> {
    let MigrateCommand::Copy(copy) = options.command;
    ensure!(copy.from.is_file(), "there is no file {}", copy.from.display());
    let to = PostgresConfig {
        url: ConnectionUrl::new(copy.to.0),
        standby_url: None,
        connections_max: 1,
        waiting_max: 1,
    };
    let copied = Box::pin(Store::copy_shop(&copy.from, &to))
        .await
        .with_context(|| format!("copy {}", copy.from.display()))?;
    let rows: u64 = copied.tables.values().sum();
    for (table, rows) in copied.tables.iter().filter(|(_, rows)| **rows > 0) {
        println!("{table}\t{rows}");
    }
    println!(
        "copied {rows} rows of {} tables; rows, ledger, orders and stock agree",
        copied.tables.len()
    );
    Ok(())
}

//! `flag`: one switch for the edges.

use anyhow::{Context, bail};
use app::Clock;
use store::Catalogue;

use super::open_store;
use crate::cli::Flag;

/// Longest value: 16 KiB, far above any flag and below what every edge's store takes.
const VALUE_BYTES_MAX: usize = 16 * 1_024;

#[expect(clippy::print_stdout, reason = "the result of a command")]
pub(crate) async fn run(options: Flag) -> anyhow::Result<()> {
    let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=64).contains(&options.name.len()) || !options.name.bytes().all(is_fit) {
        bail!("a flag's name is 1 to 64 of a-z, 0-9 and -");
    }
    if options.value.len() > VALUE_BYTES_MAX {
        bail!("a flag's value has at most {VALUE_BYTES_MAX} bytes");
    }
    let name = format!("flag/{}", options.name);
    // A setting like any other: the change feed carries it to every edge.
    let settings = [(name.clone(), options.value.clone())].into();
    let catalogue = Catalogue { settings, categories: Vec::new(), products: Vec::new() };
    let store = open_store(&options.database).await?;
    store.upsert_catalogue(catalogue, Clock::default().now()).await.context("write the flag")?;
    println!("{name} is {}", if options.value.is_empty() { "off" } else { "set" });
    Ok(())
}

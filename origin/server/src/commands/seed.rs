//! `seed`: a catalogue into the shop.

use anyhow::Context;
use app::Clock;

use super::open_store;
use crate::cli::Seed;

#[expect(clippy::print_stdout, reason = "the result of a command")]
pub(crate) async fn run(options: Seed) -> anyhow::Result<()> {
    let path = options.catalogue;
    let json =
        std::fs::read(&path).with_context(|| format!("read catalogue {}", path.display()))?;
    let catalogue = app::parse_catalogue(&json)
        .with_context(|| format!("parse catalogue {}", path.display()))?;
    let (categories, products) = (catalogue.categories.len(), catalogue.products.len());
    let variants: usize = catalogue.products.iter().map(|product| product.variants.len()).sum();
    let store = open_store(&options.database).await?;
    store
        .upsert_catalogue(catalogue, Clock::default().now())
        .await
        .context("write the catalogue")?;
    println!("seeded {products} products with {variants} variants in {categories} categories");
    Ok(())
}

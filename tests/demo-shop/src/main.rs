//! The command `demo-shop`: writes models, pictures and the catalogue of the demo shop into a folder.

use std::path::PathBuf;

use clap::Parser;
use demo_shop::pipeline;
use demo_shop::progress::Progress;
use demo_shop::progress::Style;

/// Writes the demo shop's models, pictures and catalogue.
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder to write into: `media/` and `catalogue.json`.
    #[arg(long)]
    out: PathBuf,
    /// Texts, prices and stock; the repository's own by default.
    #[arg(long)]
    seed: Option<PathBuf>,
    /// Builds only the product with this handle, and no hero picture.
    #[arg(long)]
    only: Option<String>,
    /// How progress is shown on standard output.
    #[arg(long, value_enum, default_value_t = Style::Plain)]
    progress: Style,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let progress = Progress::new(arguments.progress);
    let seed = arguments.seed.unwrap_or_else(pipeline::default_seed);
    pipeline::run(&seed, &arguments.out, arguments.only.as_deref(), &progress)
}

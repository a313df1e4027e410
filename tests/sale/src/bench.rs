//! `checkout`: combined against row locks, one SKU against many, few orders against a million.

mod grow;
mod peers;
mod place;
mod report;
mod sale;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use place::Place;
use report::{Figure, Report};
use sale::{Goods, Sale};

/// What is measured.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// On which database.
    #[arg(long, value_enum, default_value_t = On::Both)]
    on: On,
    /// Buyers at once.
    #[arg(long, default_value_t = 512)]
    buyers: usize,
    /// Pieces that are sold, one to an order.
    #[arg(long, default_value_t = 10_000)]
    pieces: u32,
    /// SKUs of the sale that is spread.
    #[arg(long, default_value_t = 1_000)]
    skus: u32,
    /// Rounds; their medians are told.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Orders that the shop has already, one measurement for each.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 10_000, 100_000, 1_000_000])]
    stored: Vec<u32>,
    /// Fewer of everything: is it alive?
    #[arg(long)]
    quick: bool,
    /// Where databases are made and removed; a disk as slow as yours. A temporary folder unless said.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// A commit waits for one of two standbys, as in production.
    #[arg(long)]
    quorum: bool,
    /// Prints the figures as one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum On {
    /// The embedded store.
    Sqlite,
    /// A PostgreSQL of its own.
    Postgres,
    Both,
}

/// The command.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let mut report = Report::default();
    let folder = tempfile::Builder::new()
        .prefix("sale-")
        .tempdir_in(options.folder.clone().unwrap_or_else(std::env::temp_dir))?;
    report.machine(folder.path())?;
    if options.on != On::Postgres {
        let place = Place::sqlite(folder.path());
        measure(options, &place, &mut report).await?;
    }
    if options.on != On::Sqlite {
        let place = Place::postgres(folder.path(), options.quorum)?;
        measure(options, &place, &mut report).await?;
    }
    report.print(options.json)
}

async fn measure(options: &Options, place: &Place, report: &mut Report) -> Result<()> {
    let quick = |many: u32, few: u32| if options.quick { few } else { many };
    let pieces = quick(options.pieces, options.pieces.min(1_000));
    let rounds = if options.quick { 1 } else { options.rounds };
    let hot = Sale { buyers: options.buyers, pieces, goods: Goods::One };
    let spread = Sale { goods: Goods::Many(options.skus), ..hot };
    // A fresh database for each: what one leaves behind shall not slow the next. Interleaved: the machine is shared.
    for round in 0..rounds {
        crate::say(&format!("{}: round {} of {rounds}", place.name(), round + 1))?;
        // The first of a round finds everything cold: it is another each time.
        let mut sales = [(Figure::Hot, hot), (Figure::Spread, spread)];
        sales.rotate_left(round % 2);
        for (figure, sale) in sales {
            let shop = place.shop().await?;
            report.add(place.name(), figure, sale.run(&shop).await?);
        }
        let shop = place.shop().await?;
        report.add(place.name(), Figure::Peer, peers::row_locks(&shop, &hot).await?);
        if let Some(tps) = place.pgbench()? {
            report.anchor(tps);
        }
    }
    let stored: Vec<u32> =
        options.stored.iter().map(|&many| quick(many, many.min(10_000))).collect();
    if stored.len() > 1 {
        let shop = place.shop().await?;
        let mut there = 0;
        for many in stored {
            there = grow::to(&shop, there, many).await?;
            report.grown(place.name(), there, hot.run(&shop).await?);
            there += pieces;
        }
    }
    Ok(())
}

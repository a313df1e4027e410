//! `vitrine-origin`: the strongly consistent part of the shop, and the local payment provider beside it.
//!
//! Layer: binary (L4). One binary, roles by subcommand; this file reads arguments and starts one.
//! Not here: routes (`origin-http`), use cases (`app`), SQL (`store`).
//! Start at [`commands::serve`].

mod cli;
mod commands;
mod fonts;
mod listen;
mod secret;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "start the runtime");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Serve(options) => Box::pin(commands::serve::run(*options)).await,
            Command::Seed(options) => commands::seed::run(options).await,
            Command::Payments(options) => Box::pin(commands::payments::run(options)).await,
            Command::NewEpoch(options) => commands::new_epoch::run(options).await,
            Command::Flag(options) => commands::flag::run(options).await,
            Command::Migrate(options) => commands::migrate::run(options).await,
            Command::Numbers(options) => commands::numbers::run(options).await,
            Command::Admin(options) => commands::admin::run(options).await,
            Command::Stock(options) => commands::stock::run(options).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Logs to standard error; standard output holds the one line that says where it listens.
fn start_log() {
    let filter =
        EnvFilter::try_from_env("VITRINE_LOG").unwrap_or_else(|_unset| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}

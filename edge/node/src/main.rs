//! The edge node: serves the application that a `spin.toml` describes.
//!
//! Layer: binary (L4). Wires manifest, runtime and replica together and answers HTTP.
//! Not here: what components may do (`runtime`), what the application means (the components).
//! A request passes `accept.rs` → `serve.rs` → `runtime`, and leaves in failure only by `error_response.rs`.
//! Start at [`main`], then `up.rs`.

mod accept;
mod access_log;
mod admin;
mod application;
mod cdn_loop;
mod cli;
mod config;
mod connections;
mod deploy;
mod deploy_commands;
mod deployment;
mod error_response;
mod first_version;
mod fronts;
mod given;
mod health;
mod histogram;
mod in_flight;
mod listen;
mod metrics;
mod notify;
mod operation;
mod origins;
mod otlp;
mod paced_body;
mod quick;
mod random;
mod replicate;
mod replication;
mod request_head;
mod serve;
mod shard;
mod sign;
mod stall;
mod threads;
mod tls;
mod trace_context;
mod traffic;
mod up;
mod versions;
mod watch;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit code for a configuration that cannot be used (`EX_USAGE`).
const EXIT_CONFIGURATION: u8 = 64;

fn main() -> ExitCode {
    let line: Vec<_> = std::env::args_os().collect();
    let environment = |name: &str| std::env::var_os(name);
    let cli = match config::read(&line, &environment) {
        Ok(cli) => cli,
        Err(error) => return misread(error),
    };
    let ended = match cli.command {
        cli::Command::Up(options) => {
            up::start_logging(options.log_format);
            up::run(*options)
        }
        cli::Command::Proxy(options) => {
            up::start_logging(options.log_format);
            up::run_proxy(*options)
        }
        cli::Command::Replicate(options) => {
            up::start_logging(options.log_format);
            replicate::run(options)
        }
        cli::Command::Deploy(options) => deploy_commands::deploy(options),
        cli::Command::Rollback(options) => deploy_commands::rollback(&options),
        cli::Command::Promote(options) => deploy_commands::promote(&options),
        cli::Command::Versions(options) => deploy_commands::versions(&options),
        cli::Command::Config(options) => match config::run(&options, &environment) {
            Ok(()) => Ok(()),
            Err(error) => return misread(error),
        },
        cli::Command::Sign(options) => sign::run(&options, &environment),
        cli::Command::Compile(options) => return compile(&options),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

/// Tells what is wrong with the command line, or what was asked for instead of running: help, the version.
fn misread(error: config::ConfigError) -> ExitCode {
    let error = match error {
        config::ConfigError::Line(error) => error,
        error => return report(&up::Failure::Configuration(error.into())),
    };
    if let Some(sentence) = cli::explain(&error) {
        return report(&up::Failure::Configuration(anyhow::Error::msg(sentence)));
    }
    // Nothing is left to do if the terminal is gone.
    let _ = error.print();
    if error.use_stderr() { EXIT_CONFIGURATION.into() } else { ExitCode::SUCCESS }
}

/// Compiles one component between standard input and output; the node that started this reads what goes wrong.
#[expect(clippy::print_stderr, reason = "that is where the node reads it")]
fn compile(options: &cli::Compile) -> ExitCode {
    let bounds =
        runtime::CompileBounds { cpu_s: options.cpu_s, memory_bytes: options.memory_bytes };
    match runtime::compile_bounded(bounds, std::io::stdin().lock(), std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

/// Tells the one sentence that the operator needs.
#[expect(clippy::print_stderr, reason = "the operator reads it, whatever the log is set to")]
fn report(failure: &up::Failure) -> ExitCode {
    eprintln!("vitrine-edge: {:#}", failure.error());
    match failure {
        up::Failure::Configuration(_) => EXIT_CONFIGURATION.into(),
        up::Failure::Other(_) => ExitCode::FAILURE,
    }
}

//! `worker build`: Rust to WebAssembly to a Worker, and what it weighs.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::config::{self, Config, ENVIRONMENTS};
use super::tools::{self, Tools};
use super::{imports, startup};
use crate::Context;
use crate::build as parts;
use crate::cli::WorkerBuildArgs;
use crate::stamp::Stamp;

/// The cargo profile of the Worker, in the workspace's manifest.
const PROFILE: &str = "worker";
/// The standard library is built with it, so that a panic unwinds and costs one request. That
/// takes options which cargo calls unstable; the toolchain stays the pinned stable one.
const BUILD_STD: [&str; 2] = ["-Z", "build-std=std,panic_unwind"];
const UNWIND: &str = "-Cpanic=unwind";
/// Most that a Worker may weigh, compressed: 3 MB, the limit of the platform's smallest plan.
const COMPRESSED_BYTES_MAX: u64 = 3_000_000;
/// Longest start of a Worker: above one second the platform refuses the upload.
const STARTUP_MAX: Duration = Duration::from_secs(1);
/// The environment that is measured; they differ in names alone.
const MEASURED: &str = "dev";

/// What a Worker weighs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Figures {
    raw_bytes: u64,
    compressed_bytes: u64,
    startup_us: u64,
    imports: usize,
}

/// A build of the Worker.
#[derive(Debug, Clone, Copy)]
struct Variant {
    /// The name of its folder below `target/worker`, and of its stamp.
    folder: &'static str,
    features: &'static [&'static str],
}

/// The Worker that `main` in `wrangler.toml` names.
const OURS: Variant = Variant { folder: "build", features: &[] };
/// The same with addresses that fail on purpose, for tests alone.
const FAULTY: Variant = Variant { folder: "test-faults", features: &["test-faults"] };

/// The command.
pub(crate) fn run(context: &Context, args: &WorkerBuildArgs) -> Result<()> {
    if args.test_faults {
        return build_faulty(context);
    }
    build(context)?;
    if args.check {
        for environment in ENVIRONMENTS {
            super::deploy::dry_run(context, environment, &[])?;
        }
    }
    Ok(())
}

/// Builds the pages and the Worker, unless they are those of the sources, and says what it weighs.
pub(crate) fn build(context: &Context) -> Result<()> {
    parts::require_tools()?;
    tools::npm_packages(context)?;
    parts::storefront(context)?;
    let stamp = stamp(context, OURS)?;
    if stamp.is_current()
        && is_built(context, OURS)
        && let Some(figures) = kept_figures(context)
    {
        context.reporter.result(&format!("{} (built before)", describe(&figures)));
        return Ok(());
    }
    stamp.forget();
    compile(context, OURS)?;
    let figures = measure(context)?;
    context.reporter.result(&describe(&figures));
    judge(&figures)?;
    keep_figures(context, &figures)?;
    stamp.keep()
}

/// Builds the variant with faults, unless it is that of the sources.
pub(crate) fn build_faulty(context: &Context) -> Result<()> {
    let stamp = stamp(context, FAULTY)?;
    if stamp.is_current() && is_built(context, FAULTY) {
        return Ok(());
    }
    stamp.forget();
    compile(context, FAULTY)?;
    stamp.keep()
}

fn output(context: &Context, variant: Variant) -> PathBuf {
    context.workspace.generated().join("worker").join(variant.folder)
}

fn is_built(context: &Context, variant: Variant) -> bool {
    ["index.js", "index_bg.wasm"].iter().all(|file| output(context, variant).join(file).is_file())
}

fn check_folder(context: &Context) -> PathBuf {
    context.workspace.generated().join("worker/check")
}

fn stamp(context: &Context, variant: Variant) -> Result<Stamp> {
    let sources = [
        "Cargo.lock",
        "Cargo.toml",
        "rust-toolchain.toml",
        "components",
        "edge/worker",
        "tests/xtask/src/worker/build.rs",
        "tests/xtask/src/worker/tools.rs",
    ];
    Stamp::of(
        context.workspace.generated().join(format!("stamps/worker-{}", variant.folder)),
        &sources.map(|source| context.workspace.path(source)),
        &["node_modules", ".wrangler"],
    )
}

fn compile(context: &Context, variant: Variant) -> Result<()> {
    let tools = Tools::ready(context)?;
    let output = output(context, variant);
    let mut command = tools.worker_build();
    command.current_dir(context.workspace.root()).arg(tools::folder(context));
    command.args(["--profile", PROFILE, "--out-dir"]).arg(&output).arg("--").args(BUILD_STD);
    for feature in variant.features {
        command.args(["--features", feature]);
    }
    // In a folder of its own: what is compiled with these is of no use to any other build.
    command.env("CARGO_TARGET_DIR", context.workspace.target().join("worker-cargo"));
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", UNWIND);
    command.env_remove("CARGO_ENCODED_RUSTFLAGS");
    context.steps.run("build the Worker", &mut command)?;
    if !is_built(context, variant) {
        bail!("build the Worker: {} is incomplete", output.display());
    }
    Ok(())
}

/// Lets wrangler bundle the Worker as for an upload, and start it once.
fn measure(context: &Context) -> Result<Figures> {
    let wasm = output(context, OURS).join("index_bg.wasm");
    let wasm = fs::read(&wasm).with_context(|| format!("read {}", wasm.display()))?;
    let imports = imports::require_glue_only(&wasm)?;
    let folder = check_folder(context);
    let config = Config::read(context)?.environment(MEASURED)?;
    let config = config::write(&folder, &config, &[])?;
    let bundle = folder.join("worker.bundle");
    let mut dry = tools::wrangler(context);
    dry.args(["deploy", "--dry-run", "--config"]).arg(&config).arg("--outfile").arg(&bundle);
    let (_, lines) = context.steps.captured("bundle the Worker", &mut dry)?;
    let (raw_bytes, compressed_bytes) =
        lines.iter().find_map(|line| sizes(line)).context("wrangler tells no size")?;
    let profile = folder.join("startup.cpuprofile");
    let mut start = tools::wrangler(context);
    start.args(["check", "startup", "--config"]).arg(&config);
    start.arg("--worker").arg(&bundle).arg("--outfile").arg(&profile);
    context.steps.run("measure the Worker's start", &mut start)?;
    let profile =
        fs::read_to_string(&profile).with_context(|| format!("read {}", profile.display()))?;
    let startup_us = u64::try_from(startup::busy(&profile)?.as_micros()).unwrap_or(u64::MAX);
    Ok(Figures { raw_bytes, compressed_bytes, startup_us, imports })
}

/// Both sizes in wrangler's line `Total Upload: 317.50 KiB / gzip: 86.58 KiB`.
fn sizes(line: &str) -> Option<(u64, u64)> {
    let (raw, compressed) = line.split_once("Total Upload:")?.1.split_once("/ gzip:")?;
    let bytes = |text: &str| -> Option<u64> {
        let kib: f64 = text.trim().strip_suffix("KiB")?.trim().parse().ok()?;
        format!("{:.0}", kib * 1024.0).parse().ok()
    };
    Some((bytes(raw)?, bytes(compressed)?))
}

fn describe(figures: &Figures) -> String {
    format!(
        "Worker: {} kB, {} kB compressed of at most {} kB; start-up {:.1} ms of at most {} ms; {} imports, all of its own glue",
        figures.raw_bytes / 1000,
        figures.compressed_bytes / 1000,
        COMPRESSED_BYTES_MAX / 1000,
        Duration::from_micros(figures.startup_us).as_secs_f64() * 1000.0,
        STARTUP_MAX.as_millis(),
        figures.imports,
    )
}

fn judge(figures: &Figures) -> Result<()> {
    if figures.compressed_bytes > COMPRESSED_BYTES_MAX {
        bail!(
            "the Worker weighs {} bytes compressed, at most {COMPRESSED_BYTES_MAX} are allowed: look for new dependencies with `cargo tree -p edge-worker`",
            figures.compressed_bytes
        );
    }
    if Duration::from_micros(figures.startup_us) > STARTUP_MAX {
        bail!(
            "the Worker takes {} ms to start, at most {} are allowed: look at {} in a browser's profiler",
            figures.startup_us / 1000,
            STARTUP_MAX.as_millis(),
            "target/worker/check/startup.cpuprofile"
        );
    }
    Ok(())
}

fn kept_figures(context: &Context) -> Option<Figures> {
    let text = fs::read_to_string(check_folder(context).join("figures.json")).ok()?;
    serde_json::from_str(&text).ok()
}

fn keep_figures(context: &Context, figures: &Figures) -> Result<()> {
    let file = check_folder(context).join("figures.json");
    let text = serde_json::to_string(figures).context("write the Worker's figures")?;
    fs::write(&file, text + "\n").with_context(|| format!("write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::{Figures, judge, sizes};

    #[test]
    fn both_sizes_are_read_from_wranglers_line() {
        let line = "Total Upload: 317.50 KiB / gzip: 86.58 KiB";
        assert_eq!(sizes(line), Some((325_120, 88_658)));
        assert_eq!(sizes("Total Upload: much"), None);
        assert_eq!(sizes("Read 1 file from the assets directory"), None);
    }

    #[test]
    fn a_worker_above_a_limit_is_refused() {
        let good = || Figures {
            raw_bytes: 9_000_000,
            compressed_bytes: 3_000_000,
            startup_us: 1_000_000,
            imports: 1,
        };
        assert!(judge(&good()).is_ok());
        assert!(judge(&Figures { startup_us: 1_000_001, ..good() }).is_err());
        assert!(judge(&Figures { compressed_bytes: 3_000_001, ..good() }).is_err());
    }
}

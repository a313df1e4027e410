//! What building and running the Worker needs, installed from the package registries alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::Context;
use crate::build;
use crate::step;
use crate::tools;

/// The release that fits the crate `worker` of the lock file.
const WORKER_BUILD: &str = "0.8.7";
/// The command line tool must be of the very version of the crate.
const WASM_BINDGEN: &str = "0.2.129";

/// The programs that the build runs.
#[derive(Debug)]
pub(crate) struct Tools {
    worker_build: PathBuf,
    wasm_bindgen: PathBuf,
    node_modules: PathBuf,
}

impl Tools {
    /// Finds all tools and installs those that are missing.
    pub(crate) fn ready(context: &Context) -> Result<Self> {
        build::require_tools()?;
        tools::install_targets(context)?;
        install_rust_source(context)?;
        npm_packages(context)?;
        let root = context
            .workspace
            .tool_cache()
            .join(format!("worker-tools-{WORKER_BUILD}-{WASM_BINDGEN}"));
        Ok(Self {
            worker_build: cargo_tool(context, &root, "worker-build", "worker-build", WORKER_BUILD)?,
            wasm_bindgen: cargo_tool(
                context,
                &root,
                "wasm-bindgen-cli",
                "wasm-bindgen",
                WASM_BINDGEN,
            )?,
            node_modules: folder(context).join("node_modules"),
        })
    }

    /// worker-build, told where its tools are: it would download those that it is not told of.
    pub(crate) fn worker_build(&self) -> Command {
        let mut command = Command::new(&self.worker_build);
        command
            .env("WASM_BINDGEN_BIN", &self.wasm_bindgen)
            .env("WASM_OPT_BIN", self.node_modules.join("binaryen/bin/wasm-opt"))
            .env("ESBUILD_BIN", self.node_modules.join("esbuild/bin/esbuild"));
        command
    }
}

/// The folder of the Worker's crate, which has the npm packages too.
pub(crate) fn folder(context: &Context) -> PathBuf {
    context.workspace.path("edge/worker")
}

/// Installs wrangler, miniflare, binaryen and esbuild as the lock file says.
pub(crate) fn npm_packages(context: &Context) -> Result<()> {
    build::npm_ci(context, "the Worker", &folder(context))
}

/// wrangler, quiet about itself, without telemetry, and without asking the network for news.
///
/// Runs its main program directly: the wrapper in front of it would not pass signals on.
pub(crate) fn wrangler(context: &Context) -> Command {
    let mut command = Command::new("node");
    command.current_dir(context.workspace.root()).args(wrangler_words(context));
    for (name, value) in WRANGLER_ENV {
        command.env(name, value);
    }
    command
}

/// The first arguments of node that make it wrangler.
pub(crate) fn wrangler_words(context: &Context) -> Vec<String> {
    let program = folder(context).join("node_modules/wrangler/wrangler-dist/cli.js");
    vec!["--no-warnings".into(), "--experimental-vm-modules".into(), program.display().to_string()]
}

/// No telemetry, no question for a newer version, no lookup of what a request's `cf` would be.
pub(crate) const WRANGLER_ENV: [(&str, &str); 5] = [
    ("WRANGLER_SEND_METRICS", "false"),
    ("WRANGLER_SEND_ERROR_REPORTS", "false"),
    ("WRANGLER_HIDE_BANNER", "true"),
    ("CLOUDFLARE_CF_FETCH_ENABLED", "false"),
    ("CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV", "false"),
];

/// Adds the sources of the standard library, which is built again so that panics unwind.
fn install_rust_source(context: &Context) -> Result<()> {
    if has_rust_source() {
        return Ok(());
    }
    if tools::find("rustup").is_none() {
        bail!(
            "the sources of Rust's standard library are missing and there is no rustup to add them: install rustup, or your system's rust-src"
        );
    }
    let mut command = Command::new("rustup");
    command.current_dir(context.workspace.root()).args(["component", "add", "rust-src"]);
    context.steps.run("add the sources of Rust's standard library", &mut command)?;
    Ok(())
}

/// Whether the toolchain in use has the sources of its standard library.
pub(crate) fn has_rust_source() -> bool {
    step::ask(Command::new("rustc").args(["--print", "sysroot"])).is_some_and(|sysroot| {
        Path::new(&sysroot).join("lib/rustlib/src/rust/library/std/Cargo.toml").is_file()
    })
}

/// A tool of that very version from the PATH or from `root`, where it is built if it is in neither.
fn cargo_tool(
    context: &Context,
    root: &Path,
    package: &str,
    program: &str,
    version: &str,
) -> Result<PathBuf> {
    if let Some(found) = tools::find(program)
        && step::ask(Command::new(&found).arg("--version"))
            .is_some_and(|text| text.split_whitespace().any(|word| word == version))
    {
        return Ok(found);
    }
    let installed = root.join("bin").join(program);
    if installed.is_file() {
        return Ok(installed);
    }
    if program == "worker-build" {
        install_openssl(context)?;
    }
    let target = root.join("build");
    let mut install = context.workspace.cargo();
    install.args(["install", package, "--version", &format!("={version}"), "--bin", program]);
    install.arg("--root").arg(root).env("CARGO_TARGET_DIR", &target);
    // Optimised, the two take 8.5 minutes of CPU to build; like this 5, and they run for a second.
    install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0");
    install.env("CARGO_PROFILE_RELEASE_LTO", "false");
    install.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    install.env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo");
    context.steps.run(&format!("build {program}, once for this machine"), &mut install)?;
    // Its build output is of no more use.
    let _ = std::fs::remove_dir_all(&target);
    Ok(installed)
}

/// worker-build links OpenSSL, for downloads that we never let it make.
fn install_openssl(context: &Context) -> Result<()> {
    let found = step::ask(Command::new("pkg-config").args(["--exists", "openssl"]));
    if found.is_some() || std::env::var_os("OPENSSL_DIR").is_some() {
        return Ok(());
    }
    tools::apt_install(context, &["libssl-dev", "pkg-config"], "worker-build needs OpenSSL")
}

//! `doctor`: what this machine lacks, and the command that gets it.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Result;
use pgcluster::Programs;

use crate::Context;
use crate::disk;
use crate::step;
use crate::tools;
use crate::worker;

/// What is asked about one tool.
struct Finding {
    name: &'static str,
    /// Without it nothing starts; the others are installed by us or are for tests.
    is_required: bool,
    /// What was found, or the command that gets it.
    answer: Result<String, String>,
}

/// The command. Fails when something is missing that we cannot get ourselves.
pub(crate) fn run(context: &Context) -> Result<ExitCode> {
    let findings = look(context);
    for finding in &findings {
        let (mark, text) = match (&finding.answer, finding.is_required) {
            (Ok(found), _) => ("ok     ", found),
            (Err(way), true) => ("MISSING", way),
            (Err(way), false) => ("absent ", way),
        };
        context.reporter.result(&format!("{mark}  {:<22} {text}", finding.name));
    }
    let missing = findings.iter().filter(|f| f.is_required && f.answer.is_err()).count();
    context.reporter.result(&match missing {
        0 => "nothing is missing for `cargo xtask up`".to_owned(),
        1 => "1 thing is missing: run the command beside it".to_owned(),
        n => format!("{n} things are missing: run the commands beside them"),
    });
    Ok(if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn look(context: &Context) -> Vec<Finding> {
    let version = |program: &str, way: &str| {
        step::ask(Command::new(program).arg("--version"))
            .map(|text| text.lines().next().unwrap_or_default().to_owned())
            .ok_or_else(|| way.to_owned())
    };
    let optional = |name, answer| Finding { name, is_required: false, answer };
    let required = |name, answer| Finding { name, is_required: true, answer };
    let node = match tools::node_problem() {
        None => version("node", ""),
        Some(problem) => Err(problem),
    };
    let targets = tools::missing_targets();
    let targets_answer = if targets.is_empty() {
        Ok(tools::TARGETS.join(", "))
    } else {
        Err(format!("rustup target add {} (`up` does it)", targets.join(" ")))
    };
    let targets_finding = if tools::find("rustup").is_some() {
        optional("WebAssembly targets", targets_answer)
    } else {
        required("WebAssembly targets", targets_answer)
    };
    let chromium = tools::chromium().map_or_else(
        || Err("apt-get install -y chromium (`test` does it as root)".to_owned()),
        |path| Ok(path.display().to_string()),
    );
    let mut findings = vec![
        required("rustc", version("rustc", "install Rust with rustup")),
        optional("rustup", version("rustup", "only needed to add missing targets")),
        required("C compiler", version("cc", "apt-get install -y gcc libc6-dev")),
        required("git", version("git", "apt-get install -y git")),
        required("Node.js and npm", node),
        targets_finding,
        optional("room on the disk", disk::answer(context.workspace.target())),
        optional(
            "Rust's own sources",
            if worker::has_rust_source() {
                Ok("found".to_owned())
            } else {
                Err("rustup component add rust-src (`worker build` does it)".to_owned())
            },
        ),
        optional(
            "cargo-nextest",
            version(
                "cargo-nextest",
                "cargo install cargo-nextest --locked (`test` uses `cargo test` without it)",
            ),
        ),
        optional("cargo-deny", cargo_deny(context)),
        optional("Chromium", chromium),
        optional(
            "Python with venv",
            tools::python().map_or_else(
                || Err("apt-get install -y python3 python3-venv (for `test models`)".to_owned()),
                |path| Ok(path.display().to_string()),
            ),
        ),
    ];
    findings.push(optional("PostgreSQL", postgres()));
    findings.extend(peers());
    findings
}

/// The second engine, for `up --postgres` and for the tests.
fn postgres() -> Result<String, String> {
    let Some(folder) = Programs::find_folder() else {
        return Err(
            "apt-get install -y postgresql, 15 or newer (`up --postgres` and `test` do it as root)"
                .to_owned(),
        );
    };
    let programs = Programs::find().map_err(|error| format!("{} ({error:#})", folder.display()))?;
    let version = programs.version().map_err(|error| format!("{error:#}"))?;
    Ok(format!("{version} in {}", folder.display()))
}

/// What our node is measured beside and with.
fn peers() -> [Finding; 2] {
    let peer = |name, found: Option<PathBuf>, package: &str| Finding {
        name,
        is_required: false,
        answer: found
            .map(|path| path.display().to_string())
            .ok_or_else(|| format!("apt-get install -y {package} (`bench cdn` does it as root)")),
    };
    [
        peer("nginx", tools::nginx(), "nginx-light"),
        peer("h2load", tools::find("h2load"), "nghttp2-client"),
    ]
}

fn cargo_deny(context: &Context) -> Result<String, String> {
    let cached = context.workspace.tool_cache().join("bin/cargo-deny");
    tools::find("cargo-deny")
        .or_else(|| cached.is_file().then_some(cached))
        .map(|path| path.display().to_string())
        .ok_or_else(|| "built by `cargo xtask deny` at its first run".to_owned())
}

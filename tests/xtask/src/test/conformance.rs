//! The ring `conformance`: one table of cases on every host, in one process, with counts per host.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::Context;

/// The package whose tests are the ring.
pub(super) const PACKAGE: &str = "conformance";
/// Its test binary.
const BINARY: &str = "it";
/// Hosts run at the same time: each waits for its own process most of the while. More of them keep two cores so busy that
/// an origin is silent for longer than its edges believe in it.
const THREADS: &str = "3";
/// What a host's line begins with.
const MARK: &str = "conformance ";

/// Finds the built test binary. Run by itself, and not by nextest, which gives each test a process of its own: here
/// every host is asked once, and all of them before one origin.
fn binary(context: &Context, select: impl FnOnce(&mut Command)) -> Result<PathBuf> {
    let mut command = context.workspace.cargo();
    command.args(["test", "--no-run", "--message-format", "json"]);
    select(&mut command);
    let (_, lines) = context.steps.captured("find the conformance tests", &mut command)?;
    let found = lines.iter().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_ours = message["target"]["name"] == BINARY
            && message["package_id"].as_str()?.contains(&format!("/tests/{PACKAGE}#"));
        message["executable"].as_str().filter(|_| is_ours).map(PathBuf::from)
    });
    match found {
        Some(path) => Ok(path),
        None => bail!("cargo built no test `{BINARY}` of `{PACKAGE}`"),
    }
}

/// Makes the command that runs the ring, or those of its tests whose names hold `name`.
pub(super) fn command(
    context: &Context,
    name: Option<&str>,
    select: impl FnOnce(&mut Command),
) -> Result<Command> {
    let binary = binary(context, select).context("find the conformance tests")?;
    let mut command = Command::new(binary);
    command.current_dir(context.workspace.path("tests/conformance"));
    command.args(["--nocapture", "--test-threads", THREADS]).args(name);
    Ok(command)
}

/// Picks what each host said about itself: `conformance of node: 885 passed, 0 failed, …`.
pub(super) fn hosts(lines: &[String]) -> Vec<String> {
    let mut hosts: Vec<String> = lines
        .iter()
        .filter_map(|line| line.strip_prefix(MARK))
        .map(|said| format!("conformance of {said}"))
        .collect();
    hosts.sort();
    hosts
}

#[cfg(test)]
mod tests {
    use super::hosts;

    #[test]
    fn what_hosts_say_is_picked_out_of_what_tests_print() {
        let lines = [
            "running 3 tests",
            "conformance node: 9 passed, 0 failed, 0 left out, 9 compared, 0 differ",
            "test hosts::node ... ok",
            "conformance native: 9 passed, 0 failed, 0 left out, 0 compared, 0 differ",
            "the conformance of something",
        ];
        let hosts = hosts(&lines.map(str::to_owned));
        assert_eq!(hosts.len(), 2);
        assert!(hosts[0].starts_with("conformance of native: 9"), "{hosts:?}");
        assert!(hosts[1].starts_with("conformance of node: 9"), "{hosts:?}");
    }
}

//! The ring `cache`: the public suite behind cache-tests.fyi against `vitrine-edge proxy`.

use std::process::Command;

use anyhow::Result;

use crate::Context;
use crate::build;

/// Where the suite's runner is, and the list of what may fail.
const FOLDER: &str = "tests/conformance/cache-suite";
/// What its closing line begins with.
const MARK: &str = "cache suite: ";

/// Installs the suite as the lock file says, and makes the command that runs it.
pub(super) fn command(context: &Context) -> Result<Command> {
    let folder = context.workspace.path(FOLDER);
    build::npm_ci(context, "the cache suite", &folder)?;
    let mut command = Command::new("npm");
    command.current_dir(folder).args(["test", "--silent"]);
    Ok(command)
}

/// Picks what it says of itself: `cache suite: required 153 of 157, optimal …`.
pub(super) fn summary(lines: &[String]) -> Option<String> {
    lines.iter().find(|line| line.starts_with(MARK)).cloned()
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn what_the_suite_says_is_picked_out_of_what_it_prints() {
        let lines = ["# pass 3", "cache suite: required 1 of 1", "1 passed, 0 failed"];
        let lines = lines.map(str::to_owned);
        assert_eq!(summary(&lines).as_deref(), Some("cache suite: required 1 of 1"));
        assert_eq!(summary(&lines[..1]), None);
    }
}

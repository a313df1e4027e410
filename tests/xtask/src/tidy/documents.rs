//! What documents say of the tree: the decisions that there are, and the tests that hold the limits.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::workspace::Workspace;

const LIMITS: &str = "docs/LIMITS.md";
/// Where the tests of the limits are.
const TESTED: [&str; 3] = ["components", "edge", "origin"];

/// Every decision is in the index, and the index names no other.
pub(super) fn judge_decisions(workspace: &Workspace, files: &[PathBuf]) -> Result<Vec<String>> {
    let folder = Path::new("docs/adr");
    let decisions: Vec<&str> = files
        .iter()
        .filter(|file| file.starts_with(folder))
        .filter_map(|file| file.file_name()?.to_str())
        .filter(|name| name.starts_with(|c: char| c.is_ascii_digit()) && name.ends_with(".md"))
        .collect();
    if decisions.is_empty() {
        return Ok(Vec::new());
    }
    let index_path = workspace.root().join(folder).join("README.md");
    let index = fs::read_to_string(&index_path)
        .context("read docs/adr/README.md, the index of the decisions")?;
    let mut findings: Vec<String> = decisions
        .iter()
        .filter(|name| !index.contains(**name))
        .map(|name| format!("docs/adr/README.md: does not name {name}"))
        .collect();
    for named in index.split(['(', ')', ' ', '\n']).filter(|word| word.ends_with(".md")) {
        let name = named.trim_start_matches("./");
        if name.starts_with(|c: char| c.is_ascii_digit()) && !decisions.contains(&name) {
            findings.push(format!("docs/adr/README.md: names {name}, which is not there"));
        }
    }
    Ok(findings)
}

/// Every test that the limits name exists, by the name of its function: those that run on several engines take theirs as an
/// argument.
pub(super) fn judge_limits(workspace: &Workspace, files: &[PathBuf]) -> Result<Vec<String>> {
    let read = |file: &Path| {
        fs::read_to_string(workspace.root().join(file))
            .with_context(|| format!("read {}", file.display()))
    };
    if !files.iter().any(|file| file == Path::new(LIMITS)) {
        return Ok(Vec::new());
    }
    let is_tested = |file: &&PathBuf| {
        let is_rust = file.extension().is_some_and(|kind| kind == "rs");
        is_rust && TESTED.iter().any(|folder| file.starts_with(folder))
    };
    let sources =
        files.iter().filter(is_tested).map(|file| read(file)).collect::<Result<Vec<_>>>()?;
    let limits = read(Path::new(LIMITS))?;
    let is_there = |test: &str| {
        let function = format!("fn {test}(");
        sources.iter().any(|source| source.contains(&function))
    };
    let unknown = tests_of(&limits).filter(|(_, test)| !is_there(test));
    Ok(unknown.map(|(line, test)| format!("{LIMITS}:{line}: there is no test `{test}`")).collect())
}

/// Returns what is written as code in the last column of a document's tables, each with its line.
fn tests_of(document: &str) -> impl Iterator<Item = (usize, &str)> {
    document.lines().enumerate().filter(|(_, line)| line.starts_with("| ")).flat_map(
        |(index, row)| {
            let cells = row.trim_end().strip_suffix('|').unwrap_or(row);
            let cell = cells.rsplit('|').next().unwrap_or_default();
            cell.split('`').skip(1).step_by(2).map(move |test| (index.saturating_add(1), test))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::tests_of;

    #[test]
    fn tests_are_named_in_the_last_column() {
        let document = "# Limits\n\n| what | limit | test |\n|---|---|---|\n\
            | `a` | 1 | `one`, store: `two` |\n| b | `--max` | |\n| c | | `three` |\nas `d` says\n";
        let tests: Vec<_> = tests_of(document).collect();
        assert_eq!(tests, [(5, "one"), (5, "two"), (7, "three")]);
    }
}

//! `docs/LIMITS.md` says what is so: its tests exist, and every option is in it.

use std::fs;
use std::path::Path;

const LIMITS: &str = include_str!("../../../../docs/LIMITS.md");

#[test]
fn every_test_that_the_limits_name_exists() {
    let root = crate::support::package().join("../..");
    let mut sources = String::new();
    for folder in ["components", "edge", "origin"] {
        read_sources(&root.join(folder), &mut sources);
    }
    let rows = LIMITS.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| row.trim_end_matches([' ', '|']).rsplit('|').next());
    let names: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(names.len() > 30, "{} tests", names.len());
    for name in names {
        // Those that run on several engines take theirs as an argument.
        assert!(sources.contains(&format!("fn {name}(")), "there is no test `{name}`");
    }
}

/// Reads all Rust of a folder and of those in it.
fn read_sources(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).expect("exists") {
        let path = entry.expect("is read").path();
        if path.is_dir() {
            read_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&fs::read_to_string(path).expect("is text"));
        }
    }
}

#[test]
fn every_limit_that_has_an_option_is_among_the_limits() {
    let shown = std::process::Command::new(env!("CARGO_BIN_EXE_vitrine-edge"))
        .args(["up", "--help"])
        .output()
        .expect("runs");
    let help = String::from_utf8(shown.stdout).expect("is text");
    let mut options = Vec::new();
    for word in help.split_whitespace().filter(|word| word.starts_with("--")) {
        if ["-max", "-ms", "-mib"].iter().any(|unit| word.ends_with(unit)) {
            options.push(word);
        }
    }
    assert!(options.len() > 8, "{options:?}");
    options.retain(|option| !LIMITS.contains(&format!("`{option}`")));
    assert!(options.is_empty(), "{options:?} are not in docs/LIMITS.md");
}

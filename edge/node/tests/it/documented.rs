//! `docs/LIMITS.md` says what is so: its tests exist, and every option is in it.

use std::fs;

const LIMITS: &str = include_str!("../../../../docs/LIMITS.md");

#[test]
fn every_test_that_the_limits_name_exists() {
    let here = crate::support::package();
    let mut sources = String::new();
    for folder in [
        "tests/it",
        "tests/it/http2_wire",
        "src/accept/http2/send",
        "../cdn/src",
        "../cdn/src/cache",
        "../cdn/src/disk",
        "../cdn/src/files",
        "../cdn/src/store",
        "../runtime/src",
        "../runtime/src/worker",
        "../runtime/src/connector",
        "../runtime/src/capability",
        "../runtime/src/capability/database",
        "../runtime/src/capability/database/remote",
        "../runtime/src/capability/file_store",
        "../runtime/src/capability/redis",
        "../../origin/app/src/import",
        "../../origin/app/tests/it",
        "../../origin/documents/tests/it",
        "../../origin/providers/src",
        "../../origin/providers/src/outbound",
        "../../origin/server/src/commands/jobs",
        "../../origin/server/tests/it",
        "../../origin/store/tests/it",
    ] {
        for entry in fs::read_dir(here.join(folder)).expect("exists") {
            let path = entry.expect("is read").path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&fs::read_to_string(path).expect("is text"));
            }
        }
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

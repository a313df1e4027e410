//! `tidy`: what no compiler checks, over the files that git knows.

mod documents;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::Context;
use crate::workspace::Workspace;

/// Longest source file. By habit they stay below 500.
const LINES_MAX: usize = 1000;
/// Largest file of any kind: larger ones are generated, or belong into a release.
const FILE_BYTES_MAX: u64 = 3 * 1024 * 1024;
/// Kinds of files that are read line by line.
const TEXTS: [&str; 12] =
    ["rs", "toml", "md", "mjs", "js", "ts", "css", "html", "json", "sh", "wit", "sql"];
/// Folders and endings of what a build makes.
const GENERATED_FOLDERS: [&str; 4] = ["target", "dist", "node_modules", ".vitrine"];
const GENERATED_KINDS: [&str; 7] = ["wasm", "db", "db-wal", "db-shm", "log", "glb", "usdz"];
/// Other people's texts, kept as they are.
const VENDORED: &str = "components/wit/deps";
/// A line above that says why allows one sleep in a test.
const SLEEP_EXCUSE: &str = "sleeps because";
/// A task without an issue; written apart so that this file passes its own check.
const TASK: &str = concat!("TO", "DO");

/// The command.
pub(crate) fn run(context: &Context) -> Result<()> {
    let report = context.reporter.step("check that the tree is tidy");
    match check(&context.workspace) {
        Ok(files) => {
            report.done();
            context.reporter.result(&format!("tidy: {files} files, nothing to complain of"));
            Ok(())
        }
        Err(error) => {
            report.failed();
            Err(error)
        }
    }
}

/// Checks every file; returns how many.
fn check(workspace: &Workspace) -> Result<usize> {
    let files = workspace.files()?;
    let mut findings = Vec::new();
    for file in &files {
        if let Some(finding) = judge_place(file) {
            findings.push(finding);
            continue;
        }
        let path = workspace.root().join(file);
        let size = fs::metadata(&path).with_context(|| format!("read {}", file.display()))?.len();
        if size > FILE_BYTES_MAX {
            findings.push(format!("{}: {size} bytes, at most {FILE_BYTES_MAX}", file.display()));
        }
        if is_text(file) && !file.starts_with(VENDORED) {
            let text =
                fs::read_to_string(&path).with_context(|| format!("read {}", file.display()))?;
            findings.extend(judge_text(file, &text));
        }
    }
    findings.extend(documents::judge_decisions(workspace, &files)?);
    findings.extend(documents::judge_limits(workspace, &files)?);
    if !findings.is_empty() {
        bail!("{} things are untidy:\n  {}", findings.len(), findings.join("\n  "));
    }
    Ok(files.len())
}

fn kind(file: &Path) -> &str {
    file.extension().and_then(|kind| kind.to_str()).unwrap_or_default()
}

fn is_text(file: &Path) -> bool {
    let locked = ["package-lock.json", "Cargo.lock"];
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    TEXTS.contains(&kind(file)) && !locked.contains(&name)
}

fn judge_place(file: &Path) -> Option<String> {
    let in_generated = file.parent().is_some_and(|folder| {
        folder.iter().any(|part| GENERATED_FOLDERS.iter().any(|g| part == *g))
    });
    let fixture = file.iter().any(|part| part == "fixtures");
    (in_generated || (GENERATED_KINDS.contains(&kind(file)) && !fixture)).then(|| {
        format!("{}: generated; take it out of git and name it in .gitignore", file.display())
    })
}

fn judge_text(file: &Path, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut find = |line: usize, words: &str| {
        findings.push(format!("{}:{line}: {words}", file.display()));
    };
    let is_rust = kind(file) == "rs";
    let lines = text.lines().count();
    if is_rust && lines > LINES_MAX {
        find(LINES_MAX, &format!("{lines} lines, at most {LINES_MAX}: split it by noun"));
    }
    if is_rust && is_crate_root(file) && !text.starts_with("//!") {
        find(1, "no `//!` header: what it is, what it is not, its layer, where to start");
    }
    if !text.is_empty() && !text.ends_with('\n') {
        find(lines, "no line end at the end of the file");
    }
    let mut in_tests = is_test_file(file);
    let mut above = "";
    for (index, line) in text.lines().enumerate() {
        let number = index.saturating_add(1);
        // `mod tests;` is another file; `mod tests {` goes on to the end of this one.
        let opens_tests = above.trim() == "#[cfg(test)]" && line.trim_end().ends_with('{');
        in_tests = in_tests || (is_rust && opens_tests);
        if line.ends_with([' ', '\t', '\r']) {
            find(number, "space at the end of the line");
        }
        if has_open_task(line) {
            find(number, &format!("{TASK} without an issue: write `{TASK}(#123)`, or do it"));
        }
        if in_tests && sleeps(line) && !above.contains(SLEEP_EXCUSE) {
            find(
                number,
                "a test sleeps: wait on a condition with a limit (`harness::eventually`), or say `// sleeps because …` above",
            );
        }
        above = line;
    }
    findings
}

fn is_crate_root(file: &Path) -> bool {
    let parts: Vec<_> = file.iter().filter_map(|part| part.to_str()).collect();
    matches!(
        parts.as_slice(),
        [_, _, "src", "lib.rs" | "main.rs"] | [_, _, "tests", _] | [_, _, "tests", "it", "main.rs"]
    ) || matches!(parts.as_slice(), [_, _, "src", "bin", ..])
}

fn is_test_file(file: &Path) -> bool {
    let parts: Vec<_> = file.iter().filter_map(|part| part.to_str()).collect();
    let source = ["rs", "mjs", "js", "ts"].contains(&kind(file));
    let folder = parts.iter().skip(2).any(|part| *part == "tests");
    source && (folder || parts.last().is_some_and(|name| *name == "tests.rs"))
}

fn has_open_task(line: &str) -> bool {
    line.match_indices(TASK).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at.saturating_add(TASK.len())..).unwrap_or_default();
        let is_word = before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
            && after.chars().next().is_none_or(|c| !c.is_alphanumeric() && c != '_');
        let has_issue = after
            .strip_prefix("(#")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        is_word && !has_issue
    })
}

/// Whether a line really waits. A method of that name belongs to a clock, which may be a fake.
fn sleeps(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let calls =
        [concat!("sle", "ep("), concat!("sle", "ep_until("), concat!("waitFor", "Timeout(")];
    calls.iter().any(|call| {
        code.match_indices(call).any(|(at, _)| {
            let before = code.get(..at).unwrap_or_default();
            let is_part = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let is_method = before.ends_with('.') && !call.starts_with("waitFor");
            !is_part && !is_method && !before.trim_end().ends_with("fn")
        })
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{TASK, check, judge_place, judge_text};
    use crate::workspace::Workspace;

    #[test]
    fn the_repository_is_tidy() {
        if let Err(error) = check(&Workspace::find().unwrap()) {
            panic!("{error:#}");
        }
    }

    #[test]
    fn each_kind_of_disorder_is_found() {
        let open_task = format!("// {TASK}: later\n");
        let settled_task = format!("// {TASK}(#12): later\n");
        let sleep = concat!("thread::sle", "ep(long);\n");
        let in_unit_tests = format!("//! x\n#[cfg(test)]\nmod tests {{\n{sleep}}}\n");
        let excused = format!("// sleeps because the clock must move\n{sleep}");
        let long = "//! x\n".to_owned() + &"let a = 1;\n".repeat(1000);
        for (file, text, findings) in [
            ("edge/node/src/a.rs", "let a = 1;\n", 0),
            ("edge/node/src/a.rs", "let a = 1; \n", 1),
            ("edge/node/src/a.rs", "let a = 1;", 1),
            ("edge/node/src/lib.rs", "mod a;\n", 1),
            ("edge/node/src/lib.rs", "//! A.\nmod a;\n", 0),
            ("edge/node/src/a.rs", &open_task, 1),
            ("edge/node/src/a.rs", &settled_task, 0),
            ("edge/node/src/a.rs", sleep, 0),
            ("edge/node/tests/it/a.rs", sleep, 1),
            ("edge/node/tests/it/a.rs", &excused, 0),
            ("edge/node/tests/it/a.rs", concat!("clock.sle", "ep(long);\n"), 0),
            ("edge/node/src/a.rs", &in_unit_tests, 1),
            ("edge/node/src/a.rs", &long, 1),
        ] {
            let found = judge_text(Path::new(file), text);
            assert_eq!(found.len(), findings, "{file}: {found:?}");
        }
    }

    #[test]
    fn generated_files_are_refused_and_fixtures_are_not() {
        assert!(judge_place(Path::new("assets/storefront/dist/index.html")).is_some());
        assert!(judge_place(Path::new("assets/models/chair.glb")).is_some());
        assert!(judge_place(Path::new("tests/fixtures/cube.glb")).is_none());
        assert!(judge_place(Path::new("edge/node/src/target.rs")).is_none());
    }
}

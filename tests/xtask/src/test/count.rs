//! Reads the closing lines of test runners.

/// How many tests ran, and how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Count {
    /// Adds up what nextest, `cargo test`, node's runner, or a plain `N passed, N failed` say.
    pub(crate) fn of(lines: &[String]) -> Self {
        let lines: Vec<String> = lines.iter().map(|line| without_colours(line)).collect();
        // Nextest prints a failed test's own output, with a result line for the one test in it.
        let is_nextest = lines.iter().any(|line| line.trim().starts_with("Summary ["));
        lines
            .iter()
            .filter(|line| !(is_nextest && line.trim().starts_with("test result:")))
            .map(|line| Self::of_line(line))
            .fold(Self::default(), Self::plus)
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed.saturating_add(other.passed),
            failed: self.failed.saturating_add(other.failed),
            skipped: self.skipped.saturating_add(other.skipped),
        }
    }

    fn of_line(line: &str) -> Self {
        let line = line.trim();
        // The validators of models: files are their tests.
        if line.contains(" files, ") && line.contains(" errors") {
            let failed = before(line, "errors");
            let passed = before(line, "files,").saturating_sub(failed);
            return Self { passed, failed, skipped: 0 };
        }
        // The simulator: seeds are its tests.
        if line.contains(" seeds from ") && line.contains(" failed; ") {
            let (ran, failed) = (before(line, "of"), before(line, "failed;"));
            return Self { passed: ran.saturating_sub(failed), failed, skipped: 0 };
        }
        let node = ["# ", "ℹ "].iter().find_map(|mark| line.strip_prefix(mark));
        if let Some(text) = node {
            let number = |word: &str| {
                text.strip_prefix(word).and_then(|rest| rest.trim().parse().ok()).unwrap_or(0)
            };
            return Self {
                passed: number("pass "),
                failed: number("fail "),
                skipped: number("skipped "),
            };
        }
        let is_closing = line.starts_with("test result:")
            || (line.starts_with("Summary [") && line.contains(" run: "))
            || is_plain(line);
        if !is_closing {
            return Self::default();
        }
        Self {
            passed: before(line, "passed"),
            failed: before(line, "failed").saturating_add(before(line, "timed out")),
            skipped: before(line, "skipped").saturating_add(before(line, "ignored")),
        }
    }
}

/// `N passed, N failed` alone on a line, perhaps with more after it.
fn is_plain(line: &str) -> bool {
    let mut words = line.split(' ');
    words.next().is_some_and(|word| word.parse::<u64>().is_ok())
        && words.next() == Some("passed,")
        && words.next().is_some_and(|word| word.parse::<u64>().is_ok())
        && words.next().is_some_and(|word| word.starts_with("failed"))
}

/// The number right before a word.
fn before(line: &str, word: &str) -> u64 {
    line.find(word)
        .and_then(|at| line.get(..at))
        .and_then(|text| text.split_whitespace().next_back())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

fn without_colours(line: &str) -> String {
    let mut plain = String::new();
    let mut parts = line.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        // `[…m`: what follows the letter is text.
        plain.push_str(part.split_once('m').map_or(part, |(_, text)| text));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn closing_lines_of_each_runner_are_read_and_others_are_not() {
        for (line, passed, failed, skipped) in [
            (
                "     Summary [   0.5s] 12 tests run: 10 passed (1 slow), 1 failed, 1 timed out, 3 skipped",
                10,
                2,
                3,
            ),
            (
                "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.12s",
                5,
                0,
                1,
            ),
            ("# pass 7", 7, 0, 0),
            ("ℹ fail 2", 0, 2, 0),
            ("9 passed, 1 failed, 2 skipped", 9, 1, 2),
            ("the 9 passed, as we say", 0, 0, 0),
            ("7 of 9 seeds from 1 ran, 600 steps each, 1 failed; 3.6 s, 2 at once", 6, 1, 0),
            ("gltf-validator 2.0.0: 24 files, 0 errors, 3 warnings; largest 9 bytes", 24, 0, 0),
            (
                "\u{1b}[32m     Summary\u{1b}[0m [   0.5s] \u{1b}[1m3\u{1b}[0m tests run: \u{1b}[1m3\u{1b}[0m passed, 0 skipped",
                3,
                0,
                0,
            ),
        ] {
            assert_eq!(Count::of(&[line.to_owned()]), Count { passed, failed, skipped }, "{line}");
        }
    }

    #[test]
    fn a_failed_test_of_nextest_is_counted_once() {
        let lines = [
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 136 filtered out",
            "     Summary [   0.5s] 3 tests run: 2 passed, 1 failed, 0 skipped",
        ];
        let count = Count::of(&lines.map(str::to_owned));
        assert_eq!(count, Count { passed: 2, failed: 1, skipped: 0 });
    }
}

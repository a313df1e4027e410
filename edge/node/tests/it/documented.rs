//! `docs/LIMITS.md` has every option that is a limit.

const LIMITS: &str = include_str!("../../../../docs/LIMITS.md");

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
